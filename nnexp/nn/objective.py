"""The cost of a batch as a function of theta: what an optimizer sees of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Propagation


class BatchObjective:
    """The mean cost over one batch plus the penalty, and its gradient.

    Args:
        network: the architecture.
        penalty: the regularization.
        dtype: of theta and of the examples.
    """

    def __init__(self, network: Network, penalty: Penalty, dtype: npt.DTypeLike) -> None:
        self._network = network
        self._penalty = penalty
        self._dtype = np.dtype(dtype)
        self._gradient: Array = np.empty(network.size, dtype)
        self._propagations: dict[int, Propagation] = {}

    def use(self, inputs: Array, targets: Array) -> None:
        """Speak of this batch from now on: inputs (rows, fan_in + 1), targets (rows, classes)."""
        rows = len(inputs)
        if rows not in self._propagations:
            self._propagations[rows] = Propagation(self._network, rows, self._dtype)
        self._propagation = self._propagations[rows]
        self._inputs, self._targets = inputs, targets

    def value(self, theta: Array) -> float:
        """Return the batch's mean cost plus the penalty."""
        self._propagation.forward(theta, self._inputs)
        mean = self._propagation.cost(self._targets) / len(self._inputs)
        return mean + self._penalty.total(theta)

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        """Return scale times the gradient of value, in a buffer that may be overwritten."""
        gradient = self._data_gradient(theta, scale)
        self._penalty.add_gradient(theta, scale, gradient)
        return gradient

    def descend(self, theta: Array, learning_rate: float) -> None:
        """Move theta, in place, by -learning_rate times the gradient of value."""
        gradient = self._data_gradient(theta, learning_rate)
        self._penalty.descend(theta, learning_rate)
        np.subtract(theta, gradient, out=theta)

    def _data_gradient(self, theta: Array, scale: float) -> Array:
        self._propagation.forward(theta, self._inputs)
        self._propagation.backward(self._targets, scale / len(self._inputs), self._gradient)
        return self._gradient
