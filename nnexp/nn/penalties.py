"""What regularization adds to the cost: a function of the weights, never of the biases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from nnexp.nn.arrays import Array

RegularizerName = Literal["l2"]


class Regularizer(NamedTuple):
    """A penalty for λ/n = 1 and its slope."""

    total: Callable[[Array], float]  # (w): the penalty
    slope: Callable[[Array, float, Array], None]  # (w, factor, out): out = factor * slope


def l2(w: Array) -> float:
    """Return 1/2 sum w^2. Source: Nielsen (2015), eq. 85."""
    return 0.5 * float(np.einsum("ij,ij->", w, w, dtype=np.float64))


def l2_slope(w: Array, factor: float, out: Array) -> None:
    """Write factor * w to out. Source: Nielsen (2015), eq. 91."""
    np.multiply(w, factor, out=out)


REGULARIZERS: dict[RegularizerName, Regularizer] = {"l2": Regularizer(l2, l2_slope)}
