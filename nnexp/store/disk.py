"""All access to the disk that a run depends on: each call either happens whole or says what failed.

Nothing else in ``store`` opens, writes, renames or removes a file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from nnexp.errors import CorruptError, DiskError

PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How files are opened: a link is not followed, and a pipe or device not waited for."""


@contextmanager
def errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a DiskError that names the file."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error


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
    try:
        with errors(path):
            size = _size(path, descriptor)
            if size > limit and not cut:
                raise CorruptError(f"{path}: has {size} bytes, more than the {limit} it may have")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(min(size, limit))  # limit alone would be allocated at once
    finally:
        os.close(descriptor)


def _size(path: Path, descriptor: int) -> int:
    """Return an open file's size, if it is a regular file."""
    status = os.fstat(descriptor)
    _check_mode(path, status.st_mode, stat.S_IFREG)
    return status.st_size


def check_kind(path: Path, kind: int = stat.S_IFREG) -> None:
    """Refuse a name that stands for something else than a file (or, by S_IFDIR, a directory).

    A name that stands for nothing passes.

    Raises:
        CorruptError: it is a link, a pipe, a device, or otherwise not what a run holds there.
    """
    with errors(path):
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
    _check_mode(path, mode, kind)


def _check_mode(path: Path, mode: int, kind: int) -> None:
    if stat.S_IFMT(mode) != kind:
        found = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
        wanted = "file" if kind == stat.S_IFREG else "folder"
        raise CorruptError(f"{path}: is {found}: a run has a {wanted} there")


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
        descriptor = opened(path, os.O_CREAT | os.O_TRUNC)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append(path: Path, content: bytes, *, sync: bool) -> None:
    """Append to a file, and force it to the disk if asked to."""
    with errors(path):
        descriptor = opened(path, os.O_CREAT | os.O_APPEND)
        try:
            _write_all(descriptor, content)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def truncate(path: Path, length: int) -> None:
    """Cut a file to length bytes and force that to the disk."""
    with errors(path):
        descriptor = opened(path, 0)
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
    """Make a directory in one that is there, unless it is itself; its entry is not synced.

    Raises:
        CorruptError: something else is there, such as a link to a directory.
    """
    check_kind(path, stat.S_IFDIR)
    with errors(path):
        path.mkdir(exist_ok=True)


def make_directories(path: Path) -> None:
    """Make a directory, and those above it, unless it is there; what is made stays.

    The lowest one that was there may have been made an instant before a kill: it stays, too.
    """
    with errors(path):
        missing = list(takewhile(lambda folder: not folder.exists(), (path, *path.parents)))
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
    for folder in dict.fromkeys(each.parent for each in (path, *path.parents)[: len(missing) + 1]):
        if os.access(folder, os.R_OK):  # what nobody may read, nobody can sync
            sync_directory(folder)


def names(path: Path) -> list[str]:
    """Return the names in a directory of a run.

    Raises:
        CorruptError: it is missing, or something else than a directory.
    """
    check_kind(path, stat.S_IFDIR)
    with errors(path):
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
        with errors(path):
            mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode):
            _check_mode(path, mode, stat.S_IFREG)


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
        _check_mode(path, os.fstat(descriptor).st_mode, stat.S_IFREG)
    except CorruptError:
        os.close(descriptor)
        raise
    return descriptor


def _write_all(descriptor: int, content: bytes) -> None:
    """Write all of content: one call may write only a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
