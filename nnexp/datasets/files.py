"""Data files, read with distrust: regular files only, and never more memory than they fill.

Parsers of a format take an open file and raise ``MalformedError``, which names no file;
``reading`` opens one by its path and adds the name.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol

from nnexp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 2 << 30
"""The most that one file, or one array in it, may hold: 2 GiB."""

CHUNK = 1 << 20

RATIO = 100
SLACK = 16 << 20
"""What a compressed file may become: so many times its size, and 16 MiB. Images have a tenth."""


class Stream(Protocol):
    """What bytes are read from, compressed or not."""

    def read(self, size: int, /) -> bytes:
        """Return up to size bytes, none at the end."""


class MalformedError(ValueError):
    """A file's content is not what its format asks for; the text is one line, without its name."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def size(file: BinaryIO) -> int:
    """Return an open file's length in bytes and go back to its start."""
    length = file.seek(0, io.SEEK_END)
    file.seek(0)
    return length


def most(compressed: int) -> int:
    """Return how many bytes so many compressed ones may become: more is no data, but a bomb."""
    return min(compressed * RATIO + SLACK, LIMIT)


def fill(content: bytearray, stream: Stream, length: int) -> None:
    """Append to content until it holds exactly length bytes, which must be the stream's end.

    The memory used follows what the stream holds, not what length declares.

    Raises: MalformedError if the stream holds fewer or more.
    """
    while len(content) <= length:
        chunk = stream.read(min(CHUNK, length + 1 - len(content)))
        if not chunk:
            break
        content += chunk
    if len(content) < length:
        raise MalformedError(f"cut short: {len(content)} bytes, but its header declares {length}")
    if len(content) > length:
        raise MalformedError(f"goes on after the {length} bytes that its header declares")


@contextmanager
def decompressing() -> Iterator[None]:
    """Turn what gzip and zip find wrong with their input into a MalformedError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise MalformedError(f"damaged or cut short: {error}") from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what is wrong with a file, or with getting at it, into a DataError that names it."""
    try:
        yield
    except MalformedError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; a fault met inside the block becomes a DataError."""
    with naming(path):
        check_regular(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            empty = os.fstat(descriptor).st_size == 0  # or so it says, as what never ends does
            yield io.BytesIO() if empty else file


def check_regular(path: Path) -> None:
    """Refuse what is no regular file, before opening it: a FIFO would block, a device never end."""
    try:
        status = path.stat()
    except ValueError as error:
        raise MalformedError(f"not a possible file name, {error}") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise MalformedError(f"is {kind}, not a file of data")
    if status.st_size > LIMIT:
        raise MalformedError(f"has {status.st_size} bytes; the limit is {LIMIT}")
