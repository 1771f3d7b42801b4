"""Verdicts on differences: better, worse, inside the noise, or too few seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from nnexp.analysis.power import ALPHA, FEWEST_SEEDS, MOST, REASONABLE, seeds_needed
from nnexp.analysis.statistics import Difference, TooFewError, finite, holm, paired_t, welch

VerdictName: TypeAlias = Literal["better", "worse", "noise", "identical", "too few"]

USUAL = 5
"""Recommended number of seeds if their spread is unknown."""

DIGITS = 2
"""Significant digits of an interval's half-width, if a unit does not fix its decimals."""


class Unit(NamedTuple):
    """The unit of a metric, and whether larger is better."""

    name: str
    """Written after a number; empty for none."""
    factor: float
    """Factor from values in metrics.jsonl to displayed ones."""
    larger_is_better: bool
    resolution: float = 0.0
    """Step of which values, before the factor, are whole multiples; zero for none."""
    decimals: int | None = None
    """None for as many as show two digits of the interval's half-width."""


class Verdict(NamedTuple):
    """The verdict on one comparison."""

    outcome: VerdictName
    words: str
    amount: str
    """The difference with its interval, without unit, for table cells."""
    difference: Difference
    p: float | None
    """Adjusted if several are compared; the outcome is better or worse if it is below 0.05."""
    needed: int | None
    """Seeds needed on each side if these are too few; None if they suffice, or for more than
    10,000."""

    @property
    def is_out_of_reach(self) -> bool:
        """Whether even a reasonable number of seeds would be too few."""
        return self.outcome == "too few" and (self.needed is None or self.needed > REASONABLE)


def between(first: Mapping[int, float], second: Mapping[int, float], unit: Unit) -> Difference:
    """Compare two methods by the test that their seeds allow.

    With three or more common seeds: paired t on those. With no common seeds and at least two on
    each side: Welch's t. Otherwise no test: one or two pairs are too few, and partly common seeds
    are neither pairs nor independent.

    Args:
        first: the first method's value by seed.
        second: the second method's.
        unit: of the values.

    Raises:
        TooFewError: a side has no value.
        ValueError: a value is not finite.
    """
    common = sorted(first.keys() & second.keys())
    if common:
        a, b = ([side[seed] for seed in common] for side in (first, second))
        if len(common) == 1:
            return _untested(a, b)
        paired = paired_t(a, b, unit.resolution)
        if len(common) >= FEWEST_SEEDS["paired t"]:
            return paired
        return replace(_untested(a, b), sd=paired.sd)
    a, b = list(first.values()), list(second.values())
    if min(len(a), len(b)) < FEWEST_SEEDS["Welch"]:
        return _untested(a, b)
    return welch(a, b, unit.resolution)


def judge(
    differences: Mapping[str, Difference], unit: Unit, baseline: str = "A"
) -> dict[str, Verdict]:
    """Return the verdict on each method, compared with one baseline.

    If several are tested, p is adjusted by Holm's method. A difference inside the noise comes with
    the number of seeds that would detect it with 80 % power, at a level of 5 % divided by the
    number of tests.

    Args:
        differences: by the method's name; each is the method minus the baseline.
        unit: of the values.
        baseline: its name.
    """
    tested = {name: d.p for name, d in differences.items() if d.p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {
        name: _verdict(name, baseline, difference, unit, adjusted.get(name), len(tested))
        for name, difference in differences.items()
    }


def _untested(a: list[float], b: list[float]) -> Difference:
    if not a or not b:
        raise TooFewError("a comparison needs at least one value on each side, got none")
    difference = float(np.mean(finite(b, 1)) - np.mean(finite(a, 1)))
    return Difference("none", difference, (len(a), len(b)))


def _verdict(
    name: str, baseline: str, difference: Difference, unit: Unit, p: float | None, tested: int
) -> Verdict:
    outcome = _outcome(difference, unit, p)
    needed = None
    if outcome in {"noise", "too few"} or difference.kind == "McNemar":
        needed = _needed(difference, ALPHA / max(1, tested))
    amount = _amount(difference, unit)
    measured = f"{amount} {unit.name}".rstrip()
    evidence = _evidence(difference, p, tested)
    if outcome == "too few":
        enough = f"{_rounded(difference, needed)} would do"
        words = f"too few seeds: {measured} with {_seeds(difference, '')}; {enough}"
    elif outcome == "identical":
        words = f"identical: {name} equals {baseline} ({_count(difference)})"
    elif outcome != "noise":
        words = f"{name} is {outcome}: {measured} ({_count(difference)}, {evidence})"
    else:
        shown = tested > 1 or difference.sign_flip_p is not None or difference.kind == "McNemar"
        words = f"~ inside the noise: {measured}"
        words += f" ({_count(difference)}, {evidence})" if shown else ""
        if difference.kind != "McNemar":
            each = " each" if difference.kind == "Welch" else ""
            words += f"; {_rounded(difference, needed)} seeds{each} would detect it"
    if difference.kind == "McNemar":
        words += "; this compares these two nets, not the methods"
    return Verdict(outcome, words, amount, difference, p, needed)


def _outcome(difference: Difference, unit: Unit, p: float | None) -> VerdictName:
    if p is None:
        return "too few"
    if difference.identical:
        return "identical"
    if not p < ALPHA:
        return "noise"
    return "better" if (difference.difference > 0) == unit.larger_is_better else "worse"


def _needed(difference: Difference, alpha: float) -> int | None:
    """Return how many seeds are needed; at least USUAL if sd comes from two values."""
    if difference.sd is None or (difference.kind == "none" and not difference.difference):
        return USUAL
    design: Literal["paired t", "Welch"] = "Welch" if difference.kind == "Welch" else "paired t"
    needed = seeds_needed(difference.difference, difference.sd, design, alpha)
    return max(USUAL, needed) if needed and difference.kind == "none" else needed


def _rounded(difference: Difference, needed: int | None) -> str:
    """Format an estimated number of seeds, rounded up to two digits."""
    if needed is None:
        return f"more than {MOST:,}"
    if difference.kind == "none" and needed == USUAL:
        return str(needed)
    unit = 10 ** max(0, len(str(needed)) - DIGITS)
    return f"about {-(-needed // unit) * unit:,}"


def _amount(difference: Difference, unit: Unit) -> str:
    value = unit.factor * difference.difference
    half_width = None if difference.half_width is None else unit.factor * difference.half_width
    decimals = unit.decimals
    if decimals is None:
        shown = half_width or abs(value)
        decimals = max(0, DIGITS - 1 - math.floor(math.log10(shown))) if shown else 0
    amount = f"{value:+z.{decimals}f}"
    return amount if half_width is None else f"{amount} ± {half_width:.{decimals}f}"


def _count(difference: Difference) -> str:
    if difference.kind == "McNemar":
        return f"1 seed, {difference.sizes[0]:,} examples"
    return _seeds(difference, " seeds")


def _seeds(difference: Difference, noun: str) -> str:
    a, b = difference.sizes
    if difference.kind == "Welch" and a == b:
        return f"{a}{noun} each"
    return f"{a}{noun}" if a == b else f"{a} and {b}{noun}"


def _evidence(difference: Difference, p: float | None, tested: int) -> str:
    parts = []
    if p is not None:
        parts.append(f"{_p('p', p)}{' after Holm' if tested > 1 else ''}")
    if difference.sign_flip_p is not None:
        text = _p("sign-flip p", difference.sign_flip_p)
        parts.append(f"{text}{' before' if tested > 1 else ''}")
    return ", ".join(parts)


def _p(name: str, p: float) -> str:
    """Format p with three decimals, or as many as show on which side of 0.05 it is."""
    if p < 0.0005:  # noqa: PLR2004 - would round to 0.000
        return f"{name} < 0.001"
    decimals = 3
    while p != ALPHA and round(p, decimals) == ALPHA:
        decimals += 1
    return f"{name} = {p:.{decimals}f}"


ACCURACY = Unit("points", 100.0, larger_is_better=True, resolution=1e-4, decimals=2)
"""Displayed in percentage points; 10,000 examples unless a split's size is known."""

COST = Unit("", 1.0, larger_is_better=False)

EPOCHS = Unit("epochs", 1.0, larger_is_better=False, resolution=1.0, decimals=1)
