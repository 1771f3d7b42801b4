"""Transfer runs between the disks of machines: pack them on one, publish them on the other.

A run that arrives must pass all of its checksums. It gets its name by one rename, or brings the
unfinished run of that name forward.
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
from nnexp.store import checkpoint, disk, lock, meta, predictions, records
from nnexp.store import meta as metas
from nnexp.store.lock import Lock
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
from nnexp.training.history import best_row

if TYPE_CHECKING:
    from nnexp.config.model import CheckedConfig

MOST = 1 << 30
"""Maximum bytes of a run that is transferred: it is in memory on both sides."""

BEGUN = (RUN, CONFIG, METRICS)
NEEDED = (*BEGUN, RESULT)
PLAIN = (*NEEDED, PREDICTIONS, TIMING, LOG)
"""The files beside the checkpoints."""

_NAME = re.compile(
    rf"(?:{'|'.join(map(re.escape, PLAIN))}|{CHECKPOINTS}/epoch-(\d{{6,7}})\.npz)", re.ASCII
)
_PART = re.compile(r"\.epoch-\d{6,7}\.npz\.tmp", re.ASCII)
"""A checkpoint that was being written when the process was killed."""

_LEFTOVER = re.compile(r"\..+\.(?:home|removed)")
"""The directory of a run before it gets its name, and after it has lost it."""


def packed(run: Run) -> dict[str, bytes]:
    """Return the files of a run, finished or not, by their path in it.

    Raises:
        CorruptError: it is damaged, or larger than may be transferred.
        DiskError: it cannot be read.
    """
    names = [*PLAIN, *(f"{CHECKPOINTS}/{path.name}" for path in run.checkpoints().values())]
    files: dict[str, bytes] = {}
    for name in names:
        content = disk.read(run.path / name, MOST - sum(map(len, files.values())))
        if content is not None:
            files[name] = content
    return files


def publish(
    run: Run, config: CheckedConfig, files: Mapping[str, bytes], until: int | None = None
) -> bool:
    """Write a run that was trained elsewhere to its directory, once it has passed every check.

    If the run is here unfinished and was continued elsewhere, it is brought forward.

    Args:
        run: the run, under its name here.
        config: what it must have been trained with.
        files: what packed returned elsewhere.
        until: the last epoch that was to be trained; None: to the config's end, with a result.

    Returns: whether it is there now; False if its name is taken, by a run that was not continued
        elsewhere or was trained further here, or by something else: it stays as it is.

    Raises:
        CorruptError: it is damaged, or not what was asked for.
        LockedError: another process publishes it, or trains it here.
        DiskError: it cannot be written.
    """
    last = config.epochs if until is None else min(until, config.epochs)
    _check_names(run, files, BEGUN if last < config.epochs else NEEDED)

    def place(build: Path) -> bool:
        _check(Run(build), config, last)
        if run.exists:
            return complete(run, Run(build))
        return disk.move_directory(build, run.path)

    return _built(run, files, place)


def settle(run: Run, files: Mapping[str, bytes]) -> None:
    """Write an unfinished run from elsewhere here, unless the run here is trained as far.

    Raises:
        CorruptError: it is no run.
        LockedError: another process trains the run here.
        DiskError: it cannot be written.
    """
    _check_names(run, files, BEGUN)
    if run.exists:
        with _locked(run):
            if Run(run.path).result is not None or _reached(run) >= _newest(files):
                return
            _remove(run)
    if not _built(run, files, lambda build: disk.move_directory(build, run.path)):
        raise CorruptError(f"{run.path}: cannot be replaced: it holds files that no run has")


def identities(run: Run) -> list[str]:
    """Return digests of a run: before its first epoch, after each one, and with its result.

    Two runs with the same last digest are the same. If it is among the others of a second run,
    that one has all of the first, and more. Empty if there is no run.

    Raises:
        CorruptError, DiskError: it cannot be read.
    """
    record = disk.read(run.path / RUN, MOST)
    if record is None:
        return []
    epochs = len(run.history())
    rows = (disk.read(run.path / METRICS, MOST) or b"").splitlines(keepends=True)
    result = disk.read(run.path / RESULT, MOST)
    digest = hashlib.sha256()
    digests = []
    for part in (record, *rows[:epochs], *([] if result is None else [result])):
        digest.update(part)
        digests.append(digest.hexdigest())
    return digests


def identity(run: Run) -> str | None:
    """Return the digest of a run as it is now; None if there is no run.

    Raises:
        CorruptError, DiskError: it cannot be read.
    """
    return next(reversed(identities(run)), None)


def remove_leftovers(runs: Path) -> None:
    """Remove what processes that were killed while they published or removed runs left.

    Raises:
        CorruptError, DiskError: it cannot be removed.
    """
    for name in disk.directory_names(runs) if disk.exists(runs) else ():
        build = runs / name
        if _LEFTOVER.fullmatch(name) and disk.exists(build / LOCK):
            with suppress(LockedError), _locked(Run(build)):
                _discard(build)


def _built(run: Run, files: Mapping[str, bytes], place: Callable[[Path], bool]) -> bool:
    """Write files beside where they belong, and have them placed; what is not is removed.

    Once the build has been renamed, its old name is free, and may be another process's build.
    """
    build = run.path.with_name(f".{run.name}.home")
    disk.make_directories(build.parent)
    disk.make_directory(build)
    lost = f"{run.path}: another process has just published this run"
    with lock.held(build / LOCK, lost) as own:
        _empty(build)
        disk.make_directory(build / CHECKPOINTS)
        for name, content in files.items():
            disk.write(build / name, content)
        try:
            disk.sync_directory(build / CHECKPOINTS)
            disk.sync_directory(build)
            return place(build)
        finally:
            if own.is_at(build / LOCK):
                _discard(build)


def discard(run: Run, wanted: str) -> None:
    """Remove a run that was published elsewhere, unless it has been trained further since.

    Args:
        run: the run.
        wanted: its identity when it was packed.

    Raises:
        LockedError: another process uses it.
        CorruptError, DiskError: it cannot be removed.
    """
    if run.exists:
        with _locked(run):
            if identity(Run(run.path)) == wanted:
                _remove(run)


def _locked(run: Run) -> AbstractContextManager[Lock]:
    """Hold the run's lock within a block."""
    lost = f"{run.path}: another process has just removed this run"
    return lock.held(run.path / LOCK, lost)


def _reached(run: Run) -> int:
    """Return the epoch of the newest checkpoint."""
    return max(run.checkpoints(), default=0)


def _newest(files: Iterable[str]) -> int:
    """Return the newest epoch whose checkpoint is among files."""
    found = (_NAME.fullmatch(name) for name in files)
    return max((int(match[1]) for match in found if match and match[1]), default=0)


def _check_names(run: Run, files: Mapping[str, bytes], needed: Sequence[str]) -> None:
    strange = [name for name in files if not _NAME.fullmatch(name)]
    missing = [name for name in needed if name not in files]
    if strange or missing or sum(map(len, files.values())) > MOST:
        what = f"{(strange or missing or ['its size'])[0]!r}"
        raise CorruptError(f"{run.path}: what came from the cluster is no run, by {what}")


def _check(run: Run, config: CheckedConfig, last: int) -> None:
    """Refuse a run that is damaged, another's, or neither finished nor trained up to an epoch."""
    from nnexp.config import dump  # noqa: PLC0415 - PyYAML, which nothing else here needs

    if run.config != config:
        raise CorruptError(f"{run.path}: what came from the cluster is a run of another config")
    if disk.read(run.path / CONFIG, MOST) != dump.to_yaml(config).encode():
        raise CorruptError(f"{run.path / CONFIG}: is damaged: it is not the config that {RUN} has")
    history, result = run.history(), run.result
    predictions.read(run)
    checkpoints = run.checkpoints()
    if result is None and (not history or history[-1].epoch < last):
        raise CorruptError(f"{run.path}: what came from the cluster is not trained to epoch {last}")
    best = [best_row(history)] if history else []
    for row in (result.best, result.final) if result is not None else best:
        if row is not None and row.epoch not in checkpoints:
            raise CorruptError(f"{run.path}: has no checkpoint of epoch {row.epoch}")
    content = disk.read(run.path / METRICS, MOST) or b""
    for epoch, path in checkpoints.items():
        raw = disk.read(path, MOST) or b""
        try:
            arrays = npz.parse(io.BytesIO(raw), lambda _: None)
            said = metas.decode(path, arrays.pop(checkpoint.META).tobytes())
        except (KeyError, ValueError) as error:
            raise CorruptError(f"{path}: is damaged: {error}") from error
        digest = said.arrays_sha256 == checkpoint.digest(arrays)
        if not digest or (said.epoch, said.config_sha256) != (epoch, run.record.config_sha256):
            raise CorruptError(f"{path}: is damaged, or belongs to another epoch or run")
        if metas.rows(path, said, content) != history[:epoch]:
            raise CorruptError(f"{path}: commits other rows than {METRICS} has")


def _remove(run: Run) -> None:
    """Remove a run that is locked: under another name, so that no part of it is ever taken for it.

    Files that no run has keep the other directory there.
    """
    removed = run.path.with_name(f".{run.name}.removed")
    if disk.exists(removed):
        with suppress(LockedError), _locked(Run(removed)):
            _discard(removed)
    if disk.move_directory(run.path, removed):
        _discard(removed)


def _discard(folder: Path) -> None:
    """Remove a run's directory; what no run has in it keeps it there."""
    _empty(folder)
    disk.remove(folder / LOCK)
    disk.remove_directory(folder)


def _empty(folder: Path) -> None:
    for name in PLAIN:
        disk.remove(folder / name)
        disk.remove(disk.temporary(folder / name))
    checkpoints = folder / CHECKPOINTS
    if disk.exists(checkpoints):
        for name in disk.directory_names(checkpoints):
            if _NAME.fullmatch(f"{CHECKPOINTS}/{name}") or _PART.fullmatch(name):
                disk.remove(checkpoints / name)
        disk.remove_directory(checkpoints)


def complete(run: Run, further: Run) -> bool:
    """Bring an unfinished run forward by moving a copy's files into its directory.

    What the run has committed stays until more is: metrics.jsonl only grows, checkpoints go once
    there are newer ones, and result.json comes last. Killed anywhere, it leaves a run that can be
    continued.

    Args:
        run: the run.
        further: the copy, on the same file system; it must have passed every check.

    Returns: whether the run has come as far as the copy; False if the run is finished, or the copy
        does not continue it: then nothing has changed.

    Raises:
        LockedError: another process trains it.
        CorruptError: what is here is no run, or a damaged one.
        DiskError: it cannot be written.
    """
    if not run.is_there():
        return False
    with lock.held(run.path / LOCK, f"{run.path}: another process has just set this run aside"):
        disk.check_plain(run.path)
        disk.check_plain(run.path / CHECKPOINTS)
        found = Run(run.path)
        if found.result is not None or not _continues(further, found):
            return False
        _move(further, found)
    return True


def _continues(further: Run, run: Run) -> bool:
    """Return whether a copy has the epochs that a run has committed, or more of them."""
    contents = [disk.read(each.path / RUN, records.LIMIT) for each in (further, run)]
    if contents[0] != contents[1]:
        return False
    content = checkpoint.recorded(further)
    checkpoints = run.checkpoints()
    is_behind = max(further.checkpoints(), default=0) < max(checkpoints, default=0)
    if further.result is None and is_behind:
        return False
    for path in checkpoints.values():
        try:
            said = meta.head(path, disk.read(path, meta.HEAD, cut=True) or b"")
            meta.rows(path, said, content)
        except CorruptError:  # the one before it is a reserve for this
            continue
        return True
    return not checkpoints


def _move(source: Run, target: Run) -> None:
    """Move a run's files, its result last; each step leaves a run that can be continued.

    The best epoch's checkpoint is first: continuing from a later one needs it. If it is the last
    epoch's, a kill right after this step costs the run the checkpoint kept in reserve.
    """
    rows, moved = source.history(), source.checkpoints()
    best = best_row(rows).epoch if rows else 0
    disk.move(source.path / METRICS, target.path / METRICS)
    for epoch in sorted(moved, key=lambda epoch: (epoch != best, epoch)):
        disk.move(moved[epoch], target.path / CHECKPOINTS / moved[epoch].name)
    for epoch, path in target.checkpoints().items():
        if epoch not in moved:
            disk.remove(path)
    for row in rows:  # one that was killed while it wrote a checkpoint left a part of it
        disk.remove(disk.temporary(target.checkpoint_path(row.epoch)))
    disk.sync_directory(target.path / CHECKPOINTS)
    for name in (PREDICTIONS, TIMING, LOG, RESULT):
        disk.remove(disk.temporary(target.path / name))
        if disk.exists(source.path / name):
            disk.move(source.path / name, target.path / name)
