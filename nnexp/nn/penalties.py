"""Penalties that regularization adds to the cost: functions of the weights, not of the biases."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.network import Network

if TYPE_CHECKING:
    import numpy.typing as npt

RegularizerName = Literal["l2", "l1"]


class Regularizer(NamedTuple):
    """A penalty for λ/n = 1, and its slope."""

    total: Callable[[Array], float]  # (w): the penalty of these weights
    slope: Callable[[Array, Array, Array], None]  # (w, factors, out): out = factors * slope
    decays: bool
    """Whether the slope is w, so that a descent step multiplies w by 1 - factors. Otherwise the
    slope is piecewise constant and the penalty has no curvature."""


def l2(w: Array) -> float:
    """Return 1/2 sum w^2. Source: Nielsen (2015), eq. 85."""
    return 0.5 * float(np.einsum("ij,ij->", w, w, dtype=np.float64))


def l2_slope(w: Array, factors: Array, out: Array) -> None:
    """Write factors * w to out. Source: Nielsen (2015), eq. 91."""
    np.multiply(w, factors, out=out)


def l1(w: Array) -> float:
    """Return sum |w|. Source: Nielsen (2015), eq. 95."""
    return float(np.abs(w).sum(dtype=np.float64))


def l1_slope(w: Array, factors: Array, out: Array) -> None:
    """Write factors * sgn(w) to out, with sgn(0) = 0. Source: Nielsen (2015), eq. 96."""
    np.sign(w, out=out)
    np.multiply(out, factors, out=out)


REGULARIZERS: dict[RegularizerName, Regularizer] = {
    "l2": Regularizer(l2, l2_slope, decays=True),
    "l1": Regularizer(l1, l1_slope, decays=False),
}


class Penalty:
    """A regularizer of a given strength for the weights in a network's theta.

    Args:
        network: determines which elements of theta are weights.
        regularizer: the kind of penalty.
        strength: λ/n.
        dtype: of theta.
    """

    def __init__(
        self,
        network: Network,
        regularizer: RegularizerName,
        strength: float,
        dtype: npt.DTypeLike,
    ) -> None:
        self._network = network
        self._regularizer = REGULARIZERS[regularizer]
        self._strength = strength
        self._mask = network.weight_mask(dtype)
        # One factor per element, 0 for biases: one operation on the whole vector is faster than
        # one on each layer's weights, which are not contiguous.
        self._factors = np.zeros_like(self._mask)
        self._decay = np.ones_like(self._mask)
        self._factor = 0.0
        self._slope = np.empty_like(self._mask)

    def total(self, theta: Array) -> float:
        """Return the penalty."""
        if not self._strength:
            return 0.0
        return self._strength * sum(map(self._regularizer.total, self._network.weights(theta)))

    def add_gradient(self, theta: Array, scale: float, gradient: Array) -> None:
        """Add scale times the penalty's gradient to gradient."""
        if self._scale_to(scale):
            self._regularizer.slope(theta, self._factors, self._slope)
            np.add(gradient, self._slope, out=gradient)

    def descend(self, theta: Array, learning_rate: float) -> None:
        """Move theta, in place, by -learning_rate times the penalty's gradient."""
        if not self._scale_to(learning_rate):
            return
        if self._regularizer.decays:  # w <- (1 - ηλ/n) w, Nielsen (2015), eq. 93
            np.multiply(theta, self._decay, out=theta)
        else:
            self._regularizer.slope(theta, self._factors, self._slope)
            np.subtract(theta, self._slope, out=theta)

    def hessian_product(self, v: Array) -> Array:
        """Return the penalty's Hessian times v: for L2 it is diagonal, λ/n at the weights."""
        factor = self._strength if self._regularizer.decays else 0.0
        product: Array = self._mask * factor * v
        return product

    def _scale_to(self, scale: float) -> bool:
        """Set the factors for a scale, if it changed (it changes per epoch, not per step).

        Returns: whether the penalty has any effect.
        """
        factor = scale * self._strength
        if factor != self._factor:
            self._factor = factor
            np.multiply(self._mask, factor, out=self._factors)
            np.subtract(1.0, self._factors, out=self._decay)
        return factor != 0.0
