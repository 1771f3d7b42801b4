"""Stochastic gradient descent, plain and with momentum."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta, Struct

from nnexp.nn.arrays import Array
from nnexp.optim.objective import Objective, Slots

Friction = Annotated[
    float, Meta(ge=0, le=1, description="μ, what is kept of the velocity: 1 - friction.")
]


class Sgd(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="sgd"):
    """Gradient descent on mini-batches: theta <- theta - eta grad.

    Source: Nielsen (2015), eqs. 20 and 21.
    """

    full_batch: ClassVar[bool] = False
    default_learning_rate: ClassVar[float | None] = 0.5

    def start(self, theta: Array) -> Slots:
        """Return the state before the first step: none."""
        del theta
        return {}

    def step(self, theta: Array, objective: Objective, slots: Slots, learning_rate: float) -> None:
        """Move theta, in place, by one step."""
        del slots
        objective.descend(theta, learning_rate)


class Momentum(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="momentum"):
    """Gradient descent with momentum: v <- mu v - eta grad; theta <- theta + v.

    Source: Nielsen (2015), eqs. 107 and 108; Polyak (1964).
    """

    full_batch: ClassVar[bool] = False
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


class Nesterov(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="nesterov"):
    """Momentum with the gradient taken ahead: v <- mu v - eta grad(theta + mu v).

    Source: Sutskever, Martens, Dahl and Hinton (2013), eqs. 3 and 4.
    """

    full_batch: ClassVar[bool] = False
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
