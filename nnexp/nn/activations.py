"""Activation functions of hidden neurons. Those of output neurons are in ``outputs``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from nnexp.nn.arrays import HALF, ONE, ZERO, Array

ActivationName = Literal["sigmoid", "tanh", "relu"]


class Activation(NamedTuple):
    """A nonlinearity with its first and second derivative."""

    apply: Callable[[Array, Array], None]  # (z, out): out = apply(z)
    slope: Callable[[Array, Array], None]  # (a, out): out = da/dz, written in terms of a
    bend: Callable[[Array, Array], None]  # (a, out): out = d²a/dz², written in terms of a


def sigmoid(z: Array, out: Array) -> None:
    """Write 1 / (1 + exp(-z)) to out, computed as (1 + tanh(z/2)) / 2, which cannot overflow.

    Source: Nielsen (2015), eqs. 3 and 111.
    """
    half = HALF[z.dtype]
    np.multiply(z, half, out=out)
    np.tanh(out, out=out)
    np.multiply(out, half, out=out)
    np.add(out, half, out=out)


def sigmoid_slope(a: Array, out: Array) -> None:
    """Write a (1 - a) to out."""
    np.subtract(ONE[a.dtype], a, out=out)
    np.multiply(a, out, out=out)


def sigmoid_bend(a: Array, out: Array) -> None:
    """Write a (1 - a) (1 - 2a) to out."""
    np.multiply(a * (1.0 - a), 1.0 - 2.0 * a, out=out)


def tanh(z: Array, out: Array) -> None:
    """Write the hyperbolic tangent of z to out. Source: Nielsen (2015), eq. 109."""
    np.tanh(z, out=out)


def tanh_slope(a: Array, out: Array) -> None:
    """Write 1 - a^2 to out."""
    np.multiply(a, a, out=out)
    np.subtract(ONE[a.dtype], out, out=out)


def tanh_bend(a: Array, out: Array) -> None:
    """Write -2a (1 - a^2) to out."""
    np.multiply(-2.0 * a, 1.0 - a * a, out=out)


def relu(z: Array, out: Array) -> None:
    """Write max(0, z) to out. Source: Nielsen (2015), eq. 112."""
    np.maximum(z, ZERO[z.dtype], out=out)


def relu_slope(a: Array, out: Array) -> None:
    """Write 1 where a > 0, else 0, to out."""
    np.greater(a, ZERO[a.dtype], out=out)


def relu_bend(a: Array, out: Array) -> None:
    """Write 0 to out: the slope is constant on either side of the kink."""
    del a
    out.fill(0.0)


ACTIVATIONS: dict[ActivationName, Activation] = {
    "sigmoid": Activation(sigmoid, sigmoid_slope, sigmoid_bend),
    "tanh": Activation(tanh, tanh_slope, tanh_bend),
    "relu": Activation(relu, relu_slope, relu_bend),
}
