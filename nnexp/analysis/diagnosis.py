"""Diagnose cost curves: whether the learning rate is too large, and from when a network overfits.

The rule holds a curve's relapses against its whole change. A relapse is a stretch of steps
against the curve's direction: rises where it falls on the whole. The curve is

- **diverged** if a cost is not finite, or the last is ten times the first;
- **oscillating** if large relapses, which undo a quarter of the whole change or more, keep
  coming (two at least, in a sixth of the epochs) and are the rule (the median one is large). So
  neither a few spikes nor the small noise of a long plateau makes an oscillation;
- **rising** if it ends above its start, or if its last two costs stand above the lowest by a
  quarter of all that it had fallen;
- **falling** if it ends below its start by 1 % or more, and **flat** otherwise.

A curve's end is the median of its last third; a last cost that is a quarter above the first
counts as an end too. What is less than 1 % of the cost counts for nothing. Among fewer than
five costs one large relapse is enough, since there is no room for more.

Source: after Nielsen (2015), chapter 3, on how to choose the learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from statistics import median
from typing import Literal, NamedTuple

Kind = Literal["falling", "flat", "oscillating", "rising", "diverged"]

NOTHING = 0.01
"""A change that is a smaller part of the cost counts for nothing."""
MUCH = 0.25
"""A relapse of this part of the whole change is no small one."""
OFTEN = 1 / 6
"""Relapses in this part of the epochs are no single spikes."""
EXPLODED = 10.0
"""A cost so many times the first one does not come back."""
SHORT = 5
"""A curve of fewer costs has no room for two relapses."""
HUGE = 1e300
"""Sums of larger numbers overflow: such a cost is taken for one that is not finite."""
NOTABLE = 0.1
"""Rises of this part of the falls are worth a word."""
UNDONE = 0.75
"""Rises of this part of the falls leave no progress that could be told from noise."""


class Diagnosis(NamedTuple):
    """What a cost curve does, and the numbers that this rests on."""

    kind: Kind
    first: float
    last: float
    lowest: float
    lowest_epoch: int
    change: float
    """From the first cost to the curve's end, as a part of the first: -0.5 has halved."""
    rises: float
    """The sum of all rises from one epoch to the next."""
    falls: float
    share: float
    """The part of the steps that are rises."""
    relapse: float
    """The median relapse as a part of the whole change; 0 where there is none."""
    jump: int | None
    """The epoch of a falling curve's largest rise, where that undoes a quarter of its change."""
    plateau: int | None
    """The epoch from which a falling curve no longer does."""

    @property
    def ratio(self) -> float | None:
        """The rises' sum over the falls': 0 where nothing rises, 1 where nothing is gained."""
        return self.rises / self.falls if self.falls else None

    @property
    def sentence(self) -> str:
        """What the curve does, in words, and the numbers behind it."""
        return f"{self.words} ({self.numbers})"

    @property
    def words(self) -> str:
        """What the curve does."""
        if self.kind in {"oscillating", "diverged"}:
            return f"{self.kind}: the learning rate is too large"
        if self.kind == "rising" and self.lowest < self.first:
            return f"rising since epoch {self.lowest_epoch}"
        said: str = self.kind
        if self.jump is not None:
            said += f" with a jump at epoch {self.jump}"
        elif self.kind == "falling" and self.rises >= NOTABLE * self.falls:
            said += " with small oscillation"
        if self.plateau is not None:
            said += f", then on a plateau from epoch {self.plateau}"
        return said

    @property
    def numbers(self) -> str:
        """From where to where the cost went, and its rises against its falls."""
        ends = f"{self.first:.4g} to {self.last:.4g}"
        if not math.isfinite(self.last) or not (self.rises or self.falls):
            return ends
        said = f"{ends}; {100 * self.share:.0f} % of the steps rise"
        said += f"; rises sum to {self.rises:.4g}, falls to {self.falls:.4g}"
        if self.relapse:
            said += f"; the median relapse is {100 * self.relapse:.3g} % of the whole change"
        return said


class Relapse(NamedTuple):
    """A stretch of steps against a curve's direction."""

    size: float
    epochs: int


def diagnose(costs: Sequence[float], epochs: Sequence[int] | None = None) -> Diagnosis | None:
    """Return what a cost curve does; None if there are fewer than two costs, all finite.

    Args:
        costs: one an epoch. What follows one that is not finite is not looked at.
        epochs: the epoch of each; by default 1, 2, 3, ….
    """
    places = list(epochs or range(1, len(costs) + 1))
    finite = _until_fault(costs)
    faulty = len(finite) < len(costs)
    if not faulty and len(costs) < 2:  # noqa: PLR2004 - a change is between two
        return None
    first, last = costs[0], costs[len(finite)] if faulty else costs[-1]
    finite = finite or [first]
    steps = [later - earlier for earlier, later in pairwise(finite)]
    change = _end(finite) - first
    kind = "diverged" if faulty else _kind(finite, steps, change)
    lowest = min(finite)
    return Diagnosis(
        kind=kind,
        first=first,
        last=last,
        lowest=lowest,
        lowest_epoch=places[finite.index(lowest)],
        change=change / abs(first) if first else 0.0,
        rises=math.fsum(step for step in steps if step > 0),
        falls=math.fsum(-step for step in steps if step < 0),
        share=sum(step > 0 for step in steps) / max(1, len(steps)),
        relapse=_typical(_relapses(steps, change)) / abs(change) if change else 0.0,
        jump=_jump(steps, places, change) if kind == "falling" else None,
        plateau=_plateau(finite, places, change) if kind == "falling" else None,
    )


def _until_fault(costs: Sequence[float]) -> list[float]:
    """Return the costs before the first that is not finite."""
    faults = (place for place, cost in enumerate(costs) if not abs(cost) < HUGE)
    return list(costs[: next(faults, len(costs))])


def _kind(costs: Sequence[float], steps: Sequence[float], change: float) -> Kind:
    first, lowest = abs(costs[0]), min(costs)
    nothing, fallen = NOTHING * first, costs[0] - lowest
    if costs[-1] > EXPLODED * first > 0:
        return "diverged"
    if _oscillates(costs, steps, change, NOTHING * abs(median(costs))):
        return "oscillating"
    if change > nothing or costs[-1] - costs[0] > MUCH * first:
        return "rising"
    stands = min(costs[-2:]) if len(costs) >= SHORT else costs[-1]
    if fallen > nothing and stands - lowest > max(nothing, MUCH * fallen):
        return "rising"
    return "falling" if change <= -nothing < 0 else "flat"


def _oscillates(
    costs: Sequence[float], steps: Sequence[float], change: float, nothing: float
) -> bool:
    much = max(MUCH * abs(change), nothing)
    relapses = _relapses(steps, change)
    large = [relapse for relapse in relapses if relapse.size >= much > 0]
    often = sum(relapse.epochs for relapse in large) >= OFTEN * len(steps)
    enough = len(large) >= (2 if len(costs) >= SHORT else 1)
    return often and enough and _typical(relapses) >= much


def _relapses(steps: Sequence[float], change: float) -> list[Relapse]:
    """Return the stretches of steps against a curve's direction."""
    runs = groupby(steps, key=lambda step: _against(step, change))
    stretches = [list(run) for against, run in runs if against]
    return [Relapse(abs(math.fsum(stretch)), len(stretch)) for stretch in stretches]


def _against(step: float, change: float) -> bool:
    return step < 0 if change > 0 else step > 0


def _typical(relapses: Sequence[Relapse]) -> float:
    return median(relapse.size for relapse in relapses) if relapses else 0.0


def _end(costs: Sequence[float]) -> float:
    return median(costs[-max(1, len(costs) // 3) :])


def _jump(steps: Sequence[float], epochs: Sequence[int], change: float) -> int | None:
    """Return the epoch of the largest rise in one step, if it is no small one."""
    largest = max(steps)
    return epochs[steps.index(largest) + 1] if largest >= MUCH * abs(change) else None


def _plateau(costs: Sequence[float], epochs: Sequence[int], change: float) -> int | None:
    """Return the epoch from which a curve stays at its end: a third of it, without progress.

    Without progress: its rises there undo nearly all its falls, or it does not move at all.
    """
    end = _end(costs)
    start = next(place for place, cost in enumerate(costs) if cost - end <= NOTHING * abs(change))
    tail = costs[start:]
    if len(tail) < max(SHORT, len(costs) / 3):
        return None
    steps = [later - earlier for earlier, later in pairwise(tail)]
    rises, falls = (math.fsum(max(0.0, sign * step) for step in steps) for sign in (1, -1))
    still = max(tail) - min(tail) <= NOTHING * abs(change)
    return epochs[start] if still or rises >= UNDONE * falls else None


WINDOW = 2
"""Epochs on either side whose median stands for a cost, so that a lucky one counts for nothing."""
LEAST = 5
"""Epochs after the lowest cost without which nothing lasts."""
END = 3
"""Epochs that the end of what follows has at least."""
NOISE = 3.0
"""A rise of so many typical steps is no noise."""


class Overfitting(NamedTuple):
    """The epoch of the lowest validation cost, and what both costs did from there on."""

    epoch: int
    lowest: float
    """The validation cost there."""
    end: float
    """The validation cost at the end: the median of the last third of what follows."""
    train_then: float
    train_end: float

    @property
    def sentence(self) -> str:
        """From when on the network overfits, in words, and the numbers behind it."""
        return (
            f"over-fitting from epoch {self.epoch}: since then the validation cost rose from "
            f"{self.lowest:.4g} to {self.end:.4g} while the training cost fell from "
            f"{self.train_then:.4g} to {self.train_end:.4g}"
        )


def overfits_from(
    train: Sequence[float], validation: Sequence[float], epochs: Sequence[int] | None = None
) -> Overfitting | None:
    """Return from when on the validation cost rises for good while the training cost falls.

    That epoch is the lowest validation cost's. The rise is from the level around it to the
    last third of what follows (both medians); it counts if it is more than 1 % and more than
    the noise, if all of that third stands above that level, and if the training cost fell.

    Args:
        train: the training cost of each epoch.
        validation: the validation cost of each.
        epochs: the epoch of each; by default 1, 2, 3, ….

    Returns: None if the network does not overfit, or not yet so that it could be told.
    """
    if not all(abs(cost) < HUGE for cost in (*train, *validation)):
        return None
    lowest = _lowest(validation)
    after = len(validation) - 1 - lowest
    if after < LEAST:
        return None
    last = validation[-max(END, after // 3) :]
    found = Overfitting(
        epoch=(epochs or range(1, len(validation) + 1))[lowest],
        lowest=validation[lowest],
        end=median(last),
        train_then=train[lowest],
        train_end=median(train[-len(last) :]),
    )
    level, fall = _level(validation, lowest), found.train_then - found.train_end
    noise = median(abs(later - earlier) for earlier, later in pairwise(validation[lowest:]))
    rise = found.end - level
    steady = after * noise <= 2 * rise  # then its steps are the rise itself
    much = rise > NOTHING * level and (steady or rise > NOISE * noise)
    return found if much and min(last) > level and fall > NOTHING * found.train_then else None


def _level(costs: Sequence[float], place: int) -> float:
    return median(costs[max(0, place - WINDOW) : place + WINDOW + 1])


def _lowest(costs: Sequence[float]) -> int:
    """Return the place of the lowest cost next to where the smoothed curve is lowest."""
    smooth = [_level(costs, place) for place in range(len(costs))]
    middle = smooth.index(min(smooth)) if smooth else 0
    around = range(max(0, middle - WINDOW), min(len(costs), middle + WINDOW + 1))
    return min(around, key=lambda place: costs[place], default=0)
