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

PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How files are opened: a link is not followed, and a pipe or device not waited for."""
NOTHING = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
"""Errors that say of a name that it stands for nothing, rather than that this cannot be known."""


@contextmanager
def errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a DiskError that names the file."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error


@contextmanager
def closing(descriptor: int) -> Iterator[None]:
    """Close a descriptor at the end; that too may fail."""
    try:
        yield
    finally:
        os.close(descriptor)


def read(path: Path, limit: int, *, cut: bool = False) -> bytes | None:
    """Return a regular file's content, or None if there is no such file.

    Raises:
        CorruptError: it is a link, a pipe or a device, or is larger than limit bytes; if it is
            to be cut, then as much of it is read.
        DiskError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | PLAIN)
    except FileNotFoundError:
        return None
    except OSError as error:
        check_kind(path)
        raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    with errors(path), closing(descriptor):
        size = _size(path, descriptor)
        if size > limit and not cut:
            raise CorruptError(f"{path}: has {size} bytes, more than the {limit} it may have")
        size = min(size, limit)
        parts: list[bytes] = []
        while size and (part := os.read(descriptor, size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _size(path: Path, descriptor: int) -> int:
    """Return an open file's size, if it is a regular file."""
    status = os.fstat(descriptor)
    check_mode(path, status.st_mode, stat.S_IFREG)
    return status.st_size


def exists(path: Path) -> bool:
    """Return whether a name stands for anything, be it a link that leads nowhere."""
    return mode(path, follow=False) != 0


def mode(path: Path, *, follow: bool = True) -> int:
    """Return the mode of what a name stands for; 0 if that is nothing.

    Raises:
        DiskError: that cannot be known, which pathlib and os.path take for nothing at times.
    """
    with errors(path):
        try:
            return path.stat(follow_symlinks=follow).st_mode
        except OSError as error:
            if error.errno not in NOTHING:
                raise
    return 0


def check_kind(path: Path, kind: int = stat.S_IFREG) -> None:
    """Refuse a name that stands for something else than a file (or, by S_IFDIR, a directory).

    A name that stands for nothing passes.

    Raises:
        CorruptError: it is a link, a pipe, a device, or otherwise not what a run holds there.
    """
    if found := mode(path, follow=False):
        check_mode(path, found, kind)


def check_mode(path: Path, mode: int, kind: int) -> None:
    """Refuse a mode that is not of a kind. Raises what check_kind raises."""
    if stat.S_IFMT(mode) != kind:
        found = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
        wanted = "file" if kind == stat.S_IFREG else "folder"
        raise CorruptError(f"{path}: is {found}: a run has a {wanted} there")


def temporary(path: Path) -> Path:
    """Return the name under which a file is written before it gets its own; a kill leaves it."""
    return path.with_name(f".{path.name}.tmp")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that, whatever happens, it is there whole or not at all, and stays."""
    written = temporary(path)
    write(written, content)
    with errors(path):
        os.replace(written, path)  # noqa: PTH105 - the one rename that the protocol speaks of
    sync_directory(path.parent)


def move(source: Path, target: Path) -> None:
    """Give a file that is on the disk another name, in place of what has it, and force that there.

    Both are on one file system.
    """
    with errors(target):
        os.replace(source, target)  # noqa: PTH105 - as above
    sync_directory(target.parent)


def write(path: Path, content: bytes) -> None:
    """Write a file from its beginning and force it to the disk."""
    with errors(path):
        descriptor = opened(path, os.O_CREAT | os.O_TRUNC)
        with closing(descriptor):
            _write_all(descriptor, content)
            os.fsync(descriptor)


def append(path: Path, content: bytes, *, sync: bool) -> None:
    """Append to a file, and force it to the disk if asked to."""
    with errors(path):
        descriptor = opened(path, os.O_CREAT | os.O_APPEND)
        with closing(descriptor):
            _write_all(descriptor, content)
            if sync:
                os.fsync(descriptor)


def truncate(path: Path, length: int) -> None:
    """Cut a file to length bytes and force that to the disk."""
    with errors(path):
        descriptor = opened(path, 0)
        with closing(descriptor):
            os.ftruncate(descriptor, length)
            os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Force a directory's entries to the disk."""
    with errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with closing(descriptor):
            os.fsync(descriptor)


def remove(path: Path) -> None:
    """Remove a file if it is there."""
    with errors(path):
        path.unlink(missing_ok=True)


def opened(path: Path, flags: int) -> int:
    """Return a descriptor to write a regular file by.

    Raises:
        CorruptError: it is a link, a pipe or a device.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | PLAIN | flags, 0o666)
    except OSError:
        check_kind(path)
        raise
    try:
        check_mode(path, os.fstat(descriptor).st_mode, stat.S_IFREG)
    except CorruptError:
        os.close(descriptor)
        raise
    return descriptor


def _write_all(descriptor: int, content: bytes) -> None:
    """Write all of content: one call may write only a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
