"""The result of train: a run's status and results as a value for JSON."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from nnexp.store.records import Fault
from nnexp.store.run import Run
from nnexp.training.history import Row


class TrainOutput(Struct, frozen=True, kw_only=True):
    """The result of train; results are missing if the run is not finished."""

    run: str
    name: str
    status: str
    reason: str | UnsetType = UNSET
    epochs: int | UnsetType = UNSET
    best: Row | UnsetType | None = UNSET
    """A row of metrics.jsonl."""
    final: Row | UnsetType | None = UNSET
    test_accuracy: float | UnsetType | None = UNSET
    test_cost: float | UnsetType | None = UNSET
    fault: Fault | UnsetType | None = UNSET


def output(path: Run) -> TrainOutput:
    """Return a run's status and results, read from its directory now."""
    run = Run(path.path)
    result = run.result
    recorded = {} if result is None else {key: getattr(result, key) for key in RECORDED}
    return TrainOutput(run=str(run.path), name=run.name, status=run.status, **recorded)


RECORDED = ("reason", "epochs", "best", "final", "test_accuracy", "test_cost", "fault")
"""Keys of result.json."""
