"""The hidden neurons' nonlinearities. Output neurons are in ``outputs``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from nnexp.nn.arrays import Array

ActivationName = Literal["sigmoid", "tanh", "relu"]


class Activation(NamedTuple):
    """A nonlinearity and its slope, kept together so that neither can be forgotten."""

    apply: Callable[[Array, Array], None]  # (z, out): out = apply(z); z is overwritten
    slope: Callable[[Array, Array], None]  # (a, out): out = da/dz, written in terms of a


def sigmoid(z: Array, out: Array) -> None:
    """Write 1 / (1 + exp(-z)) to out, by way of (1 + tanh(z/2)) / 2, which cannot overflow.

    Source: Nielsen (2015), eqs. 3 and 111.
    """
    np.multiply(z, 0.5, out=z)
    np.tanh(z, out=z)
    np.multiply(z, 0.5, out=z)
    np.add(z, 0.5, out=out)


def sigmoid_slope(a: Array, out: Array) -> None:
    """Write a (1 - a) to out."""
    np.subtract(1.0, a, out=out)
    np.multiply(a, out, out=out)


def tanh(z: Array, out: Array) -> None:
    """Write tanh(z) to out. Source: Nielsen (2015), eq. 109."""
    np.tanh(z, out=out)


def tanh_slope(a: Array, out: Array) -> None:
    """Write 1 - a^2 to out."""
    np.multiply(a, a, out=out)
    np.subtract(1.0, out, out=out)


def relu(z: Array, out: Array) -> None:
    """Write max(0, z) to out. Source: Nielsen (2015), eq. 112."""
    np.maximum(z, 0.0, out=out)


def relu_slope(a: Array, out: Array) -> None:
    """Write 1 where a > 0, else 0, to out."""
    np.greater(a, 0.0, out=out)


ACTIVATIONS: dict[ActivationName, Activation] = {
    "sigmoid": Activation(sigmoid, sigmoid_slope),
    "tanh": Activation(tanh, tanh_slope),
    "relu": Activation(relu, relu_slope),
}
