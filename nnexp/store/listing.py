"""All runs of a folder, a line each; a damaged one is listed as such and hides no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec import UNSET, Struct

from nnexp.config import keys
from nnexp.errors import CorruptError, DiskError
from nnexp.names import is_run_name
from nnexp.store import disk
from nnexp.store.records import RunRecord
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
    seed: int | None = None
    config: dict[str, Any] = {}
    """The recorded config by dotted key."""
    config_sha256: str | None = None


def names(folder: Path) -> list[str]:
    """Return what in a folder could name a run, in order.

    Raises:
        DiskError: the folder cannot be read.
    """
    with disk.errors(folder):
        found = [entry.name for entry in folder.iterdir()] if disk.mode(folder) else []
    return sorted(filter(is_run_name, found))


def entries(folder: Path) -> Iterator[Entry]:
    """Yield an entry for each run in a folder, in the order of their names.

    Raises:
        DiskError: the folder cannot be read.
    """
    for name in names(folder):
        if (found := entry(Run(folder / name))) is not None:
            yield found


def by_experiment(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Return the entries of each experiment together: configs that are equal but for the seed.

    A damaged run is by itself, since what it was is not known.
    """
    groups: dict[str, list[Entry]] = {}
    for each in entries:
        groups.setdefault(each.config_sha256 or each.path, []).append(each)
    return list(groups.values())


def entry(run: Run) -> Entry | None:
    """Return how one run stands, or None if there is none, not even a damaged one."""
    try:
        return _intact(run) if run.is_there() else None
    except (CorruptError, DiskError) as error:
        return Entry(name=run.name, path=str(run.path), status="damaged", problem=str(error))


def _intact(run: Run) -> Entry:
    result = run.result
    record = run.record  # a damaged one shows here, and a missing one
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
        seed=_seed(record),
        config=_flat(run, record),
        config_sha256=record.config_sha256,
    )


def _flat(run: Run, record: RunRecord) -> dict[str, Any]:
    try:
        return keys.flat(record.config)
    except ValueError as error:
        raise CorruptError(f"{run.path / RUN}: is damaged: {error}") from None


def _seed(record: RunRecord) -> int | None:
    seed = record.config.get("seed")
    return seed if type(seed) is int else None


def _validation_accuracy(row: Row | None) -> float | None:
    if row is None or row.validation_accuracy is UNSET:
        return None
    return row.validation_accuracy
