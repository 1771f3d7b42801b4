"""All runs of a folder, a line each; a damaged one is listed as such and hides no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec import UNSET, Struct

from nnexp.checks import is_run_name
from nnexp.errors import CorruptError, DiskError
from nnexp.store import disk
from nnexp.store.run import RUN, Run, Status
from nnexp.training.history import Row, best_row


class Entry(Struct, frozen=True, kw_only=True):
    """How a run stands; None where there is nothing to say yet."""

    name: str
    path: str
    status: Status | Literal["damaged"]
    epochs: int = 0
    best_validation_accuracy: float | None = None
    best_epoch: int | None = None
    test_accuracy: float | None = None
    problem: str | None = None


def entries(folder: Path) -> Iterator[Entry]:
    """Yield an entry for each run in a folder, in the order of their names.

    Raises:
        DiskError: the folder cannot be read.
    """
    with disk.errors(folder):
        names = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    for name in names:
        path = folder / name
        if is_run_name(name) and Run(path).is_there():
            yield entry(Run(path))


def entry(run: Run) -> Entry:
    """Return how one run stands."""
    try:
        return _intact(run)
    except (CorruptError, DiskError) as error:
        return Entry(name=run.name, path=str(run.path), status="damaged", problem=str(error))


def _intact(run: Run) -> Entry:
    result = run.result
    if result is None or not (run.path / RUN).exists():
        _ = run.record  # a damaged one shows here, and a missing one
    if result is None:
        history = run.history()
        best = best_row(history) if history else None
        last, test = history[-1].epoch if history else 0, None
    else:
        best, last, test = result.best, result.epochs, result.test_accuracy
    return Entry(
        name=run.name,
        path=str(run.path),
        status=run.status,
        epochs=last,
        best_validation_accuracy=_validation_accuracy(best),
        best_epoch=best.epoch if best and _validation_accuracy(best) is not None else None,
        test_accuracy=test,
    )


def _validation_accuracy(row: Row | None) -> float | None:
    if row is None or row.validation_accuracy is UNSET:
        return None
    return row.validation_accuracy
