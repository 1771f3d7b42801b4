"""From when on a network learns its training examples by heart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from nnexp.analysis.diagnosis import HUGE

WINDOW = 2
"""Epochs on either side whose median stands for a cost, so that a lucky one counts for nothing."""
LEAST = 5
"""Epochs after the lowest cost without which nothing lasts."""
END = 3
"""Epochs that the end of what follows has at least."""
NOTHING = 0.01
"""A change that is a smaller part of the cost counts for nothing."""
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
