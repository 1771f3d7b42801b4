"""Stochastic gradient descent, plain and with momentum."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from nnexp.nn.arrays import Array
from nnexp.optim.objective import Batches, Objective, Slots
from nnexp.optim.update_rule import MiniBatchRule

Friction = Annotated[
    float, Meta(ge=0, le=1, description="μ, the fraction of velocity kept per step: 1 - friction.")
]


class Sgd(MiniBatchRule, frozen=True, tag="sgd"):
    """Gradient descent on mini-batches: theta <- theta - eta grad.

    Source: Nielsen (2015), eqs. 20 and 21.
    """

    default_learning_rate: ClassVar[float | None] = 0.5

    def start(self, theta: Array) -> Slots:
        """Return the initial state: empty."""
        del theta
        return {}

    def step(self, theta: Array, objective: Objective, slots: Slots, learning_rate: float) -> None:
        """Move theta, in place, by one step: the definition, which ``steps`` computes faster."""
        del slots
        np.subtract(theta, objective.gradient(theta, learning_rate), out=theta)

    def steps(self, theta: Array, batches: Batches, slots: Slots, learning_rate: float) -> None:
        """Move theta, in place, by a step for each mini-batch."""
        del theta, slots
        batches.descend(learning_rate)

    def decay_factor(self, share: float) -> float:
        """Return 1 - ηλ/n. Source: Nielsen (2015), eq. 93."""
        return 1.0 - share


class Momentum(MiniBatchRule, frozen=True, tag="momentum"):
    """Gradient descent with momentum: v <- mu v - eta grad; theta <- theta + v.

    Source: Nielsen (2015), eqs. 107 and 108; Polyak (1964).
    """

    default_learning_rate: ClassVar[float | None] = 0.5

    mu: Friction = 0.9

    def start(self, theta: Array) -> Slots:
        """Return the state before the first step: no velocity."""
        return {"velocity": np.zeros_like(theta)}

    def step(self, theta: Array, objective: Objective, slots: Slots, learning_rate: float) -> None:
        """Move theta, in place, by one step."""
        gradient, v = objective.gradient(theta, learning_rate), slots["velocity"]
        np.multiply(v, self.mu, out=v)
        np.subtract(v, gradient, out=v)
        np.add(theta, v, out=theta)

    @property
    def momentum(self) -> float:
        """The share of its velocity that a step keeps: μ."""
        return self.mu

    def decay_factor(self, share: float) -> float:
        """Return the spectral radius of (w, v) -> (w + v', v') with v' = μ v - share w."""
        return _decay_factor(share, self.mu)


class Nesterov(MiniBatchRule, frozen=True, tag="nesterov"):
    """Momentum with the gradient at the next point: v <- mu v - eta grad(theta + mu v).

    Source: Sutskever, Martens, Dahl and Hinton (2013), eqs. 3 and 4.
    """

    default_learning_rate: ClassVar[float | None] = 0.5

    mu: Friction = 0.9

    def start(self, theta: Array) -> Slots:
        """Return the state before the first step: no velocity."""
        return {"velocity": np.zeros_like(theta)}

    def step(self, theta: Array, objective: Objective, slots: Slots, learning_rate: float) -> None:
        """Move theta, in place, by one step."""
        v = slots["velocity"]
        np.multiply(v, self.mu, out=v)
        np.add(theta, v, out=theta)
        gradient = objective.gradient(theta, learning_rate)
        np.subtract(v, gradient, out=v)
        np.subtract(theta, gradient, out=theta)

    @property
    def momentum(self) -> float:
        """The share of its velocity that a step keeps: μ."""
        return self.mu

    def decay_factor(self, share: float) -> float:
        """Return the spectral radius of the map as for momentum, with the gradient at w + μ v."""
        return _decay_factor(share, self.mu * (1.0 - share))


def _decay_factor(share: float, mu: float) -> float:
    """Return the factor of a weight per step in the long run, including its velocity.

    A step is a linear map of weight and velocity; in the long run its largest eigenvalue dominates.

    Args:
        share: the fraction of the weight that the penalty's gradient subtracts.
        mu: the fraction of the velocity that is kept.
    """
    return float(np.abs(np.linalg.eigvals([[1.0 - share, mu], [-share, mu]])).max())
