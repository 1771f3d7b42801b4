"""Exchange two directories by one rename, which Python has no call for."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

from nnexp.store import disk


def exchange(first: Path, second: Path) -> bool:
    """Exchange two directories of one file system by a single rename, and sync it to disk.

    Returns: False if the system or the file system cannot do that, and nothing was changed.
    """
    with disk.errors(second):
        if not _exchange(first, second):
            return False
    for folder in {first.parent, second.parent}:
        disk.sync_directory(folder)
    return True


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two directories; return False if the system or the file system cannot.

    Source: renameat2(2) of Linux; renamex_np(2) of macOS.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    arguments: tuple[object, ...] = (os.fsencode(first), os.fsencode(second), RENAME_EXCHANGE)
    call = getattr(libc, "renamex_np", None)
    if sys.platform == "linux":
        call = getattr(libc, "renameat2", None)
        arguments = (AT_FDCWD, arguments[0], AT_FDCWD, *arguments[1:])
    if call is None or call(*arguments) == 0:
        return call is not None
    number = ctypes.get_errno()
    if number in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:
        return False
    raise OSError(number, os.strerror(number))


AT_FDCWD = -100
RENAME_EXCHANGE = 2
