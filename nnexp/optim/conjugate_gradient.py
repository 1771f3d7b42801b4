"""Nonlinear conjugate gradients."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim import line_search
from nnexp.optim.convergence import Tolerance, measures, rounding
from nnexp.optim.inverse_hessian import first_diagonal, first_length, update_diagonal
from nnexp.optim.objective import CurvedObjective, Measures, Objective, Slots
from nnexp.optim.update_rule import UpdateRule

CURVATURES = 0.4, 0.11
"""The fraction of the slope that may remain after a step; the smaller where the cost is quadratic,
since conjugate gradients are quickest there with exact searches."""
LEAST_BETA = 0.5
KEPT = 2
"""P steps would do with exact searches and without rounding; with twice as many, fewer restarts are
too early where the condition is bad."""
QUADRATIC_ERROR = 0.001
"""Along a step, a quadratic cost falls by the mean of the slopes at its ends; any other cost, where
the fall differs by at most this fraction of the first slope, counts as quadratic, too."""


class ConjugateGradient(UpdateRule, frozen=True, tag="conjugate-gradient"):
    """Dai and Kou's conjugate gradients with a diagonal preconditioner D; uses all examples.

    d <- -D g + beta d with beta = y · D g / (d · y) - (y · D y / (d · y)) (g · d / (d · y)), y the
    gradient's change, and at least 0.5 g · d / (d · D⁻¹ d). With exact line searches, that is Polak
    and Ribière's beta. D is estimated from the steps, beginning with the scales of inputs; alpha
    meets the strong Wolfe conditions.

    Directions are conjugate only if D stays the same. Where the cost is quadratic along the steps,
    D is therefore kept for 2 P steps (P parameters), then replaced by its estimate with a restart
    from -D g. Elsewhere, where conjugacy is lost anyway, D is replaced at every step.
    Source: Dai and Kou (2013), SIAM Journal on Optimization 23, which restarts by such a measure of
    the cost, too; for D, see first_diagonal and update_diagonal.
    """

    full_batch: ClassVar[bool] = True

    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the initial state: no direction."""
        return {
            "direction": np.zeros_like(theta),
            "gradient_before": np.zeros_like(theta),
            "fall_before": np.zeros(1),
            "is_quadratic": np.ones(1),
            "diagonal": np.ones_like(theta),
            "steps_of_diagonal": np.zeros(1),
            "estimate": np.ones_like(theta),
            "pairs_of_estimate": np.zeros(1),
        }

    def step(
        self, theta: Array, objective: CurvedObjective, slots: Slots, learning_rate: float | None
    ) -> Measures:
        """Move theta, in place, by one step."""
        del learning_rate
        gradient, value = objective.gradient(theta).copy(), objective.value(theta)
        length = None
        if slots["pairs_of_estimate"][0]:
            slots["direction"][...] = _direction(gradient, slots)
            length = _length(theta, objective, gradient, slots)
        if length is None:  # there are no steps yet, or they are no longer useful: begin anew
            for name, slot in self.start(theta).items():
                slots[name][...] = slot
            slots["estimate"][...] = first_diagonal(theta, objective)
            slots["direction"][...] = _direction(gradient, slots)
            length = _length(theta, objective, gradient, slots)
        slots["gradient_before"][...] = gradient
        if length is None:
            return measures(theta, objective, None)
        slots["fall_before"][0] = length * float(gradient @ slots["direction"])
        step = length * slots["direction"]
        theta += step
        fall, after = value - objective.value(theta), objective.gradient(theta)
        slots["is_quadratic"][0] = fall <= rounding(value) or _is_quadratic(
            fall, float(gradient @ step), float(after @ step)
        )
        _estimate(slots, step, after - gradient)
        return measures(theta, objective, step)


def _direction(gradient: Array, slots: Slots) -> Array:
    """Return the next direction, and choose D; after a restart, -D g."""
    last, diagonal, age = slots["direction"], slots["diagonal"], slots["steps_of_diagonal"]
    change = gradient - slots["gradient_before"]
    along, is_quadratic = float(last @ change), bool(slots["is_quadratic"][0])
    is_restart = not along > 0 or (is_quadratic and age[0] >= KEPT * gradient.size)
    if is_restart or not is_quadratic:
        diagonal[...] = slots["estimate"]
        age[0] = 0
    age += 1
    steepest: Array = -diagonal * gradient
    if is_restart:
        return steepest
    slope = float(gradient @ last)
    beta = -float(change @ steepest) / along
    beta -= float(change @ (diagonal * change)) / along * slope / along
    beta = max(beta, LEAST_BETA * slope / float(last @ (last / diagonal)))
    direction = steepest + beta * last
    return direction if float(direction @ gradient) < 0 else steepest


def _is_quadratic(fall: float, slope: float, slope_after: float) -> bool:
    """Return whether the cost fell along a step, of these slopes at its ends, like a quadratic."""
    return abs(fall + 0.5 * (slope + slope_after)) <= QUADRATIC_ERROR * abs(slope)


def _estimate(slots: Slots, step: Array, change: Array) -> None:
    """Update the estimate that D will be replaced by, unless s · y <= 0."""
    if not float(step @ change) > 0:
        return
    pairs = slots["pairs_of_estimate"]
    update_diagonal(slots["estimate"], step, change, is_first=not pairs[0])
    pairs += 1


def _length(theta: Array, objective: Objective, gradient: Array, slots: Slots) -> float | None:
    """Return the step length; the first guess assumes the same decrease as in the last step.

    Source: Nocedal and Wright (2006), section 3.5, "Initial step length", above eq. 3.60.
    """
    direction, fall = slots["direction"], float(slots["fall_before"][0])
    slope = float(gradient @ direction)
    guess = fall / slope if fall and slope else first_length(slope)
    curvature = CURVATURES[int(slots["is_quadratic"][0])]
    return line_search.wolfe(objective, theta, direction, guess, curvature, strong=True)
