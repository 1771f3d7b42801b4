"""Summarize results over seeds by mean and standard deviation.

Does not import ``statistics``, which would double the start-up time of ``nnexp runs``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct


class Spread(Struct, frozen=True):
    """The mean and standard deviation of a result over seeds."""

    mean: float
    sd: float | None
    """The sample standard deviation; None for one seed."""
    values: tuple[float, ...]
    """One for each seed."""

    @property
    def count(self) -> int:
        """The number of seeds."""
        return len(self.values)


def spread(values: Sequence[float]) -> Spread | None:
    """Return the mean and standard deviation of values, or None if there are none."""
    count = len(values)
    if not count:
        return None
    mean, known = math.fsum(values) / count, tuple(values)
    if count == 1:
        return Spread(mean, None, known)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return Spread(mean, sd, known)


class Sample(NamedTuple):
    """A metric over the runs of an experiment."""

    values: tuple[float | None, ...]
    """One value per run; None if a run has none."""

    @property
    def known(self) -> list[float]:
        """The values that are not None."""
        return [value for value in self.values if value is not None]

    @property
    def spread(self) -> Spread | None:
        """The mean and standard deviation over runs, if every run has a value."""
        return spread(self.known) if self.is_whole else None

    @property
    def mean(self) -> float | None:
        """The mean, if every run has a value."""
        spread = self.spread
        return None if spread is None else spread.mean

    @property
    def sd(self) -> float | None:
        """The standard deviation over runs, if there are two or more and all have a value."""
        spread = self.spread
        return None if spread is None else spread.sd

    @property
    def is_whole(self) -> bool:
        """Whether every run has a value."""
        return None not in self.values
