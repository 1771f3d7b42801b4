"""Quasi-Newton methods, which estimate the inverse Hessian from changes of the gradient."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from nnexp.nn.arrays import Array
from nnexp.optim import line_search
from nnexp.optim.convergence import Tolerance, check_memory, measures
from nnexp.optim.objective import Measures, Objective, Slots
from nnexp.optim.update_rule import UpdateRule

CURVATURE = 0.9


class Bfgs(UpdateRule, frozen=True, tag="bfgs"):
    """Broyden, Fletcher, Goldfarb and Shanno: theta <- theta - alpha H grad, with all examples.

    H <- (I - r s yᵀ) H (I - r y sᵀ) + r s sᵀ with r = 1 / (y · s), s the step and y the
    gradient's change. H begins as I. Alpha meets the strong Wolfe conditions.
    Source: Nocedal and Wright (2006), eq. 6.17.
    """

    full_batch: ClassVar[bool] = True

    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the initial state: the identity for H.

        Raises:
            UsageError: H would need more memory than is allowed.
        """
        check_memory(theta.size, "bfgs")
        return {"inverse_hessian": np.eye(theta.size), "updates": np.zeros(1)}

    def step(
        self, theta: Array, objective: Objective, slots: Slots, learning_rate: float | None
    ) -> Measures:
        """Move theta, in place, by one step."""
        del learning_rate
        h, updates = slots["inverse_hessian"], slots["updates"]
        gradient = objective.gradient(theta).copy()
        step = _search(theta, objective, -(h @ gradient), updates[0])
        if step is None:  # H is no longer useful: reset it and follow the gradient
            h[...] = np.eye(theta.size)
            updates[0] = 0
            step = _search(theta, objective, -gradient, updates[0])
        if step is not None:
            self._update(step, objective.gradient(theta) - gradient, slots)
        return measures(theta, objective, step)

    def _update(self, step: Array, change: Array, slots: Slots) -> None:
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
    """Limited-memory BFGS: keeps the last steps in place of the matrix; with all examples.

    Source: Nocedal and Wright (2006), algorithm 7.4; Liu and Nocedal (1989).
    """

    full_batch: ClassVar[bool] = True

    memory: Annotated[int, Meta(ge=1, le=1000, description="The number of steps kept.")] = 10
    tolerance: Tolerance = 1e-8

    @property
    def history_vectors(self) -> int:
        """Vectors for the steps and changes kept, and for a copy of them."""
        return 4 * self.memory

    def start(self, theta: Array) -> Slots:
        """Return the initial state: no steps."""
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
        gradient, count = objective.gradient(theta).copy(), slots["remembered"]
        step = _search(theta, objective, self._direction(gradient, slots), count[0])
        if step is None:  # the steps are no longer useful: drop them and follow the gradient
            count[0] = 0
            step = _search(theta, objective, -gradient, count[0])
        if step is not None:
            self._add(step, objective.gradient(theta) - gradient, slots)
        return measures(theta, objective, step)

    def _direction(self, gradient: Array, slots: Slots) -> Array:
        """Return -H grad by the two-loop recursion over the steps kept, the latest first."""
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

    def _add(self, step: Array, change: Array, slots: Slots) -> None:
        if float(step @ change) <= 0:
            return
        for name, vector in (("steps", step), ("changes", change)):
            slots[name][1:] = slots[name][:-1].copy()
            slots[name][0] = vector
        slots["remembered"][0] = min(slots["remembered"][0] + 1, self.memory)


def _search(theta: Array, objective: Objective, direction: Array, updates: float) -> Array | None:
    """Move theta along a direction by a line search; return the step, or None if it fails.

    The first trial is the direction itself or, before any updates, the direction cut to length 1.
    """
    guess = 1.0 if updates else 1.0 / max(1.0, float(np.linalg.norm(direction)))
    length = line_search.wolfe(objective, theta, direction, guess, CURVATURE)
    if length is None:
        return None
    step = length * direction
    theta += step
    return step
