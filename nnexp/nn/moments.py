"""How widely neurons' inputs spread before training, predicted from variances alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nnexp.nn.activations import Activation
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network

Variance = Callable[[int, int], float]
"""(fan_in, fan_out) to the variance of a weight."""

REACH = 9.0
"""Standard deviations that are integrated over; beyond lie 2e-19 of a normal distribution."""

POINTS = 20_000
"""Points of the integral: a step of the integrand, such as a steep sigmoid's, needs many."""


def deviations(
    network: Network, square: float, weights: Variance, biases: float
) -> tuple[float, ...]:
    """Return the standard deviation of each layer's z over weights, biases and examples.

    z = Σ w_i a_i + b has mean 0 and variance fan_in · E[a²] · var(w) + var(b), since weights are
    drawn independently of each other and of what comes in. That is exact for the first layer,
    and so is E[a²] of the data. For later layers z is taken for a normal variable of the
    deviation predicted so far, though examples with larger inputs spread more than others.
    Dropout is left out of account.

    Args:
        network: the architecture.
        square: the mean over examples of Σ x_i².
        weights: the variance that weights are drawn with.
        biases: the variance that biases are drawn with.

    Source: Nielsen (2015), chapter 3, on weight initialization.
    """
    found: list[float] = []
    for fan_in, fan_out in zip(network.sizes[:-1], network.sizes[1:], strict=True):
        if found:
            square = fan_in * second_moment(network.activation, found[-1])
        found.append(math.sqrt(square * weights(fan_in, fan_out) + biases))
    return tuple(found)


def second_moment(activation: Activation, deviation: float) -> float:
    """Return E[f(z)²] of a nonlinearity f for z from N(0, deviation²), by the midpoint rule."""
    t: Array = (np.arange(POINTS) + 0.5) * (2 * REACH / POINTS) - REACH
    density = np.exp(-0.5 * t * t)
    a = np.empty_like(t)
    activation.apply(t * deviation, a)
    return float((a * a) @ density / density.sum())
