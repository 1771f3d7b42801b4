"""Lock a run with flock while a process writes to it; the lock ends with the process."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnexp.errors import LockedError
from nnexp.store import disk

ATTEMPTS = 3
PAUSE = 0.1  # seconds; enough, as a reader's probe holds the lock only for an instant


class ReplacedError(LockedError):
    """Another process renamed or removed the directory before its lock was taken."""


class Lock:
    """An open lock file. The lock belongs to the file, not to its name, and survives a rename."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk.errors(path):
            self._descriptor = disk.open_for_writing(path, os.O_CREAT)

    def acquire(self) -> None:
        """Take the exclusive lock.

        Raises:
            LockedError: another process holds it.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE)
            with disk.errors(self.path):
                if _try(self._descriptor, exclusive=True):
                    return
        self.release()
        raise LockedError(f"{self.path.parent}: another process is training this run")

    def release(self) -> None:
        """Release the lock.

        Raises:
            DiskError: closing it failed.
        """
        with disk.errors(self.path):
            os.close(self._descriptor)

    def is_at(self, path: Path) -> bool:
        """Return whether the locked file is the one that is at path now."""
        with disk.errors(path):
            try:
                current = path.lstat()
            except FileNotFoundError:
                return False
            locked = os.fstat(self._descriptor)
        return (current.st_dev, current.st_ino) == (locked.st_dev, locked.st_ino)


@contextmanager
def hold(path: Path, lost: str) -> Iterator[Lock]:
    """Hold the lock of a directory within a ``with`` block.

    Args:
        path: the lock file in the directory.
        lost: the message of ReplacedError.

    Raises:
        LockedError: another process holds the lock.
        ReplacedError: the directory was renamed or removed before the lock was taken.
        CorruptError: a link, a pipe or a device is at path.
        DiskError: the lock cannot be taken or released.
    """
    lock = Lock(path)
    lock.acquire()
    try:
        if not lock.is_at(path):
            raise ReplacedError(lost)
        yield lock
    finally:
        lock.release()


@contextmanager
def wait(path: Path, seconds: float) -> Iterator[None]:
    """Hold the exclusive lock of an existing file within a ``with`` block, as soon as it is free.

    Raises:
        LockedError: it is not free for so many seconds.
        CorruptError: a link, a pipe or a device is at path.
        DiskError: it cannot be opened or locked.
    """
    end = time.monotonic() + seconds
    with disk.errors(path), disk.closing(_open(path)) as descriptor:
        while not _try(descriptor, exclusive=True):
            if time.monotonic() > end:
                raise LockedError(f"{path.parent}: another process is changing it")
            time.sleep(PAUSE / 10)
        yield


def _open(path: Path) -> int:
    """Open a file for writing, as NFS demands for exclusive locks; if refused, for reading."""
    try:
        return disk.open_for_writing(path, 0)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise
        return os.open(path, os.O_RDONLY | disk.OPEN_FLAGS)


@contextmanager
def shared(path: Path) -> Iterator[bool]:
    """Hold a directory's lock shared within a ``with`` block, so that nobody can write to it.

    Yields: whether it is held; False if another process is writing.

    Raises:
        DiskError: the lock file cannot be opened, or the file system does not support locks.
    """
    with disk.errors(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | disk.OPEN_FLAGS)
        except OSError as error:
            if error.errno not in disk.NO_SUCH_FILE:
                raise
            yield True  # no writer: the lock file is created before the run gets its name
            return
        with disk.closing(descriptor):
            yield _try(descriptor, exclusive=False)


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock, by taking it shared for an instant.

    Raises:
        DiskError: it cannot be opened, or the file system does not support locks.
    """
    with shared(path) as is_free:
        return not is_free


def _try(descriptor: int, *, exclusive: bool) -> bool:
    """Lock an open file, exclusively or shared, unless another process's lock is in the way."""
    import fcntl  # noqa: PLC0415 - Windows has none, and --help works there

    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
