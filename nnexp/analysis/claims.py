"""Claims about a comparison's numbers, such as ``B.test_accuracy >= A.test_accuracy - 0.002``.

A claim is a query, as ``query`` reads them, of sums with a comparison between two of them. A sum
has numbers and values ``LETTER.metric``, each with ``+``, ``-`` and perhaps a factor; a number may
end in ``%``. Brackets join comparisons, not sums. It is read here, not by Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import NamedTuple

from nnexp.analysis.metrics import METRICS
from nnexp.analysis.query import FRACTION, SIGNS, Parser, Query, is_joint
from nnexp.analysis.verdicts import ACCURACY
from nnexp.config import messages
from nnexp.errors import UsageError

_TERM = re.compile(
    r"\s*([+-])?\s*"
    r"(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*([*%])?\s*)?"
    r"(?:([A-Z])\.([a-z][a-z_]*(?:\d+(?:\.\d+)?)?))?\s*",
    re.ASCII,
)
LONGEST = 1000
SUM = "a sum, such as A.test_accuracy - 0.2%,"
SUMS = "brackets join comparisons, not sums: write the sum without them"

Values = Callable[[str, str], float | None]
"""Returns the value of a letter's metric; None where there is none."""


class ClaimResult(NamedTuple):
    """What came of a claim."""

    claim: str
    holds: bool
    left: float | None
    right: float | None
    """Both sums where the claim is one comparison."""
    comparisons: tuple[ClaimResult, ...] = ()
    """What came of each where there are several."""


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
        """Return whether it holds; it does not where a value is missing."""
        left, right = (_sum(terms, value) for terms in (self.left, self.right))
        known = left is not None and right is not None
        holds = known and SIGNS[self.sign](left or 0.0, right or 0.0)
        return ClaimResult(self.text, holds, left, right)


class Claim(NamedTuple):
    """A claim that can be asked of a comparison."""

    text: str
    query: Query[_Inequality]

    def judge(self, value: Values) -> ClaimResult:
        """Return whether it holds."""
        every = {each: each.judge(value) for each in self.query.comparisons}
        if len(self.query.comparisons) == 1:
            return next(iter(every.values()))._replace(claim=self.text)
        holds = self.query.holds(lambda each: every[each].holds)
        return ClaimResult(self.text, holds, None, None, tuple(every.values()))


def parse(text: str, letters: str) -> Claim:
    """Return the claim that a text makes.

    Args:
        text: the claim.
        letters: those that it may speak of.

    Raises:
        UsageError: it is none.
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


def _side(parser: Parser[_Inequality], letters: str) -> tuple[_Term, ...]:
    """Return the sum that is next; nothing where there is none."""
    start = end = parser.next().start
    while parser.next().kind == "text" and not is_joint(parser.next()):
        end = parser.next().end
        parser.advance()
    return tuple(_terms(parser, parser.text[start:end], letters))


def _terms(parser: Parser[_Inequality], text: str, letters: str) -> Iterator[_Term]:
    place = 0
    while place < len(text):
        match = _TERM.match(text, place)
        sign, number, mark, letter, metric = match.groups() if match else (None,) * 5
        is_whole = (letter is None) != (number is None) or (mark and letter)
        is_odd = mark and (mark == "*") != bool(letter)
        if match is None or not is_whole or (place and not sign) or is_odd:
            rest = text[place:].strip()
            parser.refuse(f"{rest!r} is not understood; a sum is such as A.test_accuracy - 0.2%")
        if letter and letter not in letters:
            parser.refuse(f"there is no {letter}, only {', '.join(letters)}")
        if metric and metric not in METRICS:
            parser.refuse(unknown(metric))
        factor = float(number or 1) * (-1 if sign == "-" else 1) / (100 if mark == "%" else 1)
        yield _Term(factor, letter, metric)
        place = match.end()


def _check_fractions(
    parser: Parser[_Inequality], left: tuple[_Term, ...], right: tuple[_Term, ...]
) -> None:
    """Refuse a comparison of accuracies with a percentage that was written without its sign.

    Sums of accuracies differ by no more than their factors allow; a number that is over 1 and
    beyond these makes a claim that no accuracies could change.
    """
    terms = [*left, *(each._replace(factor=-each.factor) for each in right)]
    metrics = [each for each in terms if each.metric is not None]
    numbers = [each.factor for each in terms if each.metric is None]
    if not metrics or any(METRICS[str(e.metric)].unit is not ACCURACY for e in metrics):
        return
    largest = max(map(abs, numbers), default=0.0)
    low = sum(min(0.0, each.factor) for each in metrics)
    high = sum(max(0.0, each.factor) for each in metrics)
    if largest > 1 and not low <= -sum(numbers) <= high:
        parser.refuse(FRACTION.format(metrics[0].metric, f"{largest:g}"))


def unknown(metric: str) -> str:
    """Return what to say of a metric that is none."""
    by_label = {each.label.strip().replace(" ", "_"): key for key, each in METRICS.items()}
    close = [by_label[metric]] if metric in by_label else get_close_matches(metric, METRICS, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"there is no metric {metric!r}{hint} (known: {', '.join(METRICS)})"


def _sum(terms: tuple[_Term, ...], value: Values) -> float | None:
    total = 0.0
    for factor, letter, metric in terms:
        part = value(letter, metric) if letter and metric else 1.0
        if part is None:
            return None
        total += factor * part
    return total
