"""Quasi-Newton methods, which estimate the inverse Hessian from changes of the gradient."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from nnexp.nn.arrays import Array
from nnexp.optim import inverse_hessian, line_search
from nnexp.optim.convergence import Tolerance, check_memory, measures
from nnexp.optim.inverse_hessian import update_diagonal
from nnexp.optim.objective import CurvedObjective, Measures, Objective, Slots
from nnexp.optim.update_rule import UpdateRule

CURVATURE = 0.9


class Bfgs(UpdateRule, frozen=True, tag="bfgs"):
    """Broyden, Fletcher, Goldfarb and Shanno: theta <- theta - alpha H grad, with all examples.

    H <- (I - r s yᵀ) H (I - r y sᵀ) + r s sᵀ with r = 1 / (y · s), s the step and y the
    gradient's change. The initial H is a diagonal D, which is chosen anew at every step as in
    L-BFGS: H = Wᵀ D W + U, where W is the product of the factors (I - r y sᵀ) and U the rest.
    D begins with the scales of inputs. Alpha meets the Wolfe conditions.
    Source: Nocedal and Wright (2006), eqs. 6.17 and 7.19; for D, see first_diagonal.
    """

    full_batch: ClassVar[bool] = True

    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the initial state: the identity for H.

        Raises:
            UsageError: H would need more memory than is allowed.
        """
        check_memory(theta.size, "bfgs", matrices=2)
        return {
            "updates_of_inverse_hessian": np.zeros((theta.size, theta.size)),
            "factors": np.eye(theta.size),
            "diagonal": np.ones_like(theta),
            "updates": np.zeros(1),
        }

    def step(
        self, theta: Array, objective: CurvedObjective, slots: Slots, learning_rate: float | None
    ) -> Measures:
        """Move theta, in place, by one step."""
        del learning_rate
        u, w, count = slots["updates_of_inverse_hessian"], slots["factors"], slots["updates"]
        gradient, step = objective.gradient(theta).copy(), None
        if count[0]:
            direction = -(u @ gradient + (slots["diagonal"] * (w @ gradient)) @ w)
            step = _search(theta, objective, direction, 1.0)
        if step is None:  # there are no updates yet, or H is no longer useful: begin with D
            _forget(slots)
            step = _first_step(theta, objective, slots["diagonal"])
        if step is not None:
            _update(step, objective.gradient(theta) - gradient, slots)
        return measures(theta, objective, step)


def _forget(slots: Slots) -> None:
    """Drop what H was built from, in place."""
    slots["updates_of_inverse_hessian"][...] = 0
    slots["factors"][...] = 0
    np.fill_diagonal(slots["factors"], 1)
    slots["diagonal"][...] = 1
    slots["updates"][0] = 0


def _update(step: Array, change: Array, slots: Slots) -> None:
    """Add a pair to H, unless s · y <= 0."""
    u, w, product = slots["updates_of_inverse_hessian"], slots["factors"], float(change @ step)
    if not product > 0:
        return
    left = u @ change
    half = (0.5 + 0.5 * float(change @ left) / product) * step - left
    update = np.outer(step, half / product)  # eq. 6.17 is u + update + updateᵀ
    u += update
    u += update.T
    w -= np.outer(w @ change, step / product)
    update_diagonal(slots["diagonal"], step, change, is_first=not slots["updates"][0])
    slots["updates"] += 1


class LBfgs(UpdateRule, frozen=True, tag="l-bfgs"):
    """Limited-memory BFGS: keeps the last steps in place of the matrix; with all examples.

    The initial matrix is a diagonal that is estimated from all steps so far, beginning with the
    scales of inputs.
    Source: Nocedal and Wright (2006), section 7.2; Gilbert and Lemaréchal (1989).
    """

    full_batch: ClassVar[bool] = True
    recorded_memory: ClassVar[int] = 10
    """The memory of runs whose record does not contain it."""

    memory: Annotated[int, Meta(ge=1, le=1000, description="The number of steps kept.")] = 20
    tolerance: Tolerance = 1e-8

    @property
    def history_vectors(self) -> int:
        """Vectors for the steps and changes kept, for a copy of them, and for the diagonal."""
        return 4 * self.memory + 1

    def start(self, theta: Array) -> Slots:
        """Return the initial state: no steps."""
        return inverse_hessian.limited_memory(theta.size, self.memory)

    def step(
        self, theta: Array, objective: CurvedObjective, slots: Slots, learning_rate: float | None
    ) -> Measures:
        """Move theta, in place, by one step."""
        del learning_rate
        gradient, step = objective.gradient(theta).copy(), None
        if slots["remembered"][0]:
            direction = -inverse_hessian.product(slots, gradient)
            step = _search(theta, objective, direction, 1.0)
        if step is None:  # there are no steps yet, or they are no longer useful: begin with D
            inverse_hessian.forget(slots)
            step = _first_step(theta, objective, slots["diagonal"])
        if step is not None:
            inverse_hessian.remember(slots, step, objective.gradient(theta) - gradient)
        return measures(theta, objective, step)


def _first_step(theta: Array, objective: CurvedObjective, diagonal: Array) -> Array | None:
    """Choose D and move theta along -D grad; return the step, or None if no length is good."""
    diagonal[...] = inverse_hessian.first_diagonal(theta, objective)
    gradient = objective.gradient(theta)
    direction = -diagonal * gradient
    length = inverse_hessian.first_length(float(gradient @ direction))
    return _search(theta, objective, direction, length)


def _search(theta: Array, objective: Objective, direction: Array, guess: float) -> Array | None:
    """Move theta along a direction by a line search; return the step, or None if it fails."""
    length = line_search.wolfe(objective, theta, direction, guess, CURVATURE)
    if length is None:
        return None
    step = length * direction
    theta += step
    return step
