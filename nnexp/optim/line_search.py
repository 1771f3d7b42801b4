"""The step length along a direction: scipy's search for the strong Wolfe conditions."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from nnexp.nn.arrays import Array
from nnexp.optim.objective import Objective

SUFFICIENT_DECREASE = 1e-4
MOST_TRIALS = 30


class Found(NamedTuple):
    """A step length, and the cost where it leads."""

    length: float
    value: float


def wolfe(
    objective: Objective, theta: Array, direction: Array, before: float, curvature: float
) -> Found | None:
    """Return a step along direction that meets the strong Wolfe conditions, or None.

    Args:
        objective: the cost.
        theta: where the step begins.
        direction: goes down.
        before: the cost one step earlier, from which the first guess follows; NaN if none.
        curvature: how much of the slope may be left: 0.9 for quasi-Newton methods, less for
            conjugate gradients.

    Source: Nocedal and Wright (2006), algorithms 3.5 and 3.6.
    """
    from scipy.optimize import line_search  # noqa: PLC0415 - a fifth of a second, for few methods

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it found nothing is told by what it returns
        length, _, _, value, _, _ = line_search(
            objective.value,
            objective.gradient,
            theta,
            direction,
            gfk=objective.gradient(theta),
            old_fval=objective.value(theta),
            old_old_fval=None if before != before else before,  # noqa: PLR0124 - NaN
            c1=SUFFICIENT_DECREASE,
            c2=curvature,
            maxiter=MOST_TRIALS,
        )
    return None if length is None or value is None else Found(float(length), float(value))
