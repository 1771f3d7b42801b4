"""Newton's method: the chapter's Hessian technique, in a trust region."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim.convergence import EPSILON, Tolerance, check_memory, measures, rounding
from nnexp.optim.objective import CurvedObjective, Measures, Slots
from nnexp.optim.update_rule import UpdateRule

FIRST_RADIUS = 2.0
"""Weighted inputs may change by about 2 at first, as much as it takes to bend a sigmoid."""
ACCEPTED, POOR, GOOD = 1e-4, 0.25, 0.75
"""The fraction of the predicted decrease below which a step is rejected and the radius shrinks,
and above which it grows."""
SHRINK, GROW = 0.25, 3.0
MAX_TRIALS = 50
MAX_DAMPINGS = 100
LENGTH_ERROR = 1e-6
"""A step that the radius limits may differ from it by this fraction."""

DIRECTIONS = 32
"""Hessian products computed at once; more save no time."""


class Newton(UpdateRule, frozen=True, tag="newton"):
    """Step to the minimum of the quadratic model if it is near: theta <- theta - eta H⁻¹ grad.

    H is built from exact products with the unit vectors. The step minimizes the model where
    |D step| <= radius: it solves (H + damping D²) step = -grad, with damping 0 if H is positive
    definite and the step short enough. D holds the root mean square of each weight's input, so
    |D step| measures the change of the neurons' weighted inputs, and features may have any units.
    The radius shrinks if the cost falls by less than a quarter of the prediction, and grows if it
    limited a step that the model predicted well. Negative curvature is followed to the radius.
    Source: Nielsen (2015), eqs. 103 to 106; Conn, Gould and Toint (2000), algorithm 6.1.1 and
    section 7.3; Moré and Sorensen (1983).
    """

    full_batch: ClassVar[bool] = True
    default_learning_rate: ClassVar[float | None] = 1.0
    leaves_saddles: ClassVar[bool] = True

    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the initial state: the radius, 0 until the first step chooses it.

        Raises:
            UsageError: the Hessian would need more memory than is allowed.
        """
        check_memory(theta.size, "newton")
        return {"radius": np.zeros(1)}

    def step(
        self, theta: Array, objective: CurvedObjective, slots: Slots, learning_rate: float
    ) -> Measures:
        """Move theta, in place, by one step."""
        trial = _trial(theta, objective, float(slots["radius"][0]), learning_rate)
        slots["radius"][0] = trial.radius
        theta += trial.step
        return measures(theta, objective, trial.step) | {
            "damping": trial.damping,
            "predicted_decrease": trial.predicted,
            "actual_decrease": trial.actual,
        }


class _Trial(NamedTuple):
    """A step, its damping, the predicted and actual decrease of the cost, and the next radius."""

    step: Array
    damping: float
    predicted: float
    actual: float
    radius: float


class _Model(NamedTuple):
    """The quadratic model in coordinates x that make its Hessian diagonal: step = D⁻¹ Q x.

    Q has the eigenvectors of D⁻¹ H D⁻¹, so that x is as long as D step.
    """

    curvatures: Array  # the eigenvalues, ascending
    slopes: Array  # Qᵀ D⁻¹ grad
    basis: Array  # D⁻¹ Q

    def decrease(self, x: Array) -> float:
        """Return the predicted decrease of the cost."""
        return -float(self.slopes @ x + 0.5 * x @ (self.curvatures * x))


def _trial(theta: Array, objective: CurvedObjective, radius: float, learning_rate: float) -> _Trial:
    """Shrink the radius until the cost falls as predicted; return that step."""
    gradient, value = objective.gradient(theta).copy(), objective.value(theta)
    model = _model(theta, objective, gradient)
    if model is None:
        return _Trial(np.zeros_like(theta), 0.0, 0.0, 0.0, radius)
    if not radius:  # the first step; where the cost is convex, all of it is worth a try
        radius = FIRST_RADIUS if model.curvatures[0] < 0 else np.inf
    damping, slack = 0.0, rounding(value)
    for _ in range(MAX_TRIALS):
        x, damping = minimize(model.curvatures, model.slopes, radius)
        length, x = float(np.linalg.norm(x)), learning_rate * x
        step, predicted = model.basis @ x, model.decrease(x)
        actual = value - objective.value(theta + step)
        quality = actual / abs(predicted) if predicted else 0.0
        if abs(predicted) <= slack and actual >= -slack:
            quality = 1.0
        radius = _next_radius(radius, length, quality)
        if quality >= ACCEPTED:
            return _Trial(step, damping, predicted, actual, radius)
        slack = 0.0  # with slack, any step would pass once the radius is small enough
    return _Trial(np.zeros_like(theta), damping, 0.0, 0.0, min(radius, FIRST_RADIUS))


def _model(theta: Array, objective: CurvedObjective, gradient: Array) -> _Model | None:
    """Return the model at theta, or None if the second derivatives are not finite.

    Curvatures that may be due to rounding count as positive.
    """
    scales = objective.input_scales(theta)
    h = hessian(theta, objective)
    h /= scales
    h /= scales[:, np.newaxis]
    if not np.isfinite(h).all():
        return None
    curvatures, basis = np.linalg.eigh(h)
    least = max(len(h) * EPSILON * float(np.abs(curvatures).max()), float(np.finfo(float).tiny))
    curvatures[np.abs(curvatures) <= least] = least
    slopes = basis.T @ (gradient / scales)
    basis /= scales[:, np.newaxis]
    return _Model(curvatures, slopes, basis)


def hessian(theta: Array, objective: CurvedObjective) -> Array:
    """Return the cost's Hessian at theta, (parameters, parameters), exactly."""
    matrix: Array = np.eye(theta.size)
    for start in range(0, theta.size, DIRECTIONS):
        rows = matrix[start : start + DIRECTIONS]
        rows[...] = objective.hessian_product(theta, rows)
    matrix += matrix.T.copy()  # rounding breaks symmetry
    matrix *= 0.5
    return matrix


def _next_radius(radius: float, length: float, quality: float) -> float:
    """Return the radius after a step of a length, whose decrease was quality times predicted."""
    if not quality >= POOR:
        return min(SHRINK * length, FIRST_RADIUS) if np.isinf(radius) else SHRINK * length
    if np.isinf(radius):
        return max(length, FIRST_RADIUS)
    is_limit = length >= (1 - LENGTH_ERROR) * radius
    return GROW * radius if quality > GOOD and is_limit else radius


def minimize(curvatures: Array, slopes: Array, radius: float) -> tuple[Array, float]:
    """Return the x that minimizes slopes · x + ½ Σ curvatures x² where |x| <= radius, and damping.

    x = -slopes / (curvatures + damping). Unless x is short enough without damping, Newton's method
    on 1/|x| - 1/radius finds it. In the "hard case", where no damping makes x long enough, the
    rest of the length is along the lowest curvature. The unknown is the lowest curvature plus the
    damping: near the hard case it is far smaller than either, which cancel.

    Args:
        curvatures: in ascending order, none of them 0.
        slopes: of the same shape.
        radius: above 0; infinite only if all curvatures are positive.

    Source: Moré and Sorensen (1983), section 3; Nocedal and Wright (2006), section 4.3.
    """
    lowest, highest = float(curvatures[0]), float(np.abs(curvatures).max())
    if lowest > 0:
        x = -slopes / curvatures
        if np.linalg.norm(x) <= radius:
            return x, 0.0
    above = curvatures - lowest
    least = max(lowest, EPSILON * highest)
    # With less, one element of x would be longer than the radius.
    shift = max(least, float((np.abs(slopes) / radius - above).max()))
    x = -slopes / (above + shift)
    if lowest < 0 and shift == least and np.linalg.norm(x) < radius:
        x[0] = np.copysign(np.sqrt(radius**2 - float(x[1:] @ x[1:])), x[0])
        return x, shift - lowest
    for _ in range(MAX_DAMPINGS):
        length = float(np.linalg.norm(x))
        if length <= (1 + LENGTH_ERROR) * radius:
            break
        excess = length / radius - 1
        shift += excess * length**2 / float(x @ (x / (above + shift)))
        x = -slopes / (above + shift)
    return x, shift - lowest
