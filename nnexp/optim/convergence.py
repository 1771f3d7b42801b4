"""Parts shared by full-batch methods: tolerance, rounding, limit of memory, measures of a step."""

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
"""Maximum bytes of a matrix of parameters x parameters: 1 GiB."""


def check_memory(parameters: int, optimizer: str) -> None:
    """Check that a matrix of parameters x parameters is within the limit.

    Raises:
        UsageError: it is too large; the message suggests other optimizers.
    """
    size = parameters * parameters * 8
    if size > LIMIT:
        raise UsageError(
            f"optimizer: {optimizer} would need {size / LIMIT:.1f} GiB for a matrix of "
            f"{parameters} x {parameters} (the limit is 1 GiB); use l-bfgs or hessian-free, "
            "or a smaller network"
        )


def rounding(value: float) -> float:
    """Return the largest difference of costs near value that may be due to rounding."""
    return 100 * float(np.finfo(float).eps) * max(1.0, abs(value))


def measures(theta: Array, objective: Objective, step: Array | None) -> Measures:
    """Return the metrics of a full-batch step: its norm, and the gradient's norm after it."""
    return {
        "gradient_norm": float(np.linalg.norm(objective.gradient(theta))),
        "step_norm": 0.0 if step is None else float(np.linalg.norm(step)),
    }
