"""Search for the largest steady learning rate: choose the next rates to try, judge the tried ones.

A rung is a rate that was tried with one seed, and the training cost of the first epochs. The
rungs of a rate are judged together, by its *unsteadiness*, which is the larger one of

- the cost's rises over its falls, averaged over the seeds, as a multiple of a half;
- the excess of the cost's end, averaged over the seeds, over the lowest end at a smaller rate, as
  a multiple of 8 % of that (at a rate that is far too large, a cost can fall from very high to
  less high).

A rate is **steady** if this is below 1 and the cost falls, **too small** if the cost is flat and no
smaller rate is steady, and **too large** otherwise.

The threshold is where the unsteadiness reaches 1, interpolated between the tried rates. So a small
change of a cost changes the threshold little, where a verdict on a curve would flip.

At a rate that is far too large, a network may die in its first epoch; its cost then falls by almost
nothing, without a rise. So the ladder is extended downwards until its smallest rate is clearly
slower than the best.

Source: Nielsen (2015), chapter 3: from 0.01 by factors of ten, then within the decade, and half
of the largest rate with which the cost falls.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Literal, NamedTuple, TypeAlias

from nnexp.analysis.diagnosis import NOTHING, Diagnosis, diagnose

START = 0.01
FIRST = (START, 0.1)
"""Trained together: the second is needed unless the first is too large."""
DECADES = tuple(float(f"1e{power}") for power in range(-6, 5))
"""The rates that one seed climbs, from end to end."""
GRID = (*(float(f"{digit}e{power}") for power in range(-6, 4) for digit in (1, 2, 5)), 1e4)
"""The rates that all seeds try around the threshold."""
AROUND = tuple(float(f"{d}e{p}") for p in range(-3, 3) for d in (1, 2, 5))
"""Factors of an earlier threshold, to check whether it still holds."""
BELOW = AROUND.index(0.2)
"""Index of the first factor: below 1, since a rate is compared with smaller ones."""
SCALE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
"""Digits of a threshold, a quarter apart: seeds do not agree more closely."""
UNDONE = 0.5
"""A rate is too large if rises undo this fraction of the falls."""
OVERTAKEN = 0.08
"""A rate is too large if its cost ends higher than a smaller rate's by more than this fraction."""
MOST = 100.0
"""Larger unsteadiness is cut off, so that a rate's distance beyond the limit matters little."""

Judgement: TypeAlias = Literal["steady", "too small", "too large"]


class Rung(NamedTuple):
    """A learning rate that was tried with a seed."""

    learning_rate: float
    costs: Sequence[float]
    """The training cost of each epoch; the last is not finite if training diverged."""
    seed: int = 0

    @property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis of the cost curve.

        Raises:
            ValueError: there are fewer than two costs, all of them finite.
        """
        diagnosis = diagnose(self.costs)
        if diagnosis is None:
            raise ValueError("a rung needs two costs")
        return diagnosis


class Judged(NamedTuple):
    """A learning rate with its judgement, from the rungs of all seeds that tried it."""

    learning_rate: float
    rungs: Sequence[Rung]
    """By seed."""
    unsteadiness: float
    """From 0 to ``MOST``: 1 is the limit."""
    judgement: Judgement
    why: str

    @property
    def end(self) -> float:
        """The cost at the curves' end, averaged over the seeds; infinite if one diverged."""
        return fmean(_end(rung.diagnosis) for rung in self.rungs)


def judged(rungs: Iterable[Rung]) -> list[Judged]:
    """Return the rates that were tried, in increasing order, with their judgements."""
    by_rate: dict[float, list[Rung]] = {}
    for rung in sorted(rungs, key=lambda rung: (rung.learning_rate, rung.seed)):
        by_rate.setdefault(rung.learning_rate, []).append(rung)
    result: list[Judged] = []
    lowest = math.inf
    for rate, tried in by_rate.items():
        result.append(Judged(rate, tried, *_judge([rung.diagnosis for rung in tried], lowest)))
        if result[-1].judgement == "steady":
            lowest = min(lowest, result[-1].end)
    return result


def _judge(diagnoses: Sequence[Diagnosis], lowest: float) -> tuple[float, Judgement, str]:
    """Return the unsteadiness of a rate, its judgement and the reason.

    Args:
        diagnoses: of the curves of each seed.
        lowest: the lowest end of a cost at a smaller steady rate; infinite if there is none.
    """
    kinds = [diagnosis.kind for diagnosis in diagnoses]
    kind = max(kinds, key=lambda kind: (kinds.count(kind), kind != "falling"))
    if kind == "flat" and lowest == math.inf:
        return 0.0, "too small", "flat"
    oscillation = fmean(map(_oscillation, diagnoses)) / UNDONE
    excess = _excess(diagnoses, lowest)
    unsteadiness = min(MOST, max(oscillation, excess))
    if kind != "falling":
        return max(1.0, unsteadiness), "too large", kind
    if unsteadiness < 1:
        return unsteadiness, "steady", "falling"
    if "diverged" in kinds:
        return unsteadiness, "too large", "diverged with some seeds"
    if oscillation >= excess:
        return unsteadiness, "too large", "falling, with oscillation"
    return unsteadiness, "too large", "falling, but less than at a smaller rate"


def _oscillation(diagnosis: Diagnosis) -> float:
    """Return a cost's rises over its falls: at most 1, and 1 if it diverged."""
    if diagnosis.kind == "diverged" or diagnosis.ratio is None:
        return float(diagnosis.kind == "diverged")
    return min(1.0, diagnosis.ratio)


def _excess(diagnoses: Sequence[Diagnosis], lowest: float) -> float:
    """Return how far a rate's cost ends above the lowest, as a multiple of what is allowed."""
    above = fmean(map(_end, diagnoses)) - lowest
    if not above > 0:
        return 0.0
    allowed = OVERTAKEN * lowest + NOTHING * fmean(diagnosis.first for diagnosis in diagnoses)
    return above / allowed if above < math.inf and allowed > 0 else math.inf


def _end(diagnosis: Diagnosis) -> float:
    """Return the cost at a curve's end, smoothed over several epochs; infinite if it diverged."""
    if diagnosis.kind == "diverged":
        return math.inf
    return diagnosis.first * (1 + diagnosis.change)


def climb(grid: Sequence[float], start: int, rungs: Iterable[Rung]) -> float | None:
    """Return the next rate of a grid to try, or None if the search is complete.

    The search goes up until a rate is too large, or down if the first rate is.

    Args:
        grid: the rates, in increasing order.
        start: index of the first rate to try.
        rungs: the rates tried so far.
    """
    judgements = {tried.learning_rate: tried.judgement for tried in judged(rungs)}
    index, direction = start, 1
    while 0 <= index < len(grid):
        if grid[index] not in judgements:
            return grid[index]
        is_large = judgements[grid[index]] == "too large"
        if index == start and is_large:
            direction = -1
        elif is_large == (direction > 0):
            return None
        index += direction
    return None


def foot(grid: Sequence[float], rungs: Iterable[Rung]) -> float | None:
    """Return the next lower rate of a grid, or None if the smallest tried rate is small enough.

    It is small enough if it is clearly slower than a steady one.
    """
    tried = judged(rungs)
    ends = [steady.end for steady in tried if steady.judgement == "steady"]
    is_slower = tried[0].judgement == "too small" or (
        tried[0].judgement == "steady" and ends[0] > (1 + OVERTAKEN) * min(ends)
    )
    if ends and is_slower:
        return None
    lower = [rate for rate in grid if rate < tried[0].learning_rate]
    return max(lower, default=None)


def next_trials(rungs: Sequence[Rung], seeds: Sequence[int]) -> list[tuple[float, int]]:
    """Return the rates to try next, each with a seed.

    The first seed climbs the decades from 0.01, and then tries the rates of ``GRID`` around the
    threshold as estimated so far: one above it, and two below, as the cost's excess is over
    theirs. Then all seeds try the upper two, between which the threshold is interpolated, until
    they have tried those around the last estimate.
    """
    tried = {(rung.learning_rate, rung.seed) for rung in rungs}
    coarse = climb(DECADES, DECADES.index(START), rungs)
    if coarse is None and any(rate.judgement == "steady" for rate in judged(rungs)):
        coarse = foot(DECADES, rungs)
    if coarse is not None:
        rates: tuple[float, ...] = (coarse,) if rungs else FIRST
    elif (estimate := crossing(rungs)) is not None:
        rates = _around(estimate)
    else:
        rates = _between(rungs)
    for some, own in ((rates, seeds[:1]), (rates[-2:], seeds)):
        points = [(rate, seed) for rate in some for seed in own if (rate, seed) not in tried]
        if points:
            return points
    lower = foot(DECADES, rungs)
    return [] if lower is None else [(lower, seeds[0])]


def _around(rate: float) -> tuple[float, ...]:
    """Return the two largest rates of the grid up to a rate, and the smallest above it."""
    above = bisect_right(GRID, rate)
    return GRID[max(0, above - 2) : above + 1]


def _between(rungs: Iterable[Rung]) -> tuple[float, ...]:
    """Return the rates between the largest that is too small and the smallest that is too large."""
    tried = judged(rungs)
    small = [rate.learning_rate for rate in tried if rate.judgement == "too small"]
    large = [rate.learning_rate for rate in tried if rate.judgement == "too large"]
    if not (small and large):
        return ()
    return tuple(rate for rate in GRID if max(small) < rate < min(large))


def crossing(rungs: Iterable[Rung]) -> float | None:
    """Return the rate at which the unsteadiness reaches 1; None if no rate is steady.

    Where it decreases with the rate, neighbours are pooled. Between the rates, its square root is
    interpolated over the rate's logarithm, since it grows ever faster with the rate. If no rate is
    too large, the largest one is returned.

    Source: isotonic regression by pooling adjacent violators (Ayer et al., 1955).
    """
    tried = [rate for rate in judged(rungs) if rate.judgement != "too small"]
    levels = _increasing(tried)
    if not tried or levels[0] >= 1:
        return None
    points = [
        (math.log(rate.learning_rate), math.sqrt(level))
        for rate, level in zip(tried, levels, strict=True)
    ]
    for (left, below), (right, above) in pairwise(points):
        if above >= 1:
            share = (1 - below) / (above - below)
            return math.exp(left + (right - left) * share)
    return tried[-1].learning_rate


def _increasing(tried: Sequence[Judged]) -> list[float]:
    """Return the unsteadiness of each rate, pooled so that it nowhere decreases."""
    pools: list[tuple[float, int, int]] = []  # mean, curves, rates
    for rate in tried:
        mean, curves, rates = rate.unsteadiness, len(rate.rungs), 1
        while pools and pools[-1][0] > mean:
            lower_mean, lower_curves, lower_rates = pools.pop()
            mean = (lower_mean * lower_curves + mean * curves) / (lower_curves + curves)
            curves, rates = curves + lower_curves, rates + lower_rates
        pools.append((mean, curves, rates))
    return [mean for mean, _, rates in pools for _ in range(rates)]


def threshold(rungs: Iterable[Rung]) -> float | None:
    """Return the largest steady rate, as interpolated and rounded; None if there is none."""
    rate = crossing(rungs)
    return None if rate is None else rounded(rate)


def rounded(rate: float) -> float:
    """Return the nearest rate whose digits are those of ``SCALE``."""
    power = math.floor(math.log10(rate))
    near = [float(f"{digit}e{power}") for digit in SCALE]
    return min(near, key=lambda candidate: abs(math.log(candidate / rate)))


def threshold_of_seed(rungs: Sequence[Rung], seed: int) -> float | None:
    """Return the threshold of a seed; rates that it did not try are judged by the other seeds."""
    tried = {rung.learning_rate for rung in rungs if rung.seed == seed}
    return threshold(rung for rung in rungs if rung.seed == seed or rung.learning_rate not in tried)


def failure(rungs: Iterable[Rung]) -> str:
    """Return why there is no threshold, with advice."""
    tried = judged(rungs)
    rates = f"from {tried[0].learning_rate:g} to {tried[-1].learning_rate:g}"
    if all(rate.judgement == "too small" for rate in tried):
        return (
            f"the training cost stays flat with every learning rate {rates}: no rate makes this "
            "network learn; check the data (do features differ between classes? is data.scale "
            "right?), the initializer and the activation (nnexp inspect shows saturation)"
        )
    kinds = ", ".join(dict.fromkeys(rate.why for rate in tried))
    return (
        f"no learning rate {rates} makes the training cost fall steadily ({kinds}); check "
        "that an epoch has more than a few steps and that data.scale is right, then batch_size "
        "and initializer"
    )
