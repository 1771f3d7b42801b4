"""Nonlinear conjugate gradients."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from msgspec import Struct

from nnexp.nn.arrays import Array
from nnexp.optim import line_search
from nnexp.optim.convergence import Tolerance, measures
from nnexp.optim.objective import Measures, Objective, Slots

CURVATURE = 0.1


class ConjugateGradient(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="conjugate-gradient"
):
    """Polak and Ribière's conjugate gradients, with restarts; all examples a step.

    d <- -g + beta d with beta = max(0, g · (g - g') / (g' · g')), g' the last gradient; a
    direction that does not go down is given up for -g. Alpha meets the strong Wolfe conditions.
    Source: Nocedal and Wright (2006), eqs. 5.44 and 5.45; Polak and Ribière (1969).
    """

    full_batch: ClassVar[bool] = True
    default_learning_rate: ClassVar[float | None] = None

    tolerance: Tolerance = 1e-8

    def start(self, theta: Array) -> Slots:
        """Return the state before the first step: no direction yet."""
        return {
            "direction": np.zeros_like(theta),
            "gradient_before": np.zeros_like(theta),
            "value_before": np.full(1, np.nan),
        }

    def step(
        self, theta: Array, objective: Objective, slots: Slots, learning_rate: float | None
    ) -> Measures:
        """Move theta, in place, by one step."""
        del learning_rate
        gradient, value = objective.gradient(theta), objective.value(theta)
        direction, before = slots["direction"], slots["gradient_before"]
        square = float(before @ before)
        beta = max(0.0, float(gradient @ (gradient - before)) / square) if square else 0.0
        direction *= beta
        direction -= gradient
        if not float(direction @ gradient) < 0:
            direction[...] = -gradient
        found = self._search(theta, objective, slots, value)
        if found is None:
            direction[...] = -gradient
            found = self._search(theta, objective, slots, value)
        before[...] = gradient
        slots["value_before"][0] = value
        if found is None:
            return measures(theta, objective, None)
        step = found.length * direction
        theta += step
        return measures(theta, objective, step)

    def _search(
        self, theta: Array, objective: Objective, slots: Slots, value: float
    ) -> line_search.Found | None:
        before = float(slots["value_before"][0])
        if before != before:  # noqa: PLR0124 - NaN: the first step is guessed as scipy's cg does
            before = value + float(np.linalg.norm(slots["direction"])) / 2
        return line_search.wolfe(objective, theta, slots["direction"], before, CURVATURE)
