"""A result over seeds: the mean, and how far the seeds lie apart.

Without ``statistics``, whose import takes as long as ``nnexp runs`` may.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """What a result comes to over seeds."""

    mean: float
    sd: float | None
    """The sample's standard deviation; None for one seed."""
    seeds: int


def spread(values: Sequence[float]) -> Spread | None:
    """Return the mean and standard deviation of values, or None where there are none."""
    count = len(values)
    if not count:
        return None
    mean = math.fsum(values) / count
    if count == 1:
        return Spread(mean, None, 1)
    return Spread(mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1)), count)
