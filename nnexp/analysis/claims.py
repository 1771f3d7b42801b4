"""Claims about a comparison's numbers, such as ``B.test_accuracy >= A.test_accuracy - 0.002``.

A claim is a query (see ``query``) whose comparisons relate two sums. A sum has terms ``NUMBER``,
``NUMBER%`` and ``[NUMBER *] LETTER.metric``, joined by ``+`` and ``-``. Brackets group comparisons,
not sums. Claims are parsed here and never executed as Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct, structs

from nnexp.analysis.metrics import ALIASES, METRICS
from nnexp.analysis.query import FRACTION, SIGNS, Parser, Query, is_miscased_word
from nnexp.analysis.verdicts import ACCURACY
from nnexp.config import messages
from nnexp.errors import UsageError

_TERM = re.compile(
    r"\s*([+-])?\s*"
    r"(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*([*%])?\s*)?"
    r"(?:([A-Z]{1,2})\.([a-z][a-z_]*(?:\d+(?:\.\d+)?)?))?\s*",
    re.ASCII,
)
LONGEST = 1000
SUM = "a sum, such as A.test_accuracy - 0.2%,"
SUMS = "brackets group comparisons, not sums: write the sum without them"

Values = Callable[[str, str], float | None]
"""Returns the value of a letter's metric, or None if there is none."""


class ClaimResult(Struct, frozen=True, omit_defaults=True):
    """Whether a claim holds, and the values it compared."""

    claim: str
    """As given."""
    holds: bool
    left: float | None
    """This and the next are both sums, if the claim is a single comparison; else null."""
    right: float | None
    comparisons: tuple[ClaimResult, ...] = ()
    """The result of each comparison, if there are several."""


class _Term(NamedTuple):
    factor: float
    letter: str | None
    metric: str | None


class _Inequality(NamedTuple):
    text: str
    left: tuple[_Term, ...]
    sign: str
    right: tuple[_Term, ...]

    def judge(self, value: Values) -> ClaimResult:
        """Return whether the inequality holds; it does not if a value is missing."""
        left, right = (_sum(terms, value) for terms in (self.left, self.right))
        known = left is not None and right is not None
        holds = known and SIGNS[self.sign](left or 0.0, right or 0.0)
        return ClaimResult(self.text, holds, left, right)


class Claim(NamedTuple):
    """A parsed claim."""

    text: str
    query: Query[_Inequality]

    def judge(self, value: Values) -> ClaimResult:
        """Return whether the claim holds for a comparison's values."""
        results = {inequality: inequality.judge(value) for inequality in self.query.comparisons}
        if len(self.query.comparisons) == 1:
            return structs.replace(*results.values(), claim=self.text)
        holds = self.query.holds(lambda inequality: results[inequality].holds)
        return ClaimResult(self.text, holds, None, None, tuple(results.values()))


def parse(text: str, letters: Sequence[str]) -> Claim:
    """Parse a claim.

    Args:
        text: the claim.
        letters: of the experiments it may refer to.

    Raises:
        UsageError: the text is not a valid claim.
    """

    def comparison(parser: Parser[_Inequality]) -> _Inequality:
        start = parser.next().start
        left = _side(parser, letters)
        sign = parser.next()
        if not left:
            parser.expect(SUM)
        if sign.kind == "bracket":
            parser.refuse(SUMS)
        if sign.kind != "sign":
            parser.expect(f"one of {' '.join(SIGNS)}")
        parser.advance()
        right = _side(parser, letters)
        if not right and parser.next().text == "(":
            parser.refuse(SUMS)
        if not right:
            parser.expect(SUM)
        _check_fractions(parser, left, right)
        return _Inequality(text[start : parser.next().start].strip(), left, sign.text, right)

    if len(text) > LONGEST:
        message = f"must have at most {LONGEST:,} characters, got {len(text):,}"
        raise UsageError(f"--check {messages.shown(text)}: {message}")
    return Claim(text, Parser(text, comparison, f"--check {text!r}").query())


def _side(parser: Parser[_Inequality], letters: Sequence[str]) -> tuple[_Term, ...]:
    """Parse the sum that is next; return () if there is none."""
    start = end = parser.next().start
    while parser.next().kind == "text" and not is_miscased_word(parser.next()):
        end = parser.next().end
        parser.advance()
    return tuple(_terms(parser, parser.text[start:end], letters))


def _terms(parser: Parser[_Inequality], text: str, letters: Sequence[str]) -> Iterator[_Term]:
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        sign, number, mark, letter, metric = match.groups() if match else (None,) * 5
        is_complete = (letter is None) != (number is None) or (mark and letter)
        has_wrong_mark = mark and (mark == "*") != bool(letter)
        if match is None or not is_complete or (position and not sign) or has_wrong_mark:
            rest = text[position:].strip()
            parser.refuse(f"cannot parse {rest!r}; write a sum such as A.test_accuracy - 0.2%")
        if letter and letter not in letters:
            parser.refuse(f"there is no {letter}, only {', '.join(letters)}")
        if metric:
            metric = ALIASES.get(metric, metric)
            if metric not in METRICS:
                parser.refuse(unknown(metric))
        factor = float(number or 1) * (-1 if sign == "-" else 1) / (100 if mark == "%" else 1)
        yield _Term(factor, letter, metric)
        position = match.end()


def _check_fractions(
    parser: Parser[_Inequality], left: tuple[_Term, ...], right: tuple[_Term, ...]
) -> None:
    """Reject a comparison of accuracies with a percentage that lacks its % sign.

    It is recognized by a number above 1 that no accuracies from 0 to 1 could reach, so that the
    claim would always or never hold.
    """
    terms = [*left, *(term._replace(factor=-term.factor) for term in right)]
    metrics = [term for term in terms if term.metric is not None]
    numbers = [term.factor for term in terms if term.metric is None]
    if not metrics or any(METRICS[str(term.metric)].unit is not ACCURACY for term in metrics):
        return
    largest = max(map(abs, numbers), default=0.0)
    low = sum(min(0.0, term.factor) for term in metrics)
    high = sum(max(0.0, term.factor) for term in metrics)
    if largest > 1 and not low <= -sum(numbers) <= high:
        parser.refuse(FRACTION.format(metrics[0].metric, f"{largest:g}"))


def unknown(metric: str) -> str:
    """Return the error message about an unknown metric."""
    by_label = {m.label.strip().replace(" ", "_"): key for key, m in METRICS.items()}
    return messages.unknown("metric", metric, METRICS, by_label.get(metric), "nnexp compare --help")


def _sum(terms: tuple[_Term, ...], value: Values) -> float | None:
    total = 0.0
    for factor, letter, metric in terms:
        part = value(letter, metric) if letter and metric else 1.0
        if part is None:
            return None
        total += factor * part
    return total
