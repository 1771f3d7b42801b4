"""Write a run: by one process at a time, and so that a kill at any step loses nothing committed.

The rename of its checkpoint commits an epoch. The checkpoint contains the length and hash of
metrics.jsonl; bytes beyond that length are not committed.
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

LATEST_KEPT = 2
"""Latest checkpoints kept besides the best epoch's: two, in case the newest is damaged."""


class Writer:
    """Exclusive write access to a run, until it is closed.

    Args:
        run: the run.
        locks: holds the run's lock, and releases it when closed.
    """

    def __init__(self, run: Run, locks: ExitStack) -> None:
        self.run = run
        self._locks = locks
        self._metrics_hash = hashlib.sha256()
        self._metrics_length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock."""
        self._locks.close()

    def restore(self, expected: Mapping[str, Header], warn: Callable[[str], None]) -> Commit | None:
        """Return the newest intact commit and truncate metrics.jsonl to its rows.

        Args:
            expected: the arrays that a checkpoint of this run holds.
            warn: called with a message for each damaged checkpoint that is skipped.

        Returns: None if no epoch was committed.

        Raises:
            CorruptError: there are checkpoints, but none is intact, or the best epoch's is damaged.
        """
        content = checkpoint.read_metrics(self.run)
        commit = checkpoint.newest(self.run, content, expected, warn)
        if commit is None:
            self._truncate_metrics(b"", len(content))
            return None
        best = best_row(commit.history).epoch
        if best != commit.history[-1].epoch:  # detect damage now rather than after training
            checkpoint.load(self.run, best, expected)
        self._truncate_metrics(content[: commit.metrics_length], len(content))
        self._prune(commit.history)
        return commit

    def commit(self, history: list[Row], arrays: Arrays) -> None:
        """Commit the last row of history together with its arrays."""
        line = metrics.encode(history[-1])
        disk.append(self.run.path / METRICS, line, sync=True)
        self._metrics_hash.update(line)
        self._metrics_length += len(line)
        meta = Meta(
            epoch=history[-1].epoch,
            config_sha256=self.run.record.config_sha256,
            metrics_length=self._metrics_length,
            metrics_sha256=self._metrics_hash.hexdigest(),
            arrays_sha256=checkpoint.digest(arrays),
        )
        path = self.run.checkpoint_path(history[-1].epoch)
        disk.write_atomically(path, checkpoint.encode(meta, arrays))
        self._prune(history)

    def finish(self, result: Result, predictions: Arrays) -> None:
        """Write the predictions and result.json, which ends the run."""
        disk.sync_directory(self.run.path / CHECKPOINTS)  # so that removed files stay removed
        files = {METRICS: self._metrics_hash.hexdigest()}
        if predictions:
            content = checkpoint.archive(predictions)
            disk.write_atomically(self.run.path / PREDICTIONS, content)
            files[PREDICTIONS] = hashlib.sha256(content).hexdigest()
        sealed_result = records.seal(msgspec.structs.replace(result, files=files))
        disk.write_atomically(self.run.path / RESULT, sealed_result)

    def time(self, epoch: int, train_seconds: float, evaluate_seconds: float) -> None:
        """Append an epoch's duration in seconds to timing.jsonl."""
        row = Timing(epoch, round(train_seconds, 6), round(evaluate_seconds, 6))
        disk.append(self.run.path / TIMING, msgspec.json.encode(row) + b"\n", sync=False)

    def log(self, line: str) -> None:
        """Append a line to log.txt, which only people read."""
        disk.append(self.run.path / LOG, (line + "\n").encode(), sync=False)

    def _truncate_metrics(self, committed: bytes, length: int) -> None:
        if len(committed) < length:
            disk.truncate(self.run.path / METRICS, len(committed))
        self._metrics_hash = hashlib.sha256(committed)
        self._metrics_length = len(committed)

    def _prune(self, history: list[Row]) -> None:
        """Remove the checkpoints that neither continuing nor the result needs."""
        keep = _epochs_to_keep(history)
        for epoch, path in self.run.checkpoints().items():
            if epoch not in keep:
                disk.remove(path)


def _epochs_to_keep(history: list[Row]) -> set[int]:
    """Return the epochs whose checkpoints are kept."""
    if not history:
        return set()
    return {row.epoch for row in history[-LATEST_KEPT:]} | {best_row(history).epoch}


def is_pruned(run: Run) -> bool:
    """Return whether an unfinished run has exactly the checkpoints that are to be kept.

    A process killed right after a commit leaves more of them, until the run is opened again.

    Raises:
        CorruptError: the run is damaged.
    """
    return set(run.checkpoints()) == _epochs_to_keep(run.history())


def create(run: Run, record: RunRecord, config: str) -> Writer:
    """Create a run's directory atomically: it is complete and locked when it gets its name.

    Args:
        run: the run, whose directory does not exist.
        record: the content of run.json.
        config: the resolved config as YAML.

    Raises:
        LockedError: another process is creating the same run.
        NameTakenError: another process has just created a run of this name.
    """
    build = run.path.with_name(f".{run.name}.new")
    with _lock_build(run, build) as locks:
        _publish(build, run, record, config)
        return Writer(Run(run.path), locks.pop_all())


def _lock_build(run: Run, build: Path) -> ExitStack:
    """Create and lock a run's build directory, or take over one left by a killed process."""
    disk.make_directories(build.parent)
    locks = ExitStack()
    while True:
        try:
            disk.make_directory(build)
            locks.enter_context(lock.hold(build / LOCK, f"{build}: has been published or removed"))
        except ReplacedError:
            continue
        except LockedError:
            raise LockedError(f"{run.path}: another process is training this run") from None
        except DiskError as error:
            is_race = isinstance(error.__cause__, FileExistsError | FileNotFoundError)
            if not is_race or not disk.exists(build.parent):
                raise
            continue  # another process published or recreated it between two steps
        return locks


def _publish(build: Path, run: Run, record: RunRecord, config: str) -> None:
    disk.make_directory(build / CHECKPOINTS)
    disk.write(build / RUN, records.seal(record))
    disk.write(build / CONFIG, config.encode())
    disk.write(build / METRICS, b"")
    disk.sync_directory(build)
    if not disk.move_directory(build, run.path):
        _discard(build)
        raise NameTakenError(f"{run.path}: another process has just created this run")


def _discard(build: Path) -> None:
    """Remove a build directory, its lock file last, since other processes may wait for the lock."""
    for name in (RUN, CONFIG, METRICS):
        disk.remove(build / name)
    disk.remove_directory(build / CHECKPOINTS)
    disk.remove(build / LOCK)
    disk.remove_directory(build)


def open_(run: Run) -> Writer:
    """Open an existing run for writing.

    Raises:
        LockedError: another process writes to it.
        CorruptError: it contains a link, a pipe or a device, or has no folder of checkpoints.
    """
    with ExitStack() as locks:
        locks.enter_context(_lock(run))
        disk.check_plain(run.path)  # under the lock, so that nothing changes after the check
        disk.check_plain(run.path / CHECKPOINTS)
        # A process killed before may have renamed without syncing.
        disk.sync_directory(run.path.parent)
        disk.sync_directory(run.path / CHECKPOINTS)
        return Writer(Run(run.path), locks.pop_all())


def _lock(run: Run) -> AbstractContextManager[Lock]:
    """Hold the lock of an existing run within a ``with`` block."""
    lost = f"{run.path}: another process has just set this run aside"
    return lock.hold(run.path / LOCK, lost)


def set_aside(run: Run) -> Run:
    """Rename a damaged run, unchanged, and return it under its new name.

    The name is ``<name>.damaged-1``, or the next free number.

    Raises:
        LockedError: another process writes to it, or has just set it aside.
        CorruptError: it cannot be locked: its lock file is a link, a pipe or a device.
    """
    disk.check_kind(run.path, stat.S_IFDIR)
    with _lock(run):
        for number in itertools.count(1):
            suffix = f".damaged-{number}"
            aside = run.path.with_name(run.name[: NAME_LENGTH - len(suffix)] + suffix)
            if not disk.exists(aside) and disk.move_directory(run.path, aside):
                return Run(aside)
        raise AssertionError("numbers do not end")
