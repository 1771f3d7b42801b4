"""Directories with all that they contain: their size, and their removal. Links are not followed."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from nnexp.errors import DiskError
from nnexp.store import disk


def is_directory(path: Path) -> bool:
    """Return whether a directory is at path; a link to one is none. Raises: DiskError."""
    return stat.S_ISDIR(disk.mode(path, follow=False))


def size(path: Path) -> int:
    """Return the bytes of all files in a directory; files that vanish meanwhile do not count.

    Raises: DiskError.
    """
    total, folders = 0, [os.fspath(path)]
    with disk.errors(path):
        while folders:
            with suppress(FileNotFoundError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                        continue
                    with suppress(FileNotFoundError):
                        total += entry.stat(follow_symlinks=False).st_size
    return total


def delete(path: Path) -> None:
    """Remove a file, a link, or a directory with all that it contains, if it exists.

    Raises: DiskError.
    """
    if not is_directory(path):
        disk.remove(path)
        return
    for name in disk.directory_names(path):
        delete(path / name)
    disk.remove_directory(path)


def check_plain(folder: Path) -> None:
    """Check that a run's directory contains only regular files and directories.

    Raises:
        CorruptError: it contains something else, is missing, or is not a directory.
    """
    for name in disk.directory_names(folder):
        path = folder / name
        entry_mode = disk.mode(path, follow=False)
        if not stat.S_ISDIR(entry_mode):
            disk.check_mode(path, entry_mode, stat.S_IFREG)


def move_directory(source: Path, target: Path) -> bool:
    """Rename a directory and sync the rename to disk.

    Returns: False if target exists and is not an empty directory.
    """
    try:
        source.rename(target)
    except OSError as error:
        if disk.exists(target):
            return False
        raise DiskError(f"{target}: {(error.strerror or str(error)).lower()}") from error
    for folder in dict.fromkeys((target.parent, source.parent)):
        disk.sync_directory(folder)
    return True
