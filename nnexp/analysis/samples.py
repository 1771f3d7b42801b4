"""Values that statistics are made of, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = Sequence[float] | npt.NDArray[np.float64]
Floats: TypeAlias = npt.NDArray[np.float64]

FEWEST = 2
"""Values that have a spread."""

LARGEST = 1e150
"""A number whose square is still one: sums, spreads and scales of larger ones overflow."""


class TooFewError(ValueError):
    """There are too few values for the test that was asked for."""


def finite(values: Values, fewest: int = FEWEST) -> Floats:
    """Return values as an array.

    Raises:
        TooFewError: there are fewer than ``fewest``.
        ValueError: one is not finite.
    """
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a value to compare is not a finite number")
    if len(array) < fewest:
        raise TooFewError(f"a test needs {fewest} values or more on a side, got {len(array)}")
    return array
