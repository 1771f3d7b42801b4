"""Stochastic gradient descent."""

from __future__ import annotations

from msgspec import Struct

from nnexp.nn.arrays import Array
from nnexp.optim.objective import Objective, Slots


class Sgd(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="sgd"):
    """Gradient descent on mini-batches: theta <- theta - eta grad.

    Source: Nielsen (2015), eqs. 20 and 21.
    """

    def start(self, theta: Array) -> Slots:
        """Return the state before the first step: none."""
        del theta
        return {}

    def step(self, theta: Array, objective: Objective, slots: Slots, learning_rate: float) -> None:
        """Move theta, in place, by one step."""
        del slots
        objective.descend(theta, learning_rate)
