"""Hessian-free optimization: Newton steps by conjugate gradients, without forming the matrix."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta

from nnexp.nn.arrays import Array
from nnexp.optim.convergence import Tolerance, measures, rounding
from nnexp.optim.objective import CurvedObjective, Measures, Objective, Slots
from nnexp.optim.update_rule import UpdateRule

MAX_HALVINGS = 30
DAMPING_CHANGE = 1.5


class HessianFree(UpdateRule, frozen=True, tag="hessian-free"):
    """Solve (H + damping I) d = -grad roughly, then theta <- theta + eta d, with all examples.

    H is the Hessian or its Gauss-Newton part, used only in products with vectors. Conjugate
    gradients end at a residual of min(1/2, sqrt|grad|) |grad|, or at a direction of negative
    curvature. The step is halved until the cost falls, and damping is adapted to how well the
    quadratic model predicted the decrease.
    Source: Nocedal and Wright (2006), algorithm 7.1; Martens (2010), section 4.1.
    """

    full_batch: ClassVar[bool] = True
    default_learning_rate: ClassVar[float | None] = 1.0

    curvature: Annotated[Literal["gauss-newton", "hessian"], Meta(description="The matrix H.")] = (
        "gauss-newton"
    )
    iterations: Annotated[
        int, Meta(ge=1, le=100_000, description="Maximum conjugate-gradient iterations per step.")
    ] = 50
    damping: Annotated[float, Meta(ge=0, description="The first step's damping.")] = 1.0
    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the initial state: the damping."""
        del theta
        return {"damping": np.full(1, self.damping)}

    def step(
        self, theta: Array, objective: CurvedObjective, slots: Slots, learning_rate: float
    ) -> Measures:
        """Move theta, in place, by one step."""
        gradient, value = objective.gradient(theta), objective.value(theta)
        damping = float(slots["damping"][0])
        direction = self._direction(theta, objective, gradient, damping)
        step, actual = _halve(theta, objective, learning_rate * direction, value)
        predicted = -float(gradient @ step + 0.5 * step @ self._product(theta, objective, step))
        slots["damping"][0] = _adapt(damping, predicted, actual)
        theta += step
        return measures(theta, objective, step) | {
            "damping": damping,
            "predicted_decrease": predicted,
            "actual_decrease": actual,
        }

    def _product(self, theta: Array, objective: CurvedObjective, v: Array) -> Array:
        return objective.hessian_product(theta, v, gauss_newton=self.curvature == "gauss-newton")

    def _direction(
        self, theta: Array, objective: CurvedObjective, gradient: Array, damping: float
    ) -> Array:
        """Solve for the direction by conjugate gradients; fall back to steepest descent."""
        solution, residual = np.zeros_like(theta), gradient.copy()
        search = -residual
        square = float(residual @ residual)
        threshold = square * min(0.25, square**0.5)  # the square of min(1/2, sqrt|g|) |g|
        for iteration in range(self.iterations):
            if square <= threshold and iteration:
                break
            product = self._product(theta, objective, search) + damping * search
            curvature = float(search @ product)
            if curvature <= 0:
                return solution if iteration else -gradient
            length = square / curvature
            solution += length * search
            residual += length * product
            last, square = square, float(residual @ residual)
            search *= square / last
            search -= residual
        return solution


def _halve(theta: Array, objective: Objective, step: Array, value: float) -> tuple[Array, float]:
    """Halve the step until the cost falls; return the step and the decrease."""
    for _ in range(MAX_HALVINGS):
        actual = value - objective.value(theta + step)
        if actual >= -rounding(value):
            return step, actual
        step = step * 0.5
    return np.zeros_like(theta), 0.0


def _adapt(damping: float, predicted: float, actual: float) -> float:
    """Return the next damping: more if the model was too optimistic, less if it was accurate."""
    if actual < predicted / 4:
        return damping * DAMPING_CHANGE
    return damping / DAMPING_CHANGE if actual > predicted * 3 / 4 else damping
