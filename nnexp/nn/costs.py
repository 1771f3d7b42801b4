"""Costs for the outputs they suit: the value from logits, and its slope at the logits.

Every value is computed from logits in its stable form, so that no exponential
overflows and no logarithm meets 0, in float32 as in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from nnexp.nn.arrays import ONE, Array
from nnexp.nn.outputs import OutputName

CostName = Literal["cross-entropy", "quadratic", "log-likelihood"]


class Cost(NamedTuple):
    """A cost on one kind of output; sums run over the examples (rows) given."""

    total: Callable[[Array, Array, Array], float]  # (z, a, y): the sum of the examples' costs
    delta: Callable[[Array, Array, Array], None]  # (a, y, out): out = dC/dz, an example a row


def cross_entropy(z: Array, a: Array, y: Array) -> float:
    """Return -sum [y ln a + (1 - y) ln(1 - a)] for sigmoid outputs a of logits z.

    Equal to sum [max(z, 0) - y z + ln(1 + exp(-|z|))].
    Source: Nielsen (2015), eq. 57.
    """
    del a  # the logits say more than the outputs, which round to 0 and 1
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
    """Write a - y, the slope wherever cost and output match. Source: Nielsen (2015), eq. 68."""
    np.subtract(a, y, out=out)


def quadratic_sigmoid_delta(a: Array, y: Array, out: Array) -> None:
    """Write (a - y) a (1 - a) to out. Source: Nielsen (2015), eq. 30."""
    np.subtract(ONE[a.dtype], a, out=out)
    np.multiply(a, out, out=out)
    np.multiply(a - y, out, out=out)


COSTS: dict[CostName, dict[OutputName, Cost]] = {
    "cross-entropy": {"sigmoid": Cost(cross_entropy, difference)},
    "quadratic": {
        "sigmoid": Cost(quadratic, quadratic_sigmoid_delta),
        "linear": Cost(quadratic, difference),
    },
    "log-likelihood": {"softmax": Cost(log_likelihood, difference)},
}

NEEDS: dict[CostName, str] = {
    "cross-entropy": "takes each output for a probability of its own",
    "quadratic": "measures a distance to targets that each output reaches by itself",
    "log-likelihood": "takes the outputs for one distribution over the classes",
}
"""Why a cost suits the outputs it is listed with, and no other."""


def why_not(cost: CostName, output: OutputName) -> str | None:
    """Return why the pair is illegal and what is legal, or None where it is legal."""
    if output in COSTS[cost]:
        return None
    outputs = " or ".join(COSTS[cost])
    costs = " or ".join(name for name in COSTS if output in COSTS[name])
    return (
        f"{cost} {NEEDS[cost]}: it goes with output {outputs}, not {output} "
        f"({output} goes with cost {costs})"
    )
