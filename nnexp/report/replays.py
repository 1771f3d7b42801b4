"""The result of replay: where stopping rules would have ended a run."""

from __future__ import annotations

from msgspec import Struct

from nnexp.analysis.replay import Replayed
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.text import MISSING, percent


class ReplayOutput(Struct, frozen=True, kw_only=True):
    """The result of replay."""

    run: str
    metric: str
    """The accuracy to maximize."""
    best: float
    """The best value in all epochs."""
    best_epoch: int
    epochs: int
    replayed: list[Replayed]


def document(result: ReplayOutput) -> Document:
    """Return the best epoch, and a table of rules and patiences."""
    metric = result.metric.replace("_", " ")
    best = f"best {metric} {percent(result.best)} at epoch {result.best_epoch}"
    rows = [
        [
            stop.rule,
            str(stop.patience),
            MISSING if stop.stopped is None else str(stop.stopped),
            percent(stop.best),
            str(stop.best_epoch),
            f"{100 * stop.lost:.2f}",
            str(stop.saved),
        ]
        for stop in result.replayed
    ]
    header = ("rule", "patience", "stops at", "best by then", "at", "points lost", "epochs saved")
    return plain(Sentences([f"{result.run}: {best} of {result.epochs}"]), Table(header, rows))
