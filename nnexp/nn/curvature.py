"""Exact products of the cost's Hessian with vectors, without forming the matrix.

``hessian_products`` is Pearlmutter's R-operator: every line of the forward and backward
pass is differentiated along v. Source: Pearlmutter (1994), "Fast exact multiplication by
the Hessian", Neural Computation 6. The Gauss-Newton product keeps only the terms for which
v · (G v) >= 0. Source: Schraudolph (2002), Neural Computation 14.

Several directions share the passes and their matrix products. Arrays that depend on a direction
have (rows · directions) rows, with an example's directions next to each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.propagation import Masks


class _Layer(NamedTuple):
    """A hidden layer's results of the forward pass and of its derivative along the directions."""

    slope: Array  # (rows, size): da/dz, masked
    bend: Array  # (rows, size): d²a/dz², masked
    signal: Array  # (rows, size + 1): the outputs with a 1 appended, the next layer's inputs
    z_along: Array  # (rows · directions, size): the derivative of z along each direction
    signal_along: Array  # (rows · directions, size + 1): the derivative of signal


def hessian_products(
    network: Network,
    theta: Array,
    vectors: Array,
    inputs: Array,
    targets: Array,
    masks: Masks | None = None,
    *,
    gauss_newton: bool = False,
) -> Array:
    """Return the Hessian of the examples' summed cost times vectors, without the penalty.

    Args:
        network: the architecture.
        theta: the point at which the Hessian is taken.
        vectors: (directions, parameters), each laid out like theta.
        inputs: (rows, fan_in + 1), the last column 1.
        targets: (rows, classes).
        masks: those of dropout, as in the forward pass.
        gauss_newton: leave out the terms that can make the product indefinite.
    """
    count, layers = len(vectors), network.layers(theta)
    directions = _layers(network, vectors)
    hidden = _forward(network, layers, directions, inputs, masks)
    signals = [inputs, *(layer.signal for layer in hidden)]
    z = signals[-1] @ layers[-1].T
    z_along = _times_directions(signals[-1], directions[-1])
    if hidden:
        z_along += hidden[-1].signal_along @ layers[-1].T
    outputs, delta = np.empty_like(z), np.empty_like(z)
    network.output.apply(z, outputs)
    network.cost.delta(outputs, targets, delta)
    curvature = network.cost.gauss_newton if gauss_newton else network.cost.curvature
    delta_along = curvature(_repeat(outputs, count), _repeat(targets, count), z_along)
    products: Array = np.empty_like(vectors)
    slots = _layers(network, products)
    for depth in range(len(layers) - 1, -1, -1):
        slots[depth][...] = _outer(delta_along, signals[depth], count)
        if not depth:
            break
        below = hidden[depth - 1]
        if not gauss_newton:
            slots[depth] += _outer_along(delta, below.signal_along, count)
        back, back_along = delta @ layers[depth], delta_along @ layers[depth]
        if not gauss_newton:
            back_along += _times_directions(delta, directions[depth].swapaxes(1, 2))
        delta_along = back_along[:, :-1] * _repeat(below.slope, count)
        if not gauss_newton:
            delta_along += _repeat(back[:, :-1] * below.bend, count) * below.z_along
        delta = back[:, :-1] * below.slope
    return products


def _forward(
    network: Network,
    layers: list[Array],
    directions: list[Array],
    inputs: Array,
    masks: Masks | None,
) -> list[_Layer]:
    """Return the hidden layers' results of a forward pass and of its derivative."""
    hidden: list[_Layer] = []
    signal = inputs
    for depth, (layer, direction) in enumerate(zip(layers[:-1], directions[:-1], strict=True)):
        z, z_along = signal @ layer.T, _times_directions(signal, direction)
        if hidden:
            z_along += hidden[-1].signal_along @ layer.T
        a, slope, bend = np.empty_like(z), np.empty_like(z), np.empty_like(z)
        network.activation.apply(z, a)
        network.activation.slope(a, slope)
        network.activation.bend(a, bend)
        if masks is not None:
            for array in (a, slope, bend):
                np.multiply(array, masks[depth], out=array)
        signal = np.hstack([a, np.ones_like(a[:, :1])])
        along = np.zeros((len(z_along), signal.shape[1]), z.dtype)
        np.multiply(_repeat(slope, len(direction)), z_along, out=along[:, :-1])
        hidden.append(_Layer(slope, bend, signal, z_along, along))
    return hidden


def _layers(network: Network, vectors: Array) -> list[Array]:
    """Return a view for each layer of vectors like theta: (directions, fan_out, fan_in + 1)."""
    views, start = [], 0
    for rows, columns in network.shapes:
        layer = vectors[:, start : start + rows * columns]
        views.append(layer.reshape(len(vectors), rows, columns))
        start += rows * columns
    return views


def _repeat(array: Array, count: int) -> Array:
    """Repeat every row for each direction."""
    return array if count == 1 else array.repeat(count, axis=0)


def _times_directions(signal: Array, directions: Array) -> Array:
    """Return each row of signal times each direction's layer, (rows · directions, fan_out)."""
    count, fan_out, fan_in = directions.shape
    product: Array = signal @ directions.reshape(count * fan_out, fan_in).T
    return product.reshape(len(signal) * count, fan_out)


def _outer(delta_along: Array, signal: Array, count: int) -> Array:
    """Return delta_alongᵀ signal for each direction, (directions, fan_out, fan_in + 1)."""
    rows, fan_in = signal.shape
    return (delta_along.reshape(rows, -1).T @ signal).reshape(count, -1, fan_in)


def _outer_along(delta: Array, signal_along: Array, count: int) -> Array:
    """Return deltaᵀ signal_along for each direction, (directions, fan_out, fan_in + 1)."""
    rows, fan_out = delta.shape
    product = delta.T @ signal_along.reshape(rows, -1)
    return product.reshape(fan_out, count, -1).swapaxes(0, 1)
