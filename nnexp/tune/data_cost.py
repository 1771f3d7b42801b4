"""The validation cost of a trial without the penalty, by which rates and λ are compared."""

from __future__ import annotations

import math

from msgspec import UNSET

from nnexp.store.writer import epochs_to_keep
from nnexp.tune.decision import number
from nnexp.tune.trials import JobResult, Trials


def data_cost(trial: JobResult, trials: Trials) -> float:
    """Return the lowest validation cost without the penalty; infinite if training diverged.

    Only the epochs whose weights a run keeps count: the best one by accuracy, and the last two.
    """
    if trial.diverged or not trial.rows:
        return math.inf
    kept = epochs_to_keep(trial.rows)
    costs = (
        row.validation_cost - trials.penalty(trial, row.epoch)
        for row in trial.rows
        if row.epoch in kept and row.validation_cost is not UNSET
    )
    return max(0.0, min(costs, default=math.inf))  # a difference can be a rounding error below 0


def cost_text(cost: float | None) -> str:
    """Return a cost as text, with four significant digits; None or infinite if it diverged."""
    return "diverged" if cost is None or cost == math.inf else number(cost)
