"""Hessian-free optimization: Newton's step by conjugate gradients, without the matrix."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta

from nnexp.nn.arrays import Array
from nnexp.optim.convergence import Tolerance, measures, rounding
from nnexp.optim.objective import Measures, Objective, Slots
from nnexp.optim.update_rule import UpdateRule

MOST_HALVINGS = 30
DAMPING_CHANGE = 1.5


class HessianFree(UpdateRule, frozen=True, tag="hessian-free"):
    """Solve (H + damping I) d = -grad roughly, then theta <- theta + eta d; all examples a step.

    H is the Hessian or its Gauss-Newton part, met only in products with vectors. Conjugate
    gradients end at a residual of min(1/2, sqrt|grad|) |grad|, or at a direction of negative
    curvature. The step is halved until the cost falls, and damping follows how well
    the quadratic model foretold the fall.
    Source: Nocedal and Wright (2006), algorithm 7.1; Martens (2010), section 4.1.
    """

    full_batch: ClassVar[bool] = True
    default_learning_rate: ClassVar[float | None] = 1.0

    curvature: Annotated[
        Literal["gauss-newton", "hessian"], Meta(description="Whose products H stands for.")
    ] = "gauss-newton"
    iterations: Annotated[
        int, Meta(ge=1, le=100_000, description="Conjugate-gradient iterations in a step, at most.")
    ] = 50
    damping: Annotated[float, Meta(ge=0, description="The first step's damping.")] = 1.0
    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the state before the first step."""
        del theta
        return {"damping": np.full(1, self.damping)}

    def step(
        self, theta: Array, objective: Objective, slots: Slots, learning_rate: float
    ) -> Measures:
        """Move theta, in place, by one step."""
        gradient, value = objective.gradient(theta), objective.value(theta)
        damping = float(slots["damping"][0])
        direction = self._direction(theta, objective, gradient, damping)
        step, actual = _halved(theta, objective, learning_rate * direction, value)
        predicted = -float(gradient @ step + 0.5 * step @ self._product(theta, objective, step))
        slots["damping"][0] = _adapted(damping, predicted, actual)
        theta += step
        return measures(theta, objective, step) | {
            "damping": damping,
            "predicted_decrease": predicted,
            "actual_decrease": actual,
        }

    def _product(self, theta: Array, objective: Objective, v: Array) -> Array:
        return objective.hessian_product(theta, v, gauss_newton=self.curvature == "gauss-newton")

    def _direction(
        self, theta: Array, objective: Objective, gradient: Array, damping: float
    ) -> Array:
        """Return what conjugate gradients come to, at worst the way straight down."""
        solution, residual = np.zeros_like(theta), gradient.copy()
        search = -residual
        square = float(residual @ residual)
        enough = square * min(0.25, square**0.5)  # the square of min(1/2, sqrt|g|) |g|
        for iteration in range(self.iterations):
            if square <= enough and iteration:
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


def _halved(theta: Array, objective: Objective, step: Array, value: float) -> tuple[Array, float]:
    """Return the step, halved until the cost falls, and by how much it falls."""
    for _ in range(MOST_HALVINGS):
        actual = value - objective.value(theta + step)
        if actual >= -rounding(value):
            return step, actual
        step = step * 0.5
    return np.zeros_like(theta), 0.0


def _adapted(damping: float, predicted: float, actual: float) -> float:
    """Return the next damping: more where the model promised too much, less where it kept it."""
    if actual < predicted / 4:
        return damping * DAMPING_CHANGE
    return damping / DAMPING_CHANGE if actual > predicted * 3 / 4 else damping
