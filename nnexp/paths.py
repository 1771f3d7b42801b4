"""Ask what is at a path, so that "nothing" and "this cannot be determined" differ.

``Path.exists``, ``Path.is_file`` and ``os.path`` either report some errors as "nothing" or raise
others as bugs; no other module calls them.
"""

from __future__ import annotations

import errno
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnexp.errors import DiskError, NnexpError

NO_SUCH_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
"""errno values that mean "no such file", as opposed to "could not tell"."""


@contextmanager
def errors(path: Path) -> Iterator[None]:
    """Convert an ``OSError`` to a DiskError that names the file."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: {(error.strerror or str(error)).lower()}") from error


REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}
"""errno values that say nothing against the disk: no permission, or removed by another process."""


@contextmanager
def tolerated() -> Iterator[None]:
    """Ignore that files which only spare work are damaged, in use, or may not be read or written.

    Raises:
        DiskError: the disk fails, as by EIO, or is full. Nobody would notice it otherwise.
    """
    try:
        yield
    except DiskError as error:
        if getattr(error.__cause__, "errno", None) not in REFUSED:
            raise
    except NnexpError:
        return


def mode(path: Path, *, follow: bool = True) -> int:
    """Return the mode of the file at path, or 0 if there is none or the name cannot be a file's.

    Args:
        path: the file.
        follow: whether a link stands for the file that it leads to.

    Raises:
        DiskError: it cannot be determined.
    """
    with errors(path):
        try:
            return path.stat(follow_symlinks=follow).st_mode
        except ValueError:  # a NUL in the name
            return 0
        except OSError as error:
            if error.errno not in NO_SUCH_FILE:
                raise
    return 0


def exists(path: Path) -> bool:
    """Return whether there is anything at path; a broken link counts. Raises: DiskError."""
    return mode(path, follow=False) != 0


def no_folder(path: Path) -> str:
    """Return the message that there is no folder at path, with the command that makes it."""
    if exists(path):
        return f"{path} is not a folder"
    return f"there is no folder {path}; {shlex.join(['mkdir', '-p', str(path)])} makes it"


def is_folder(path: Path) -> bool:
    """Return whether there is a folder at path, or a link to one. Raises: DiskError."""
    return stat.S_ISDIR(mode(path))


def is_file(path: Path) -> bool:
    """Return whether there is a regular file at path, or a link to one. Raises: DiskError."""
    return stat.S_ISREG(mode(path))
