"""Forward and backward passes of one batch, in buffers that are made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nnexp.nn.arrays import Array
from nnexp.nn.network import Network

Masks: TypeAlias = Sequence[Array]
"""A factor for each neuron of each hidden layer: 0 where dropout leaves it out."""


class Propagation:
    """The passes for batches of one size.

    Args:
        network: the architecture.
        rows: examples in a batch.
        dtype: of all arrays in and out.
    """

    def __init__(self, network: Network, rows: int, dtype: npt.DTypeLike) -> None:
        self._network = network
        hidden = network.sizes[1:-1]
        self._logits = [np.empty((rows, size), dtype) for size in network.sizes[1:]]
        self._deltas = [np.empty_like(z) for z in self._logits]
        self._slopes = [np.empty((rows, size), dtype) for size in hidden]
        self._hidden = [np.empty((rows, size), dtype) for size in hidden]
        # The hidden outputs with a 1 appended, the next layer's inputs. They are copied, since
        # NumPy works on contiguous arrays several times as fast as on columns of a wider one.
        self._extended = [np.ones((rows, size + 1), dtype) for size in hidden]
        self.outputs: Array = np.empty_like(self._logits[-1])
        """What the last forward pass put out, (rows, classes)."""
        self._masks: Masks | None = None
        self._scale: Array = np.array(1.0, dtype)
        self._theta: Array | None = None
        self._gradient: Array | None = None

    def forward(self, theta: Array, inputs: Array, masks: Masks | None = None) -> None:
        """Compute the outputs for inputs of shape (rows, fan_in + 1), whose last column is 1.

        Masks are dropout's: what each hidden layer's outputs are multiplied by.
        """
        if theta is not self._theta:  # training passes the same vector at every step
            self._theta, self._layers = theta, self._network.layers(theta)
        layers, logits, apply = self._layers, self._logits, self._network.activation.apply
        self._inputs = signal = inputs
        self._masks = masks
        for depth, hidden in enumerate(self._hidden):
            np.dot(signal, layers[depth].T, logits[depth])
            apply(logits[depth], hidden)
            signal = self._extended[depth]
            if masks is None:
                signal[:, :-1] = hidden
            else:
                np.multiply(hidden, masks[depth], out=signal[:, :-1])
        np.dot(signal, layers[-1].T, logits[-1])
        self._network.output.apply(logits[-1], self.outputs)

    def slopes(self) -> list[Array]:
        """Return the slopes of the hidden neurons after a forward pass, (rows, size) a layer."""
        for hidden, slope in zip(self._hidden, self._slopes, strict=True):
            self._network.activation.slope(hidden, slope)
        return self._slopes

    def cost(self, targets: Array) -> float:
        """Return the sum of the examples' costs after a forward pass, without penalty."""
        return self._network.cost.total(self._logits[-1], self.outputs, targets)

    def backward(self, targets: Array, scale: float, gradient: Array) -> None:
        """Write scale times the gradient of the summed cost to gradient, after a forward pass."""
        if gradient is not self._gradient:
            self._gradient, self._slots = gradient, self._network.layers(gradient)
        self._scale[()] = scale
        delta = self._deltas[-1]
        self._network.cost.delta(self.outputs, targets, delta)
        np.multiply(delta, self._scale, out=delta)  # here it is small; the gradient is not
        for depth in range(len(self._hidden) - 1, -1, -1):
            np.dot(delta.T, self._extended[depth], self._slots[depth + 1])
            below, slope = self._deltas[depth], self._slopes[depth]
            np.dot(delta, self._layers[depth + 1][:, :-1], below)
            self._network.activation.slope(self._hidden[depth], slope)
            np.multiply(below, slope, out=below)
            if self._masks is not None:
                np.multiply(below, self._masks[depth], out=below)
            delta = below
        np.dot(delta.T, self._inputs, self._slots[0])


class Propagations(dict[int, Propagation]):
    """The passes for batches of any size, made when first asked for: ``passes[rows]``."""

    def __init__(self, network: Network, dtype: npt.DTypeLike) -> None:
        super().__init__()
        self._network = network
        self._dtype = dtype

    def __missing__(self, rows: int) -> Propagation:
        """Make the passes for batches of this size."""
        self[rows] = Propagation(self._network, rows, self._dtype)
        return self[rows]
