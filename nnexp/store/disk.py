"""Files and directories of runs: every access either succeeds completely or raises what failed.

Nothing else in ``store`` opens, writes, renames or removes a file or a directory.
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
        _make_directory(path)


def check_directory(path: Path) -> None:
    """Refuse a directory that could not be made and written to, before there is work for it.

    Raises: DiskError.
    """
    with errors(path):
        there = next(folder for folder in (path, *path.parents) if mode(folder))
    if not there.is_dir():
        raise DiskError(f"{there}: is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DiskError(f"{there}: may not be written to")


def make_directories(path: Path) -> None:
    """Make a directory, and those above it, unless it is there; what is made stays.

    The lowest one that was there may have been made an instant before a kill: it stays, too.
    """
    with errors(path):
        missing = list(takewhile(lambda folder: not mode(folder), (path, *path.parents)))
        for folder in reversed(missing):
            _make_directory(folder)
    for folder in dict.fromkeys(each.parent for each in (path, *path.parents)[: len(missing) + 1]):
        try:
            sync_directory(folder)
        except DiskError as error:
            is_refused = isinstance(error.__cause__, PermissionError)
            if not is_refused or os.access(folder, os.R_OK):
                raise  # only what one may not read cannot be synced


def _make_directory(path: Path) -> None:
    """Make a directory unless there is one; pathlib would take any error for that."""
    try:
        path.mkdir()
    except FileExistsError:
        if not stat.S_ISDIR(mode(path)):
            raise


def private_directory(path: Path) -> Path:
    """Return a folder that is this user's alone, made if it is not there.

    Raises:
        CorruptError: it is someone else's, or open to others, or no folder.
        DiskError: it cannot be made.
    """
    with errors(path):
        if not exists(path):
            path.mkdir(0o700, exist_ok=True)
        status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise CorruptError(f"{path}: is not a folder of this user's alone")
    return path


def directory_names(path: Path) -> list[str]:
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
    for name in directory_names(folder):
        path = folder / name
        found = mode(path, follow=False)
        if not stat.S_ISDIR(found):
            check_mode(path, found, stat.S_IFREG)


def move_directory(source: Path, target: Path) -> bool:
    """Move a directory to a new name; return False if something with content is there."""
    try:
        source.rename(target)
    except OSError as error:
        if exists(target):
            return False
        raise DiskError(f"{target}: {(error.strerror or str(error)).lower()}") from error
    sync_directory(target.parent)
    return True
