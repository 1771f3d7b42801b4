"""Finished runs on their way from one machine's disk to another's: packed there, published here.

What arrives is believed only as far as its checksums go, and gets its name by one rename.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.datasets import npz
from nnexp.errors import CorruptError, LockedError
from nnexp.store import checkpoint, directories, disk, predictions
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

if TYPE_CHECKING:
    from nnexp.config.model import Config

MOST = 1 << 30
"""Bytes of a run that is brought home: it is in memory on both sides."""

NEEDED = (RUN, CONFIG, METRICS, RESULT)
PLAIN = (*NEEDED, PREDICTIONS, TIMING, LOG)
"""The files beside the checkpoints."""

_NAME = re.compile(
    rf"(?:{'|'.join(map(re.escape, PLAIN))}|{CHECKPOINTS}/epoch-\d{{6,7}}\.npz)", re.ASCII
)


def packed(run: Run) -> dict[str, bytes]:
    """Return the files of a finished run, by their path in it.

    Raises:
        CorruptError: it is damaged, or larger than what is brought home.
        DiskError: it cannot be read.
    """
    names = [*PLAIN, *(f"{CHECKPOINTS}/{path.name}" for path in run.checkpoints().values())]
    files: dict[str, bytes] = {}
    for name in names:
        content = disk.read(run.path / name, MOST - sum(map(len, files.values())))
        if content is not None:
            files[name] = content
    return files


def publish(run: Run, config: Config, files: Mapping[str, bytes]) -> bool:
    """Give a run that was brought home its directory, once it has passed every check.

    Args:
        run: the run, under its name here.
        config: what it must have been trained with.
        files: what packed returned elsewhere.

    Returns: whether it is there now; False where something has its name, which stays as it is.

    Raises:
        CorruptError: it is damaged, or not what was asked for.
        LockedError: another process publishes it.
        DiskError: it cannot be written.
    """
    build = run.path.with_name(f".{run.name}.home")
    _check_names(run, files)
    directories.make_all(build.parent)
    directories.make(build)
    lock = Lock(build / LOCK)
    lock.acquire()
    try:
        if not lock.is_at(build / LOCK):
            raise LockedError(f"{run.path}: another process has just published this run")
        _empty(build)
        directories.make(build / CHECKPOINTS)
        for name, content in files.items():
            disk.write(build / name, content)
        try:
            _check(Run(build), config)
            disk.sync_directory(build / CHECKPOINTS)
            disk.sync_directory(build)
            published = not run.exists and directories.rename(build, run.path)
        except BaseException:
            _discard(build)
            raise
        if not published:
            _discard(build)
        return published
    finally:
        lock.release()


def discard(run: Run) -> None:
    """Remove a run that has been brought home, unless something is in it that none has.

    Raises:
        DiskError: it cannot be removed.
    """
    if run.exists:
        _discard(run.path)


def _check_names(run: Run, files: Mapping[str, bytes]) -> None:
    strange = [name for name in files if not _NAME.fullmatch(name)]
    missing = [name for name in NEEDED if name not in files]
    if strange or missing or sum(map(len, files.values())) > MOST:
        what = f"{(strange or missing or ['its size'])[0]!r}"
        raise CorruptError(f"{run.path}: what came from the cluster is no run, by {what}")


def _check(run: Run, config: Config) -> None:
    """Refuse a run that is damaged or another's, by all that its checksums cover."""
    from nnexp.config import dump  # noqa: PLC0415 - PyYAML, which nothing else here needs

    if run.config != config:
        raise CorruptError(f"{run.path}: what came from the cluster is a run of another config")
    if disk.read(run.path / CONFIG, MOST) != dump.to_yaml(config).encode():
        raise CorruptError(f"{run.path / CONFIG}: is damaged: it is not the config that {RUN} has")
    history, result = run.history(), run.result
    predictions.read(run)
    checkpoints = run.checkpoints()
    for row in (result.best, result.final) if result is not None else ():
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


def _discard(folder: Path) -> None:
    """Remove a run's directory; what no run has in it keeps it there."""
    _empty(folder)
    disk.remove(folder / LOCK)
    directories.remove(folder)


def _empty(folder: Path) -> None:
    for name in PLAIN:
        disk.remove(folder / name)
    checkpoints = folder / CHECKPOINTS
    if disk.exists(checkpoints):
        for name in directories.names(checkpoints):
            if _NAME.fullmatch(f"{CHECKPOINTS}/{name}"):
                disk.remove(checkpoints / name)
        directories.remove(checkpoints)
