"""The result of replay: where stopping rules would have ended a run."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from nnexp.analysis.replay import Peak, Replayed
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.text import MISSING, percent


class StopOutput(Struct, frozen=True, kw_only=True):
    """The effect of one rule with one patience on a run."""

    rule: str
    patience: int
    stopped: int | None
    """The epoch after which it would have stopped; null if it would not."""
    best_validation_accuracy: float | UnsetType = UNSET
    """Up to then, if it is the metric, like the next."""
    best_test_accuracy: float | UnsetType = UNSET
    best_epoch: int
    lost: float
    """How much higher the best accuracy of the whole curve is."""
    saved: int
    """The number of epochs saved."""


class ReplayOutput(Struct, frozen=True, kw_only=True):
    """The result of replay."""

    run: str
    metric: str
    """The accuracy to maximize."""
    best_validation_accuracy: float | UnsetType = UNSET
    """Of all epochs, if it is the metric, like the next."""
    best_test_accuracy: float | UnsetType = UNSET
    best_epoch: int
    epochs: int
    replayed: list[StopOutput]


def output(
    run: str, metric: str, best: Peak, epochs: int, replayed: Sequence[Replayed]
) -> ReplayOutput:
    """Return the effects of stopping rules as a value for JSON.

    Args:
        run: its directory.
        metric: the accuracy to maximize.
        best: of the whole run.
        epochs: the last one of the run.
        replayed: the effects.
    """
    name = f"best_{metric}"
    stops = []
    for stop in replayed:
        fields = asdict(stop)
        fields[name] = fields.pop("best")
        stops.append(StopOutput(**fields))
    accuracy, epoch = best
    reached = {name: accuracy}
    return ReplayOutput(
        run=run, metric=metric, best_epoch=epoch, epochs=epochs, replayed=stops, **reached
    )


def document(result: ReplayOutput) -> Document:
    """Return the best epoch, and a table of rules and patiences."""
    key, metric = f"best_{result.metric}", result.metric.replace("_", " ")
    best = f"best {metric} {percent(getattr(result, key))} at epoch {result.best_epoch}"
    rows = [
        [
            stop.rule,
            str(stop.patience),
            MISSING if stop.stopped is None else str(stop.stopped),
            percent(getattr(stop, key)),
            str(stop.best_epoch),
            f"{100 * stop.lost:.2f}",
            str(stop.saved),
        ]
        for stop in result.replayed
    ]
    header = ("rule", "patience", "stops at", "best by then", "at", "points lost", "epochs saved")
    return plain(Sentences([f"{result.run}: {best} of {result.epochs}"]), Table(header, rows))
