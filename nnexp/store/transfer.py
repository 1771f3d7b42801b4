"""Transfer runs between machines that do not share a disk: pack them on one, publish on the other.

A run that arrives must pass all of its checksums. It gets its name by one rename, or advances the
unfinished run of that name.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.datasets import npz
from nnexp.errors import CorruptError, LockedError
from nnexp.store import checkpoint, disk, lock, meta, notes, predictions, records, tree
from nnexp.store import meta as metas
from nnexp.store.lock import Lock
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
from nnexp.training.history import best_row

if TYPE_CHECKING:
    from nnexp.config.model import CheckedConfig

SIZE_LIMIT = 1 << 30
"""Maximum bytes of a run that is transferred: it is in memory on both sides."""

UNFINISHED = (RUN, CONFIG, METRICS)
"""Files that every run has."""
FINISHED = (*UNFINISHED, RESULT)
"""Files that every finished run has."""
FILES = (*FINISHED, PREDICTIONS, TIMING, LOG, NOTES)
"""All files of a run except its checkpoints."""

_NAME = re.compile(
    rf"(?:{'|'.join(map(re.escape, FILES))}|{CHECKPOINTS}/epoch-(\d{{6,7}})\.npz)", re.ASCII
)
_PARTIAL = re.compile(r"\.epoch-\d{6,7}\.npz\.tmp", re.ASCII)
"""The temporary file of a checkpoint; a killed process leaves it behind."""

_LEFTOVER = re.compile(r"\..+\.(?:home|new|removed)")
"""A run's directory before it gets its name, or after it has lost it."""


def pack(run: Run, *, with_notes: bool = True) -> dict[str, bytes]:
    """Return the contents of a run's files, finished or not, by their relative path.

    Args:
        run: the run.
        with_notes: include its notes and tags.

    Raises:
        CorruptError: it is damaged or too large to be transferred.
        DiskError: it cannot be read.
    """
    names = [*FILES, *(f"{CHECKPOINTS}/{path.name}" for path in run.checkpoints().values())]
    size = sum(disk.size(run.path / name) for name in names)
    if size > SIZE_LIMIT:
        raise CorruptError(f"{run.path}: has {size} bytes, more than the {SIZE_LIMIT} allowed")
    files: dict[str, bytes] = {}
    for name in names if with_notes else (name for name in names if name != NOTES):
        content = disk.read(run.path / name, SIZE_LIMIT - sum(map(len, files.values())))
        if content is not None:
            files[name] = content
    return files


def publish(
    run: Run, config: CheckedConfig, files: Mapping[str, bytes], until: int | None = None
) -> bool:
    """Validate a run that was trained on another machine and write it to its directory here.

    If the other machine continued the unfinished run that is here, that run is advanced.

    Args:
        run: the run, under its name here.
        config: the config that it must have been trained with.
        files: the result of pack on the other machine.
        until: the last epoch that was to be trained; None: to the config's end, with a result.

    Returns: whether the run is here now; False, with nothing changed, if its name is taken by a
        run that the other machine did not continue or that is trained further, or by other files.

    Raises:
        CorruptError: it is damaged, or not the requested run.
        LockedError: another process publishes it, or trains it here.
        DiskError: it cannot be written.
    """
    last = config.epochs if until is None else min(until, config.epochs)
    _check_names(run, files, UNFINISHED if last < config.epochs else FINISHED)

    def put(build: Path) -> bool:
        _check(Run(build), config, last)
        if run.exists:
            return advance(run, Run(build))
        return tree.move_directory(build, run.path)

    return _build(run, files, put)


def unpack(run: Run, files: Mapping[str, bytes]) -> None:
    """Write an unfinished run of another machine here, unless the run here is trained as far.

    The notes of the run here stay.

    Raises:
        CorruptError: it is not a run.
        LockedError: another process trains the run here.
        DiskError: it cannot be written.
    """
    _check_names(run, files, UNFINISHED)
    if run.exists:
        with _lock(run):
            if Run(run.path).result is not None or _last_epoch(run) >= _last_packed_epoch(files):
                return
            own = disk.read(run.path / NOTES, notes.LIMIT)
            files = dict(files) if own is None else {**files, NOTES: own}
            _remove(run)
    if not _build(run, files, lambda build: tree.move_directory(build, run.path)):
        raise CorruptError(f"{run.path}: cannot be replaced: it contains other files than a run's")


def identities(run: Run) -> list[str]:
    """Return digests of a run: before its first epoch, after each epoch, and with its result.

    Two runs with the same last digest are equal. If a run's last digest is among another's earlier
    ones, the other run continues it. Empty if there is no run.

    Raises:
        CorruptError, DiskError: it cannot be read.
    """
    record = disk.read(run.path / RUN, records.LIMIT)
    if record is None:
        return []
    epochs = len(run.history())
    rows = (run.read_metrics() or b"").splitlines(keepends=True)
    result = disk.read(run.path / RESULT, records.LIMIT)
    digest = hashlib.sha256()
    digests = []
    for part in (record, *rows[:epochs], *([] if result is None else [result])):
        digest.update(part)
        digests.append(digest.hexdigest())
    return digests


def identity(run: Run) -> str | None:
    """Return the digest of a run's present state, or None if there is no run.

    Raises:
        CorruptError, DiskError: it cannot be read.
    """
    return next(reversed(identities(run)), None)


def remove_leftovers(runs: Path) -> None:
    """Remove the directories of processes killed while creating, publishing or removing runs.

    Raises:
        CorruptError, DiskError: one cannot be removed.
    """
    for name in disk.directory_names(runs) if disk.exists(runs) else ():
        build = runs / name
        if _LEFTOVER.fullmatch(name) and disk.exists(build / LOCK):
            with suppress(LockedError), _lock(Run(build)):
                _discard(build)


def _build(run: Run, files: Mapping[str, bytes], put: Callable[[Path], bool]) -> bool:
    """Write files to a build directory and call put with it; remove it unless put renamed it.

    Once the build has been renamed, another process may build under the same name.
    """
    build = run.path.with_name(f".{run.name}.home")
    disk.make_directories(build.parent)
    disk.make_directory(build)
    lost = f"{run.path}: another process has just published this run"
    with lock.hold(build / LOCK, lost) as build_lock:
        _empty(build)
        disk.make_directory(build / CHECKPOINTS)
        for name, content in files.items():
            disk.write(build / name, content)
        try:
            disk.sync_directory(build / CHECKPOINTS)
            disk.sync_directory(build)
            return put(build)
        finally:
            if build_lock.is_at(build / LOCK):
                _discard(build)


def discard(run: Run, packed: str) -> None:
    """Remove a run that was published elsewhere, unless it has changed since it was packed.

    Args:
        run: the run.
        packed: its identity when it was packed.

    Raises:
        LockedError: another process uses it.
        CorruptError, DiskError: it cannot be removed.
    """
    if run.exists:
        with _lock(run):
            if identity(Run(run.path)) == packed:
                _remove(run)


def _lock(run: Run) -> AbstractContextManager[Lock]:
    """Hold a run's lock within a ``with`` block."""
    lost = f"{run.path}: another process has just removed this run"
    return lock.hold(run.path / LOCK, lost)


def _last_epoch(run: Run) -> int:
    """Return the epoch of a run's newest checkpoint, or 0."""
    return max(run.checkpoints(), default=0)


def _last_packed_epoch(files: Iterable[str]) -> int:
    """Return the epoch of the newest checkpoint among files, or 0."""
    matches = (_NAME.fullmatch(name) for name in files)
    return max((int(match[1]) for match in matches if match and match[1]), default=0)


def _check_names(run: Run, files: Mapping[str, bytes], required: Sequence[str]) -> None:
    unknown = [name for name in files if not _NAME.fullmatch(name)]
    missing = [name for name in required if name not in files]
    size = sum(map(len, files.values()))
    received = f"{run.path}: the run received from the cluster"
    if unknown:
        raise CorruptError(f"{received} contains an unknown file, {unknown[0]!r}")
    if missing:
        raise CorruptError(f"{received} lacks {missing[0]!r}")
    if size > SIZE_LIMIT:
        raise CorruptError(f"{received} has {size} bytes, more than the {SIZE_LIMIT} allowed")


def _check(run: Run, config: CheckedConfig, last: int) -> None:
    """Check that a run is intact, has this config, and is finished or trained up to an epoch."""
    from nnexp.config import dump  # noqa: PLC0415 - PyYAML, which nothing else here needs

    received = f"{run.path}: the run received from the cluster"
    if run.config != config:
        raise CorruptError(f"{received} has another config")
    if disk.read(run.path / CONFIG, SIZE_LIMIT) != dump.to_yaml(config).encode():
        raise CorruptError(f"{run.path / CONFIG}: is damaged: it is not the config in {RUN}")
    history, result = run.history(), run.result
    predictions.read(run)
    checkpoints = run.checkpoints()
    if result is None and (not history or history[-1].epoch < last):
        raise CorruptError(f"{received} is not trained to epoch {last}")
    best = [best_row(history)] if history else []
    for row in (result.best, result.final) if result is not None else best:
        if row is not None and row.epoch not in checkpoints:
            raise CorruptError(f"{run.path}: has no checkpoint of epoch {row.epoch}")
    content = run.read_metrics() or b""
    for epoch, path in checkpoints.items():
        raw = disk.read(path, SIZE_LIMIT) or b""
        try:
            arrays = npz.parse(io.BytesIO(raw), lambda _: None)
            commit = metas.decode(path, arrays.pop(checkpoint.META).tobytes())
        except (KeyError, ValueError) as error:
            raise CorruptError(f"{path}: is damaged: {error}") from error
        is_intact = commit.arrays_sha256 == checkpoint.digest(arrays)
        belongs = (commit.epoch, commit.config_sha256) == (epoch, run.record.config_sha256)
        if not is_intact or not belongs:
            raise CorruptError(f"{path}: is damaged, or belongs to another epoch or run")
        if metas.rows(path, commit, content) != history[:epoch]:
            raise CorruptError(f"{path}: commits other rows than {METRICS} has")


def _remove(run: Run) -> None:
    """Remove a locked run. It is renamed first, so that no reader sees a part of it.

    Files that are not a run's are kept, in the renamed directory.
    """
    removed = run.path.with_name(f".{run.name}.removed")
    if disk.exists(removed):
        with suppress(LockedError), _lock(Run(removed)):
            _discard(removed)
    if tree.move_directory(run.path, removed):
        _discard(removed)


def _discard(folder: Path) -> None:
    """Remove a run's directory, unless it contains files that are not a run's."""
    _empty(folder)
    disk.remove(folder / LOCK)
    disk.remove_directory(folder)


def _empty(folder: Path) -> None:
    for name in FILES:
        disk.remove(folder / name)
        disk.remove(disk.temporary(folder / name))
    checkpoints = folder / CHECKPOINTS
    if disk.exists(checkpoints):
        for name in disk.directory_names(checkpoints):
            if _NAME.fullmatch(f"{CHECKPOINTS}/{name}") or _PARTIAL.fullmatch(name):
                disk.remove(checkpoints / name)
        disk.remove_directory(checkpoints)


def advance(run: Run, further: Run) -> bool:
    """Advance an unfinished run by moving the files of a further trained copy into its directory.

    Committed epochs are never lost: metrics.jsonl only grows, checkpoints are removed after newer
    ones are in place, and result.json comes last. If the process is killed, the run can be
    continued.

    Args:
        run: the run.
        further: the copy, on the same file system; it must have passed every check.

    Returns: whether the run is now trained as far as the copy; False, with nothing changed, if the
        run is finished or the copy does not continue it.

    Raises:
        LockedError: another process trains the run.
        CorruptError: the run is damaged.
        DiskError: it cannot be written.
    """
    if not run.is_there():
        return False
    with lock.hold(run.path / LOCK, f"{run.path}: another process has just set this run aside"):
        tree.check_plain(run.path)
        tree.check_plain(run.path / CHECKPOINTS)
        current = Run(run.path)
        if current.result is not None or not _continues(further, current):
            return False
        _move(further, current)
    return True


def _continues(further: Run, run: Run) -> bool:
    """Return whether a copy contains all epochs that a run has committed."""
    contents = [disk.read(copy.path / RUN, records.LIMIT) for copy in (further, run)]
    if contents[0] != contents[1]:
        return False
    content = further.read_metrics() or b""
    checkpoints = run.checkpoints()
    is_behind = _last_epoch(further) < _last_epoch(run)
    if further.result is None and is_behind:
        return False
    for path in checkpoints.values():
        try:
            commit = meta.head(path, disk.read(path, meta.HEAD, cut=True) or b"")
            meta.rows(path, commit, content)
        except CorruptError:  # fall back to the checkpoint before it
            continue
        return True
    return not checkpoints


def _move(source: Run, target: Run) -> None:
    """Move a run's files, its result last; after each step the run can be continued.

    The best epoch's checkpoint comes first, since continuing from a later one needs it. If the best
    epoch is the last one, a kill right after this step loses the reserve checkpoint.
    """
    rows, moved = source.history(), source.checkpoints()
    best = best_row(rows).epoch if rows else 0
    disk.move(source.path / METRICS, target.path / METRICS)
    for epoch in sorted(moved, key=lambda epoch: (epoch != best, epoch)):
        disk.move(moved[epoch], target.path / CHECKPOINTS / moved[epoch].name)
    for epoch, path in target.checkpoints().items():
        if epoch not in moved:
            disk.remove(path)
    for row in rows:  # a process that was killed while writing a checkpoint leaves its temporary
        disk.remove(disk.temporary(target.checkpoint_path(row.epoch)))
    disk.sync_directory(target.path / CHECKPOINTS)
    notes.merge(target, source)
    for name in (PREDICTIONS, TIMING, LOG, RESULT):
        disk.remove(disk.temporary(target.path / name))
        if disk.exists(source.path / name):
            disk.move(source.path / name, target.path / name)
