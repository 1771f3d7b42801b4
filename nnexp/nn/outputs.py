"""The output neurons: how logits become outputs, and what the targets of a class are.

Which cost suits which output stands in ``costs``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from nnexp.nn.activations import sigmoid, tanh
from nnexp.nn.arrays import Array

OutputName = Literal["sigmoid", "softmax", "tanh", "linear"]


class Output(NamedTuple):
    """What the last layer does with its logits, and the target outputs it can reach."""

    apply: Callable[[Array, Array], None]  # (z, out): out = outputs for logits z
    targets: tuple[float, float] = (0.0, 1.0)
    """The target of a neuron for an example of another class, and of its own class."""


def softmax(z: Array, out: Array) -> None:
    """Write exp(z_j) / sum_k exp(z_k) to out, a row an example; the row's maximum cancels.

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
