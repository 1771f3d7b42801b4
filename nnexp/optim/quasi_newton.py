"""Quasi-Newton methods: the inverse Hessian learned from how the gradient changes."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from nnexp.nn.arrays import Array
from nnexp.optim import line_search
from nnexp.optim.convergence import Tolerance, check_room, measures
from nnexp.optim.objective import Measures, Objective, Slots
from nnexp.optim.update_rule import UpdateRule

CURVATURE = 0.9


class Bfgs(UpdateRule, frozen=True, tag="bfgs"):
    """Broyden, Fletcher, Goldfarb and Shanno: theta <- theta - alpha H grad, all examples a step.

    H <- (I - r s yᵀ) H (I - r y sᵀ) + r s sᵀ with r = 1 / (y · s), s the step and y the
    gradient's change. H begins as I. Alpha meets the strong Wolfe conditions.
    Source: Nocedal and Wright (2006), eq. 6.17.
    """

    full_batch: ClassVar[bool] = True

    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the state before the first step: the identity for H.

        Raises:
            UsageError: H would need more memory than is allowed.
        """
        check_room(theta.size, "bfgs")
        return {"inverse_hessian": np.eye(theta.size), "updates": np.zeros(1)}

    def step(
        self, theta: Array, objective: Objective, slots: Slots, learning_rate: float | None
    ) -> Measures:
        """Move theta, in place, by one step."""
        del learning_rate
        h, updates = slots["inverse_hessian"], slots["updates"]
        gradient = objective.gradient(theta).copy()
        step = _search(theta, objective, -(h @ gradient), updates[0])
        if step is None:  # H has gone bad: forget it, and go down the gradient
            h[...] = np.eye(theta.size)
            updates[0] = 0
            step = _search(theta, objective, -gradient, updates[0])
        if step is not None:
            self._learn(step, objective.gradient(theta) - gradient, slots)
        return measures(theta, objective, step)

    def _learn(self, step: Array, change: Array, slots: Slots) -> None:
        h, updates, product = slots["inverse_hessian"], slots["updates"], float(change @ step)
        if product <= 0:
            return
        left = h @ change
        half = (0.5 + 0.5 * float(change @ left) / product) * step - left
        update = np.outer(step, half / product)  # eq. 6.17 is h + update + updateᵀ
        h += update
        h += update.T
        updates += 1


class LBfgs(UpdateRule, frozen=True, tag="l-bfgs"):
    """BFGS that remembers its last steps in place of the matrix; all examples a step.

    Source: Nocedal and Wright (2006), algorithm 7.4; Liu and Nocedal (1989).
    """

    full_batch: ClassVar[bool] = True

    memory: Annotated[int, Meta(ge=1, le=1000, description="Steps remembered.")] = 10
    tolerance: Tolerance = 1e-8

    @property
    def history_vectors(self) -> int:
        """The steps and changes remembered, and a copy of them."""
        return 4 * self.memory

    def start(self, theta: Array) -> Slots:
        """Return the state before the first step: nothing remembered."""
        return {
            "steps": np.zeros((self.memory, theta.size)),
            "changes": np.zeros((self.memory, theta.size)),
            "remembered": np.zeros(1),
        }

    def step(
        self, theta: Array, objective: Objective, slots: Slots, learning_rate: float | None
    ) -> Measures:
        """Move theta, in place, by one step."""
        del learning_rate
        gradient, remembered = objective.gradient(theta).copy(), slots["remembered"]
        step = _search(theta, objective, self._direction(gradient, slots), remembered[0])
        if step is None:  # what is remembered has gone bad: forget it, and go down the gradient
            remembered[0] = 0
            step = _search(theta, objective, -gradient, remembered[0])
        if step is not None:
            self._remember(step, objective.gradient(theta) - gradient, slots)
        return measures(theta, objective, step)

    def _direction(self, gradient: Array, slots: Slots) -> Array:
        """Return -H grad by the two-loop recursion over the steps remembered, latest first."""
        count = int(slots["remembered"][0])
        pairs = [(slots["steps"][i], slots["changes"][i]) for i in range(count)]
        q, weights = gradient.copy(), []
        for step, change in pairs:
            weights.append(float(step @ q) / float(step @ change))
            q -= weights[-1] * change
        if pairs:
            step, change = pairs[0]
            q *= float(step @ change) / float(change @ change)
        for (step, change), weight in zip(reversed(pairs), reversed(weights), strict=True):
            q += (weight - float(change @ q) / float(step @ change)) * step
        return -q

    def _remember(self, step: Array, change: Array, slots: Slots) -> None:
        if float(step @ change) <= 0:
            return
        for name, vector in (("steps", step), ("changes", change)):
            slots[name][1:] = slots[name][:-1].copy()
            slots[name][0] = vector
        slots["remembered"][0] = min(slots["remembered"][0] + 1, self.memory)


def _search(theta: Array, objective: Objective, direction: Array, learned: float) -> Array | None:
    """Move theta along a direction as far as the line search says; return the step, if any.

    A direction of the right length is tried as it is; nothing learned, it is cut to length 1.
    """
    guess = 1.0 if learned else 1.0 / max(1.0, float(np.linalg.norm(direction)))
    length = line_search.wolfe(objective, theta, direction, guess, CURVATURE)
    if length is None:
        return None
    step = length * direction
    theta += step
    return step
