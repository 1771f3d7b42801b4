"""The array type of all computations, and constants for inner loops."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.floating[Any]]
"""Real numbers, either float32 or float64 throughout a computation."""


def _constants(value: float) -> dict[np.dtype[Any], Array]:
    return {np.dtype(t): np.array(value, t) for t in (np.float32, np.float64)}


# Multiplying a small array by a Python number takes NumPy two to three times as long as by a
# zero-dimensional array of the same dtype, since it must first determine the number's dtype.
HALF = _constants(0.5)
ONE = _constants(1.0)
ZERO = _constants(0.0)
