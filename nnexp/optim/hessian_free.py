"""Hessian-free optimization: Newton steps by conjugate gradients, without forming the matrix."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from msgspec import Meta

from nnexp.nn.arrays import Array
from nnexp.optim import inverse_hessian
from nnexp.optim.convergence import Tolerance, measures, rounding
from nnexp.optim.objective import CurvedObjective, Measures, Objective, Slots
from nnexp.optim.update_rule import UpdateRule

MAX_HALVINGS = 30
DECREASE = 1e-4
"""The fraction of the decrease predicted by the slope that a step must achieve."""
DAMPING_CHANGE = 3.0
PROGRESS = 0.5
"""Iterations end once one improves the model by less than this fraction of the mean."""
MEMORY = 20
"""The products kept for the preconditioner."""


class _Solution(NamedTuple):
    """A direction and the product of the damped matrix with it."""

    direction: Array
    product: Array


class HessianFree(UpdateRule, frozen=True, tag="hessian-free"):
    """Solve (H + damping I) d = -grad roughly, then theta <- theta + eta d, with all examples.

    H is the Hessian or its Gauss-Newton part, used only in products with vectors. Conjugate
    gradients minimize the quadratic model q(d) = grad · d + d · (H + damping I) d / 2. They end
    once an iteration improves q by less than half of the mean improvement so far, or at a
    direction of negative curvature. Their last 20 products are kept for an L-BFGS estimate of
    the inverse, the next steps' preconditioner. The step is halved until the cost falls, and
    damping is adapted to how well the model predicted the decrease.
    Source: Nocedal and Wright (2006), algorithm 7.1; Nash and Sofer (1990) for the end; Morales
    and Nocedal (2000) for the preconditioner; Martens (2010), section 4.1, for the damping.
    """

    full_batch: ClassVar[bool] = True
    default_learning_rate: ClassVar[float | None] = 1.0
    recorded_damping: ClassVar[float] = 1.0
    """The damping of runs whose record does not contain it."""

    curvature: Annotated[Literal["gauss-newton", "hessian"], Meta(description="The matrix H.")] = (
        "gauss-newton"
    )
    iterations: Annotated[
        int, Meta(ge=1, le=100_000, description="Maximum conjugate-gradient iterations per step.")
    ] = 50
    damping: Annotated[float, Meta(ge=0, description="The first step's damping.")] = 0.1
    tolerance: Tolerance = 1e-8

    @property
    def history_vectors(self) -> int:
        """Vectors of the preconditioner, and a copy of them."""
        return 4 * MEMORY + 1

    def start(self, theta: Array) -> Slots:
        """Return the initial state: the damping, and a preconditioner without products."""
        return {
            "damping": np.full(1, self.damping),
            **inverse_hessian.limited_memory(theta.size, MEMORY),
        }

    def step(
        self, theta: Array, objective: CurvedObjective, slots: Slots, learning_rate: float
    ) -> Measures:
        """Move theta, in place, by one step."""
        gradient, value = objective.gradient(theta).copy(), objective.value(theta)
        damping = float(slots["damping"][0])
        solution = self._solve(theta, objective, gradient, slots)
        slope = learning_rate * float(gradient @ solution.direction)
        length, actual = _halve(theta, objective, learning_rate * solution.direction, value, slope)
        step = length * learning_rate * solution.direction
        product = length * learning_rate * solution.product - damping * step
        predicted = -float(gradient @ step + 0.5 * step @ product)
        slots["damping"][0] = _adapt(damping, predicted, actual)
        theta += step
        return measures(theta, objective, step) | {
            "damping": damping,
            "predicted_decrease": predicted,
            "actual_decrease": actual,
        }

    def _product(self, theta: Array, objective: CurvedObjective, v: Array) -> Array:
        return objective.hessian_product(theta, v, gauss_newton=self.curvature == "gauss-newton")

    def _solve(
        self, theta: Array, objective: CurvedObjective, gradient: Array, slots: Slots
    ) -> _Solution:
        """Solve for the direction by preconditioned conjugate gradients."""
        solution, residual, damping = np.zeros_like(theta), gradient.copy(), slots["damping"][0]
        conditioned = inverse_hessian.product(slots, residual)
        search, square = -conditioned, float(residual @ conditioned)
        model, pairs = 0.0, []
        for iteration in range(1, self.iterations + 1):
            product = self._product(theta, objective, search) + damping * search
            curvature = float(search @ product)
            if not curvature > 0:
                if iteration == 1:
                    solution, residual = search, gradient + product
                break
            pairs.append((search.copy(), product))
            length = square / curvature
            solution += length * search
            residual += length * product
            last, model = model, 0.5 * float(solution @ (residual + gradient))
            if iteration * (model - last) >= PROGRESS * model:
                break
            conditioned = inverse_hessian.product(slots, residual)
            last, square = square, float(residual @ conditioned)
            search *= square / last
            search -= conditioned
        for pair in pairs:
            inverse_hessian.remember(slots, *pair)
        return _Solution(solution, residual - gradient)


def _halve(
    theta: Array, objective: Objective, step: Array, value: float, slope: float
) -> tuple[float, float]:
    """Halve the step until the cost falls; return the part of it that is left and the decrease."""
    length = 1.0
    for _ in range(MAX_HALVINGS):
        actual = value - objective.value(theta + length * step)
        if actual >= -DECREASE * length * slope or abs(actual) <= rounding(value):
            return length, actual
        length *= 0.5
    return 0.0, 0.0


def _adapt(damping: float, predicted: float, actual: float) -> float:
    """Return the next damping: more if the model was too optimistic, less if it was accurate."""
    if actual < predicted / 4:
        return damping * DAMPING_CHANGE
    return damping / DAMPING_CHANGE if actual > predicted * 3 / 4 else damping
