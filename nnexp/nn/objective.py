"""The cost of a batch as a function of theta, for optimizers to minimize.

A batch consists of one piece, or of several if it is too large to be converted to floats at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nnexp.nn import curvature
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Masks, Propagations

if TYPE_CHECKING:
    import numpy.typing as npt

CURVATURE = 0.25
"""The second derivative of a sigmoid output's cross-entropy in its weighted input, where that is 0:
the sigmoid's slope."""

Piece: TypeAlias = tuple[Array, Array]
"""Inputs (rows, fan_in + 1), whose last column is 1, and targets (rows, classes)."""


class BatchObjective:
    """The mean cost over one batch plus the penalty, and its derivatives.

    Args:
        network: the architecture.
        penalty: the regularization.
        dtype: of theta and of the examples.
    """

    def __init__(self, network: Network, penalty: Penalty, dtype: npt.DTypeLike) -> None:
        self._network = network
        self._penalty = penalty
        self._propagations = Propagations(network, dtype)
        self._gradient: Array = np.empty(network.size, dtype)
        self._part: Array = np.empty(network.size, dtype)

    def use(
        self,
        examples: int,
        pieces: Callable[[], Iterable[Piece]],
        masks: Masks | None = None,
    ) -> None:
        """Set the current batch and its dropout masks.

        pieces is called for every pass over the batch.
        """
        self._examples, self._pieces, self._masks = examples, pieces, masks

    def value(self, theta: Array) -> float:
        """Return the batch's mean cost plus the penalty."""
        total = 0.0
        for inputs, targets in self._pieces():
            propagation = self._propagations[len(inputs)]
            propagation.forward(theta, inputs, self._masks)
            total += propagation.cost(targets)
        return total / self._examples + self._penalty.total(theta)

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

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        """Return the Hessian of value at theta, or its Gauss-Newton part, times v.

        v may be a matrix whose rows are several vectors, which is faster than one at a time.
        """
        product: Array = np.zeros_like(v)
        vectors, products = np.atleast_2d(v, product)
        for inputs, targets in self._pieces():
            products += curvature.hessian_products(
                self._network,
                theta,
                vectors,
                inputs,
                targets,
                self._masks,
                gauss_newton=gauss_newton,
            )
        product /= self._examples
        product += self._penalty.hessian_product(v)
        return product

    def input_scales(self, theta: Array) -> Array:
        """Return the root mean square, over the batch, of the input of each parameter.

        It is 1 for biases, and for inputs that are always 0.
        """
        scales: Array = np.zeros_like(theta)
        layers = self._network.layers(scales)
        for inputs, _ in self._pieces():
            propagation = self._propagations[len(inputs)]
            propagation.forward(theta, inputs, self._masks)
            for layer, signal in zip(layers, propagation.signals, strict=True):
                np.add(layer, np.square(signal).sum(axis=0), out=layer)
        np.sqrt(scales / self._examples, out=scales)
        scales[scales == 0] = 1.0
        return scales

    def rough_curvatures(self, theta: Array) -> Array:
        """Return guesses of the Hessian's diagonal: of the data's cost and of the penalty.

        The former is the mean square of each parameter's input times the cross-entropy's curvature
        in a weighted input of 0, 1/4.
        """
        penalty = self._penalty.hessian_product(np.ones_like(theta))
        curvatures: Array = CURVATURE * self.input_scales(theta) ** 2 + penalty
        return curvatures

    def _data_gradient(self, theta: Array, scale: float) -> Array:
        out, total = self._gradient, None
        for inputs, targets in self._pieces():
            propagation = self._propagations[len(inputs)]
            propagation.forward(theta, inputs, self._masks)
            propagation.backward(targets, scale / self._examples, out)
            if total is None:
                total, out = out, self._part
            else:
                np.add(total, out, out=total)
        return self._gradient
