"""Verdicts on differences: better, worse, inside the noise, or too few seeds.

Of a comparison's many metrics, one is the headline, and is judged first (``judge``). Only where it
differs are the other metrics judged as well (``judge_others``), so that a comparison of equal
methods has a wrong word in at most 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from nnexp.analysis.power import ALPHA, FEWEST_SEEDS, MOST, REASONABLE, seeds_needed
from nnexp.analysis.statistics import (
    Difference,
    TooFewError,
    finite,
    hommel,
    hommel_level,
    paired_t,
    welch,
)
from nnexp.config.messages import ranges

VerdictName: TypeAlias = Literal["better", "worse", "noise", "identical", "too few", "unjudged"]
"""``unjudged``: the headline does not differ, so that other metrics are not judged."""

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

    def show(self, amount: float, *, whole: bool = False) -> str:
        """Format a value; costs have four decimals, and whole epochs none."""
        decimals = 4 if self.decimals is None else self.decimals
        if whole and self.name == "epochs":
            decimals = 0
        return f"{self.factor * amount:.{decimals}f}"


class Verdict(NamedTuple):
    """The verdict on one comparison."""

    outcome: VerdictName
    """Better, worse, or the reason for no verdict."""
    words: str
    """The same as a sentence."""
    amount: str
    """The difference with its interval, without unit, for table cells."""
    difference: Difference
    """The difference with its interval, and the test."""
    p: float | None
    """Adjusted for all that is judged; the outcome is better or worse if it is below 0.05."""
    needed: int | None
    """Seeds needed on each side if these are too few; None if they suffice, or for more than
    10,000."""
    alpha: float = ALPHA
    """The level at which it is judged by itself; the interval has the level 1 - alpha."""

    @property
    def differs(self) -> bool:
        """True if the outcome is better or worse."""
        return self.outcome in {"better", "worse"}

    @property
    def is_judged(self) -> bool:
        """True if configs are compared, for which two networks or too few seeds do not suffice."""
        return self.p is not None and self.difference.kind != "McNemar"

    @property
    def half_width(self) -> float | None:
        """Half-width of the interval, which excludes zero if p is below 0.05."""
        return self.difference.half_width(self.alpha)

    @property
    def is_out_of_reach(self) -> bool:
        """Whether even a reasonable number of seeds would be too few."""
        return self.outcome == "too few" and (self.needed is None or self.needed > REASONABLE)


def between(first: Mapping[int, float], second: Mapping[int, float], unit: Unit) -> Difference:
    """Compare two methods by the test that their seeds allow.

    With three or more common seeds: paired t on those. With no common seeds and at least three on
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
        others = (first.keys() | second.keys()) - set(common)
        if len(common) == 1:
            return _untested(a, b, common if others else ())
        paired = paired_t(a, b, unit.resolution)
        if len(common) >= FEWEST_SEEDS["paired t"]:
            return paired
        return replace(_untested(a, b, common if others else ()), sd=paired.sd)
    a, b = list(first.values()), list(second.values())
    if min(len(a), len(b)) < FEWEST_SEEDS["Welch"]:
        return _untested(a, b)
    return welch(a, b, unit.resolution)


def judge(
    differences: Mapping[str, Difference], unit: Unit, baseline: str = "A"
) -> dict[str, Verdict]:
    """Return the verdict on each method, compared with one baseline.

    If several are tested, p and interval are adjusted alike, by Bonferroni's method. A difference
    inside the noise comes with the number of seeds that would detect it with 80 % power, at a
    level of 5 % divided by the number of tests. Two single networks have no verdict.

    Args:
        differences: by the method's name; each is the method minus the baseline.
        unit: of the values.
        baseline: its name.
    """
    tested = sum(d.p is not None and d.kind != "McNemar" for d in differences.values())
    alpha = ALPHA / max(1, tested)
    method = f", Bonferroni over {tested}" if tested > 1 else ""
    return {
        name: _verdict(name, baseline, d, unit, _Judgement(_bonferroni(d, tested), alpha, method))
        for name, d in differences.items()
    }


def _bonferroni(difference: Difference, tested: int) -> float | None:
    if difference.p is None or difference.kind == "McNemar":
        return difference.p
    return min(1.0, tested * difference.p)


def judge_others(
    others: Mapping[str, tuple[Difference, Unit]],
    name: str,
    headline: Verdict | None,
    alpha: float = ALPHA,
    baseline: str = "A",
) -> dict[str, Verdict]:
    """Return the verdicts on a method's other metrics, after that on the headline.

    They are judged by Hommel's method at the headline's level, if it is better or worse. Together
    with the headline, which is then wrong in 5 %, or right, the family-wise error is 5 %.
    Intervals have the level of Hommel's method in either case. Metrics that are equal with every
    seed cannot differ by chance, and do not count.

    Args:
        others: difference and unit by metric.
        name: the method's name.
        headline: its verdict; None if it has none.
        alpha: the headline's level.
        baseline: the other method's name.
    """
    tested = {
        key: difference.p
        for key, (difference, _) in others.items()
        if difference.p is not None and not difference.identical and difference.kind != "McNemar"
    }
    level = hommel_level(list(tested.values()), alpha)
    adjusted = dict(zip(tested, hommel(list(tested.values())), strict=True))
    verdicts = {}
    for key, (difference, unit) in others.items():
        p = difference.p
        if key in adjusted:
            first = 0.0 if headline is None or headline.p is None else headline.p
            p = min(1.0, max(first, adjusted[key] * ALPHA / alpha))
        verdict = _verdict(name, baseline, difference, unit, _Judgement(p, level, ", Hommel"))
        is_silent = headline is None or not headline.differs
        if verdict.outcome in {"better", "worse", "noise"} and is_silent:
            words = f"not judged: {verdict.amount} {unit.name}".rstrip()
            verdict = verdict._replace(outcome="unjudged", words=words, p=None, needed=None)
        verdicts[key] = verdict
    return verdicts


def _untested(a: list[float], b: list[float], common: Sequence[int] = ()) -> Difference:
    if not a or not b:
        raise TooFewError("a comparison needs at least one value on each side, got none")
    difference = float(np.mean(finite(b, 1)) - np.mean(finite(a, 1)))
    return Difference("none", difference, (len(a), len(b)), common=tuple(common))


class _Judgement(NamedTuple):
    """How a difference is judged beside others."""

    p: float | None
    """Adjusted."""
    alpha: float
    """The level at which it is judged by itself."""
    method: str
    """In words, after p."""


def _verdict(
    name: str, baseline: str, difference: Difference, unit: Unit, judgement: _Judgement
) -> Verdict:
    p, alpha, method = judgement
    if difference.kind == "McNemar":
        alpha = ALPHA  # two networks are not judged, so that nothing is adjusted
    outcome = _outcome(difference, unit, p)
    needed = None
    if outcome in {"noise", "too few"} or difference.kind == "McNemar":
        needed = _needed(difference, alpha)
    amount = _amount(difference, unit, alpha)
    measured = f"{amount} {unit.name}".rstrip()
    if _is_of_two_networks(difference):
        words = _of_two_networks(name, baseline, difference, measured, needed)
    elif outcome == "too few":
        enough = f"{_rounded(difference, needed)} would do"
        words = f"{_too_few(difference, measured)}; {enough}"
    elif outcome == "identical":
        words = f"identical: {name} equals {baseline} ({_seeds(difference, ' seeds')})"
    elif outcome != "noise":
        evidence = f"{_seeds(difference, ' seeds')}, {p_words(p or 0.0)}{method}"
        words = f"{name} is {outcome}: {measured} ({evidence})"
    else:
        tested = f"{_seeds(difference, ' seeds')}, {p_words(p or 0.0)}{method}"
        evidence = f" ({tested})" if method else ""
        each = " each" if difference.kind == "Welch" else ""
        enough = f"{_rounded(difference, needed)} seeds{each} would detect it"
        words = f"~ inside the noise: {measured}{evidence}; {enough}"
    return Verdict(outcome, words, amount, difference, p, needed, alpha)


def _too_few(difference: Difference, measured: str) -> str:
    if difference.common:
        noun = "seed" if len(difference.common) == 1 else "seeds"
        which = f"{len(difference.common)}: {noun} {ranges(difference.common)}"
        return f"too few common seeds ({which}): {measured}"
    return f"too few seeds: {measured} with {_seeds(difference, '')}"


def _is_of_two_networks(difference: Difference) -> bool:
    """Return whether both sides are a single network, not one pair of several."""
    return difference.kind == "McNemar" or (
        difference.kind == "none" and difference.sizes == (1, 1) and not difference.common
    )


def _of_two_networks(
    name: str, baseline: str, difference: Difference, measured: str, needed: int | None
) -> str:
    """Return a sentence about two networks, which says nothing about their configs."""
    examples = f"{difference.sizes[0]:,} examples"
    if difference.identical:
        return f"these two networks: {name} equals {baseline} ({examples})"
    words = f"{name} minus {baseline} is {measured}"
    if difference.kind == "McNemar":
        p = difference.p or 0.0
        words += ", inside the noise" if p >= ALPHA else ""
        words += f" ({examples}, McNemar's {p_words(p)})"
    enough = _rounded(difference, needed)
    return f"these two networks: {words}; to judge the configs, {enough} seeds would do"


def _outcome(difference: Difference, unit: Unit, p: float | None) -> VerdictName:
    if difference.identical:
        return "identical"
    if p is None or difference.kind == "McNemar":
        return "too few"
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
    """Format the seeds needed, as far as they are known."""
    if needed is None:
        return f"more than {MOST:,}"
    if difference.kind in {"none", "McNemar"} and needed == USUAL:
        return str(needed)
    return about(needed)


def about(seeds: int) -> str:
    """Format an estimated number of seeds, rounded up to two digits."""
    return f"about {rounded_up(seeds):,}"


def rounded_up(seeds: int) -> int:
    """Round a number of seeds up to two digits."""
    unit: int = 10 ** max(0, len(str(seeds)) - DIGITS)
    return -(-seeds // unit) * unit


def _amount(difference: Difference, unit: Unit, alpha: float) -> str:
    return amount(difference.difference, difference.half_width(alpha), unit)


def amount(difference: float, half_width: float | None, unit: Unit) -> str:
    """Format a difference ± the half-width of its interval, if there is one, without the unit."""
    value = unit.factor * difference
    width = None if half_width is None else unit.factor * half_width
    decimals = unit.decimals
    if decimals is None:
        shown = width or abs(value)
        decimals = max(0, DIGITS - 1 - math.floor(math.log10(shown))) if shown else 0
    text = f"{value:+z.{decimals}f}"
    return text if width is None else f"{text} ± {width:.{decimals}f}"


def _seeds(difference: Difference, noun: str) -> str:
    a, b = difference.sizes
    if difference.kind == "Welch" and a == b:
        return f"{a}{noun} each"
    return f"{a}{noun}" if a == b else f"{a} and {b}{noun}"


def p_words(p: float) -> str:
    """Format p with three decimals, or as many as show on which side of 0.05 it is."""
    if p < 0.0005:  # noqa: PLR2004 - would round to 0.000
        return "p < 0.001"
    decimals = 3
    while p != ALPHA and round(p, decimals) == ALPHA:
        decimals += 1
    return f"p = {p:.{decimals}f}"


ACCURACY = Unit("points", 100.0, larger_is_better=True, resolution=1e-4, decimals=2)
"""Displayed in percentage points; 10,000 examples unless a split's size is known."""

COST = Unit("", 1.0, larger_is_better=False)

EPOCHS = Unit("epochs", 1.0, larger_is_better=False, resolution=1.0, decimals=1)
