"""Search for the largest steady learning rate: choose the next rate to try, judge the tried ones.

A rung is a rate that was tried, with the training cost of the first epochs. It is

- **steady** if the cost falls, its rises are less than a tenth of its falls, and it ends at most a
  tenth above the cost of any smaller steady rate (at a rate that is far too large, a cost can fall
  from very high to less high);
- **too small** if the cost is flat and no smaller rate is steady;
- **too large** otherwise.

At a rate that is far too large, a network may die in its first epoch; its cost then falls by almost
nothing, without a rise. So the ladder is extended downwards until its smallest rate is clearly
slower than the best.

Source: Nielsen (2015), chapter 3: from 0.01 by factors of ten, then within the decade, and half
of the largest rate with which the cost falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from nnexp.analysis.diagnosis import NOTABLE, NOTHING, Diagnosis, diagnose

START = 0.01
DECADES = tuple(float(f"1e{power}") for power in range(-6, 5))
"""The rates of the ladder, from end to end."""
AROUND = tuple(float(f"{d}e{p}") for p in range(-3, 3) for d in (1, 2, 5))
"""Factors of an earlier threshold, to check whether it still holds."""
BELOW = AROUND.index(0.2)
"""Index of the first factor: below 1, since a rate is compared with smaller ones."""
OVERTAKEN = 0.1
"""A rate is too large if its cost ends higher than a smaller rate's by more than this fraction."""

Judgement: TypeAlias = Literal["steady", "too small", "too large"]


class Rung(NamedTuple):
    """A learning rate that was tried."""

    learning_rate: float
    costs: Sequence[float]
    """The training cost of each epoch; the last is not finite if training diverged."""

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
    """A rung with the judgement of its rate."""

    rung: Rung
    diagnosis: Diagnosis
    judgement: Judgement
    why: str


def judged(rungs: Iterable[Rung]) -> list[Judged]:
    """Return the judged rungs, sorted by rate."""
    result: list[Judged] = []
    lowest = math.inf
    for rung in sorted(rungs, key=lambda rung: rung.learning_rate):
        diagnosis = rung.diagnosis
        judgement, why = _judge(diagnosis, lowest)
        if judgement == "steady":
            lowest = min(lowest, _end(diagnosis))
        result.append(Judged(rung, diagnosis, judgement, why))
    return result


def _judge(diagnosis: Diagnosis, lowest: float) -> tuple[Judgement, str]:
    if diagnosis.kind == "flat" and lowest == math.inf:
        return "too small", "flat"
    if diagnosis.kind != "falling":
        return "too large", diagnosis.kind
    if diagnosis.rises >= NOTABLE * diagnosis.falls:
        return "too large", "falling, with oscillation"
    if _end(diagnosis) > (1 + OVERTAKEN) * lowest + NOTHING * diagnosis.first:
        return "too large", "falling, but less than at a smaller rate"
    return "steady", "falling"


def _end(diagnosis: Diagnosis) -> float:
    """Return the cost at a curve's end, smoothed over several epochs."""
    return diagnosis.first * (1 + diagnosis.change)


def climb(grid: Sequence[float], start: int, rungs: Iterable[Rung]) -> float | None:
    """Return the next rate of a grid to try, or None if the search is complete.

    The search goes up until a rate is too large, or down if the first rate is.

    Args:
        grid: the rates, in increasing order.
        start: index of the first rate to try.
        rungs: the rates tried so far.
    """
    judgements = {tried.rung.learning_rate: tried.judgement for tried in judged(rungs)}
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
    ends = [_end(steady.diagnosis) for steady in tried if steady.judgement == "steady"]
    is_slower = tried[0].judgement == "too small" or (
        tried[0].judgement == "steady" and ends[0] > (1 + OVERTAKEN) * min(ends)
    )
    if ends and is_slower:
        return None
    lower = [rate for rate in grid if rate < tried[0].rung.learning_rate]
    return max(lower, default=None)


def next_rates(rungs: Sequence[Rung]) -> list[float]:
    """Return the rates to try next: decades from 0.01, one by one, then pairs within one decade.

    The rates of a pair are tried together, since the threshold is the same even if the larger one
    exceeds it. The list is empty once the threshold is known.
    """
    coarse = climb(DECADES, DECADES.index(START), rungs)
    if coarse is None and any(tried.judgement == "steady" for tried in judged(rungs)):
        coarse = foot(DECADES, rungs)
    if coarse is not None:
        return [coarse]
    if fine := _fine(rungs):
        return fine
    lower = foot(DECADES, rungs)
    return [] if lower is None else [lower]


def _fine(rungs: Sequence[Rung]) -> list[float]:
    """Return the rates to try next in the threshold's decade; [] if done, or if it is unknown."""
    below = largest_below(rungs)
    if below is None:
        return []
    tried = {rung.learning_rate for rung in rungs}
    for decade, following in pairwise(DECADES):
        if decade <= below < following and following in tried:
            finer = within(decade)
            rate = climb(finer, 0, rungs)
            if rate is None:
                return []
            index = finer.index(rate)
            return [rate for rate in finer[index : index + 2] if rate not in tried]
    return []


def within(decade: float) -> list[float]:
    """Return the rates between a power of ten and the next: 0.2, 0.3, … 0.9."""
    return [float(f"{digit * decade:.1g}") for digit in range(2, 10)]


def largest_below(rungs: Iterable[Rung]) -> float | None:
    """Return the largest rate below the first that is too large, or None."""
    largest = None
    for tried in judged(rungs):
        if tried.judgement == "too large":
            break
        largest = tried.rung.learning_rate
    return largest


def threshold(rungs: Iterable[Rung]) -> float | None:
    """Return the largest steady rate below the first that is too large; None if there is none."""
    largest = None
    for tried in judged(rungs):
        if tried.judgement == "too large":
            break
        if tried.judgement == "steady":
            largest = tried.rung.learning_rate
    return largest


def failure(rungs: Iterable[Rung]) -> str:
    """Return why there is no threshold, with advice."""
    tried = judged(rungs)
    rates = f"from {tried[0].rung.learning_rate:g} to {tried[-1].rung.learning_rate:g}"
    if all(rung.judgement == "too small" for rung in tried):
        return (
            f"the training cost stays flat with every learning rate {rates}: no rate makes this "
            "network learn; check the data (do features differ between classes? is data.scale "
            "right?), the initializer and the activation (nnexp inspect shows saturation)"
        )
    kinds = ", ".join(dict.fromkeys(rung.why for rung in tried))
    return (
        f"no learning rate {rates} makes the training cost fall steadily ({kinds}); check "
        "that an epoch has more than a few steps and that data.scale is right, then batch_size "
        "and initializer"
    )
