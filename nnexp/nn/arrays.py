"""The array types that the mathematics is written in, and constants for its inner loop."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.floating[Any]]
"""Real numbers, float32 or float64 throughout one computation."""


def _constants(value: float) -> dict[np.dtype[Any], Array]:
    return {np.dtype(t): np.array(value, t) for t in (np.float32, np.float64)}


# On small arrays, NumPy takes two to three times as long to multiply by a Python number as by
# an array of no dimensions, and of the same type: it must find out the number's type first.
HALF = _constants(0.5)
ONE = _constants(1.0)
ZERO = _constants(0.0)
