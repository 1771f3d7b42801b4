"""Stopping rules, tried on what a run recorded: where each would have ended it, at what price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from msgspec import UNSET

from nnexp.training.history import Row
from nnexp.training.stopping import Accuracy, Average, Cost, Stopping, first_stop

METRICS = {"validation_accuracy": "validation", "test_accuracy": "test"}
"""The accuracies that can be watched, and the split each is of."""

RULES: dict[str, Stopping] = {"accuracy": Accuracy(), "cost": Cost(), "average": Average()}


class Replayed(NamedTuple):
    """What one rule with one patience would have made of a run."""

    rule: str
    patience: int
    stopped: int | None
    """The epoch after which it would have ended the run; None if it would not."""
    best: float
    """The best accuracy then in hand."""
    best_epoch: int
    lost: float
    """How much more accurate the best of the whole curve is."""
    saved: int
    """The epochs that would not have been trained."""


Peak: TypeAlias = tuple[float, int]
"""The best accuracy and its epoch, the earliest on a tie."""


def replay(
    history: Sequence[Row],
    rules: Sequence[Stopping],
    patiences: Sequence[int],
    metric: str = "validation_accuracy",
) -> list[Replayed]:
    """Return what each rule with each patience would have made of a recorded run.

    Args:
        history: the run's rows, one at least.
        rules: what is watched, each on the metric's split.
        patiences: epochs that a best may stand.
        metric: the accuracy that counts, one of ``METRICS``.
    """
    epochs = [row.epoch for row in history]
    accuracies = Accuracy().scores(history, METRICS[metric])
    peaks = _peaks(epochs, accuracies)
    replayed = []
    for rule in rules:
        scores = rule.scores(history, METRICS[metric])
        for patience in patiences:
            stop = first_stop(epochs, scores, patience)
            place = len(history) - 1 if stop is None else stop
            best, best_epoch = peaks[place]
            replayed.append(
                Replayed(
                    rule=str(rule.__struct_config__.tag),
                    patience=patience,
                    stopped=None if stop is None else epochs[stop],
                    best=best,
                    best_epoch=best_epoch,
                    lost=peaks[-1][0] - best,
                    saved=epochs[-1] - epochs[place],
                )
            )
    return replayed


def peak(history: Sequence[Row], metric: str) -> Peak:
    """Return the best of a whole curve and its epoch."""
    accuracies = Accuracy().scores(history, METRICS[metric])
    return _peaks([row.epoch for row in history], accuracies)[-1]


def recorded(history: Sequence[Row], metric: str, rule: Stopping | None = None) -> bool:
    """Return whether every row has the metric, and what a rule watches on its split."""
    cost = metric.replace("accuracy", "cost")
    keys = [metric, cost] if isinstance(rule, Cost) else [metric]
    return all(getattr(row, key) is not UNSET for row in history for key in keys)


def _peaks(epochs: Sequence[int], accuracies: Sequence[float]) -> list[Peak]:
    """Return, for each place, the best accuracy up to it."""
    peaks: list[Peak] = []
    for epoch, accuracy in zip(epochs, accuracies, strict=True):
        better = not peaks or accuracy > peaks[-1][0]
        peaks.append((accuracy, epoch) if better else peaks[-1])
    return peaks
