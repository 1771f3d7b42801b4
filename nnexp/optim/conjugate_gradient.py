"""Nonlinear conjugate gradients."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim import line_search
from nnexp.optim.convergence import Tolerance, measures
from nnexp.optim.inverse_hessian import update_diagonal
from nnexp.optim.objective import Measures, Objective, Slots
from nnexp.optim.update_rule import UpdateRule

CURVATURE = 0.4
LEAST_BETA = 0.5


class ConjugateGradient(UpdateRule, frozen=True, tag="conjugate-gradient"):
    """Dai and Kou's conjugate gradients with a diagonal preconditioner D; uses all examples.

    d <- -D g + beta d with beta = y · D g / (d · y) - (y · D y / (d · y)) (g · d / (d · y)), y the
    gradient's change, and at least 0.5 g · d / (d · D⁻¹ d). With exact line searches, that is Polak
    and Ribière's beta. D is estimated from the steps; alpha meets the strong Wolfe conditions.
    Source: Dai and Kou (2013), SIAM Journal on Optimization 23; for D, see update_diagonal.
    """

    full_batch: ClassVar[bool] = True

    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the initial state: no direction."""
        return {
            "direction": np.zeros_like(theta),
            "gradient_before": np.zeros_like(theta),
            "fall_before": np.zeros(1),
            "diagonal": np.ones_like(theta),
        }

    def step(
        self, theta: Array, objective: Objective, slots: Slots, learning_rate: float | None
    ) -> Measures:
        """Move theta, in place, by one step."""
        del learning_rate
        gradient = objective.gradient(theta).copy()
        slots["direction"][...] = _direction(gradient, slots)
        length = _length(theta, objective, gradient, slots)
        if length is None:  # the last steps are no longer useful: follow the gradient
            slots["direction"][...] = -gradient
            slots["diagonal"][...] = 1
            slots["fall_before"][0] = 0
            length = _length(theta, objective, gradient, slots)
        slots["gradient_before"][...] = gradient
        if length is None:
            return measures(theta, objective, None)
        slots["fall_before"][0] = length * float(gradient @ slots["direction"])
        step = length * slots["direction"]
        theta += step
        change = objective.gradient(theta) - gradient
        if float(step @ change) > 0:
            update_diagonal(slots["diagonal"], step, change)
        return measures(theta, objective, step)


def _direction(gradient: Array, slots: Slots) -> Array:
    """Return the next direction; without a useful last one, -D g."""
    last, diagonal = slots["direction"], slots["diagonal"]
    change = gradient - slots["gradient_before"]
    steepest: Array = -diagonal * gradient
    along = float(last @ change)
    if not along > 0:
        return steepest
    slope = float(gradient @ last)
    beta = -float(change @ steepest) / along
    beta -= float(change @ (diagonal * change)) / along * slope / along
    beta = max(beta, LEAST_BETA * slope / float(last @ (last / diagonal)))
    direction = steepest + beta * last
    return direction if float(direction @ gradient) < 0 else steepest


def _length(theta: Array, objective: Objective, gradient: Array, slots: Slots) -> float | None:
    """Return the step length; the first guess assumes the same decrease as in the last step.

    Source: Nocedal and Wright (2006), eq. 3.59 and above it.
    """
    direction, fall = slots["direction"], float(slots["fall_before"][0])
    slope = float(gradient @ direction)
    first = 1.0 / max(1.0, float(np.linalg.norm(direction)))
    guess = fall / slope if fall and slope else first
    return line_search.wolfe(objective, theta, direction, guess, CURVATURE, strong=True)
