"""How many seeds it takes to tell two methods apart."""

from __future__ import annotations

from typing import Literal, TypeAlias

Design: TypeAlias = Literal["paired t", "Welch"]

POWER = 0.8
"""The chance at which seeds "would tell" a difference."""

ALPHA = 0.05
"""Two-sided: p below it tells."""

MOST = 10_000
"""Seeds, beyond which nobody counts."""

REASONABLE = 100
"""Seeds, beyond which training them is not advised."""

FEWEST_SEEDS: dict[Design, int] = {"paired t": 3, "Welch": 2}
"""What either test takes at least."""

SURE = 20.0
"""A noncentrality at which even two degrees of freedom leave no doubt; farther on, series fail."""


def power(effect: float, seeds: int, design: Design, alpha: float = ALPHA) -> float:
    """Return the chance that a t-test tells a true difference.

    It is that of a noncentral t beyond the quantile, on the difference's own side; the other
    side's chance, under 1e-5 wherever the power is worth having, is left out. Pairs have n - 1
    degrees of freedom and noncentrality d sqrt(n); two samples 2(n - 1) and d sqrt(n/2).

    Args:
        effect: d, the difference in standard deviations: of pairs' differences, or of values.
        seeds: n, pairs or values a side.
        design: paired or not.
        alpha: below which a two-sided p tells.

    Source: Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, chapter 2.
    """
    from scipy.special import nctdtr, stdtrit  # noqa: PLC0415 - a tenth of a second to import

    paired = design == "paired t"
    freedom = (seeds - 1) * (1 if paired else 2)
    noncentrality = min(SURE, abs(effect) * (seeds if paired else seeds / 2) ** 0.5)
    return 1 - float(nctdtr(freedom, noncentrality, stdtrit(freedom, 1 - alpha / 2)))


def seeds_needed(difference: float, sd: float, design: Design, alpha: float = ALPHA) -> int | None:
    """Return how many seeds, each side, would tell a difference of that size with 80 % power.

    Args:
        difference: the size.
        sd: of pairs' differences, or of the values of a side.
        design: paired or not.
        alpha: below which a two-sided p tells; a share of it where several are compared.

    Returns: the fewest, or None for more than 10,000.
    """
    low = FEWEST_SEEDS[design]
    if not difference:
        return None
    if not sd:
        return low
    effect = difference / sd
    if power(effect, low, design, alpha) >= POWER:
        return low
    high = 2 * low  # low is too few from here on
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
