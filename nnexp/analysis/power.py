"""Statistical power: how many seeds are needed to detect a difference between two methods."""

from __future__ import annotations

from typing import Literal, TypeAlias

Design: TypeAlias = Literal["paired t", "Welch"]

POWER = 0.8
"""The probability of detection at which a number of seeds is enough."""

ALPHA = 0.05
"""Two-sided significance level."""

MOST = 10_000
"""Maximum number of seeds to compute."""

REASONABLE = 100
"""Maximum number of seeds that are recommended to be trained."""

FEWEST_SEEDS: dict[Design, int] = {"paired t": 3, "Welch": 3}
"""Minimum number of seeds on each side; Welch's test of two against eight errs in 8.5 %, not 5."""

SURE = 20.0
"""Cap of the noncentrality: power is 1 from here on, and larger values break the series."""


def power(effect: float, seeds: int, design: Design, alpha: float = ALPHA) -> float:
    """Return the probability that a t-test detects a true difference.

    This is the probability of a noncentral t beyond the quantile on the difference's side; the
    other side, below 1e-5 for any useful power, is neglected. Pairs have n - 1 degrees of freedom
    and noncentrality d sqrt(n); two samples have 2(n - 1) and d sqrt(n/2).

    Args:
        effect: d, the difference in standard deviations of the pairs' differences, or of values.
        seeds: n, the number of pairs, or of values on each side.
        design: the test.
        alpha: two-sided significance level.

    Source: Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, chapter 2.
    """
    from scipy.special import nctdtr, stdtrit  # noqa: PLC0415 - a tenth of a second to import

    paired = design == "paired t"
    freedom = (seeds - 1) * (1 if paired else 2)
    noncentrality = min(SURE, abs(effect) * (seeds if paired else seeds / 2) ** 0.5)
    return 1 - float(nctdtr(freedom, noncentrality, stdtrit(freedom, 1 - alpha / 2)))


def seeds_needed(difference: float, sd: float, design: Design, alpha: float = ALPHA) -> int | None:
    """Return how many seeds on each side detect a difference with 80 % power.

    Args:
        difference: to detect.
        sd: standard deviation of the pairs' differences, or of the values of a side.
        design: the test.
        alpha: two-sided significance level, divided by the number of comparisons.

    Returns: the smallest number, or None if it exceeds 10,000.
    """
    low = FEWEST_SEEDS[design]
    if not difference:
        return None
    if not sd:
        return low
    effect = difference / sd
    if power(effect, low, design, alpha) >= POWER:
        return low
    high = 2 * low  # invariant: low is too few
    while high < MOST and power(effect, high, design, alpha) < POWER:
        low, high = high, 2 * high
    high = min(high, MOST)
    if power(effect, high, design, alpha) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(effect, middle, design, alpha) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return high
