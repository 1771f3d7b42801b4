"""Nonlinear conjugate gradients."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim import line_search
from nnexp.optim.convergence import Tolerance, measures
from nnexp.optim.objective import Measures, Objective, Slots
from nnexp.optim.update_rule import UpdateRule

CURVATURE = 0.1


class ConjugateGradient(UpdateRule, frozen=True, tag="conjugate-gradient"):
    """Polak and Ribière's conjugate gradients with restarts; each step uses all examples.

    d <- -g + beta d with beta = max(0, g · (g - g') / (g' · g')), g' the last gradient; if d is not
    a descent direction, it is reset to -g. Alpha meets the strong Wolfe conditions.
    Source: Nocedal and Wright (2006), eqs. 5.44 and 5.45; Polak and Ribière (1969).
    """

    full_batch: ClassVar[bool] = True

    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the initial state: no direction."""
        return {
            "direction": np.zeros_like(theta),
            "gradient_before": np.zeros_like(theta),
            "fall_before": np.zeros(1),
        }

    def step(
        self, theta: Array, objective: Objective, slots: Slots, learning_rate: float | None
    ) -> Measures:
        """Move theta, in place, by one step."""
        del learning_rate
        gradient = objective.gradient(theta).copy()
        direction, before = slots["direction"], slots["gradient_before"]
        square = float(before @ before)
        beta = max(0.0, float(gradient @ (gradient - before)) / square) if square else 0.0
        direction *= beta
        direction -= gradient
        if not float(direction @ gradient) < 0:
            direction[...] = -gradient
        length = _length(theta, objective, gradient, slots)
        if length is None:
            direction[...] = -gradient
            length = _length(theta, objective, gradient, slots)
        before[...] = gradient
        if length is None:
            return measures(theta, objective, None)
        slots["fall_before"][0] = length * float(gradient @ direction)
        step = length * direction
        theta += step
        return measures(theta, objective, step)


def _length(theta: Array, objective: Objective, gradient: Array, slots: Slots) -> float | None:
    """Return the step length; the first guess assumes the same decrease as in the last step.

    Source: Nocedal and Wright (2006), eq. 3.59 and above it.
    """
    direction, fall = slots["direction"], float(slots["fall_before"][0])
    slope = float(gradient @ direction)
    if fall and slope:
        guess = min(1.0, fall / slope)
    else:
        guess = 1.0 / max(1.0, float(np.linalg.norm(direction)))
    return line_search.wolfe(objective, theta, direction, guess, CURVATURE)
