"""Distributions of the initial weights and biases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np

from nnexp.nn.arrays import Array

InitializerName = Literal[
    "standard-normal",
    "lecun-normal",
    "glorot-normal",
    "glorot-uniform",
    "he-normal",
    "he-uniform",
    "zeros",
]
BiasInitializerName = Literal["standard-normal", "zeros"]


class Draws(Protocol):
    """A source of random numbers; NumPy's Generator is one."""

    def standard_normal(self, size: tuple[int, ...]) -> Array:
        """Draw from N(0, 1)."""

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> Array:
        """Draw uniformly from [low, high)."""


def standard_normal(rng: Draws, fan_in: int, fan_out: int) -> Array:
    """Draw weights from N(0, 1), the chapter's old rule; z then has a deviation of sqrt(fan_in).

    Returns: weights of shape (fan_in, fan_out).
    Source: Nielsen (2015), chapter 1.
    """
    return rng.standard_normal((fan_in, fan_out))


def lecun_normal(rng: Draws, fan_in: int, fan_out: int) -> Array:
    """Draw weights from N(0, 1/fan_in), the chapter's new rule, which keeps z's deviation near 1.

    Returns: weights of shape (fan_in, fan_out).
    Source: Nielsen (2015), chapter 3; LeCun, Bottou, Orr and Müller (1998), section 4.6.
    """
    return rng.standard_normal((fan_in, fan_out)) / math.sqrt(fan_in)


def glorot_normal(rng: Draws, fan_in: int, fan_out: int) -> Array:
    """Draw weights from N(0, 2 / (fan_in + fan_out)).

    Returns: weights of shape (fan_in, fan_out).
    Source: Glorot and Bengio (2010), eq. 12.
    """
    return rng.standard_normal((fan_in, fan_out)) * math.sqrt(2.0 / (fan_in + fan_out))


def glorot_uniform(rng: Draws, fan_in: int, fan_out: int) -> Array:
    """Draw weights that keep the variance of activations and gradients level.

    Uniform on [-r, r] with r = sqrt(6 / (fan_in + fan_out)).

    Returns: weights of shape (fan_in, fan_out).
    Source: Glorot and Bengio (2010), eq. 16.
    """
    bound = math.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-bound, bound, (fan_in, fan_out))


def he_normal(rng: Draws, fan_in: int, fan_out: int) -> Array:
    """Draw weights from N(0, 2/fan_in), which compensates for the half that ReLU cuts off.

    Returns: weights of shape (fan_in, fan_out).
    Source: He, Zhang, Ren and Sun (2015), eq. 10.
    """
    return rng.standard_normal((fan_in, fan_out)) * math.sqrt(2.0 / fan_in)


def he_uniform(rng: Draws, fan_in: int, fan_out: int) -> Array:
    """Draw weights of variance 2/fan_in, uniform on [-r, r] with r = sqrt(6 / fan_in).

    Returns: weights of shape (fan_in, fan_out).
    Source: He, Zhang, Ren and Sun (2015), eq. 10.
    """
    bound = math.sqrt(6.0 / fan_in)
    return rng.uniform(-bound, bound, (fan_in, fan_out))


def zeros(rng: Draws, fan_in: int, fan_out: int) -> Array:
    """Return weights that are all 0, with which the hidden neurons of a layer remain equal.

    Returns: weights of shape (fan_in, fan_out).
    """
    del rng
    return np.zeros((fan_in, fan_out))


INITIALIZERS: dict[InitializerName, Callable[[Draws, int, int], Array]] = {
    "standard-normal": standard_normal,
    "lecun-normal": lecun_normal,
    "glorot-normal": glorot_normal,
    "glorot-uniform": glorot_uniform,
    "he-normal": he_normal,
    "he-uniform": he_uniform,
    "zeros": zeros,
}

BIAS_INITIALIZERS: dict[BiasInitializerName, Callable[[Draws, int, int], Array]] = {
    "standard-normal": standard_normal,
    "zeros": zeros,
}
"""Biases are drawn as weights of shape (1, fan_out)."""

VARIANCES: dict[InitializerName, Callable[[int, int], float]] = {
    "standard-normal": lambda fan_in, fan_out: 1.0,  # noqa: ARG005 - same signature for all
    "lecun-normal": lambda fan_in, fan_out: 1.0 / fan_in,  # noqa: ARG005 - likewise
    "glorot-normal": lambda fan_in, fan_out: 2.0 / (fan_in + fan_out),
    "glorot-uniform": lambda fan_in, fan_out: 2.0 / (fan_in + fan_out),
    "he-normal": lambda fan_in, fan_out: 2.0 / fan_in,  # noqa: ARG005 - likewise
    "he-uniform": lambda fan_in, fan_out: 2.0 / fan_in,  # noqa: ARG005 - likewise
    "zeros": lambda fan_in, fan_out: 0.0,  # noqa: ARG005 - likewise
}
"""The variance of each initializer's weights, by (fan_in, fan_out); the mean is 0."""
