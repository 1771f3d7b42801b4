"""Find the step length along a direction: a line search for the Wolfe conditions."""

from __future__ import annotations

import math
from typing import NamedTuple

from nnexp.nn.arrays import Array
from nnexp.optim.convergence import rounding
from nnexp.optim.objective import Objective

DECREASE = 0.1
"""The fraction of the decrease predicted by the slope that a step must achieve."""
MAX_TRIALS = 30
MARGIN = 0.1
"""No trial is closer to an end of the interval than this fraction of it."""
GROWTH = 1.5, 4.0
"""The bounds of the factor by which a step that is too short grows."""


class _Probe(NamedTuple):
    """A step length, the rise of the cost and, unless that is too large, the slope there."""

    length: float
    rise: float
    slope: float | None


def wolfe(
    objective: Objective,
    theta: Array,
    direction: Array,
    guess: float,
    curvature: float,
    *,
    strong: bool = False,
) -> float | None:
    """Return a length a along direction that meets the Wolfe conditions, or None.

    With f(a) = C(theta + a d), they are f(a) <= f(0) + 0.1 a f'(0) and f'(a) >= c f'(0); the
    strong ones limit |f'(a)| instead. Near a minimum, the cost falls by less than its rounding
    error. There the first condition is estimated from the slopes: f'(a) <= (2 · 0.1 - 1) f'(0).

    Lengths that fail the first condition cost a value and no gradient. Trials are interpolated: by
    a cubic where both slopes are known, by a parabola otherwise, and by the secant of the slopes
    where costs differ by no more than rounding. If no trial meets both conditions, the last that
    meets the first is returned if the cost falls.

    Args:
        objective: the cost.
        theta: the start of the step.
        direction: the direction of the step.
        guess: the length to try first.
        curvature: c, the fraction of the slope that may remain: more than 0.1.
        strong: whether the slope must not be too positive, either.

    Source: Nocedal and Wright (2006), section 3.5; Hager and Zhang (2005), eq. 4.1.
    """
    value, slope = objective.value(theta), float(objective.gradient(theta) @ direction)
    slack = rounding(value)
    if not guess * slope < -slack * slack:  # at the bottom, slopes are rounding errors, too
        return None
    low = before = _Probe(0.0, 0.0, slope)
    high, length = None, guess
    for _ in range(MAX_TRIALS):
        point = theta + length * direction
        trial = _Probe(length, objective.value(point) - value, None)
        falls = trial.rise <= DECREASE * length * slope
        if falls or abs(trial.rise) <= slack:
            end = float(objective.gradient(point) @ direction)
            falls = falls or end <= (2 * DECREASE - 1) * slope
            if falls and end >= curvature * slope and not (strong and end > -curvature * slope):
                return length
            trial = trial._replace(slope=end)
        if falls and trial.slope is not None and trial.slope < 0:
            before, low = low, trial
        else:
            high = trial
        length = _extrapolate(before, low) if high is None else _interpolate(low, high, slack)
    return low.length if low.rise < 0 else None


def _extrapolate(before: _Probe, low: _Probe) -> float:
    """Return a longer trial than the two that were too short."""
    width = low.length - before.length
    at = _cubic(before, low)
    least, most = (low.length + (factor - 1) * width for factor in GROWTH)
    return min(max(at, least), most) if at > low.length else most


def _interpolate(low: _Probe, high: _Probe, slack: float) -> float:
    """Return a trial between one that is too short and one that is too long."""
    width = high.length - low.length
    start = low.slope or 0.0
    if high.slope is None:
        at = low.length - 0.5 * start * width**2 / (high.rise - low.rise - start * width)
    elif abs(high.rise - low.rise) > slack:
        at = _cubic(low, high)
    else:
        at = low.length + width * start / (start - high.slope)
    if math.isnan(at):
        return low.length + 0.5 * width
    return min(max(at, low.length + MARGIN * width), high.length - MARGIN * width)


def _cubic(a: _Probe, b: _Probe) -> float:
    """Return the minimum of the cubic with the costs and slopes of two trials, or NaN.

    Source: Nocedal and Wright (2006), eq. 3.59.
    """
    slope_a, slope_b, width = a.slope or 0.0, b.slope or 0.0, b.length - a.length
    first = slope_a + slope_b - 3 * (b.rise - a.rise) / width
    square = first * first - slope_a * slope_b
    if not square >= 0:
        return math.nan
    second = math.sqrt(square)
    bottom = slope_b - slope_a + 2 * second
    return b.length - width * (slope_b + second - first) / bottom if bottom else math.nan
