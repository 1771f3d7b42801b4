"""The array type of all computations, and constants for inner loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[np.floating[Any]]"
"""Real numbers, either float32 or float64 throughout a computation."""


class Constants(dict[Any, Any]):
    """A number as a zero-dimensional array of each dtype, made when it is first used.

    Multiplying a small array by a Python number takes NumPy two to three times as long, since it
    must first determine the number's dtype.
    """

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def __missing__(self, dtype: np.dtype[Any]) -> Array:
        self[dtype] = array = np.array(self._value, dtype)
        return array


HALF = Constants(0.5)
ONE = Constants(1.0)
ZERO = Constants(0.0)
