"""Products of the cost's second derivatives with a vector, exactly and without the matrix.

``hessian_product`` is Pearlmutter's R-operator: every line of the forward and backward
pass is differentiated along v. Source: Pearlmutter (1994), "Fast exact multiplication by
the Hessian", Neural Computation 6. The Gauss-Newton product keeps the terms that can
never make v · (G v) negative. Source: Schraudolph (2002), Neural Computation 14.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.propagation import Masks


class _Layer(NamedTuple):
    """What the forward pass and its derivative along v left at a hidden layer."""

    slope: Array  # da/dz, masked
    bend: Array  # d²a/dz², masked
    signal: Array  # the outputs with a 1 appended, the next layer's inputs
    z_along: Array  # dz along v
    signal_along: Array  # the signal's derivative along v, 0 where the 1 is appended


def hessian_product(
    network: Network,
    theta: Array,
    v: Array,
    inputs: Array,
    targets: Array,
    masks: Masks | None = None,
    *,
    gauss_newton: bool = False,
) -> Array:
    """Return the Hessian of the examples' summed cost times v, without the penalty's part.

    Args:
        network: the architecture.
        theta: where the Hessian is taken.
        v: a vector like theta.
        inputs: (rows, fan_in + 1), the last column 1.
        targets: (rows, classes).
        masks: dropout's, as in the forward pass.
        gauss_newton: leave out what can make the product indefinite.
    """
    layers, directions = network.layers(theta), network.layers(v)
    hidden = _forward(network, layers, directions, inputs, masks)
    signals = [inputs, *(layer.signal for layer in hidden)]
    along = [np.zeros_like(inputs), *(layer.signal_along for layer in hidden)]
    z = signals[-1] @ layers[-1].T
    z_along = along[-1] @ layers[-1].T + signals[-1] @ directions[-1].T
    outputs, delta = np.empty_like(z), np.empty_like(z)
    network.output.apply(z, outputs)
    network.cost.delta(outputs, targets, delta)
    curved = network.cost.gauss_newton if gauss_newton else network.cost.curvature
    delta_along = curved(outputs, targets, z_along)
    product: Array = np.empty_like(theta)
    slots = network.layers(product)
    for depth in range(len(layers) - 1, -1, -1):
        slots[depth][...] = delta_along.T @ signals[depth]
        if not gauss_newton:
            slots[depth] += delta.T @ along[depth]
        if depth:
            below = hidden[depth - 1]
            back, back_along = delta @ layers[depth], delta_along @ layers[depth]
            delta_along = back_along[:, :-1] * below.slope
            if not gauss_newton:
                back_along = (delta @ directions[depth])[:, :-1]
                delta_along += back_along * below.slope
                delta_along += back[:, :-1] * below.bend * below.z_along
            delta = back[:, :-1] * below.slope
    return product


def _forward(
    network: Network,
    layers: list[Array],
    directions: list[Array],
    inputs: Array,
    masks: Masks | None,
) -> list[_Layer]:
    """Return the hidden layers after a forward pass and its derivative along the directions."""
    hidden: list[_Layer] = []
    signal, along = inputs, np.zeros_like(inputs)
    for depth, (layer, direction) in enumerate(zip(layers[:-1], directions[:-1], strict=True)):
        z = signal @ layer.T
        z_along = along @ layer.T + signal @ direction.T
        a, slope, bend = np.empty_like(z), np.empty_like(z), np.empty_like(z)
        network.activation.apply(z, a)
        network.activation.slope(a, slope)
        network.activation.bend(a, bend)
        if masks is not None:
            for array in (a, slope, bend):
                np.multiply(array, masks[depth], out=array)
        signal = np.hstack([a, np.ones_like(a[:, :1])])
        along = np.hstack([slope * z_along, np.zeros_like(a[:, :1])])
        hidden.append(_Layer(slope, bend, signal, z_along, along))
    return hidden
