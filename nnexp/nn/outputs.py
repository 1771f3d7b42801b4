"""Output neurons: the function from logits to outputs, and the targets of a class.

``costs`` defines which cost suits which output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from nnexp.nn.activations import sigmoid, tanh
from nnexp.nn.arrays import Array

OutputName = Literal["sigmoid", "softmax", "tanh", "linear"]


class Output(NamedTuple):
    """The function that the last layer applies to its logits, and the targets in its range."""

    apply: Callable[[Array, Array], None]  # (z, out): out = outputs for logits z
    targets: tuple[float, float] = (0.0, 1.0)
    """A neuron's target for examples of other classes, and for those of its own class."""


def softmax(z: Array, out: Array) -> None:
    """Write exp(z_j) / sum_k exp(z_k) to out, one row per example, shifted by its maximum.

    Source: Nielsen (2015), eq. 78.
    """
    np.subtract(z, np.maximum.reduce(z, axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    np.divide(out, np.add.reduce(out, axis=1, keepdims=True), out=out)


def linear(z: Array, out: Array) -> None:
    """Write z itself to out."""
    np.copyto(out, z)


OUTPUTS: dict[OutputName, Output] = {
    "sigmoid": Output(sigmoid),
    "softmax": Output(softmax),
    "tanh": Output(tanh, targets=(-1.0, 1.0)),
    "linear": Output(linear),
}
