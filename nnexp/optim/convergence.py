"""Parts shared by full-batch methods: tolerance, rounding, limit of memory, measures of a step."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from msgspec import Meta

from nnexp.errors import UsageError
from nnexp.nn.arrays import Array
from nnexp.optim.objective import CurvedObjective, Measures, Objective

Tolerance = Annotated[
    float, Meta(ge=0, description="Converged once the gradient's norm is below this.")
]

PROBES = 50
"""Maximum Hessian products to look for negative curvature."""

EPSILON = math.ulp(1.0)

LIMIT = 1 << 30
"""Maximum bytes of an optimizer's matrices of parameters x parameters, together: 1 GiB."""


def check_memory(parameters: int, optimizer: str, *, matrices: int = 1) -> None:
    """Check that an optimizer's matrices of parameters x parameters are within the limit.

    Raises:
        UsageError: they are too large; the message suggests other optimizers.
    """
    size = matrices * parameters * parameters * 8
    if size > LIMIT:
        count = "a matrix" if matrices == 1 else f"{matrices} matrices"
        raise UsageError(
            f"optimizer: {optimizer} would need {size / LIMIT:.1f} GiB for {count} of "
            f"{parameters} x {parameters} (the limit is 1 GiB); use l-bfgs or hessian-free, "
            "or a smaller network"
        )


def rounding(value: float) -> float:
    """Return the largest difference of costs near value that may be due to rounding."""
    return 100 * EPSILON * max(1.0, abs(value))


def measures(theta: Array, objective: Objective, step: Array | None) -> Measures:
    """Return the metrics of a full-batch step: its norm, and the gradient's norm after it."""
    return {
        "gradient_norm": float(np.linalg.norm(objective.gradient(theta))),
        "step_norm": 0.0 if step is None else float(np.linalg.norm(step)),
    }


def negative_curvature(theta: Array, objective: CurvedObjective, tolerance: float) -> Measures:
    """Return the negative curvature of the cost at a theta without a slope, if it is a saddle.

    Lanczos' method finds the lowest curvature u · (H u) of unit vectors u in a small subspace, from
    a fixed start. It is negative enough below -sqrt(tolerance): with a gradient up to the
    tolerance, curvatures closer to 0 may be those of a minimum that is not quite reached.

    Returns: a measure, or none if no such curvature was found.
    Source: Nesterov and Polyak (2006), eq. 1.4; Golub and Van Loan (2013), algorithm 10.1.1.
    """
    vectors: list[Array] = []
    diagonal: list[float] = []
    v: Array = np.random.default_rng(0).standard_normal(theta.size)
    side = [float(np.linalg.norm(v))]
    while len(vectors) < min(PROBES, theta.size):
        vectors.append(v / side[-1])
        v = objective.hessian_product(theta, vectors[-1])
        diagonal.append(float(vectors[-1] @ v))
        basis = np.array(vectors)
        for _ in range(2):  # twice is enough for orthogonality in spite of rounding
            v = v - basis.T @ (basis @ v)
        side.append(float(np.linalg.norm(v)))
        if side[-1] <= EPSILON * max(map(abs, diagonal)):
            break
    tridiagonal = np.diag(diagonal) + np.diag(side[1:-1], 1) + np.diag(side[1:-1], -1)
    curvatures = np.linalg.eigvalsh(tridiagonal)
    is_negative = curvatures[0] < -max(tolerance**0.5, theta.size * EPSILON * curvatures[-1])
    return {"negative_curvature": float(curvatures[0])} if is_negative else {}
