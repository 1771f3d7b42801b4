"""Predict the standard deviation of each layer's z before training, from variances."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nnexp.nn.activations import Activation
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network

Variance = Callable[[int, int], float]
"""Maps (fan_in, fan_out) to the variance of a weight."""

REACH = 9.0
"""Limit of the integral in standard deviations; beyond lie 2e-19 of a normal distribution."""

POINTS = 20_000
"""Points of the integral; steep integrands, such as a saturated sigmoid's, need many."""


def deviations(
    network: Network, square: float, weights: Variance, biases: float
) -> tuple[float, ...]:
    """Return the standard deviation of each layer's z over weights, biases and examples.

    z = Σ w_i a_i + b has mean 0 and variance fan_in · E[a²] · var(w) + var(b), since weights are
    drawn independently of each other and of the inputs. For the first layer this is exact, as E[a²]
    is known from the data. For later layers, z is assumed to be normal with the deviation predicted
    so far, although it varies more for examples with larger inputs. Dropout is ignored.

    Args:
        network: the architecture.
        square: the mean over examples of Σ x_i².
        weights: the variance of the weights.
        biases: the variance of the biases.

    Source: Nielsen (2015), chapter 3, on weight initialization.
    """
    result: list[float] = []
    for fan_in, fan_out in zip(network.sizes[:-1], network.sizes[1:], strict=True):
        if result:
            square = fan_in * second_moment(network.activation, result[-1])
        result.append(math.sqrt(square * weights(fan_in, fan_out) + biases))
    return tuple(result)


def second_moment(activation: Activation, deviation: float) -> float:
    """Return E[f(z)²] for an activation f and z from N(0, deviation²), by the midpoint rule."""
    t: Array = (np.arange(POINTS) + 0.5) * (2 * REACH / POINTS) - REACH
    density = np.exp(-0.5 * t * t)
    a = np.empty_like(t)
    activation.apply(t * deviation, a)
    return float((a * a) @ density / density.sum())
