"""The directories of a run: made, listed, renamed and removed so that they stay what they were.

What is in files is ``disk``'s.
"""

from __future__ import annotations

import errno
import os
import stat
from itertools import takewhile
from pathlib import Path

from nnexp.errors import CorruptError, DiskError
from nnexp.store import disk


def remove(path: Path) -> None:
    """Remove a directory if it is there and empty."""
    try:
        path.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}:
            raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def make(path: Path) -> None:
    """Make a directory in one that is there, unless it is itself; its entry is not synced.

    Raises:
        CorruptError: something else is there, such as a link to a directory.
    """
    disk.check_kind(path, stat.S_IFDIR)
    with disk.errors(path):
        _make(path)


def check(path: Path) -> None:
    """Refuse a directory that could not be made and written to, before there is work for it.

    Raises: DiskError.
    """
    with disk.errors(path):
        there = next(folder for folder in (path, *path.parents) if disk.mode(folder))
    if not there.is_dir():
        raise DiskError(f"{there}: is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DiskError(f"{there}: may not be written to")


def make_all(path: Path) -> None:
    """Make a directory, and those above it, unless it is there; what is made stays.

    The lowest one that was there may have been made an instant before a kill: it stays, too.
    """
    with disk.errors(path):
        missing = list(takewhile(lambda folder: not disk.mode(folder), (path, *path.parents)))
        for folder in reversed(missing):
            _make(folder)
    for folder in dict.fromkeys(each.parent for each in (path, *path.parents)[: len(missing) + 1]):
        try:
            disk.sync_directory(folder)
        except DiskError as error:
            is_refused = isinstance(error.__cause__, PermissionError)
            if not is_refused or os.access(folder, os.R_OK):
                raise  # only what one may not read cannot be synced


def _make(path: Path) -> None:
    """Make a directory unless there is one; pathlib would take any error for that."""
    try:
        path.mkdir()
    except FileExistsError:
        if not stat.S_ISDIR(disk.mode(path)):
            raise


def private(path: Path) -> Path:
    """Return a folder that is this user's alone, made if it is not there.

    Raises:
        CorruptError: it is someone else's, or open to others, or no folder.
        DiskError: it cannot be made.
    """
    with disk.errors(path):
        if not disk.exists(path):
            path.mkdir(0o700, exist_ok=True)
        status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise CorruptError(f"{path}: is not a folder of this user's alone")
    return path


def names(path: Path) -> list[str]:
    """Return the names in a directory of a run.

    Raises:
        CorruptError: it is missing, or something else than a directory.
    """
    disk.check_kind(path, stat.S_IFDIR)
    with disk.errors(path):
        try:
            return [entry.name for entry in path.iterdir()]
        except FileNotFoundError:
            raise CorruptError(f"{path}: is missing") from None


def check_plain(folder: Path) -> None:
    """Refuse a directory of a run that holds something else than files and directories.

    Raises:
        CorruptError: it does, or is itself missing or something else.
    """
    for name in names(folder):
        path = folder / name
        found = disk.mode(path, follow=False)
        if not stat.S_ISDIR(found):
            disk.check_mode(path, found, stat.S_IFREG)


def rename(source: Path, target: Path) -> bool:
    """Move a directory to a new name; return False if something with content is there."""
    try:
        source.rename(target)
    except OSError as error:
        if disk.exists(target):
            return False
        raise DiskError(f"{target}: {(error.strerror or str(error)).lower()}") from error
    disk.sync_directory(target.parent)
    return True
