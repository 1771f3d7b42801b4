"""The step length along a direction: scipy's search for the strong Wolfe conditions."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from nnexp.nn.arrays import Array
from nnexp.optim.convergence import rounding
from nnexp.optim.objective import Objective

SUFFICIENT_DECREASE = 1e-4
MOST_TRIALS = 30
SCIPYS_FACTOR = 2.02
"""Scipy first tries this times the cost's last fall, divided by the slope."""


def wolfe(
    objective: Objective, theta: Array, direction: Array, guess: float, curvature: float
) -> float | None:
    """Return a length along direction that meets the strong Wolfe conditions, or None.

    Near a minimum the cost falls by less than its rounding. There the fall is taken from the
    slopes at both ends, which makes the conditions the approximate ones of Hager and Zhang.

    Args:
        objective: the cost.
        theta: where the step begins.
        direction: where it goes.
        guess: the length tried first, 1 at most.
        curvature: how much of the slope may be left: 0.9 for quasi-Newton methods, less for
            conjugate gradients.

    Source: Nocedal and Wright (2006), algorithms 3.5 and 3.6; Hager and Zhang (2005), eq. 4.1.
    """
    from scipy.optimize import line_search  # noqa: PLC0415 - a fifth of a second, for few methods

    value, gradient = objective.value(theta), objective.gradient(theta).copy()
    slope = float(gradient @ direction)
    if not slope < 0:
        return None

    def rise(there: Array) -> float:
        return objective.value(there) - value

    def rise_by_slopes(there: Array) -> float:
        return 0.5 * float((there - theta) @ (gradient + objective.gradient(there)))

    def search(cost: Callable[[Array], float]) -> float | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it found nothing is told by what it returns
            length = line_search(
                cost,
                objective.gradient,
                theta,
                direction,
                gfk=gradient,
                old_fval=0.0,
                old_old_fval=-guess * slope / SCIPYS_FACTOR,
                c1=SUFFICIENT_DECREASE,
                c2=curvature,
                maxiter=MOST_TRIALS,
            )[0]
        return None if length is None else float(length)

    length = search(rise)
    if length is None:
        length = search(rise_by_slopes)
        if length is not None and not rise(theta + length * direction) <= rounding(value):
            length = None
    return length
