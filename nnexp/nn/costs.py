"""Cost functions for each kind of output, with their derivatives with respect to the logits.

Values are computed from logits in a numerically stable form: no exponential overflows and no
logarithm is taken of 0, in float32 or float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nnexp.nn.arrays import ONE, Array
from nnexp.nn.outputs import OutputName

if TYPE_CHECKING:
    import numpy.typing as npt

CostName = Literal["cross-entropy", "quadratic", "log-likelihood"]


class CostFunction(NamedTuple):
    """A cost for one kind of output; arrays have one row per example, and total sums over them."""

    total: Callable[[Array, Array, Array], float]  # (z, a, y): the sum of the examples' costs
    delta: Callable[[Array, Array, Array], None]  # (a, y, out): out = dC/dz
    curvature: Callable[[Array, Array, Array], Array]  # (a, y, r): d²C/dz² r
    gauss_newton: Callable[[Array, Array, Array], Array]
    """Like curvature, but without the outputs' second derivative, so that r · (G r) >= 0."""


def cross_entropy(z: Array, a: Array, y: Array) -> float:
    """Return -sum [y ln a + (1 - y) ln(1 - a)] for sigmoid outputs a of logits z.

    Equal to sum [max(z, 0) - y z + ln(1 + exp(-|z|))].
    Source: Nielsen (2015), eq. 57.
    """
    del a  # logits are more precise than outputs, which round to 0 and 1
    softplus = np.log1p(np.exp(-np.abs(z)))
    softplus += np.maximum(z, 0.0)
    softplus -= y * z
    return float(softplus.sum(dtype=np.float64))


def log_likelihood(z: Array, a: Array, y: Array) -> float:
    """Return -sum ln a_y for softmax outputs of logits z.

    Equal to sum [ln sum_k exp(z_k) - z_y], shifted by each row's maximum.
    Source: Nielsen (2015), eq. 80.
    """
    del a
    shifted = z - np.maximum.reduce(z, axis=1, keepdims=True)
    normalizers = np.log(np.exp(shifted).sum(axis=1))
    return float(normalizers.sum(dtype=np.float64) - (y * shifted).sum(dtype=np.float64))


def quadratic(z: Array, a: Array, y: Array) -> float:
    """Return 1/2 sum ||y - a||^2. Source: Nielsen (2015), eq. 6."""
    del z
    difference = a - y
    return 0.5 * float(np.einsum("ij,ij->", difference, difference, dtype=np.float64))


def difference(a: Array, y: Array, out: Array) -> None:
    """Write a - y to out, for matching cost and output. Source: Nielsen (2015), eq. 68."""
    np.subtract(a, y, out=out)


def quadratic_sigmoid_delta(a: Array, y: Array, out: Array) -> None:
    """Write (a - y) a (1 - a) to out. Source: Nielsen (2015), eq. 30."""
    np.subtract(ONE[a.dtype], a, out=out)
    np.multiply(a, out, out=out)
    np.multiply(a - y, out, out=out)


def quadratic_tanh_delta(a: Array, y: Array, out: Array) -> None:
    """Write (a - y) (1 - a^2) to out."""
    np.multiply(a, a, out=out)
    np.subtract(ONE[a.dtype], out, out=out)
    np.multiply(a - y, out, out=out)


def sigmoid_curvature(a: Array, y: Array, r: Array) -> Array:
    """Return a (1 - a) r, the derivative of a - y along r for sigmoid outputs."""
    del y
    return a * (1.0 - a) * r


def softmax_curvature(a: Array, y: Array, r: Array) -> Array:
    """Return a r - a (a · r), the derivative of a - y along r for softmax outputs."""
    del y
    curved: Array = a * (r - np.sum(a * r, axis=1, keepdims=True))
    return curved


def linear_curvature(a: Array, y: Array, r: Array) -> Array:
    """Return r, the derivative of a - y along r for linear outputs."""
    del a, y
    curved: Array = r.copy()
    return curved


def quadratic_sigmoid_curvature(a: Array, y: Array, r: Array) -> Array:
    """Return (s^2 + (a - y) s (1 - 2a)) r with s = a (1 - a)."""
    slope = a * (1.0 - a)
    curved: Array = slope * (slope + (a - y) * (1.0 - 2.0 * a)) * r
    return curved


def quadratic_sigmoid_gauss_newton(a: Array, y: Array, r: Array) -> Array:
    """Return s^2 r with s = a (1 - a)."""
    del y
    slope = a * (1.0 - a)
    return slope * slope * r


def quadratic_tanh_curvature(a: Array, y: Array, r: Array) -> Array:
    """Return (s^2 - 2 (a - y) a s) r with s = 1 - a^2."""
    slope = 1.0 - a * a
    return slope * (slope - 2.0 * (a - y) * a) * r


def quadratic_tanh_gauss_newton(a: Array, y: Array, r: Array) -> Array:
    """Return s^2 r with s = 1 - a^2."""
    del y
    slope = 1.0 - a * a
    return slope * slope * r


def balanced(labels: npt.NDArray[np.int64], classes: int) -> tuple[float, ...]:
    """Return weights with which every class has the same part in the cost of these examples.

    They are n / (k n_c) for n examples, n_c of them of class c, and k classes that have any; a
    class without examples has weight 1.
    """
    counts = np.bincount(labels, minlength=classes)
    present = int(np.count_nonzero(counts))
    return tuple(len(labels) / (present * int(count)) if count else 1.0 for count in counts)


def weighted(cost: CostFunction, weights: Sequence[float]) -> CostFunction:
    """Return a cost that multiplies each example's by the weight of its class.

    Source: King and Zeng (2001), "Logistic regression in rare events data", section 4.2.

    Args:
        cost: without weights.
        weights: one for each class.
    """
    table = np.array(weights)

    def of(y: Array, like: Array) -> Array:
        """Return the weight of each example with the targets y, (rows, 1)."""
        chosen: Array = table[np.argmax(y, axis=1), None].astype(like.dtype)
        return chosen

    def total(z: Array, a: Array, y: Array) -> float:
        classes = np.argmax(y, axis=1)
        rows = ((weight, classes == label) for label, weight in enumerate(weights))
        return sum((w * cost.total(z[own], a[own], y[own]) for w, own in rows if own.any()), 0.0)

    def delta(a: Array, y: Array, out: Array) -> None:
        cost.delta(a, y, out)
        np.multiply(out, of(y, out), out=out)

    def curvature(a: Array, y: Array, r: Array) -> Array:
        return cost.curvature(a, y, r) * of(y, r)

    def gauss_newton(a: Array, y: Array, r: Array) -> Array:
        return cost.gauss_newton(a, y, r) * of(y, r)

    return CostFunction(total, delta, curvature, gauss_newton)


COSTS: dict[CostName, dict[OutputName, CostFunction]] = {
    "cross-entropy": {
        "sigmoid": CostFunction(cross_entropy, difference, sigmoid_curvature, sigmoid_curvature),
    },
    "quadratic": {
        "sigmoid": CostFunction(
            quadratic,
            quadratic_sigmoid_delta,
            quadratic_sigmoid_curvature,
            quadratic_sigmoid_gauss_newton,
        ),
        "tanh": CostFunction(
            quadratic, quadratic_tanh_delta, quadratic_tanh_curvature, quadratic_tanh_gauss_newton
        ),
        "linear": CostFunction(quadratic, difference, linear_curvature, linear_curvature),
    },
    "log-likelihood": {
        "softmax": CostFunction(log_likelihood, difference, softmax_curvature, softmax_curvature),
    },
}

NEEDS: dict[CostName, str] = {
    "cross-entropy": "takes each output for a probability of its own",
    "quadratic": "measures a distance to targets that each output reaches by itself",
    "log-likelihood": "takes the outputs for one distribution over the classes",
}
"""Why a cost suits only the outputs that it is listed with."""


def why_not(cost: CostName, output: OutputName) -> str | None:
    """Return the message for an invalid pair of cost and output, or None if it is valid."""
    if output in COSTS[cost]:
        return None
    outputs = " or ".join(COSTS[cost])
    costs = " or ".join(name for name in COSTS if output in COSTS[name])
    return (
        f"{cost} {NEEDS[cost]}: it goes with output {outputs}, not {output} "
        f"({output} goes with cost {costs})"
    )
