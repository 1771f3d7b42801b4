"""The learning rate by its order of magnitude: which rate to try next, and what follows.

A rung is a rate that was tried, with the training cost of the first epochs. It is

- **steady** if the cost falls, its rises are less than a tenth of its falls, and it does not end
  a tenth above what a smaller steady rate came to (a cost can fall, from high up to less high,
  at a rate that is far too large);
- **too small** if the cost is flat and no smaller rate is steady;
- **too large** otherwise.

A network may be dead after an epoch at a rate that is far too large, and its cost then falls by
next to nothing, without a rise. So the ladder goes down until its smallest rate is clearly slower
than the best.

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
"""The ladder and both its ends."""
AROUND = tuple(float(f"{d}e{p}") for p in range(-3, 3) for d in (1, 2, 5))
"""What a threshold that was found before is multiplied by to see whether it still holds."""
BELOW = AROUND.index(0.2)
"""Where that begins: below, since a rate is judged beside smaller ones."""
OVERTAKEN = 0.1
"""Part of a smaller rate's cost: to end so much above it is no progress."""

Judgement: TypeAlias = Literal["steady", "too small", "too large"]


class Rung(NamedTuple):
    """A learning rate that was tried."""

    learning_rate: float
    costs: Sequence[float]
    """The training cost, an epoch each; the last is not finite where it diverged."""

    @property
    def diagnosis(self) -> Diagnosis:
        """What the cost does.

        Raises:
            ValueError: there are less than two costs, all finite.
        """
        found = diagnose(self.costs)
        if found is None:
            raise ValueError("a rung needs two costs")
        return found


class Judged(NamedTuple):
    """A rung and what it says of its rate."""

    rung: Rung
    diagnosis: Diagnosis
    judgement: Judgement
    why: str


def judged(rungs: Iterable[Rung]) -> list[Judged]:
    """Return each rung, by rising rate, with what it says."""
    found: list[Judged] = []
    lowest = math.inf
    for rung in sorted(rungs, key=lambda rung: rung.learning_rate):
        diagnosis = rung.diagnosis
        judgement, why = _judge(diagnosis, lowest)
        if judgement == "steady":
            lowest = min(lowest, _end(diagnosis))
        found.append(Judged(rung, diagnosis, judgement, why))
    return found


def _judge(diagnosis: Diagnosis, lowest: float) -> tuple[Judgement, str]:
    if diagnosis.kind == "flat" and lowest == math.inf:
        return "too small", "flat"
    if diagnosis.kind != "falling":
        return "too large", diagnosis.kind
    if diagnosis.rises >= NOTABLE * diagnosis.falls:
        return "too large", "falling, with oscillation"
    if _end(diagnosis) > (1 + OVERTAKEN) * lowest + NOTHING * diagnosis.first:
        return "too large", "falling, but less far than at a smaller rate"
    return "steady", "falling"


def _end(diagnosis: Diagnosis) -> float:
    """Return where a cost ends, a single epoch's noise left out."""
    return diagnosis.first * (1 + diagnosis.change)


def climb(grid: Sequence[float], start: int, rungs: Iterable[Rung]) -> float | None:
    """Return the rate of a grid to try next: up while none is too large, else down; None: done.

    Args:
        grid: rates, rising.
        start: the place in it to begin at.
        rungs: what was tried already.
    """
    known = {each.rung.learning_rate: each.judgement for each in judged(rungs)}
    place, direction = start, 1
    while 0 <= place < len(grid):
        if grid[place] not in known:
            return grid[place]
        large = known[grid[place]] == "too large"
        if place == start and large:
            direction = -1
        elif large == (direction > 0):
            return None
        place += direction
    return None


def foot(grid: Sequence[float], rungs: Iterable[Rung]) -> float | None:
    """Return the rate of a grid below all that were tried, if it is to be tried, too.

    It is unless the smallest of them is slower than a steady one.
    """
    seen = judged(rungs)
    ends = [_end(each.diagnosis) for each in seen if each.judgement == "steady"]
    is_slower = seen[0].judgement == "too small" or (
        seen[0].judgement == "steady" and ends[0] > (1 + OVERTAKEN) * min(ends)
    )
    if ends and is_slower:
        return None
    lower = [rate for rate in grid if rate < seen[0].rung.learning_rate]
    return max(lower, default=None)


def next_rates(rungs: Sequence[Rung]) -> list[float]:
    """Return the rates to try next: decades from 0.01, one by one, then pairs within one decade.

    Those of a pair are tried together: the threshold is the same whether or not the larger one is
    beyond it. None are left once the threshold is known.
    """
    coarse = climb(DECADES, DECADES.index(START), rungs)
    if coarse is None and any(each.judgement == "steady" for each in judged(rungs)):
        coarse = foot(DECADES, rungs)
    if coarse is not None:
        return [coarse]
    if fine := _fine(rungs):
        return fine
    lower = foot(DECADES, rungs)
    return [] if lower is None else [lower]


def _fine(rungs: Sequence[Rung]) -> list[float]:
    """Return the rates to try next within the threshold's decade; none: done, or it is unknown."""
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
            place = finer.index(rate)
            return [each for each in finer[place : place + 2] if each not in tried]
    return []


def within(decade: float) -> list[float]:
    """Return the rates between a power of ten and the next: 0.2, 0.3, … 0.9."""
    return [float(f"{digit * decade:.1g}") for digit in range(2, 10)]


def largest_below(rungs: Iterable[Rung]) -> float | None:
    """Return the largest rate below the first that is too large, or None."""
    found = None
    for each in judged(rungs):
        if each.judgement == "too large":
            break
        found = each.rung.learning_rate
    return found


def threshold(rungs: Iterable[Rung]) -> float | None:
    """Return the largest steady rate below the first that is too large; None if there is none."""
    found = None
    for each in judged(rungs):
        if each.judgement == "too large":
            break
        if each.judgement == "steady":
            found = each.rung.learning_rate
    return found


def failure(rungs: Iterable[Rung]) -> str:
    """Return why there is no threshold, and what may help."""
    seen = judged(rungs)
    rates = f"from {seen[0].rung.learning_rate:g} to {seen[-1].rung.learning_rate:g}"
    if all(each.judgement == "too small" for each in seen):
        return (
            f"the training cost stays flat with every learning rate {rates}: no rate makes this "
            "network learn; look at the data (do features differ between classes? is data.scale "
            "right?), at initializer and at activation (nnexp inspect shows saturation)"
        )
    kinds = ", ".join(dict.fromkeys(each.why for each in seen))
    return (
        f"the training cost falls steadily with no learning rate {rates} ({kinds}): are there "
        "enough training examples for an epoch to be more than a few steps, and is data.scale "
        "right? batch_size and initializer are the next suspects"
    )
