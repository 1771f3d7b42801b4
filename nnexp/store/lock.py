"""The lock of a run: held with flock while a process writes, and gone with the process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnexp.errors import LockedError
from nnexp.store import disk

TRIES = 3
PAUSE = 0.1  # seconds; a reader's probe holds the lock for an instant only


class ReplacedError(LockedError):
    """The directory was renamed or removed by another process before its lock was taken."""


class Lock:
    """An open lock file. Locking follows the file, not its name, through a rename."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk.errors(path):
            self._descriptor = disk.opened(path, os.O_CREAT)

    def acquire(self) -> None:
        """Take the lock for writing.

        Raises:
            LockedError: another process holds it.
        """
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE)
            if self._try(fcntl.LOCK_EX):
                return
        self.release()
        raise LockedError(f"{self.path.parent}: another process is training this run")

    def release(self) -> None:
        """Give the lock up.

        Raises:
            DiskError: closing it failed.
        """
        with disk.errors(self.path):
            os.close(self._descriptor)

    def is_at(self, path: Path) -> bool:
        """Return whether the file that is locked is the one that now has this name."""
        with disk.errors(path):
            try:
                named = path.lstat()
            except FileNotFoundError:
                return False
            held = os.fstat(self._descriptor)
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            with disk.errors(self.path):
                raise error from None
        return True


@contextmanager
def held(path: Path, lost: str) -> Iterator[Lock]:
    """Hold the lock of a directory within a block, which is given the lock.

    Args:
        path: the lock file in the directory.
        lost: the error's message if the directory lost its name before the lock was taken.

    Raises:
        LockedError: another process holds the lock.
        ReplacedError: the locked file is not the one at path any more.
        CorruptError: a link, a pipe or a device is at path.
        DiskError: the lock cannot be taken or given up.
    """
    lock = Lock(path)
    lock.acquire()
    try:
        if not lock.is_at(path):
            raise ReplacedError(lost)
        yield lock
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Return whether some process holds the lock, by taking it shared for an instant.

    Raises:
        DiskError: it cannot be opened, or the file system has no locks.
    """
    with disk.errors(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | disk.PLAIN)
        except OSError as error:
            if error.errno in disk.NOTHING:
                return False  # no lock file, no writer: it is made before the run has its name
            raise
        with disk.closing(descriptor):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False
