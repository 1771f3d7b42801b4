"""Write a run: by one process at a time, and so that a kill at any step loses nothing committed.

The rename of its checkpoint commits an epoch. The checkpoint contains the length and hash of
metrics.jsonl; bytes beyond that length are not committed.
"""

from __future__ import annotations

import hashlib
import itertools
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from nnexp.datasets.npz import Header
from nnexp.errors import CorruptError, DiskError, LockedError, NameTakenError, RemovedError
from nnexp.names import NAME_LENGTH
from nnexp.store import (
    checkpoint,
    disk,
    exchange,
    growth_index,
    lock,
    metrics,
    notes,
    records,
    trash,
    tree,
)
from nnexp.store.checkpoint import Arrays, Commit
from nnexp.store.lock import Lock, ReplacedError
from nnexp.store.meta import Meta
from nnexp.store.records import SCHEMA, Result, RunRecord
from nnexp.store.run import (
    CHECKPOINTS,
    CONFIG,
    LOCK,
    LOG,
    METRICS,
    NOTES,
    PREDICTIONS,
    RESULT,
    RUN,
    TIMING,
    Run,
)
from nnexp.training.history import Row, best_row

LATEST_KEPT = 2
"""Latest checkpoints kept besides the best epoch's: two, in case the newest is damaged."""


class Beginning(NamedTuple):
    """The epochs that a new run takes over from an earlier one."""

    metrics: bytes
    """Their rows, as in metrics.jsonl."""
    timing: bytes
    """Their times, as in timing.jsonl."""
    checkpoints: dict[int, tuple[Meta, Arrays]]
    """By epoch; the last one is continued."""


class Writer:
    """Exclusive write access to a run, until it is closed.

    Args:
        run: the run.
        held: the run's lock.
        locks: releases it when closed.
        former: where the former run of this name is now, if it was replaced.
    """

    def __init__(self, run: Run, held: Lock, locks: ExitStack, former: Path | None = None) -> None:
        self.run, self.former = run, former
        self._lock, self._locks = held, locks
        self._metrics_hash = hashlib.sha256()
        self._metrics_length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock."""
        self._locks.close()

    @property
    def _path(self) -> Path:
        """The run's directory, if it is still the locked one and not another of that name.

        Raises:
            RemovedError: the run was removed, moved or replaced.
        """
        if not self._lock.is_at(self.run.path / LOCK):
            raise RemovedError(f"{self.run.path}: was removed or moved while it was trained")
        return self.run.path

    @contextmanager
    def _noticing_removal(self) -> Iterator[None]:
        """Let errors that come of the run's removal say so."""
        try:
            yield
        except (CorruptError, DiskError):
            _ = self._path  # raises if the run is gone
            raise

    def restore(self, expected: Mapping[str, Header], warn: Callable[[str], None]) -> Commit | None:
        """Return the newest intact commit and truncate metrics.jsonl to its rows.

        Args:
            expected: the arrays that a checkpoint of this run holds.
            warn: called with a message for each damaged checkpoint that is skipped.

        Returns: None if no epoch was committed.

        Raises:
            CorruptError: there are checkpoints, but none is intact, or the best epoch's is damaged.
        """
        content = self.run.read_metrics() or b""
        commit = checkpoint.newest(self.run, content, expected, warn)
        if commit is None:
            self._truncate_metrics(b"", len(content))
            return None
        best = best_row(commit.history).epoch
        if best != commit.history[-1].epoch:  # detect damage now rather than after training
            checkpoint.load(self.run, best, expected)
        self._truncate_metrics(content[: commit.meta.metrics_length], len(content))
        self._prune(commit.history)
        return commit

    def commit(self, history: list[Row], arrays: Arrays) -> None:
        """Commit the last row of history together with its arrays."""
        with self._noticing_removal():
            line = metrics.encode(history[-1])
            disk.append(self._path / METRICS, line, sync=True)
            self._metrics_hash.update(line)
            self._metrics_length += len(line)
            meta = Meta(
                epoch=history[-1].epoch,
                config_sha256=self.run.record.config_sha256,
                metrics_length=self._metrics_length,
                metrics_sha256=self._metrics_hash.hexdigest(),
                arrays_sha256=checkpoint.digest(arrays),
            )
            path = Run(self._path).checkpoint_path(history[-1].epoch)
            disk.write_atomically(path, checkpoint.encode(meta, arrays))
            self._prune(history)

    def finish(self, result: Result, predictions: Arrays) -> None:
        """Write the predictions and result.json, which ends the run."""
        with self._noticing_removal():
            disk.sync_directory(self._path / CHECKPOINTS)  # so that removed files stay removed
            files = {METRICS: self._metrics_hash.hexdigest()}
            if predictions:
                content = checkpoint.archive(predictions)
                disk.write_atomically(self._path / PREDICTIONS, content)
                files[PREDICTIONS] = hashlib.sha256(content).hexdigest()
            sealed_result = records.seal(msgspec.structs.replace(result, files=files))
            disk.write_atomically(self._path / RESULT, sealed_result)

    def time(self, epoch: int, train_seconds: float, evaluate_seconds: float) -> None:
        """Append an epoch's duration in seconds, and the machine's load, to timing.jsonl."""
        with self._noticing_removal():
            row = metrics.timed(epoch, train_seconds, evaluate_seconds)
            disk.append(self._path / TIMING, msgspec.json.encode(row) + b"\n", sync=False)

    def log(self, line: str) -> None:
        """Append a line to log.txt, which only people read."""
        with self._noticing_removal():
            disk.append(self._path / LOG, (line + "\n").encode(), sync=False)

    def _truncate_metrics(self, committed: bytes, length: int) -> None:
        if len(committed) < length:
            disk.truncate(self._path / METRICS, len(committed))
        self._metrics_hash = hashlib.sha256(committed)
        self._metrics_length = len(committed)

    def _prune(self, history: list[Row]) -> None:
        """Remove the checkpoints that neither continuing nor the result needs."""
        keep = epochs_to_keep(history)
        for epoch, path in Run(self._path).checkpoints().items():
            if epoch not in keep:
                disk.remove(path)


def epochs_to_keep(history: list[Row]) -> set[int]:
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
    return set(run.checkpoints()) == epochs_to_keep(run.history())


def create(run: Run, record: RunRecord, config: str, beginning: Beginning | None = None) -> Writer:
    """Create a run's directory atomically: it is complete and locked when it gets its name.

    Args:
        run: the run, whose directory does not exist.
        record: the content of run.json.
        config: the resolved config as YAML.
        beginning: epochs that it takes over from an earlier run.

    Raises:
        LockedError: another process is creating the same run.
        NameTakenError: another process has just created a run of this name.
    """
    build = run.path.with_name(f".{run.name}.new")
    disk.make_directories(build.parent)
    before = growth_index.modified(build.parent)
    held, locks = _lock_build(run, build)
    with locks:
        _fill(build, record, config, beginning)
        _publish(build, run)
        growth_index.add(run, record.growth_sha256 or growth_index.NONE, before)
        return Writer(Run(run.path), held, locks.pop_all())


def replace(
    run: Run,
    record: RunRecord,
    config: str,
    beginning: Beginning | None,
    check: Callable[[Run], None],
) -> Writer:
    """Replace a run by another of its name in one step; the former moves to the trash, unchanged.

    The new run has the notes and tags of the former.

    A process that is killed leaves the former run where it is, or both in the trash.

    Args:
        run: the run, which exists.
        record: the content of the new run.json.
        config: the new config as YAML.
        beginning: epochs that the new run takes over.
        check: called with the former run once no other process can change it; it may raise.

    Raises:
        LockedError: another process writes to the run.
        CorruptError: it is a link, or anything else that is no directory.
    """
    build = run.path.with_name(f".{run.name}.new")
    disk.check_kind(run.path, stat.S_IFDIR)
    trash.make(run.path.parent)
    with trash.lock_run(run):
        check(Run(run.path))
        held, locks = _lock_build(run, build)
        with locks:
            _fill(build, record, config, beginning, disk.read(run.path / NOTES, notes.LIMIT))
            former = _take_place(build, run)
            return Writer(Run(run.path), held, locks.pop_all(), former)


def _take_place(build: Path, run: Run) -> Path:
    """Give a build the place of a run; return where in the trash the run is now."""
    place = trash.take(build, run.name)
    if exchange.exchange(place, run.path):
        return place
    former = trash.take(run.path, run.name)
    tree.move_directory(place, run.path)
    return former


def _begin(build: Path, record: RunRecord, beginning: Beginning) -> None:
    """Write the checkpoints and times that a run takes over, as if it had made them."""
    for meta, arrays in beginning.checkpoints.values():
        own = msgspec.structs.replace(meta, schema=SCHEMA, config_sha256=record.config_sha256)
        path = Run(build).checkpoint_path(meta.epoch)
        disk.write(path, checkpoint.encode(own, arrays))
    disk.sync_directory(build / CHECKPOINTS)
    disk.append(build / TIMING, beginning.timing, sync=False)  # as when they were measured


def _lock_build(run: Run, build: Path) -> tuple[Lock, ExitStack]:
    """Create and lock a run's build directory, or take over one left by a killed process."""
    locks = ExitStack()
    while True:
        try:
            disk.make_directory(build)
            lost = f"{build}: has been published or removed"
            held = locks.enter_context(lock.hold(build / LOCK, lost))
        except ReplacedError:
            continue
        except LockedError:
            raise LockedError(f"{run.path}: another process is training this run") from None
        except DiskError as error:
            is_race = isinstance(error.__cause__, FileExistsError | FileNotFoundError)
            if not is_race or not disk.exists(build.parent):
                raise
            continue  # another process published or recreated it between two steps
        return held, locks


def _fill(
    build: Path,
    record: RunRecord,
    config: str,
    beginning: Beginning | None,
    noted: bytes | None = None,
) -> None:
    """Write the files of a new run to its build directory, in place of any that are there."""
    _empty(build)
    disk.make_directory(build / CHECKPOINTS)
    if beginning is not None:
        _begin(build, record, beginning)
    disk.write(build / RUN, records.seal(record))
    disk.write(build / CONFIG, config.encode())
    disk.write(build / METRICS, b"" if beginning is None else beginning.metrics)
    if noted is not None:
        disk.write(build / NOTES, noted)
    disk.sync_directory(build)


def _publish(build: Path, run: Run) -> None:
    if not tree.move_directory(build, run.path):
        _discard(build)
        raise NameTakenError(f"{run.path}: another process has just created this run")


def _discard(build: Path) -> None:
    """Remove a build directory, its lock file last, since other processes may wait for the lock."""
    _empty(build)
    disk.remove(build / LOCK)
    disk.remove_directory(build)


def _empty(build: Path) -> None:
    """Remove a build's files, such as those that a killed process left, except its lock."""
    for name in (RUN, CONFIG, METRICS, TIMING, NOTES):
        disk.remove(build / name)
    if disk.exists(build / CHECKPOINTS):
        for path in Run(build).checkpoints().values():
            disk.remove(path)
        disk.remove_directory(build / CHECKPOINTS)


def open_(run: Run) -> Writer:
    """Open an existing run for writing.

    Raises:
        LockedError: another process writes to it.
        CorruptError: it contains a link, a pipe or a device, or has no folder of checkpoints.
    """
    with ExitStack() as locks:
        held = locks.enter_context(_lock(run))
        tree.check_plain(run.path)  # under the lock, so that nothing changes after the check
        tree.check_plain(run.path / CHECKPOINTS)
        # A process killed before may have renamed without syncing.
        disk.sync_directory(run.path.parent)
        disk.sync_directory(run.path / CHECKPOINTS)
        return Writer(Run(run.path), held, locks.pop_all())


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
            if not disk.exists(aside) and tree.move_directory(run.path, aside):
                return Run(aside)
        raise AssertionError("numbers do not end")
