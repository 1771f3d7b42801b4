"""Find the runs that started from another run's weights, before these are deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UNSET

from nnexp.config.model import FromRun
from nnexp.errors import NnexpError, UsageError
from nnexp.runner import initial_weights
from nnexp.runner.initial_weights import InitialWeights
from nnexp.store import disk, listing
from nnexp.store.records import WEIGHTS
from nnexp.store.run import Run


class Dependent(NamedTuple):
    """A run that started from another run's weights."""

    run: Run
    epoch: int | None
    """The other run's epoch; None if it has no checkpoint with these weights."""


def check_unused(runs: Sequence[Run], epochs: Callable[[Run], Collection[int] | None]) -> None:
    """Check that no other run of their folders started from weights that are to be deleted.

    Args:
        runs: runs of which something is deleted. They may have started from each other.
        epochs: returns the epochs of a run whose checkpoints are deleted; None for all of it.

    Raises: UsageError.
    """
    deleted = {_place(run) for run in runs if epochs(run) is None}
    for folder in dict.fromkeys(run.path.parent for run in runs):
        others = [run for run in _with_foreign_weights(folder) if _place(run) not in deleted]
        for run in runs if others else ():
            if run.path.parent == folder:
                _check_unused_by(run, others, epochs(run))


def _check_unused_by(run: Run, others: Sequence[Run], epochs: Collection[int] | None) -> None:
    for dependent in _dependents(run, others):
        if epochs is None or dependent.epoch is None or dependent.epoch in epochs:
            which = "its weights" if dependent.epoch is None else f"its epoch {dependent.epoch}"
            raise UsageError(
                f"{run.path}: {dependent.run.path} started from {which}, which it needs to be "
                f"found, resumed and verified; remove {dependent.run.path} first, or both"
            )


def _with_foreign_weights(folder: Path) -> Iterator[Run]:
    for name in listing.names(folder):
        run = Run(folder / name)
        with suppress(NnexpError):
            if run.is_there() and run.record.weights_sha256 is not UNSET:
                yield run


def _dependents(run: Run, others: Sequence[Run]) -> Iterator[Dependent]:
    """Yield the runs among others that started from a run: by its path, or by the weights.

    Paths are relative to the working directory of then, so that they may name another run now.
    """
    epochs = {digest: epoch for epoch, digest in _digests(run)}
    for other in others:
        if _place(other) == _place(run):
            continue
        source, epoch = _source(other), epochs.get(str(other.record.weights_sha256))
        is_elsewhere = disk.exists(source.path) and _place(source) != _place(run)
        if is_elsewhere and (epoch is None or _is_copy(source, run)):
            continue
        if is_elsewhere or epoch is not None or source.name == run.name:
            yield Dependent(other, epoch)


def _source(run: Run) -> Run:
    """Return the run whose weights a run names in its config."""
    initializer: Any = run.record.config.get("initializer")
    return Run(str(initializer.get("path")) if isinstance(initializer, dict) else "")


def _is_copy(one: Run, other: Run) -> bool:
    """Return whether two directories hold the same run."""
    with suppress(NnexpError):
        return one.record == other.record
    return False


def _digests(run: Run) -> Iterator[tuple[int, str]]:
    """Yield the digest of the weights of each intact checkpoint of a run, with its epoch."""
    with suppress(NnexpError):
        for epoch in run.checkpoints():
            with suppress(NnexpError):
                weights = InitialWeights(FromRun(path=str(run.path), epoch=epoch))
                yield epoch, initial_weights.content(weights)[WEIGHTS]


def _place(run: Run) -> Path:
    """Return the absolute path of a run. Raises: DiskError."""
    with disk.errors(run.path):
        return run.path.resolve()
