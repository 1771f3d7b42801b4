"""Read, write and rename the files and directories of runs; every failure raises.

No other module of ``store`` opens, writes, renames or removes a file or directory.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from nnexp import paths
from nnexp.errors import CorruptError, DiskError

OPEN_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Do not follow a symbolic link, and do not block on a pipe or device."""
NO_SUCH_FILE, errors, mode, exists = paths.NO_SUCH_FILE, paths.errors, paths.mode, paths.exists


NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
"""errno values of file systems without hard links."""


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Yield a descriptor and close it on exit. Raises OSError if that fails."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read(path: Path, limit: int, *, cut: bool = False) -> bytes | None:
    """Return a regular file's content, or None if there is no such file.

    Args:
        path: the file.
        limit: maximum size in bytes.
        cut: whether to read only the first limit bytes of a larger file.

    Raises:
        CorruptError: it is a link, a pipe or a device, or too large and not to be cut.
        DiskError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | OPEN_FLAGS)
    except FileNotFoundError:
        return None
    except OSError as error:
        check_kind(path)
        raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    try:  # without context managers, which would take a tenth of the time of a listing
        try:
            return _content(path, descriptor, limit, cut=cut)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _content(path: Path, descriptor: int, limit: int, *, cut: bool) -> bytes:
    """Return the content of an open file, as ``read`` does."""
    size = _size(path, descriptor)
    if size > limit and not cut:
        raise CorruptError(f"{path}: has {size} bytes, more than the {limit} allowed")
    size = min(size, limit)
    parts: list[bytes] = []
    while size and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if there is none. Raises: DiskError."""
    with errors(path):
        try:
            return path.lstat().st_size
        except FileNotFoundError:
            return 0


def _size(path: Path, descriptor: int) -> int:
    """Return the size of an open file in bytes; raise CorruptError if it is not a regular file."""
    status = os.fstat(descriptor)
    check_mode(path, status.st_mode, stat.S_IFREG)
    return status.st_size


def check_kind(path: Path, kind: int = stat.S_IFREG) -> None:
    """Check that path is a regular file (S_IFREG), a directory (S_IFDIR), or does not exist.

    Raises:
        CorruptError: it is a link, a pipe, a device, or otherwise of another kind.
    """
    if file_mode := mode(path, follow=False):
        check_mode(path, file_mode, kind)


def check_mode(path: Path, mode: int, kind: int) -> None:
    """Check that a mode is of a kind, as check_kind does for a path."""
    if stat.S_IFMT(mode) != kind:
        actual = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
        expected = "file" if kind == stat.S_IFREG else "folder"
        raise CorruptError(f"{path}: is {actual}; a {expected} is needed")


def temporary(path: Path) -> Path:
    """Return the temporary name under which a file is written; a kill may leave it behind."""
    return path.with_name(f".{path.name}.tmp")


@contextmanager
def _removed_on_error(new: Path) -> Iterator[None]:
    """Remove a temporary file if it does not get its final name."""
    try:
        yield
    except CorruptError:  # something else is at its name
        raise
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file of a run that this process has locked, atomically and durably.

    After a crash, it is complete or unchanged. No other process writes the same temporary file, and
    the next process that opens the run replaces one that a kill left.
    """
    new = temporary(path)
    with _removed_on_error(new):
        write(new, content)
        with errors(path):
            os.replace(new, path)  # noqa: PTH105 - the atomic rename, as the system call is named
    sync_directory(path.parent)


def publish(path: Path, content: bytes) -> None:
    """Write a file that other processes may write at the same time, atomically and durably.

    The last one to finish wins. Only a kill leaves a temporary file, whose name is unique.

    Raises:
        CorruptError: a link, a pipe, a device or a folder is at path.
        DiskError: it cannot be written.
    """
    check_kind(path)
    with _new_file(path, content) as new:
        os.replace(new, path)  # noqa: PTH105 - as above
    sync_directory(path.parent)


def create(path: Path, content: bytes) -> bool:
    """Create a file atomically and durably; return False if anything is at path already.

    Raises: DiskError.
    """
    with _new_file(path, content) as new:
        try:
            os.link(new, path)  # unlike a rename, it replaces nothing
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
            if exists(path):
                return False
            os.replace(new, path)  # noqa: PTH105 - as above
        finally:
            new.unlink(missing_ok=True)
    sync_directory(path.parent)
    return True


@contextmanager
def _new_file(path: Path, content: bytes) -> Iterator[Path]:
    """Write a file of a unique name beside path, for use in a ``with`` block."""
    new = path.with_name(f".nnexp-{os.urandom(8).hex()}.tmp")
    with errors(path), _removed_on_error(new):
        with closing(open_for_writing(new, os.O_CREAT | os.O_EXCL)) as descriptor:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        yield new


def move(source: Path, target: Path) -> None:
    """Rename a synced file, replacing target, and sync the rename to disk.

    Both paths must be on one file system.
    """
    with errors(target):
        os.replace(source, target)  # noqa: PTH105 - as above
    sync_directory(target.parent)


def write(path: Path, content: bytes) -> None:
    """Create or overwrite a file and sync it to disk."""
    with errors(path):
        _overwrite(path, content)


def _overwrite(path: Path, content: bytes) -> None:
    descriptor = open_for_writing(path, os.O_CREAT | os.O_TRUNC)
    with closing(descriptor):
        _write_all(descriptor, content)
        os.fsync(descriptor)


def append(path: Path, content: bytes, *, sync: bool) -> None:
    """Append to a file, and optionally sync it to disk."""
    with errors(path):
        descriptor = open_for_writing(path, os.O_CREAT | os.O_APPEND)
        with closing(descriptor):
            _write_all(descriptor, content)
            if sync:
                os.fsync(descriptor)


def truncate(path: Path, length: int) -> None:
    """Truncate a file to length bytes and sync it to disk."""
    with errors(path):
        descriptor = open_for_writing(path, 0)
        with closing(descriptor):
            os.ftruncate(descriptor, length)
            os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Sync a directory's entries to disk."""
    with errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with closing(descriptor):
            os.fsync(descriptor)


def remove(path: Path) -> None:
    """Remove a file if it exists."""
    with errors(path):
        path.unlink(missing_ok=True)


def open_for_writing(path: Path, flags: int) -> int:
    """Open a regular file for writing and return its descriptor.

    Raises:
        CorruptError: it is a link, a pipe or a device.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | OPEN_FLAGS | flags, 0o666)
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
    """Write all of content; a single system call may write only a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def remove_directory(path: Path) -> None:
    """Remove a directory if it exists and is empty."""
    try:
        path.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}:
            raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def make_directory(path: Path) -> None:
    """Create a directory unless it exists; its parent must exist and is not synced.

    Raises:
        CorruptError: something else is at path, such as a link to a directory.
    """
    check_kind(path, stat.S_IFDIR)
    with errors(path):
        _make_directory(path)


def check_directory(path: Path) -> None:
    """Check, before any work is done, that a directory can be created and written to.

    Raises:
        DiskError: it cannot.
    """
    with errors(path):
        existing = next(folder for folder in (path, *path.parents) if mode(folder))
    if not existing.is_dir():
        raise DiskError(f"{existing}: is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise DiskError(f"{existing}: is not writable")


def make_subfolder(path: Path) -> None:
    """Create a folder of nnexp's own in the folder of runs, such as ``.trash``, and its parents.

    Raises:
        CorruptError: something else is at path, such as a link to a directory.
        DiskError: it cannot be created.
    """
    check_kind(path, stat.S_IFDIR)
    make_directories(path)
    check_kind(path, stat.S_IFDIR)


def make_directories(path: Path) -> None:
    """Create a directory and its missing parents, and sync their entries to disk.

    The entry of the lowest existing one is synced, too: the process that created it may have been
    killed before it synced.
    """
    with errors(path):
        missing = list(takewhile(lambda folder: not mode(folder), (path, *path.parents)))
        for folder in reversed(missing):
            _make_directory(folder)
    created = (path, *path.parents)[: len(missing) + 1]
    for folder in dict.fromkeys(directory.parent for directory in created):
        try:
            sync_directory(folder)
        except DiskError as error:
            is_refused = isinstance(error.__cause__, PermissionError)
            if not is_refused or os.access(folder, os.R_OK):
                raise  # tolerate only a parent without read permission, which cannot be opened


def _make_directory(path: Path) -> None:
    """Create a directory unless it exists; pathlib's exist_ok would hide other errors."""
    try:
        path.mkdir()
    except FileExistsError:
        if not stat.S_ISDIR(mode(path)):
            raise


def private_directory(path: Path) -> Path:
    """Return a folder that only this user can access; create it if it does not exist.

    Raises:
        CorruptError: it belongs to another user, is accessible to others, or is not a folder.
        DiskError: it cannot be created.
    """
    with errors(path):
        if not exists(path):
            path.mkdir(0o700, exist_ok=True)
        status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise CorruptError(f"{path}: is not a private folder of this user (mode 0700)")
    return path


def directory_names(path: Path) -> list[str]:
    """Return the names of the entries of a run's directory.

    Raises:
        CorruptError: it is missing or not a directory.
    """
    check_kind(path, stat.S_IFDIR)
    with errors(path):
        try:
            return [entry.name for entry in path.iterdir()]
        except FileNotFoundError:
            raise CorruptError(f"{path}: is missing") from None


def folders(path: Path) -> dict[str, int]:
    """Return the inodes of the folders in a folder by name. Raises: DiskError."""
    with errors(path), os.scandir(path) as entries:
        return {entry.name: entry.inode() for entry in entries if entry.is_dir()}


def inode(path: Path) -> int:
    """Return a file's or folder's inode. Raises: DiskError."""
    with errors(path):
        return path.stat().st_ino
