"""Writing a run: one process at a time, and each step such that a kill after it loses nothing.

An epoch is committed by the rename of its checkpoint, which carries the length and hash
of metrics.jsonl; what stands behind that length was never committed.
"""

from __future__ import annotations

import hashlib
import itertools
import stat
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Self

import msgspec

from nnexp.datasets.npz import Header
from nnexp.errors import DiskError, LockedError, NameTakenError
from nnexp.names import NAME_LENGTH
from nnexp.store import checkpoint, disk, lock, metrics, records
from nnexp.store.checkpoint import Arrays, Commit
from nnexp.store.lock import Lock, ReplacedError
from nnexp.store.meta import Meta
from nnexp.store.metrics import Timing
from nnexp.store.records import Result, RunRecord
from nnexp.store.run import (
    CHECKPOINTS,
    CONFIG,
    LOCK,
    LOG,
    METRICS,
    PREDICTIONS,
    RESULT,
    RUN,
    TIMING,
    Run,
)
from nnexp.training.history import Row, best_row

KEPT = 2
"""Checkpoints that are kept beside the best epoch's: the newest may turn out damaged."""


class Writer:
    """A run that this process alone may change; close it to let others.

    Args:
        run: the run.
        held: what holds its lock, and gives it up when it is closed.
    """

    def __init__(self, run: Run, held: ExitStack) -> None:
        self.run = run
        self._held = held
        self._written = hashlib.sha256()
        self._length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lock."""
        self._held.close()

    def restore(self, expected: Mapping[str, Header], warn: Callable[[str], None]) -> Commit | None:
        """Return the newest commit that is intact, and cut off what was not committed.

        Args:
            expected: the arrays that a checkpoint of this run holds.
            warn: told of each damaged checkpoint that is passed over.

        Returns: None if no epoch was committed.

        Raises:
            CorruptError: checkpoints are there, but none is intact, or the best epoch's is not.
        """
        content = checkpoint.recorded(self.run)
        commit = checkpoint.newest(self.run, content, expected, warn)
        if commit is None:
            self._cut(b"", len(content))
            return None
        best = best_row(commit.history).epoch
        if best != commit.history[-1].epoch:  # better now than when all is trained
            checkpoint.load(self.run, best, expected)
        self._cut(content[: commit.metrics_length], len(content))
        self._prune(commit.history)
        return commit

    def commit(self, history: list[Row], arrays: Arrays) -> None:
        """Make the last row of history, and the arrays that belong to it, permanent."""
        line = metrics.encode(history[-1])
        disk.append(self.run.path / METRICS, line, sync=True)
        self._written.update(line)
        self._length += len(line)
        meta = Meta(
            epoch=history[-1].epoch,
            config_sha256=self.run.record.config_sha256,
            metrics_length=self._length,
            metrics_sha256=self._written.hexdigest(),
            arrays_sha256=checkpoint.digest(arrays),
        )
        path = self.run.checkpoint_path(history[-1].epoch)
        disk.write_atomically(path, checkpoint.encode(meta, arrays))
        self._prune(history)

    def finish(self, result: Result, predictions: Arrays) -> None:
        """Write what the run came to; with result.json it is finished."""
        disk.sync_directory(self.run.path / CHECKPOINTS)  # what was removed must not come back
        files = {METRICS: self._written.hexdigest()}
        if predictions:
            content = checkpoint.archive(predictions)
            disk.write_atomically(self.run.path / PREDICTIONS, content)
            files[PREDICTIONS] = hashlib.sha256(content).hexdigest()
        sealed_result = records.seal(msgspec.structs.replace(result, files=files))
        disk.write_atomically(self.run.path / RESULT, sealed_result)

    def time(self, epoch: int, train_seconds: float, evaluate_seconds: float) -> None:
        """Note how long an epoch took."""
        row = Timing(epoch, round(train_seconds, 6), round(evaluate_seconds, 6))
        disk.append(self.run.path / TIMING, msgspec.json.encode(row) + b"\n", sync=False)

    def log(self, line: str) -> None:
        """Note what happened to the run, for people."""
        disk.append(self.run.path / LOG, (line + "\n").encode(), sync=False)

    def _cut(self, committed: bytes, length: int) -> None:
        if len(committed) < length:
            disk.truncate(self.run.path / METRICS, len(committed))
        self._written = hashlib.sha256(committed)
        self._length = len(committed)

    def _prune(self, history: list[Row]) -> None:
        """Remove the checkpoints that neither going on nor the result needs."""
        keep = _kept(history)
        for epoch, path in self.run.checkpoints().items():
            if epoch not in keep:
                disk.remove(path)


def _kept(history: list[Row]) -> set[int]:
    """Return the epochs whose checkpoints are kept."""
    return {row.epoch for row in history[-KEPT:]} | {best_row(history).epoch} if history else set()


def is_pruned(run: Run) -> bool:
    """Return whether an unfinished run has exactly the checkpoints that are kept.

    A process that was killed right after a commit leaves others, until the run is opened again.

    Raises:
        CorruptError: the run is damaged.
    """
    return set(run.checkpoints()) == _kept(run.history())


def create(run: Run, record: RunRecord, config: str) -> Writer:
    """Make a run's directory, locked and complete from the first instant it has its name.

    Args:
        run: the run, whose directory is not there.
        record: what it is.
        config: the resolved config as YAML.

    Raises:
        LockedError: another process is making the same run.
        NameTakenError: another process has just made a run of this name.
    """
    build = run.path.with_name(f".{run.name}.new")
    with _locked(run, build) as held:
        _publish(build, run, record, config)
        return Writer(Run(run.path), held.pop_all())


def _locked(run: Run, build: Path) -> ExitStack:
    """Lock the directory that a run is built in; one left by a killed process is built anew."""
    disk.make_directories(build.parent)
    held = ExitStack()
    while True:
        try:
            disk.make_directory(build)
            held.enter_context(lock.held(build / LOCK, f"{build}: has been published or removed"))
        except ReplacedError:
            continue
        except LockedError:
            raise LockedError(f"{run.path}: another process is training this run") from None
        except DiskError as error:
            is_race = isinstance(error.__cause__, FileExistsError | FileNotFoundError)
            if not is_race or not disk.exists(build.parent):
                raise
            continue  # it has been published, or made again, between two steps
        return held


def _publish(build: Path, run: Run, record: RunRecord, config: str) -> None:
    disk.make_directory(build / CHECKPOINTS)
    disk.write(build / RUN, records.seal(record))
    disk.write(build / CONFIG, config.encode())
    disk.write(build / METRICS, b"")
    disk.sync_directory(build)
    if not disk.move_directory(build, run.path):
        _discard(build)
        raise NameTakenError(f"{run.path}: another process has just made this run")


def _discard(build: Path) -> None:
    """Remove what was built in vain, its lock last: others may be waiting for it."""
    for name in (RUN, CONFIG, METRICS):
        disk.remove(build / name)
    disk.remove_directory(build / CHECKPOINTS)
    disk.remove(build / LOCK)
    disk.remove_directory(build)


def open_(run: Run) -> Writer:
    """Take an existing run for writing.

    Raises:
        LockedError: another process writes to it.
        CorruptError: a link, a pipe or a device is in it, or its checkpoints' folder is gone.
    """
    with ExitStack() as held:
        held.enter_context(_held(run))
        disk.check_plain(run.path)  # now that nobody else changes it
        disk.check_plain(run.path / CHECKPOINTS)
        # Whoever was killed before may have renamed and not synced.
        disk.sync_directory(run.path.parent)
        disk.sync_directory(run.path / CHECKPOINTS)
        return Writer(Run(run.path), held.pop_all())


def _held(run: Run) -> AbstractContextManager[Lock]:
    """Hold the lock of a run that is there within a block."""
    lost = f"{run.path}: another process has just set this run aside"
    return lock.held(run.path / LOCK, lost)


def set_aside(run: Run) -> Run:
    """Give a damaged run another name, under which it is kept as it is; return it.

    The name is ``<name>.damaged-1``, or the next number that is free.

    Raises:
        LockedError: another process writes to it, or has just set it aside.
        CorruptError: it cannot be locked: a link, a pipe or a device is in the lock's place.
    """
    disk.check_kind(run.path, stat.S_IFDIR)
    with _held(run):
        for number in itertools.count(1):
            suffix = f".damaged-{number}"
            aside = run.path.with_name(run.name[: NAME_LENGTH - len(suffix)] + suffix)
            if not disk.exists(aside) and disk.move_directory(run.path, aside):
                return Run(aside)
        raise AssertionError("numbers do not end")
