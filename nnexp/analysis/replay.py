"""Replay stopping rules on recorded runs: where each would have stopped, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import UNSET, Struct

from nnexp.training.history import Row
from nnexp.training.stopping import Accuracy, Average, Cost, Stopping, first_stop

METRICS = {"validation_accuracy": "validation", "test_accuracy": "test"}
"""The accuracies that can be monitored, with their split."""

RULES: dict[str, Stopping] = {"accuracy": Accuracy(), "cost": Cost(), "average": Average()}


class Replayed(Struct, frozen=True):
    """The effect of one rule with one patience on a run."""

    rule: str
    patience: int
    stopped: int | None
    """The epoch after which it would have stopped; None if it would not."""
    best: float
    """The best accuracy up to then."""
    best_epoch: int
    lost: float
    """How much higher the best accuracy of the whole curve is."""
    saved: int
    """The number of epochs saved."""


Peak: TypeAlias = tuple[float, int]
"""The best accuracy and its epoch, the earliest on a tie."""


def replay(
    history: Sequence[Row],
    rules: Sequence[Stopping],
    patiences: Sequence[int],
    metric: str = "validation_accuracy",
) -> list[Replayed]:
    """Replay each rule with each patience on a recorded run.

    Args:
        history: the run's rows, at least one.
        rules: stopping rules, applied to the metric's split.
        patiences: epochs without improvement before stopping.
        metric: the accuracy to maximize, one of ``METRICS``.
    """
    epochs = [row.epoch for row in history]
    accuracies = Accuracy().scores(history, METRICS[metric])
    peaks = _peaks(epochs, accuracies)
    replayed = []
    for rule in rules:
        scores = rule.scores(history, METRICS[metric])
        for patience in patiences:
            stop = first_stop(epochs, scores, patience)
            last = len(history) - 1 if stop is None else stop
            best, best_epoch = peaks[last]
            replayed.append(
                Replayed(
                    rule=str(rule.__struct_config__.tag),
                    patience=patience,
                    stopped=None if stop is None else epochs[stop],
                    best=best,
                    best_epoch=best_epoch,
                    lost=peaks[-1][0] - best,
                    saved=epochs[-1] - epochs[last],
                )
            )
    return replayed


def peak(history: Sequence[Row], metric: str) -> Peak:
    """Return the best accuracy of a whole curve, and its epoch."""
    accuracies = Accuracy().scores(history, METRICS[metric])
    return _peaks([row.epoch for row in history], accuracies)[-1]


def recorded(history: Sequence[Row], metric: str, rule: Stopping | None = None) -> bool:
    """Return whether every row has the metric, and the cost if the rule monitors it."""
    cost = metric.replace("accuracy", "cost")
    keys = [metric, cost] if isinstance(rule, Cost) else [metric]
    return all(getattr(row, key) is not UNSET for row in history for key in keys)


def _peaks(epochs: Sequence[int], accuracies: Sequence[float]) -> list[Peak]:
    """Return the best accuracy so far, for each epoch."""
    peaks: list[Peak] = []
    for epoch, accuracy in zip(epochs, accuracies, strict=True):
        better = not peaks or accuracy > peaks[-1][0]
        peaks.append((accuracy, epoch) if better else peaks[-1])
    return peaks
