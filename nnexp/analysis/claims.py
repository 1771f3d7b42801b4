"""Claims about a comparison's numbers, such as ``B.test_accuracy >= A.test_accuracy - 0.002``.

A claim is two sums with a comparison between them; a sum has numbers and values
``LETTER.metric``, each with ``+``, ``-`` and perhaps a factor; a number may end in ``%``. It is
read here, not by Python.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple

from nnexp.analysis.metrics import METRICS
from nnexp.errors import UsageError

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}

_COMPARISON = re.compile(r"(.*?)(>=|<=|==|!=|>|<)(.*)", re.DOTALL)
_TERM = re.compile(
    r"\s*([+-])?\s*"
    r"(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*([*%])?\s*)?"
    r"(?:([A-Z])\.([a-z][a-z_]*(?:\d+(?:\.\d+)?)?))?\s*",
    re.ASCII,
)
LONGEST = 1000

Values = Callable[[str, str], float | None]
"""Returns the value of a letter's metric; None where there is none."""


class Outcome(NamedTuple):
    """What came of a claim."""

    claim: str
    holds: bool
    left: float | None
    right: float | None


class _Term(NamedTuple):
    factor: float
    letter: str | None
    metric: str | None


class Claim(NamedTuple):
    """A claim that can be asked of a comparison."""

    text: str
    left: list[_Term]
    operator: str
    right: list[_Term]

    def judge(self, value: Values) -> Outcome:
        """Return whether it holds; it does not where a value is missing."""
        left, right = (_sum(terms, value) for terms in (self.left, self.right))
        known = left is not None and right is not None
        return Outcome(
            self.text, known and OPERATORS[self.operator](left or 0.0, right or 0.0), left, right
        )


def parse(text: str, letters: str) -> Claim:
    """Return the claim that a text makes.

    Args:
        text: the claim.
        letters: those that it may speak of.

    Raises:
        UsageError: it is none.
    """
    match = _COMPARISON.fullmatch(text[:LONGEST])
    if match is None or len(text) > LONGEST or _COMPARISON.fullmatch(match[3]):
        raise UsageError(
            f"--check {text!r}: is no claim; one is 'B.test_accuracy >= A.test_accuracy - 0.002'"
        )
    left, sign, right = match.groups()
    return Claim(text, _terms(text, left, letters), sign, _terms(text, right, letters))


def _terms(claim: str, text: str, letters: str) -> list[_Term]:
    terms: list[_Term] = []
    place = 0
    while place < len(text):
        match = _TERM.match(text, place)
        sign, number, mark, letter, metric = match.groups() if match else (None,) * 5
        is_whole = (letter is None) != (number is None) or (mark and letter)
        is_odd = mark and (mark == "*") != bool(letter)
        if match is None or not is_whole or (terms and not sign) or is_odd:
            raise UsageError(f"--check {claim!r}: {text[place:].strip()!r} is not understood")
        _check(claim, letter, metric, letters)
        factor = float(number or 1) * (-1 if sign == "-" else 1) / (100 if mark == "%" else 1)
        terms.append(_Term(factor, letter, metric))
        place = match.end()
    if not terms:
        raise UsageError(f"--check {claim!r}: a side of it is empty")
    return terms


def _check(claim: str, letter: str | None, metric: str | None, letters: str) -> None:
    if letter is None or metric is None:
        return
    if letter not in letters:
        raise UsageError(f"--check {claim!r}: there is no {letter}, only {', '.join(letters)}")
    if metric not in METRICS:
        raise UsageError(f"--check {claim!r}: {unknown(metric)}")


def unknown(metric: str) -> str:
    """Return what to say of a metric that is none."""
    by_label = {each.label.strip().replace(" ", "_"): key for key, each in METRICS.items()}
    close = [by_label[metric]] if metric in by_label else get_close_matches(metric, METRICS, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"there is no metric {metric!r}{hint} (known: {', '.join(METRICS)})"


def _sum(terms: list[_Term], value: Values) -> float | None:
    total = 0.0
    for factor, letter, metric in terms:
        part = value(letter, metric) if letter and metric else 1.0
        if part is None:
            return None
        total += factor * part
    return total
