"""List the runs of a folder; a damaged run becomes an entry of its own and hides no other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from msgspec import UNSET, Struct

from nnexp.config import keys
from nnexp.errors import CorruptError, DiskError
from nnexp.store import disk, notes, tree
from nnexp.store.records import RunRecord
from nnexp.store.run import RUN, Run, Status
from nnexp.training.history import Row, best_row

NO_FACTS: Mapping[str, Any] = MappingProxyType({})


class Entry(Struct, frozen=True, kw_only=True):
    """The state and results of a run; None where a value is not known yet."""

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
    """The recorded config, by dotted key."""
    experiment_sha256: str | None = None
    data_sha256: str | None = None
    weights_sha256: str | None = None
    """The digest of the weights that the run took from another one; None if it drew them."""
    started: str | None = None
    """When its training was first started, in UTC: 2026-11-01T12:00:00Z; None if not read."""
    size: int | None = None
    """Bytes of its files; None if not read."""
    tags: tuple[str, ...] = ()
    """Sorted; empty if not read."""
    facts_problem: str | None = None
    """Why one of FACTS cannot be read; the run itself may be intact."""


FACTS = ("started", "size", "tags")
"""Fields of an entry that take more time than the others to read."""


def names(folder: Path) -> list[str]:
    """Return the sorted names in a folder that may be those of runs: all but hidden ones.

    Raises:
        DiskError: the folder cannot be read.
    """
    with disk.errors(folder):
        candidates = [entry.name for entry in folder.iterdir()] if disk.mode(folder) else []
    return sorted(name for name in candidates if not name.startswith("."))


def entries(folder: Path, facts: Collection[str] = ()) -> Iterator[Entry]:
    """Yield an entry for each run in a folder, sorted by name.

    Args:
        folder: the folder.
        facts: which of FACTS to read as well.

    Raises:
        DiskError: the folder cannot be read.
    """
    for name in names(folder):
        if (listed := entry(Run(folder / name), facts)) is not None:
            yield listed


def by_experiment(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Group entries by experiment: the same data, and configs that differ in the seed at most.

    A damaged run forms a group of its own, since its config is not known.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.experiment_sha256 or entry.path, []).append(entry)
    return list(groups.values())


def entry(run: Run, facts: Collection[str] = ()) -> Entry | None:
    """Return the entry of one run, with some of FACTS; None if its directory holds no run."""
    try:
        return intact_entry(run, _facts(run, facts))
    except (CorruptError, DiskError) as error:
        with suppress(DiskError):
            if not run.is_there():
                return None
        return Entry(
            name=run.name,
            path=str(run.path),
            status="damaged",
            problem=str(error),
            **_facts(run, facts),
        )


def _facts(run: Run, facts: Collection[str]) -> dict[str, Any]:
    """Return some of FACTS of a run, damaged or not, as fields of its entry."""
    fields: dict[str, Any] = {}
    for fact in facts:
        try:
            fields[fact] = READ[fact](run)
        except (CorruptError, DiskError) as error:
            fields["facts_problem"] = str(error)
    return fields


READ: dict[str, Callable[[Run], Any]] = {
    "started": Run.started,
    "size": lambda run: tree.size(run.path),
    "tags": lambda run: notes.read(run).tags,
}


def intact_entry(run: Run, facts: Mapping[str, Any] = NO_FACTS) -> Entry:
    """Return the entry of one run, with facts as its fields. Raises: CorruptError, DiskError."""
    result = run.result
    record = run.record  # raises if run.json is damaged or missing
    if result is None:
        history = run.history()
        best = best_row(history) if history else None
        last, test = history[-1].epoch if history else 0, None
    else:
        run.check_metrics(result)
        best, last, test = result.best, result.epochs, result.test_accuracy
    return Entry(
        name=run.name,
        path=str(run.path),
        status=run.status,
        epochs=last,
        best_validation_accuracy=_validation_accuracy(best),
        best_epoch=best.epoch if best else None,
        test_accuracy=test,
        seed=_seed(record),
        config=_flat_config(run, record),
        experiment_sha256=record.experiment_sha256,
        data_sha256=record.data_sha256,
        weights_sha256=None if record.weights_sha256 is UNSET else record.weights_sha256,
        **facts,
    )


def _flat_config(run: Run, record: RunRecord) -> dict[str, Any]:
    try:
        return keys.with_late_defaults(keys.flat(record.config))
    except ValueError as error:
        raise CorruptError(f"{run.path / RUN}: is damaged: {error}") from None


def _seed(record: RunRecord) -> int | None:
    seed = record.config.get("seed")
    return seed if type(seed) is int else None


def _validation_accuracy(row: Row | None) -> float | None:
    if row is None or row.validation_accuracy is UNSET:
        return None
    return row.validation_accuracy
