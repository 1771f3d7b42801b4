"""Standardize features: subtract the mean and divide by the standard deviation of each.

The sums add row after row in float64, which gives the same bits on every processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnexp.datasets.dataset import Factors, Split
from nnexp.errors import DataError

if TYPE_CHECKING:
    from nnexp.datasets.dataset import Features

ROWS = 1000
"""Examples that are converted to float64 at once."""


LARGEST = 1e150
"""Features beyond this have squares that float64 cannot add up."""


def factors(features: Features, source: str = "data") -> Factors:
    """Return the mean and the standard deviation (of the population) of each feature.

    A constant feature gets the deviation 1, so that it becomes 0.

    Args:
        features: (examples, features).
        source: where they are from, for messages.

    Raises: DataError if one is too large.
    """
    count, width = features.shape
    low, high = features.min(axis=0), features.max(axis=0)
    largest = max(abs(float(low.min())), abs(float(high.max())))
    if largest > LARGEST:
        raise DataError(
            f"{source}: features up to {largest:g} are too large to standardize; use another unit, "
            "or drop them"
        )
    total = np.zeros(width)
    for start in range(0, count, ROWS):
        total += features[start : start + ROWS].sum(axis=0, dtype=np.float64)
    mean = total / count
    squares = np.zeros(width)
    for start in range(0, count, ROWS):
        squares += np.square(features[start : start + ROWS] - mean).sum(axis=0)
    deviation = np.sqrt(squares / count)
    is_constant = low == high
    mean = np.where(is_constant, features[0], mean)
    return Factors(mean, np.where(is_constant | (deviation == 0), 1.0, deviation))


def standardized(split: Split, factors: Factors, *, in_place: bool = False) -> Split:
    """Return a split with standardized features: float32, or float64 if they were.

    Args:
        split: the examples.
        factors: to standardize with.
        in_place: overwrite the split's own features if they are floats, to save memory.
    """
    features = split.features
    dtype = np.promote_types(features.dtype, np.float32)
    is_overwritten = in_place and features.dtype == dtype
    result = features if is_overwritten else np.empty(features.shape, dtype)
    for start in range(0, len(features), ROWS):
        rows = slice(start, start + ROWS)
        centred = features[rows] - factors.mean
        np.divide(centred, factors.deviation, out=result[rows], casting="same_kind")
    return Split(result, split.labels)


def original(features: Features, factors: Factors | None) -> Features:
    """Return standardized features as they were, but for rounding."""
    if factors is None:
        return features
    result: Features = features * factors.deviation + factors.mean
    return result
