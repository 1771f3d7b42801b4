"""Find the step length along a direction: scipy's search for the strong Wolfe conditions."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from nnexp.nn.arrays import Array
from nnexp.optim.convergence import rounding
from nnexp.optim.objective import Objective

SUFFICIENT_DECREASE = 1e-4
MAX_TRIALS = 30
SCIPYS_FACTOR = 2.02
"""scipy's first trial is this factor times the cost's last decrease, divided by the slope."""


def wolfe(
    objective: Objective, theta: Array, direction: Array, guess: float, curvature: float
) -> float | None:
    """Return a length along direction that meets the strong Wolfe conditions, or None.

    Near a minimum the cost falls by less than its rounding error. There the decrease is estimated
    from the slopes at both ends, which gives the approximate conditions of Hager and Zhang.

    Args:
        objective: the cost.
        theta: the start of the step.
        direction: the direction of the step.
        guess: the length to try first, at most 1.
        curvature: the fraction of the slope that may remain: 0.9 for quasi-Newton methods, less
            for conjugate gradients.

    Source: Nocedal and Wright (2006), algorithms 3.5 and 3.6; Hager and Zhang (2005), eq. 4.1.
    """
    from scipy.optimize import line_search  # noqa: PLC0415 - takes 0.2 s, and few methods need it

    value, gradient = objective.value(theta), objective.gradient(theta).copy()
    slope = float(gradient @ direction)
    if not slope < 0:
        return None

    def rise(point: Array) -> float:
        return objective.value(point) - value

    def rise_by_slopes(point: Array) -> float:
        return 0.5 * float((point - theta) @ (gradient + objective.gradient(point)))

    def search(cost: Callable[[Array], float]) -> float | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a failure also shows in the result, None
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
                maxiter=MAX_TRIALS,
            )[0]
        return None if length is None else float(length)

    length = search(rise)
    if length is None:
        length = search(rise_by_slopes)
        if length is not None and not rise(theta + length * direction) <= rounding(value):
            length = None
    return length
