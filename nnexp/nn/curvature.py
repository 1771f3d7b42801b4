"""Products of the cost's second derivatives with vectors, exactly and without the matrix.

``hessian_products`` is Pearlmutter's R-operator: every line of the forward and backward
pass is differentiated along v. Source: Pearlmutter (1994), "Fast exact multiplication by
the Hessian", Neural Computation 6. The Gauss-Newton product keeps the terms that can
never make v · (G v) negative. Source: Schraudolph (2002), Neural Computation 14.

Several directions share the passes and their matrix products: what depends on a
direction has (rows · directions) rows, an example's directions one after another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.propagation import Masks


class _Layer(NamedTuple):
    """What the forward pass and its derivative along the directions left at a hidden layer."""

    slope: Array  # da/dz, masked; it, bend and signal: (rows, size)
    bend: Array  # d²a/dz², masked
    signal: Array  # the outputs with a 1 appended, the next layer's inputs
    z_along: Array  # dz along each direction; it and signal_along: (rows · directions, size)
    signal_along: Array  # the signal's derivative, 0 where the 1 is appended


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
    """Return the Hessian of the examples' summed cost times vectors, without the penalty's part.

    Args:
        network: the architecture.
        theta: where the Hessian is taken.
        vectors: (directions, parameters), each like theta.
        inputs: (rows, fan_in + 1), the last column 1.
        targets: (rows, classes).
        masks: dropout's, as in the forward pass.
        gauss_newton: leave out what can make the product indefinite.
    """
    count, layers = len(vectors), network.layers(theta)
    directions = _stacked(network, vectors)
    hidden = _forward(network, layers, directions, inputs, masks)
    signals = [inputs, *(layer.signal for layer in hidden)]
    z = signals[-1] @ layers[-1].T
    z_along = _moved(signals[-1], directions[-1])
    if hidden:
        z_along += hidden[-1].signal_along @ layers[-1].T
    outputs, delta = np.empty_like(z), np.empty_like(z)
    network.output.apply(z, outputs)
    network.cost.delta(outputs, targets, delta)
    curved = network.cost.gauss_newton if gauss_newton else network.cost.curvature
    delta_along = curved(_each(outputs, count), _each(targets, count), z_along)
    products: Array = np.empty_like(vectors)
    slots = _stacked(network, products)
    for depth in range(len(layers) - 1, -1, -1):
        slots[depth][...] = _outer(delta_along, signals[depth], count)
        if not depth:
            break
        below = hidden[depth - 1]
        if not gauss_newton:
            slots[depth] += _outer_along(delta, below.signal_along, count)
        back, back_along = delta @ layers[depth], delta_along @ layers[depth]
        if not gauss_newton:
            back_along += _moved(delta, directions[depth].swapaxes(1, 2))
        delta_along = back_along[:, :-1] * _each(below.slope, count)
        if not gauss_newton:
            delta_along += _each(back[:, :-1] * below.bend, count) * below.z_along
        delta = back[:, :-1] * below.slope
    return products


def _forward(
    network: Network,
    layers: list[Array],
    directions: list[Array],
    inputs: Array,
    masks: Masks | None,
) -> list[_Layer]:
    """Return the hidden layers after a forward pass and its derivative along the directions."""
    hidden: list[_Layer] = []
    signal = inputs
    for depth, (layer, direction) in enumerate(zip(layers[:-1], directions[:-1], strict=True)):
        z, z_along = signal @ layer.T, _moved(signal, direction)
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
        np.multiply(_each(slope, len(direction)), z_along, out=along[:, :-1])
        hidden.append(_Layer(slope, bend, signal, z_along, along))
    return hidden


def _stacked(network: Network, vectors: Array) -> list[Array]:
    """Return views of vectors like theta, a layer each: (directions, fan_out, fan_in + 1)."""
    views, start = [], 0
    for rows, columns in network.shapes:
        part = vectors[:, start : start + rows * columns]
        views.append(part.reshape(len(vectors), rows, columns))
        start += rows * columns
    return views


def _each(array: Array, count: int) -> Array:
    """Return every row as often as there are directions."""
    return array if count == 1 else array.repeat(count, axis=0)


def _moved(signal: Array, directions: Array) -> Array:
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
