"""What a run's history decides: whether training is over, and the next epoch's learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from nnexp.config.model import Config
from nnexp.optim.schedules import Scored
from nnexp.store.records import Reason
from nnexp.training.history import Row
from nnexp.training.stopping import stops


def ending(config: Config, history: Sequence[Row]) -> Reason | None:
    """Return why training is over, or None while it is not: a function of the history."""
    if not history:
        return None
    if _has_converged(config, history[-1]):
        return "converged"
    if history[-1].step_norm == 0:
        return "stalled"
    if config.patience is not None and stops(config.stopping, history, config.patience):
        return "patience"
    if multiplier(config, history, history[-1].epoch + 1) is None:
        return "schedule"
    return "epochs" if history[-1].epoch >= config.epochs else None


def multiplier(config: Config, history: Sequence[Row], epoch: int) -> float | None:
    """Return what the schedule makes of the learning rate in an epoch; None ends the run."""
    scored = [
        Scored(row.epoch, row.validation_accuracy)
        for row in history
        if row.validation_accuracy is not UNSET
    ]
    return config.schedule.multiplier(epoch, config.epochs, scored)


def _has_converged(config: Config, row: Row) -> bool:
    """Return whether a full-batch optimizer has come to where the gradient vanishes."""
    tolerance: float | None = getattr(config.optimizer, "tolerance", None)
    norm = row.gradient_norm
    return tolerance is not None and norm is not UNSET and norm < tolerance
