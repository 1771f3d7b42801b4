"""Read untrusted data files: regular files only, and no more memory than their content needs.

Parsers of a format take an open file and raise ``MalformedError`` without the file's name;
``open_binary`` opens a file and adds its name to such errors.
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
"""Maximum bytes of a file, or of an array in it: 2 GiB."""

CHUNK = 1 << 20

RATIO = 100
SLACK = 16 << 20
"""Maximum decompressed size: RATIO times the file's size, plus 16 MiB. Images compress 10 to 1."""


HTML = (
    "is an HTML page, not a data file: the download failed or needs a login; download the file "
    "itself"
)


def is_html(content: bytes | bytearray) -> bool:
    """Return whether a file's first bytes, four or more, are those of an HTML page."""
    return bytes(content[:4]).lower() in {b"<!do", b"<htm", b"<hea", b"<bod"}


class Stream(Protocol):
    """A binary stream, compressed or not."""

    def read(self, size: int, /) -> bytes:
        """Return up to size bytes; none at the end."""


class MalformedError(ValueError):
    """A file's content violates its format; the text is one line, without the file's name."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def size(file: BinaryIO) -> int:
    """Return an open file's length in bytes and rewind it."""
    length = file.seek(0, io.SEEK_END)
    file.seek(0)
    return length


def max_decompressed(compressed: int) -> int:
    """Return the maximum size that compressed bytes may expand to, against zip bombs."""
    return min(compressed * RATIO + SLACK, LIMIT)


def fill(content: bytearray, stream: Stream, length: int) -> None:
    """Append a stream to content until it has exactly length bytes.

    Memory grows with the bytes read, not with the declared length.

    Raises: MalformedError if the stream has fewer or more bytes.
    """
    while len(content) <= length:
        chunk = stream.read(min(CHUNK, length + 1 - len(content)))
        if not chunk:
            break
        content += chunk
    if len(content) < length:
        raise MalformedError(
            f"cut short: {len(content)} bytes, but its header declares {length}; copy or download "
            "it again"
        )
    if len(content) > length:
        raise MalformedError(f"continues after the {length} bytes that its header declares")


@contextmanager
def decompression_errors() -> Iterator[None]:
    """Convert errors of gzip and zipfile to MalformedError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise MalformedError(f"damaged or cut short: {error}; copy or download it again") from error


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Convert MalformedError and OSError to a DataError that names the file."""
    try:
        yield
    except MalformedError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        is_relative = isinstance(error, FileNotFoundError) and not path.is_absolute()
        hint = "; paths are relative to the working directory" if is_relative else ""
        raise DataError(f"{path}: {error.strerror or error}{hint}") from error


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; errors inside the block become a DataError."""
    with file_errors(path):
        check_regular(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            # Endless files, such as some in /proc, have size 0, too: read nothing from them.
            is_empty = os.fstat(descriptor).st_size == 0
            yield io.BytesIO() if is_empty else file


def check_regular(path: Path) -> None:
    """Check that path is a regular file before opening it: a FIFO blocks, a device may not end."""
    try:
        status = path.stat()
    except ValueError as error:
        raise MalformedError(f"is not a valid file name: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "is a directory" if stat.S_ISDIR(status.st_mode) else "is not a regular file"
        raise MalformedError(f"{kind}; a data file is needed")
    if status.st_size > LIMIT:
        raise MalformedError(f"has {status.st_size} bytes; the limit is {LIMIT}")
