"""All access to the disk that a run depends on: each call either happens whole or says what failed.

Nothing else in ``store`` opens, writes, renames or removes a file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnexp.errors import CorruptError, DiskError


@contextmanager
def errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a DiskError that names the file."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def read(path: Path, limit: int) -> bytes | None:
    """Return a regular file's content, or None if there is no such file.

    Raises:
        CorruptError: it is a link, a pipe or a device, or is larger than limit bytes.
        DiskError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise CorruptError(f"{path}: is a symbolic link, not a file of a run") from None
        raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    with errors(path), open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        _check_regular(path, descriptor, limit)
        return file.read(limit)


def _check_regular(path: Path, descriptor: int, limit: int) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise CorruptError(f"{path}: is not a regular file")
    if status.st_size > limit:
        raise CorruptError(f"{path}: has {status.st_size} bytes, more than the {limit} it may have")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that, whatever happens, it is there whole or not at all, and stays."""
    temporary = path.with_name(f".{path.name}.tmp")
    write(temporary, content)
    with errors(path):
        os.replace(temporary, path)  # noqa: PTH105 - the one rename that the protocol speaks of
    sync_directory(path.parent)


def write(path: Path, content: bytes) -> None:
    """Write a file from its beginning and force it to the disk."""
    with errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append(path: Path, content: bytes, *, sync: bool) -> None:
    """Append to a file, and force it to the disk if asked to."""
    with errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            _write_all(descriptor, content)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def truncate(path: Path, length: int) -> None:
    """Cut a file to length bytes and force that to the disk."""
    with errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, length)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Force a directory's entries to the disk."""
    with errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file if it is there."""
    with errors(path):
        path.unlink(missing_ok=True)


def remove_directory(path: Path) -> None:
    """Remove a directory if it is there and empty."""
    try:
        path.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}:
            raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, unless it is there."""
    with errors(path):
        path.mkdir(parents=True, exist_ok=True)


def rename_directory(source: Path, target: Path) -> bool:
    """Move a directory to a new name; return False if something with content is there."""
    try:
        source.rename(target)
    except FileExistsError:
        return False
    except OSError as error:
        if target.exists():
            return False
        raise DiskError(f"{target}: {(error.strerror or str(error)).lower()}") from error
    sync_directory(target.parent)
    return True


def _write_all(descriptor: int, content: bytes) -> None:
    """Write all of content: one call may write only a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
