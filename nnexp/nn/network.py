"""A fully connected network: its architecture, and its parameters as one vector.

The vector theta contains the layers one after another. Each is a matrix of shape
(fan_out, fan_in + 1) with one row per neuron: its weights and, last, its bias. With a 1 appended to
every input, one matrix product covers weights and biases, and contiguous rows are the layout for
which BLAS is fastest with small batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nnexp.nn.activations import ACTIVATIONS, Activation, ActivationName
from nnexp.nn.arrays import Array
from nnexp.nn.costs import COSTS, CostFunction, CostName, weighted, why_not
from nnexp.nn.initializers import Draws
from nnexp.nn.outputs import OUTPUTS, Output, OutputName

if TYPE_CHECKING:
    import numpy.typing as npt

Draw = Callable[[Draws, int, int], Array]
"""An initializer: maps (rng, fan_in, fan_out) to an array of that shape."""


class Network:
    """The architecture of a network: everything except its parameters.

    Args:
        sizes: neurons of each layer, from the inputs to the outputs.
        activation: the hidden neurons' nonlinearity.
        output: the output neurons.
        cost: the cost to minimize; must suit the output.
        class_weights: a factor of the cost of each class's examples; None for 1.

    Raises:
        ValueError: cost and output do not match, or there are fewer than two sizes.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: ActivationName = "sigmoid",
        output: OutputName = "sigmoid",
        cost: CostName = "cross-entropy",
        class_weights: Sequence[float] | None = None,
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
        self.class_weights = class_weights
        if class_weights is not None:
            self.cost = weighted(self.cost, class_weights)

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
        """Return a view of theta for each layer: (fan_out, fan_in + 1), the biases last."""
        views, start = [], 0
        for rows, columns in self.shapes:
            views.append(theta[start : start + rows * columns].reshape(rows, columns))
            start += rows * columns
        return views

    def weights(self, theta: Array) -> list[Array]:
        """Return a view of each layer's weights, (fan_in, fan_out)."""
        return [layer[:, :-1].T for layer in self.layers(theta)]

    def biases(self, theta: Array) -> list[Array]:
        """Return a view of each layer's biases, (fan_out,)."""
        return [layer[:, -1] for layer in self.layers(theta)]

    def initial(self, rng: Draws, weights: Draw, biases: Draw, dtype: npt.DTypeLike) -> Array:
        """Draw theta in float64: all biases, layer by layer, then all weights; round to dtype."""
        theta: Array = np.empty(self.size)
        for bias in self.biases(theta):
            bias[:] = biases(rng, 1, bias.size)[0]
        for weight in self.weights(theta):
            weight[:] = weights(rng, *weight.shape)
        return theta.astype(dtype)

    def weight_mask(self, dtype: npt.DTypeLike) -> Array:
        """Return a vector like theta that is 1 for weights and 0 for biases."""
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
