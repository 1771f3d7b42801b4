"""Diagnose cost curves: whether the learning rate is too large, and when a network overfits.

The rule compares a curve's relapses with its overall change. A relapse is a stretch of steps
against the curve's direction, such as rises in a falling curve. The curve is

- **diverged** if a cost is not finite, or the last is ten times the first;
- **oscillating** if large relapses, which undo at least a quarter of the overall change, recur
  (at least two, in a sixth of the epochs) and are typical (the median one is large). A few
  spikes, or small noise on a long plateau, are not an oscillation;
- **rising** if it ends above its start, or if its last two costs are above the lowest by a
  quarter of its total fall;
- **falling** if it ends below its start by 1 % or more, and **flat** otherwise.

A curve's end is the median of its last third; it also ends above its start if the last cost is a
quarter above the first. Changes of less than 1 % of the cost are ignored. Among fewer than five
costs, one large relapse suffices, since there is no room for more.

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
"""Changes below this fraction of the cost are ignored."""
MUCH = 0.25
"""A relapse of this fraction of the overall change is large."""
OFTEN = 1 / 6
"""Relapses in this fraction of the epochs are more than single spikes."""
EXPLODED = 10.0
"""A cost this many times the first one counts as diverged."""
SHORT = 5
"""Curves with fewer costs have no room for two relapses."""
HUGE = 1e300
"""Larger costs are treated as not finite, since sums of them overflow."""
NOTABLE = 0.1
"""Rises of this fraction of the falls are mentioned."""
UNDONE = 0.75
"""Rises of this fraction of the falls leave no progress distinguishable from noise."""


class Diagnosis(NamedTuple):
    """The kind of a cost curve, and the numbers behind it."""

    kind: Kind
    first: float
    last: float
    lowest: float
    lowest_epoch: int
    change: float
    """From the first cost to the curve's end, relative to the first: -0.5 means halved."""
    rises: float
    """The sum of all rises from one epoch to the next."""
    falls: float
    share: float
    """The fraction of steps that are rises."""
    relapse: float
    """The median relapse as a fraction of the overall change; 0 if there is none."""
    jump: int | None
    """The epoch of a falling curve's largest rise, if it undoes a quarter of its change."""
    plateau: int | None
    """The epoch from which a falling curve is level."""

    @property
    def ratio(self) -> float | None:
        """Sum of rises over sum of falls: 0 if nothing rises, 1 if nothing is gained."""
        return self.rises / self.falls if self.falls else None

    @property
    def sentence(self) -> str:
        """The diagnosis in words, and the numbers behind it."""
        return f"{self.words} ({self.numbers})" if self.numbers else self.words

    @property
    def words(self) -> str:
        """The diagnosis in words."""
        if self.kind in {"oscillating", "diverged"}:
            return f"{self.kind}: the learning rate is too large"
        if self.kind == "rising" and self.lowest < self.first:
            return f"rising since epoch {self.lowest_epoch}"
        text: str = self.kind
        if self.jump is not None:
            text += f" with a jump at epoch {self.jump}"
        elif self.kind == "falling" and self.rises >= NOTABLE * self.falls:
            text += " with small oscillation"
        if self.plateau is not None:
            text += f", then on a plateau from epoch {self.plateau}"
        return text

    @property
    def numbers(self) -> str:
        """The first and last cost, and the rises and falls, as far as these are finite."""
        if not math.isfinite(self.first):
            return ""
        if not math.isfinite(self.last):
            return f"from {self.first:.4g}"
        ends = f"{self.first:.4g} to {self.last:.4g}"
        if not (self.rises or self.falls):
            return ends
        text = f"{ends}; {100 * self.share:.0f} % of the steps rise"
        text += f"; rises sum to {self.rises:.4g}, falls to {self.falls:.4g}"
        if self.relapse:
            text += f"; the median relapse is {100 * self.relapse:.3g} % of the whole change"
        return text


class Relapse(NamedTuple):
    """A stretch of steps against a curve's direction."""

    size: float
    epochs: int


def diagnose(costs: Sequence[float], epochs: Sequence[int] | None = None) -> Diagnosis | None:
    """Diagnose a cost curve; return None for fewer than two costs that are all finite.

    Args:
        costs: one for each epoch; those after the first that is not finite are ignored.
        epochs: the epoch of each cost; by default 1, 2, 3, ….
    """
    epochs = list(epochs or range(1, len(costs) + 1))
    finite = _until_fault(costs)
    faulty = len(finite) < len(costs)
    if not faulty and len(costs) < 2:  # noqa: PLR2004 - a change needs two
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
        lowest_epoch=epochs[finite.index(lowest)],
        change=change / abs(first) if first else 0.0,
        rises=math.fsum(step for step in steps if step > 0),
        falls=math.fsum(-step for step in steps if step < 0),
        share=sum(step > 0 for step in steps) / max(1, len(steps)),
        relapse=_typical(_relapses(steps, change)) / abs(change) if change else 0.0,
        jump=_jump(steps, epochs, change) if kind == "falling" else None,
        plateau=_plateau(finite, epochs, change) if kind == "falling" else None,
    )


def _until_fault(costs: Sequence[float]) -> list[float]:
    """Return the costs before the first that is not finite."""
    faults = (index for index, cost in enumerate(costs) if not abs(cost) < HUGE)
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
    latest = min(costs[-2:]) if len(costs) >= SHORT else costs[-1]
    if fallen > nothing and latest - lowest > max(nothing, MUCH * fallen):
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
    """Return the epoch of the largest rise in one step, if it is large."""
    largest = max(steps)
    return epochs[steps.index(largest) + 1] if largest >= MUCH * abs(change) else None


def _plateau(costs: Sequence[float], epochs: Sequence[int], change: float) -> int | None:
    """Return the epoch from which at least a third of a curve makes no progress.

    From there on, rises undo nearly all falls, or the cost does not change at all.
    """
    end = _end(costs)
    start = next(index for index, cost in enumerate(costs) if cost - end <= NOTHING * abs(change))
    tail = costs[start:]
    if len(tail) < max(SHORT, len(costs) / 3):
        return None
    steps = [later - earlier for earlier, later in pairwise(tail)]
    rises, falls = (math.fsum(max(0.0, sign * step) for step in steps) for sign in (1, -1))
    still = max(tail) - min(tail) <= NOTHING * abs(change)
    return epochs[start] if still or rises >= UNDONE * falls else None


WINDOW = 2
"""Costs are smoothed by the median over this many epochs on either side."""
LEAST = 5
"""Minimum number of epochs after the lowest cost for a lasting rise."""
END = 3
"""Minimum number of epochs in the last third after the lowest cost."""
NOISE = 3.0
"""A rise of more typical steps than this is not noise."""


class Overfitting(NamedTuple):
    """The epoch of the lowest validation cost, and the change of both costs since then."""

    epoch: int
    lowest: float
    """The validation cost there."""
    end: float
    """The validation cost at the end: the median of the last third after the lowest."""
    train_then: float
    train_end: float

    @property
    def sentence(self) -> str:
        """When overfitting starts, in words, and the numbers behind it."""
        return (
            f"over-fitting from epoch {self.epoch}: since then the validation cost rose from "
            f"{self.lowest:.4g} to {self.end:.4g} while the training cost fell from "
            f"{self.train_then:.4g} to {self.train_end:.4g}"
        )


def overfits_from(
    train: Sequence[float], validation: Sequence[float], epochs: Sequence[int] | None = None
) -> Overfitting | None:
    """Return since when the validation cost rises while the training cost falls.

    That is the epoch of the lowest validation cost. The rise is measured from the level around
    it to the last third of the epochs after it (both medians). It must be more than 1 % and more
    than the noise, all of that third must be above the level, and the training cost must fall.

    Args:
        train: the training cost of each epoch.
        validation: the validation cost of each epoch.
        epochs: their numbers; by default 1, 2, 3, ….

    Returns: None if the network does not overfit, or not long enough to be sure.
    """
    if not all(abs(cost) < HUGE for cost in (*train, *validation)):
        return None
    lowest = _lowest(validation)
    after = len(validation) - 1 - lowest
    if after < LEAST:
        return None
    last = validation[-max(END, after // 3) :]
    overfitting = Overfitting(
        epoch=(epochs or range(1, len(validation) + 1))[lowest],
        lowest=validation[lowest],
        end=median(last),
        train_then=train[lowest],
        train_end=median(train[-len(last) :]),
    )
    level, fall = _level(validation, lowest), overfitting.train_then - overfitting.train_end
    noise = median(abs(later - earlier) for earlier, later in pairwise(validation[lowest:]))
    rise = overfitting.end - level
    steady = after * noise <= 2 * rise  # the steps then form the rise itself
    much = rise > NOTHING * level and (steady or rise > NOISE * noise)
    is_fall = fall > NOTHING * overfitting.train_then
    return overfitting if much and min(last) > level and is_fall else None


def _level(costs: Sequence[float], index: int) -> float:
    return median(costs[max(0, index - WINDOW) : index + WINDOW + 1])


def _lowest(costs: Sequence[float]) -> int:
    """Return the index of the lowest cost near the minimum of the smoothed curve."""
    smooth = [_level(costs, index) for index in range(len(costs))]
    middle = smooth.index(min(smooth)) if smooth else 0
    around = range(max(0, middle - WINDOW), min(len(costs), middle + WINDOW + 1))
    return min(around, key=lambda index: costs[index], default=0)
