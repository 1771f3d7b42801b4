"""Newton's method: the chapter's Hessian technique."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim.convergence import Tolerance, check_memory, measures, rounding
from nnexp.optim.objective import CurvedObjective, Measures, Slots
from nnexp.optim.update_rule import UpdateRule

SUFFICIENT_DECREASE = 1e-4

FIRST_DAMPING = 1e-3
GROWTH = 2.0
MAX_DAMPINGS = 60

DIRECTIONS = 32
"""Hessian products computed at once; more save no time."""


class _Trial(NamedTuple):
    """A step with its damping, and the predicted and actual decrease of the cost."""

    step: Array
    damping: float
    predicted: float
    actual: float


class Newton(UpdateRule, frozen=True, tag="newton"):
    """Step to the minimum of the quadratic model: theta <- theta - eta H⁻¹ grad, with all examples.

    H is built from exact products with the unit vectors. If it is not positive definite, or the
    cost does not decrease as the model predicts, it is replaced by H + damping I, with damping
    doubled until that works.
    Source: Nielsen (2015), eqs. 103 to 106; damping: Nocedal and Wright (2006), section 3.4.
    """

    full_batch: ClassVar[bool] = True
    default_learning_rate: ClassVar[float | None] = 1.0

    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the initial state: empty.

        Raises:
            UsageError: the Hessian would need more memory than is allowed.
        """
        check_memory(theta.size, "newton")
        return {}

    def step(
        self, theta: Array, objective: CurvedObjective, slots: Slots, learning_rate: float
    ) -> Measures:
        """Move theta, in place, by one step."""
        del slots
        trial = self._trial(theta, objective, learning_rate)
        theta += trial.step
        return measures(theta, objective, trial.step) | {
            "damping": trial.damping,
            "predicted_decrease": trial.predicted,
            "actual_decrease": trial.actual,
        }

    def _trial(self, theta: Array, objective: CurvedObjective, learning_rate: float) -> _Trial:
        """Increase damping until the cost decreases as predicted; return that step."""
        gradient, value = objective.gradient(theta), objective.value(theta)
        h = hessian(theta, objective)
        slack = rounding(value)
        damping, least = 0.0, FIRST_DAMPING * float(max(h.max(), -h.min()))
        for _ in range(MAX_DAMPINGS):
            solution = _solve(h, damping, gradient)
            if solution is not None:
                step = -learning_rate * solution
                predicted = -float(gradient @ step + 0.5 * step @ (h @ step))
                actual = value - objective.value(theta + step)
                if actual >= SUFFICIENT_DECREASE * abs(predicted) - slack:
                    return _Trial(step, damping, predicted, actual)
                slack = 0.0  # with slack, damping would make any step small enough to pass
            damping = max(GROWTH * damping, least)
        return _Trial(np.zeros_like(theta), damping, 0.0, 0.0)


def hessian(theta: Array, objective: CurvedObjective) -> Array:
    """Return the cost's Hessian at theta, (parameters, parameters), exactly."""
    matrix: Array = np.eye(theta.size)
    for start in range(0, theta.size, DIRECTIONS):
        rows = matrix[start : start + DIRECTIONS]
        rows[...] = objective.hessian_product(theta, rows)
    matrix += matrix.T.copy()  # Cholesky requires symmetry, which rounding breaks
    matrix *= 0.5
    return matrix


def _solve(h: Array, damping: float, gradient: Array) -> Array | None:
    """Return (H + damping I)⁻¹ grad by Cholesky, or None if the matrix is not positive definite."""
    from scipy.linalg import cho_factor, cho_solve  # noqa: PLC0415 - slow to import

    damped = h.copy()
    damped.flat[:: len(h) + 1] += damping
    try:  # the transpose is equal, and in the memory order that LAPACK can overwrite
        factor = cho_factor(damped.T, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    solution: Array = cho_solve(factor, gradient, check_finite=False)
    return solution
