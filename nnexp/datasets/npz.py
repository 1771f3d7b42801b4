"""Read untrusted NumPy .npz archives, without pickle.

The names, types, shapes and sizes of all members are verified before the first array is read. The
caller passes a check of which arrays an archive must contain.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from nnexp.datasets import files
from nnexp.datasets.files import MalformedError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

AnyArray: TypeAlias = "npt.NDArray[Any]"

HEADER = re.compile(
    rb"\{'descr': '([<>|=]?(?:[iu][1248]|f[248]|b1|[US][1-9]\d{0,4}))', "
    rb"'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,19}, ?){0,32}(?:\d{1,19})?)\),? ?\} *\n?"
)

OTHER_DTYPE = re.compile(rb"\{'descr': (?:'[<>|=]?(?=[OcMmV]|f1[26])|(?=\[))(.)")
"""The types of UNREADABLE, by their first character."""

UNREADABLE = {
    "O": "Python objects (dtype=object), which could run code when they are read; save it as "
    "numbers or strings: array.astype(int) or array.astype(str)",
    "c": "complex numbers; save array.real, or real and imaginary parts as features of their own",
    "M": "dates (datetime64); save numbers such as days, (array - array.min()).astype(int), or "
    "strings, array.astype(str)",
    "m": "durations (timedelta64); save numbers: array.astype(int)",
    "f": "numbers of extended precision (longdouble); save array.astype('float64')",
    "V": "raw bytes (void); save numbers or strings",
    "[": "records with named fields (a structured array); save one array of numbers: "
    "numpy.lib.recfunctions.structured_to_unstructured(array)",
}
"""Types that are not read, by NumPy's character, and what to do."""

BEGINNING = 512
OTHER_FORMATS = {
    b"\x93NUMPY": "a single .npy array, not an .npz archive; save examples and labels with "
    "numpy.savez(file, x_train=…, y_train=…)",
    b"\x89HDF": "an HDF5 file, not an .npz archive; read it in Python, and save its arrays with "
    "numpy.savez",
    b"MATLAB 5.0": "a MATLAB file, not an .npz archive; read it by scipy.io.loadmat, and save its "
    "arrays with numpy.savez",
    b"\x80": "a Python pickle, not an .npz archive; load it in Python, and save its arrays with "
    "numpy.savez",
    b"\x1f\x8b": "a gzip file, not an .npz archive; decompress it: gunzip",
}
"""Formats by their first bytes, and what to do."""
TEXT = re.compile(r"[^\x00-\x08\x0e-\x1f]*")

HEADER_BYTES = 10_000
MEMBERS = 1000
READ_LIMIT = files.CHUNK
"""Bytes: twice the size of a directory of ``MEMBERS`` members with long names."""
ENCRYPTED = 0x1


class LimitedReads:
    """An open file with a limit on the bytes of a single read.

    zipfile reads an archive's directory at once and creates an object for each of its entries.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        """Return up to size bytes.

        Raises: MalformedError if size exceeds the limit.
        """
        if size > READ_LIMIT:
            raise MalformedError(f"its directory has {size} bytes; the limit is {READ_LIMIT}")
        return self._file.read(size)


class Header(NamedTuple):
    """The declared type and shape of a member."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


Check: TypeAlias = Callable[[Mapping[str, Header]], None]
"""Raises MalformedError if an archive has the wrong arrays; called before any array is read."""


class Member(NamedTuple):
    """The location of an array in the archive, with its verified header."""

    info: zipfile.ZipInfo
    header: Header
    start: int
    fortran_order: bool


Choose: TypeAlias = Callable[[Mapping[str, Header]], Mapping[str, str]]
"""Maps names for arrays to those of the members to read; raises MalformedError."""


def read(path: Path, choose: Choose) -> dict[str, AnyArray]:
    """Read the arrays of an archive that are chosen by their headers, under new names.

    Raises: DataError if the file cannot be read, is malformed, or nothing can be chosen.
    """
    with files.open_binary(path) as file:
        _check_beginning(file.read(BEGINNING))
        file.seek(0)
        with _opened(file) as (archive, members):
            chosen = choose({name: member.header for name, member in members.items()})
            return {new: array(archive, members[name]) for new, name in chosen.items()}


def _check_beginning(content: bytes) -> None:
    """Raise MalformedError if a file's first bytes are those of another format."""
    if files.is_html(content):
        raise MalformedError(files.HTML)
    for beginning, format_and_advice in OTHER_FORMATS.items():
        if content.startswith(beginning):
            raise MalformedError(f"is {format_and_advice}")
    if content and TEXT.fullmatch(content.decode(errors="ignore")):
        raise MalformedError(
            "is a text file, not an .npz archive; is it a table with a header? then set data.name: "
            "csv and data.train_file"
        )


def parse(file: BinaryIO, check: Check) -> dict[str, AnyArray]:
    """Read the arrays of an open archive, by name and in native byte order.

    Raises: MalformedError if it is malformed or does not pass the check.
    """
    with _opened(file) as (archive, members):
        check({name: member.header for name, member in members.items()})
        return {name: array(archive, member) for name, member in members.items()}


@contextmanager
def _opened(file: BinaryIO) -> Iterator[tuple[zipfile.ZipFile, dict[str, Member]]]:
    """Open an archive and check all headers. Errors inside the block become MalformedError."""
    try:
        with files.decompression_errors(), zipfile.ZipFile(LimitedReads(file)) as archive:
            infos = list_members(archive, files.size(file))
            yield archive, {name: member(archive, name, info) for name, info in infos.items()}
    except (NotImplementedError, RuntimeError, struct.error, UnicodeDecodeError) as error:
        raise MalformedError(f"not an archive that NumPy wrote: {error}") from error


def exactly(expected: Mapping[str, Header]) -> Check:
    """Return a check that accepts exactly these arrays, with these types and shapes."""

    def check(headers: Mapping[str, Header]) -> None:
        check_names(headers, required=expected.keys(), known=expected.keys())
        for name, (dtype, shape) in expected.items():
            if headers[name] != (dtype, shape):
                got = f"{headers[name].dtype} of shape {headers[name].shape}"
                raise MalformedError(f"{name} must be {dtype} of shape {shape}, got {got}")

    return check


def check_names(
    headers: Mapping[str, Header], *, required: Iterable[str], known: Iterable[str]
) -> None:
    """Raise MalformedError if a required array is missing or an array is unknown."""
    if missing := sorted(set(required) - set(headers)):
        raise MalformedError(f"contains no {missing[0]}")
    if unknown := sorted(set(headers) - set(known)):
        names = ", ".join(sorted(known))
        raise MalformedError(f"contains an unknown array {unknown[0]!r} (known: {names})")


def list_members(archive: zipfile.ZipFile, length: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members by array name, after checking their number and declared sizes."""
    infos = archive.infolist()
    if len(infos) > MEMBERS:
        raise MalformedError(f"contains {len(infos)} members; the limit is {MEMBERS}")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise MalformedError(f"contains {name!r} twice")
        check_sizes(info, length)
        members[name] = info
    return members


def check_sizes(info: zipfile.ZipInfo, length: int) -> None:
    """Raise MalformedError if a member's declared size is impossible for a file of this length."""
    methods = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # here, since zipfile is deferred
    if info.compress_type not in methods or info.flag_bits & ENCRYPTED:
        raise MalformedError(f"{info.filename!r} is neither stored nor deflated, or is encrypted")
    if not 0 <= info.header_offset < length:
        raise MalformedError(f"{info.filename!r} begins outside the file")
    is_stored = info.compress_type == zipfile.ZIP_STORED
    largest = info.compress_size if is_stored else files.max_decompressed(info.compress_size)
    if info.compress_size > length or info.file_size > min(largest, files.LIMIT):
        limit = min(largest, length if is_stored else files.max_decompressed(length))
        raise MalformedError(
            f"{info.filename!r} declares {info.file_size} bytes, but can contain at most "
            f"{limit}{'' if is_stored else ', compressed'}"
        )


def member(archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo) -> Member:
    """Read a member's header and check it against the member's size."""
    with archive.open(info) as stream:
        text, start = header_text(stream, name)
    match = HEADER.fullmatch(text)
    if match is None:
        raise MalformedError(_unreadable(name, text))
    dtype = np.dtype(match[1].decode())
    shape = tuple(int(number) for number in match[3].split(b",") if number.strip())
    declared = math.prod(shape) * dtype.itemsize
    if declared != info.file_size - start or math.prod(max(1, n) for n in shape) > files.LIMIT:
        raise MalformedError(
            f"{name!r} declares shape {shape} of {dtype}, {declared} bytes, "
            f"but {info.file_size - start} follow"
        )
    return Member(info, Header(dtype, shape), start, match[2] == b"True")


def _unreadable(name: str, header: bytes) -> str:
    """Return the message about an array of a type that is not read."""
    if match := OTHER_DTYPE.match(header):
        return f"{name!r} holds {UNREADABLE[match[1].decode()]}"
    return f"{name!r} is not a plain array of numbers or strings; save it again with numpy.savez"


def header_text(stream: files.Stream, name: str) -> tuple[bytes, int]:
    """Read the header of an .npy file; return it and the position where the values begin."""
    magic = stream.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6:] not in {b"\x01\x00", b"\x02\x00", b"\x03\x00"}:
        raise MalformedError(f"{name!r} is not in NumPy's .npy format: {magic!r}")
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > HEADER_BYTES:
        raise MalformedError(f"{name!r} declares a header of {length} bytes")
    return stream.read(length), len(magic) + width + length


def array(archive: zipfile.ZipFile, member: Member) -> AnyArray:
    """Read a member's values."""
    content = bytearray()
    dtype, shape = member.header
    with archive.open(member.info) as stream:
        stream.read(member.start)
        files.fill(content, stream, member.info.file_size - member.start)
    values = np.frombuffer(content, dtype)
    values = values.reshape(shape, order="F" if member.fortran_order else "C")
    return values.astype(dtype.newbyteorder("="), copy=False)
