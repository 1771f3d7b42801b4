"""Forward and backward passes of a batch, in preallocated buffers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.network import Network

if TYPE_CHECKING:
    import numpy.typing as npt

Masks: TypeAlias = Sequence[Array]
"""A factor for each neuron of each hidden layer; 0 if dropout leaves the neuron out."""

SMALL_PRODUCT = 1_000_000
"""Maximum multiplications for which OpenBLAS uses its kernels for small matrices."""

MIN_BLOCK = 50
"""Minimum neurons in a block; with fewer, the overhead exceeds the gain."""


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
        # The hidden outputs with a 1 appended, the next layer's inputs. They are copies, since
        # NumPy is several times faster on contiguous arrays than on columns of a wider one.
        self._extended = [np.ones((rows, size + 1), dtype) for size in hidden]
        self.outputs: Array = np.empty_like(self._logits[-1])
        """The outputs of the last forward pass, (rows, classes)."""
        self._masks: Masks | None = None
        self._scale: Array = np.array(1.0, dtype)
        self._theta: Array | None = None
        self._gradient: Array | None = None

    def forward(self, theta: Array, inputs: Array, masks: Masks | None = None) -> None:
        """Compute the outputs for inputs of shape (rows, fan_in + 1), whose last column is 1.

        The hidden layers' outputs are multiplied by the masks, which come from dropout.
        """
        if theta is not self._theta:  # training passes the same vector at every step
            self._bind(theta)
        logits, apply = self._logits, self._network.activation.apply
        self._inputs = signal = inputs
        self._masks = masks
        for depth, hidden in enumerate(self._hidden):
            self._multiply(signal, depth)
            apply(logits[depth], hidden)
            signal = self._extended[depth]
            if masks is None:
                signal[:, :-1] = hidden
            else:
                np.multiply(hidden, masks[depth], out=signal[:, :-1])
        self._multiply(signal, len(self._hidden))
        self._network.output.apply(logits[-1], self.outputs)

    def _bind(self, theta: Array) -> None:
        """Cache the views of theta that forward needs: the layers, and their blocks if any."""
        self._theta, self._layers = theta, self._network.layers(theta)
        self._blocks = [
            _blocks(layer, z) for layer, z in zip(self._layers, self._logits, strict=True)
        ]

    def _multiply(self, signal: Array, depth: int) -> None:
        """Write a layer's logits for its input signal."""
        blocks = self._blocks[depth]
        if blocks is None:
            np.dot(signal, self._layers[depth].T, self._logits[depth])
        else:
            np.matmul(signal, blocks[0], out=blocks[1])

    @property
    def logits(self) -> list[Array]:
        """The z of each layer after a forward pass, (rows, size); the next pass overwrites them."""
        return self._logits

    @property
    def signals(self) -> list[Array]:
        """The inputs of each layer after a forward pass, (rows, fan_in + 1), the last column 1."""
        return [self._inputs, *self._extended]

    def slopes(self) -> list[Array]:
        """Return the slopes of each hidden layer after a forward pass, (rows, size)."""
        for hidden, slope in zip(self._hidden, self._slopes, strict=True):
            self._network.activation.slope(hidden, slope)
        return self._slopes

    def cost(self, targets: Array) -> float:
        """Return the sum of the examples' costs after a forward pass, without the penalty."""
        return self._network.cost.total(self._logits[-1], self.outputs, targets)

    def backward(self, targets: Array, scale: float, gradient: Array) -> None:
        """Write scale times the gradient of the summed cost to gradient, after a forward pass."""
        if gradient is not self._gradient:
            self._gradient, self._slots = gradient, self._network.layers(gradient)
        self._scale[()] = scale
        delta = self._deltas[-1]
        self._network.cost.delta(self.outputs, targets, delta)
        np.multiply(delta, self._scale, out=delta)  # cheaper than scaling the gradient
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


def _blocks(layer: Array, z: Array) -> tuple[Array, Array] | None:
    """Return views of a layer and its logits by blocks of neurons; None if one product is better.

    OpenBLAS has kernels for small products that are three to four times as fast, but a wide layer
    exceeds their limit with a batch of ten.
    """
    (neurons, width), rows = layer.shape, len(z)
    if neurons * rows * width <= SMALL_PRODUCT:
        return None
    sizes = (size for size in range(SMALL_PRODUCT // (rows * width), MIN_BLOCK - 1, -1))
    size = next((size for size in sizes if neurons % size == 0), None)
    if size is None:
        return None
    blocks = layer.reshape(-1, size, width).transpose(0, 2, 1)
    return blocks, z.reshape(rows, -1, size).transpose(1, 0, 2)


class Propagations(dict[int, Propagation]):
    """The passes for batches of any size, created on first use: ``propagations[rows]``."""

    def __init__(self, network: Network, dtype: npt.DTypeLike) -> None:
        super().__init__()
        self._network = network
        self._dtype = dtype

    def __missing__(self, rows: int) -> Propagation:
        """Create the passes for batches of this size."""
        self[rows] = Propagation(self._network, rows, self._dtype)
        return self[rows]
