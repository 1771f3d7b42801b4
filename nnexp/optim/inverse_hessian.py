"""Estimates of the inverse Hessian from steps and the gradient's changes, in O(parameters).

A pair of step s and change y satisfies y = H s, if H is the Hessian's mean along the step.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim.objective import CurvedObjective, Slots

Pairs: TypeAlias = list[tuple[Array, Array]]
"""Steps and changes of the gradient, the latest first."""

LEAST = 1e-8
"""The smallest factor of an element of D⁻¹ in an update: rounding could make it negative."""


def update_diagonal(diagonal: Array, step: Array, change: Array, *, is_first: bool) -> None:
    """Update a diagonal estimate D of the inverse Hessian, in place, by a pair with s · y > 0.

    D is multiplied by s · y / (y · D y), then D⁻¹ <- D⁻¹ + y² / (s · y) - (D⁻¹ s)² / (s · D⁻¹ s)
    element by element: the diagonal of the BFGS update of D⁻¹. It learns the parameters' scales.
    The first pair only multiplies D, which is I or first_diagonal's before.
    Source: Gilbert and Lemaréchal (1989), "Some numerical experiments with variable-storage
    quasi-Newton algorithms", Mathematical Programming 45.
    """
    product = float(step @ change)
    diagonal *= product / float(change @ (diagonal * change))
    if is_first:
        return
    scaled = step / diagonal
    inverse = 1 / diagonal
    updated = inverse + change**2 / product - scaled**2 / float(step @ scaled)
    np.divide(1, np.maximum(updated, LEAST * inverse), out=diagonal)


def first_diagonal(theta: Array, objective: CurvedObjective) -> Array:
    """Return the D to begin with, before there are pairs: the inverse roots of rough curvatures.

    Steps along -D grad move weights about as far whatever the units of their inputs, as in
    AdaGrad. With the inverses themselves, the weights of rare inputs move so far that networks
    over-fit, and more steps are needed where features have similar scales.
    Source: LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp", section 4.3, for the scales
    of inputs; Duchi, Hazan and Singer (2011) for the root.
    """
    diagonal: Array = 1 / np.sqrt(objective.rough_curvatures(theta))
    return diagonal


def first_length(slope: float) -> float:
    """Return the length to try first along -D grad: as long as the step's norm is at most 1, or 1.

    The norm is √(step · D⁻¹ step), so that a step by -D grad has the norm √-slope.

    Args:
        slope: grad · (-D grad), at most 0.
    """
    return 1.0 / max(1.0, math.sqrt(-slope))


def limited_memory(parameters: int, memory: int) -> Slots:
    """Return the state of a limited-memory estimate without any pairs."""
    return {
        "steps": np.zeros((memory, parameters)),
        "changes": np.zeros((memory, parameters)),
        "remembered": np.zeros(1),
        "diagonal": np.ones(parameters),
    }


def forget(slots: Slots) -> None:
    """Reset a limited-memory estimate to the identity."""
    slots["remembered"][0] = 0
    slots["diagonal"][...] = 1


def remember(slots: Slots, step: Array, change: Array) -> None:
    """Add a pair to a limited-memory estimate, unless s · y <= 0; the oldest is dropped."""
    if not float(step @ change) > 0:
        return
    for name, vector in (("steps", step), ("changes", change)):
        slots[name][1:] = slots[name][:-1].copy()
        slots[name][0] = vector
    update_diagonal(slots["diagonal"], step, change, is_first=not slots["remembered"][0])
    slots["remembered"][0] = min(slots["remembered"][0] + 1, len(slots["steps"]))


def product(slots: Slots, vector: Array) -> Array:
    """Return a limited-memory estimate times a vector: BFGS updates of the diagonal by the pairs.

    Source: the two-loop recursion, Nocedal and Wright (2006), algorithm 7.4.
    """
    pairs: Pairs = [
        (slots["steps"][i], slots["changes"][i]) for i in range(int(slots["remembered"][0]))
    ]
    q, weights = vector.copy(), []
    for step, change in pairs:
        weights.append(float(step @ q) / float(step @ change))
        q -= weights[-1] * change
    q *= slots["diagonal"]
    for (step, change), weight in zip(reversed(pairs), reversed(weights), strict=True):
        q += (weight - float(change @ q) / float(step @ change)) * step
    return q
