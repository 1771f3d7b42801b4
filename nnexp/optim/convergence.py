"""What full-batch methods share: when they have converged, what they say, what they may hold."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta

from nnexp.errors import UsageError
from nnexp.nn.arrays import Array
from nnexp.optim.objective import Measures, Objective

Tolerance = Annotated[
    float, Meta(ge=0, description="Converged once the gradient's norm is below this.")
]

LIMIT = 1 << 30
"""1 GiB, for a matrix that grows with the square of the number of parameters."""


def check_room(parameters: int, optimizer: str) -> None:
    """Refuse a matrix of parameters × parameters that is larger than the limit.

    Raises:
        UsageError: it is; the text says how large, and what to use instead.
    """
    size = parameters * parameters * 8
    if size > LIMIT:
        raise UsageError(
            f"optimizer: {optimizer} would need {size / LIMIT:.1f} GiB for a matrix of "
            f"{parameters} x {parameters} (the limit is 1 GiB); use l-bfgs or hessian-free, "
            "or a smaller network"
        )


def rounding(value: float) -> float:
    """Return the difference of costs near a value below which it may be rounding alone."""
    return 100 * float(np.finfo(float).eps) * max(1.0, abs(value))


def measures(theta: Array, objective: Objective, step: Array | None) -> Measures:
    """Return what a row says of a full-batch step: how far it went, and the slope left."""
    return {
        "gradient_norm": float(np.linalg.norm(objective.gradient(theta))),
        "step_norm": 0.0 if step is None else float(np.linalg.norm(step)),
    }
