"""The trash of a folder of runs: what is moved there is kept until the trash is emptied.

``.trash/X`` is a run that had the name X, and ``.trash/X~2`` the second one.
``.trash/.X.checkpoints`` holds checkpoints that were taken from the run X. Each move is one rename.
"""

from __future__ import annotations

import itertools
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from nnexp.errors import CorruptError, LockedError, NameTakenError
from nnexp.names import without_seed
from nnexp.store import disk, lock, meta, tree
from nnexp.store.lock import Lock
from nnexp.store.run import CHECKPOINTS, LOCK, Run

TRASH = ".trash"
"""A subfolder of the folder of runs; no run name begins with a dot."""

_CHECKPOINTS = re.compile(r"\.(.+)\.checkpoints(?:~\d+)?", re.ASCII | re.DOTALL)
_NUMBERED = re.compile(r"(.+)~(\d{1,9})", re.ASCII | re.DOTALL)


class TrashedRun(NamedTuple):
    """A run in the trash."""

    name: str
    """The name that it had."""
    number: int
    """1, or that of a later run of the same name."""
    path: Path
    """Where it is now."""

    @property
    def original(self) -> Path:
        """Where it was."""
        return self.path.parent.with_name(self.name)


class Removal(NamedTuple):
    """The result of emptying the trash."""

    runs: int
    """Number of runs that were removed."""
    checkpoints: int
    """Number of sets of checkpoints of a run, likewise."""
    size: int
    """Their bytes."""
    kept: list[Path]
    """Runs that another process uses."""


def make(runs: Path) -> None:
    """Create the trash of a folder of runs.

    Raises:
        CorruptError: a link or a file is in its place.
        DiskError: it cannot be created.
    """
    _make(runs / TRASH)


def _make(folder: Path) -> None:
    """Create a directory unless it exists, and sync its entry before anything moves there."""
    disk.make_directory(folder)
    disk.sync_directory(folder.parent)  # also one of a process that was killed before it synced


def put(run: Run) -> Path:
    """Move a run to the trash and return its path there.

    Raises:
        LockedError: another process trains it.
        CorruptError: it is a link, or anything else that is no directory.
        DiskError: it cannot be moved.
    """
    disk.check_kind(run.path, stat.S_IFDIR)
    make(run.path.parent)
    with lock_run(run):
        return take(run.path, run.name)


def take(path: Path, name: str) -> Path:
    """Move a locked directory to the trash of its folder, under a run's name; return its path."""
    trash = path.parent / TRASH
    taken = [run.number for run in contents(path.parent) if run.name == name]
    for number in itertools.count(max(taken, default=0) + 1):  # the latest has the largest
        is_plain = number == 1 and not _NUMBERED.fullmatch(name)
        place = trash / (name if is_plain else f"{name}~{number}")
        if not disk.exists(place) and tree.move_directory(path, place):
            return place
    raise AssertionError("numbers do not end")


def contents(runs: Path) -> list[TrashedRun]:
    """Return the runs in the trash of a folder, sorted by name and number.

    Raises: DiskError.
    """
    trash = runs / TRASH
    names = disk.folders(trash) if tree.is_directory(trash) else ()
    found = []
    for entry in names:
        if not entry.startswith("."):
            match = _NUMBERED.fullmatch(entry)
            name, number = (match[1], int(match[2])) if match else (entry, 1)
            found.append(TrashedRun(name, number, trash / entry))
    return sorted(found)


def find(argument: Path) -> list[TrashedRun]:
    """Return the runs in the trash that an argument names; of several with one name the latest.

    Args:
        argument: the path that a run had, the same without ``-s<seed>``, a pattern, or the path
            of a run in the trash.

    Raises: DiskError.
    """
    is_in_trash = argument.parent.name == TRASH
    everything = contents(argument.parent.parent if is_in_trash else argument.parent)
    by_name = {run.path.name if is_in_trash else run.name: run for run in everything}
    return [by_name[name] for name in _named(by_name, argument.name)]


def find_checkpoints(argument: Path) -> list[Path]:
    """Return the folders in the trash with checkpoints of the runs that an argument names.

    Args:
        argument: as for ``find``; the path of a run in the trash names no checkpoints.

    Raises: DiskError.
    """
    if argument.parent.name == TRASH:
        return []
    trash, folders = argument.parent / TRASH, dict[str, list[Path]]()
    for entry in sorted(disk.folders(trash)) if tree.is_directory(trash) else ():
        if match := _CHECKPOINTS.fullmatch(entry):
            folders.setdefault(match[1], []).append(trash / entry)
    known = {run.name for run in contents(argument.parent)} | folders.keys()
    return [path for name in _named(known, argument.name) for path in folders.get(name, [])]


def _named(names: Collection[str], wanted: str) -> list[str]:
    """Return the names that an argument means: its own, those that fit, or those of an experiment.

    A run's own name comes first, since it may look like a pattern.
    """
    if wanted in names:
        return [wanted]
    if any(character in wanted for character in "*?["):
        return sorted(name for name in names if fnmatchcase(name, wanted))
    return sorted(name for name in names if without_seed(name) == wanted)


def restore(trashed: TrashedRun) -> Run:
    """Move a run from the trash back to its place, and return it.

    Raises:
        NameTakenError: something else is in its place.
        LockedError: another process uses it.
        DiskError: it cannot be moved.
    """
    with lock_run(Run(trashed.path)):
        place = trashed.original
        if disk.exists(place) or not tree.move_directory(trashed.path, place):
            raise NameTakenError(
                f"{place}: exists, so that {trashed.path} cannot be restored; rename one of them"
            )
    return Run(place)


def put_checkpoints(run: Run, epochs: Collection[int]) -> list[Path]:
    """Move checkpoints of a run to the trash; return the paths that they had.

    Raises:
        LockedError: another process uses the run.
        CorruptError: the run contains something else than files and directories.
        DiskError: they cannot be moved.
    """
    make(run.path.parent)
    with lock_run(run):
        paths = [path for epoch, path in run.checkpoints().items() if epoch in epochs]
        folder = next(
            folder
            for folder in _checkpoint_folders(run)
            if not any(disk.exists(folder / path.name) for path in paths)
        )
        if paths:
            _make(folder)
            for path in paths:
                disk.move(path, folder / path.name)
            disk.sync_directory(run.path / CHECKPOINTS)
    return paths


def restore_checkpoints(run: Run) -> list[Path]:
    """Move a run's checkpoints back from the trash; return their paths.

    Those of another run that had the same name stay.

    Raises:
        LockedError: another process uses the run.
        CorruptError: the run is damaged.
        DiskError: they cannot be moved.
    """
    restored: list[Path] = []
    with lock_run(run):
        for folder in _filled_folders(run):
            for name in sorted(disk.directory_names(folder)):
                place = run.path / CHECKPOINTS / name
                if not disk.exists(place) and _belongs(folder / name, run):
                    if not restored:
                        _make(place.parent)
                    disk.move(folder / name, place)
                    restored.append(place)
            disk.sync_directory(folder)
            disk.remove_directory(folder)
    return restored


def has_checkpoint(run: Run, name: str) -> bool:
    """Return whether the trash holds a checkpoint of a run. Raises: DiskError, CorruptError."""
    return any(_belongs(folder / name, run) for folder in _filled_folders(run))


def _filled_folders(run: Run) -> list[Path]:
    """Return the folders in the trash that hold checkpoints of runs of a run's name."""
    first, trash = next(_checkpoint_folders(run)), run.path.parent / TRASH
    names = disk.folders(trash) if tree.is_directory(trash) else ()
    numbered = re.compile(rf"{re.escape(first.name)}(~\d+)?", re.ASCII)
    return [trash / name for name in sorted(names) if numbered.fullmatch(name)]


def _checkpoint_folders(run: Run) -> Iterator[Path]:
    """Yield paths in the trash for checkpoints of a run."""
    first = run.path.parent / TRASH / f".{run.name}.checkpoints"
    yield first
    for number in itertools.count(2):
        yield first.with_name(f"{first.name}~{number}")


def _belongs(path: Path, run: Run) -> bool:
    """Return whether a file is a checkpoint of a run, by the config and the rows it commits."""
    head = disk.read(path, meta.HEAD, cut=True)
    with suppress(CorruptError):
        commit = meta.head(path, head or b"")
        is_own = commit.config_sha256 == run.record.config_sha256
        content = run.read_metrics() or b""
        return is_own and bool(meta.rows(path, commit, content))
    return False


def empty(runs: Path, chosen: Collection[Path] | None = None) -> Removal:
    """Remove what is in the trash of a folder, for good.

    A process that is killed leaves each run whole, or so that the next call removes the rest.

    Args:
        runs: the folder.
        chosen: the paths in its trash to remove; None for everything.

    Raises:
        CorruptError: the trash is a link.
        DiskError: something cannot be removed.
    """
    trash = runs / TRASH
    disk.check_kind(trash, stat.S_IFDIR)
    if not disk.exists(trash):
        return Removal(0, 0, 0, [])
    if chosen is None:
        chosen = [trash / name for name in sorted(disk.directory_names(trash))]
    counts, size, kept = {True: 0, False: 0}, 0, list[Path]()
    for path in chosen:
        own = tree.size(path) if tree.is_directory(path) else 0
        try:
            _remove(path)
        except LockedError:
            kept.append(path)
            continue
        counts[_CHECKPOINTS.fullmatch(path.name) is not None] += 1
        size += own
    disk.remove_directory(trash)
    return Removal(counts[False], counts[True], size, kept)


def _remove(path: Path) -> None:
    """Remove something from the trash; a run is renamed first, so that no half is restored.

    Raises: LockedError if another process uses the run.
    """
    if path.name.startswith(".") or not tree.is_directory(path):
        tree.delete(path)
        return
    aside = path.with_name(f".{path.name}.removed")
    with lock_run(Run(path)):
        tree.delete(aside)  # left by a process that was killed
        tree.move_directory(path, aside)
        tree.delete(aside)


def lock_run(run: Run) -> AbstractContextManager[Lock]:
    """Hold the lock of an existing run within a ``with`` block."""
    return lock.hold(run.path / LOCK, f"{run.path}: another process has just moved this run")
