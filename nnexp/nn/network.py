"""A fully connected network: its architecture, and its parameters as one vector.

The vector theta holds the layers one after another; each is a matrix of shape
(fan_out, fan_in + 1), a row a neuron: its weights and, last, its bias. With a 1
appended to every input, one matrix product serves weights and biases alike, and
products along contiguous rows are the ones that BLAS is quickest at for small batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nnexp.nn.activations import ACTIVATIONS, Activation, ActivationName
from nnexp.nn.arrays import Array
from nnexp.nn.costs import COSTS, CostFunction, CostName, why_not
from nnexp.nn.initializers import Draws
from nnexp.nn.outputs import OUTPUTS, Output, OutputName

Draw = Callable[[Draws, int, int], Array]
"""An initializer: (rng, fan_in, fan_out) to an array of that shape."""


class Network:
    """The architecture: everything about a network but its parameters.

    Args:
        sizes: neurons of each layer, the inputs first and the outputs last.
        activation: the hidden neurons' nonlinearity.
        output: the output neurons.
        cost: what is minimized; must suit the output.

    Raises:
        ValueError: cost and output do not go together, or a size is missing.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: ActivationName = "sigmoid",
        output: OutputName = "sigmoid",
        cost: CostName = "cross-entropy",
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:  # noqa: PLR2004 - inputs and outputs
            raise ValueError(f"a network needs inputs and outputs, got sizes {tuple(sizes)}")
        reason = why_not(cost, output)
        if reason is not None:
            raise ValueError(reason)
        self.sizes = tuple(sizes)
        self.activation: Activation = ACTIVATIONS[activation]
        self.output: Output = OUTPUTS[output]
        self.cost: CostFunction = COSTS[cost][output]

    @cached_property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The shape of each layer's matrix, (fan_out, fan_in + 1)."""
        fan_ins, fan_outs = self.sizes[:-1], self.sizes[1:]
        return tuple((m, n + 1) for n, m in zip(fan_ins, fan_outs, strict=True))

    @cached_property
    def size(self) -> int:
        """The length of theta: the number of weights and biases."""
        return sum(rows * columns for rows, columns in self.shapes)

    def layers(self, theta: Array) -> list[Array]:
        """Return views of theta, a layer each: (fan_out, fan_in + 1), the biases last."""
        views, start = [], 0
        for rows, columns in self.shapes:
            views.append(theta[start : start + rows * columns].reshape(rows, columns))
            start += rows * columns
        return views

    def weights(self, theta: Array) -> list[Array]:
        """Return views of theta: the weights of each layer, (fan_in, fan_out)."""
        return [layer[:, :-1].T for layer in self.layers(theta)]

    def biases(self, theta: Array) -> list[Array]:
        """Return views of theta: the biases of each layer, (fan_out,)."""
        return [layer[:, -1] for layer in self.layers(theta)]

    def initial(self, rng: Draws, weights: Draw, biases: Draw, dtype: npt.DTypeLike) -> Array:
        """Draw theta: all biases, layer by layer, then all weights, in float64 before rounding."""
        theta: Array = np.empty(self.size)
        for bias in self.biases(theta):
            bias[:] = biases(rng, 1, bias.size)[0]
        for weight in self.weights(theta):
            weight[:] = weights(rng, *weight.shape)
        return theta.astype(dtype)

    def weight_mask(self, dtype: npt.DTypeLike) -> Array:
        """Return a vector like theta that is 1 where a weight stands and 0 where a bias does."""
        mask: Array = np.zeros(self.size, dtype)
        for weight in self.weights(mask):
            weight[:] = 1
        return mask

    def targets(self, labels: npt.NDArray[np.int64], dtype: npt.DTypeLike) -> Array:
        """Return the target outputs of examples with these labels, (examples, classes)."""
        other, own = self.output.targets
        table = np.full((self.sizes[-1], self.sizes[-1]), other, dtype)
        np.fill_diagonal(table, own)
        return table[labels]
