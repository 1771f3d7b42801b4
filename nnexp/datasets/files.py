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
from contextlib import contextmanager, suppress
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from nnexp.datasets.name_lists import yaml_name
from nnexp.errors import DataError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 2 << 30
"""Maximum bytes of a file, or of an array in it: 2 GiB."""

CHUNK = 1 << 20

NAMES = 5000
"""Maximum names of a folder that are compared with a misspelt one."""
SIMILAR = 0.6
"""Minimum similarity of a name that is proposed, as in difflib."""

RATIO = 100
SLACK = 16 << 20
"""Maximum decompressed size: RATIO times the file's size, plus 16 MiB. Images compress 10 to 1."""


TABLE = ("a table", "csv", "train_file")
FILE_SOURCES = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt", ".dat", ".data"), TABLE),
    ".npz": ("an archive", "npz", "file"),
}
"""What a file named in place of a folder holds by its ending, its source, and the source's key."""

ARCHIVES = {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z"}

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
        raise DataError(f"{path}: {error.strerror or error}{_hint(path, error)}") from error


def _hint(path: Path, error: OSError) -> str:
    """Return what to do about a path that cannot be read, for a message; empty if unknown."""
    if isinstance(error, FileNotFoundError):
        return _missing_hint(path)
    return _file_hint(path) if isinstance(error, NotADirectoryError) else ""


def _file_hint(path: Path) -> str:
    """Return what to do about a path that uses a file as a folder."""
    file = next((p for p in (path, *path.parents) if p.is_file()), path)
    if file != path:
        return f"; {str(file)!r} is a file: correct the path"
    suffix = path.suffix.lower()
    if suffix in ARCHIVES:
        return "; unpack it, and name the folder"
    if suffix in FILE_SOURCES:
        kind, name, key = FILE_SOURCES[suffix]
        setting = f"data.name: {name} and data.{key}: {yaml_name(str(path))}"
        return f"; name a folder or, to read {kind}, set {setting}"
    return "; name the folder that contains it"


def _missing_hint(path: Path) -> str:
    """Return what was probably meant by the path of a missing file or folder, for a message."""
    with suppress(OSError):
        if meant := _in_subfolder(path) or _near(path):
            return f"; did you mean {str(meant)!r}?"
    return ""


def _in_subfolder(path: Path) -> Path | None:
    """Return the path inside a direct subfolder of the working directory, if one has it."""
    if path.is_absolute():
        return None
    candidates = [entry / path for entry in Path().iterdir() if (entry / path).exists()]
    return candidates[0] if len(candidates) == 1 else None


def _near(path: Path) -> Path | None:
    """Return an existing path that differs in one name, such as a misspelt folder's, or None."""
    missing = next((p for p in (*reversed(path.parents), path) if not p.exists()), path)
    inside = path.relative_to(missing)
    scores = {p: _similarity(p, missing) for p in islice(missing.parent.iterdir(), NAMES)}
    near = [p for p in scores if scores[p] >= SIMILAR and (p / inside).exists()]
    return max(near, key=scores.__getitem__) / inside if near else None


def _similarity(path: Path, wanted: Path) -> float:
    """Return how similar two names are, from 0 to 1, in stem and ending alike."""
    names = [(p.stem.lower(), p.suffix.lower()) for p in (path, wanted)]
    return min(SequenceMatcher(None, *parts).ratio() for parts in zip(*names, strict=True))


@contextmanager
def named_by_user(path: Path) -> Iterator[None]:
    """Complete an error about a missing file of the command line with where it was looked for."""
    try:
        yield
    except DataError as error:
        if path.is_absolute() or not isinstance(error.__cause__, FileNotFoundError):
            raise
        raise DataError(f"{error} (the working directory is {Path.cwd()})") from error.__cause__


FOLDER = (
    "a data file is needed or, to read a folder of images, data.name: images and data.directory"
)
"""Advice about a directory in place of a file of training data."""


@contextmanager
def open_binary(path: Path, folder: str = FOLDER) -> Iterator[BinaryIO]:
    """Open a regular file for reading; errors inside the block become a DataError.

    Args:
        path: the file.
        folder: advice if it is a directory.
    """
    with file_errors(path):
        check_regular(path, folder)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            # Endless files, such as some in /proc, have size 0, too: read nothing from them.
            is_empty = os.fstat(descriptor).st_size == 0
            yield io.BytesIO() if is_empty else file


def check_regular(path: Path, folder: str = FOLDER) -> None:
    """Check that path is a regular file before opening it: a FIFO blocks, a device may not end."""
    try:
        status = path.stat()
    except ValueError as error:
        raise MalformedError(f"is not a valid file name: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        if stat.S_ISDIR(status.st_mode):
            raise MalformedError(f"is a directory; {folder}")
        raise MalformedError("is not a regular file; a data file is needed")
    if status.st_size > LIMIT:
        raise MalformedError(f"has {status.st_size} bytes; the limit is {LIMIT}")
