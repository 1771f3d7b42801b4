"""Directories with all that they contain: their size, and their removal. Links are not followed."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

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
