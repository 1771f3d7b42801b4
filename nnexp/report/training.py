"""The result of train: a run's status and results as a value for JSON."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from nnexp.store.records import Fault
from nnexp.store.run import Run
from nnexp.training.history import Row, best_row


class TrainOutput(Struct, frozen=True, kw_only=True):
    """The result of train; with --seeds, each run's is on a line of its own.

    Of an unfinished run, ``epochs`` and ``best`` are those committed so far, and other results are
    missing.
    """

    run: str
    name: str
    status: str
    reason: str | UnsetType = UNSET
    epochs: int
    best: Row | None
    """A row of metrics.jsonl."""
    final: Row | UnsetType | None = UNSET
    test_accuracy: float | UnsetType | None = UNSET
    test_cost: float | UnsetType | None = UNSET
    fault: Fault | UnsetType | None = UNSET


def output(path: Run) -> TrainOutput:
    """Return a run's status and results, read from its directory now."""
    run = Run(path.path)
    result = run.result
    if result is None:
        history = run.history()
        best = best_row(history) if history else None
        recorded: dict[str, Any] = {"epochs": history[-1].epoch if history else 0, "best": best}
    else:
        recorded = {key: getattr(result, key) for key in RECORDED}
    return TrainOutput(run=str(run.path), name=run.name, status=run.status, **recorded)


RECORDED = ("reason", "epochs", "best", "final", "test_accuracy", "test_cost", "fault")
"""Keys of result.json."""
