"""The IDX format of MNIST: a magic number, big-endian dimensions, unsigned bytes.

Gzipped files are known by their first two bytes. What a header declares is held against
the file's size before anything is read on its word.

Source: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.datasets import files
from nnexp.datasets.files import MalformedError

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.datasets.dataset import Labels

GZIP = b"\x1f\x8b"

IMAGES = 0x00000803
LABELS = 0x00000801
MEANINGS = {IMAGES: "images", LABELS: "labels"}


class Idx(NamedTuple):
    """A file's array, the sha256 of the uncompressed file, and the shape of an image."""

    array: npt.NDArray[Any]
    sha256: str
    image: tuple[int, ...] = ()
    """Rows and columns; empty where the array holds labels."""


def read_images(path: Path) -> Idx:
    """Return a file's images as uint8 of shape (examples, pixels).

    Raises: DataError if the file cannot be read or is malformed.
    """
    with files.reading(path) as file:
        images, sha256, image = parse(file, IMAGES)
        if 0 in image:
            raise MalformedError(f"declares images of {times(image)} pixels")
    return Idx(images.reshape(len(images), math.prod(image)), sha256, image)


def read_labels(path: Path) -> Idx:
    """Return a file's labels as int64 of shape (examples,).

    Raises: DataError if the file cannot be read or is malformed.
    """
    with files.reading(path) as file:
        labels, sha256, _ = parse(file, LABELS)
    as_indices: Labels = labels.astype(np.int64)
    return Idx(as_indices, sha256)


def parse(file: BinaryIO, magic: int) -> Idx:
    """Return an open file's bytes as uint8 in the shape that its header declares.

    Raises: MalformedError.
    """
    length = files.size(file)
    zipped = file.read(2) == GZIP
    file.seek(0)
    with files.decompressing():
        if not zipped:
            return content(file, magic, length, exact=True)
        with gzip.GzipFile(fileobj=file) as stream:
            return content(stream, magic, files.most(length), exact=False)


def content(stream: files.Stream, magic: int, room: int, *, exact: bool) -> Idx:
    """Read header and values of a stream that holds room bytes, or at most those if not exact."""
    read, shape = header(stream, magic)
    declared = len(read) + math.prod(shape)
    if declared > room or (exact and declared < room):
        has = f"the file has {room}" if exact else f"the file can hold no more than {room}, packed"
        raise MalformedError(f"declares {times(shape)} values, {declared} bytes, but {has}")
    if math.prod(max(1, size) for size in shape) > files.LIMIT:  # 0 hides what NumPy can't count
        raise MalformedError(f"declares {times(shape)} values, which no array can have")
    start = len(read)
    files.fill(read, stream, declared)
    array = np.frombuffer(read, np.uint8, offset=start).reshape(shape)
    return Idx(array, hashlib.sha256(read).hexdigest(), shape[1:])


def header(stream: files.Stream, magic: int) -> tuple[bytearray, tuple[int, ...]]:
    """Return the header's bytes and the shape that they declare."""
    dimensions = magic & 0xFF
    read = bytearray(stream.read(4))
    check_magic(read, magic)
    read += stream.read(4 * dimensions)
    if len(read) < 4 + 4 * dimensions:
        raise MalformedError(f"cut short within its header, after {len(read)} bytes")
    return read, struct.unpack_from(f">{dimensions}I", read, 4)


def check_magic(read: bytes | bytearray, magic: int) -> None:
    """Refuse a file that is not of unsigned bytes with the wanted number of dimensions."""
    found = int.from_bytes(read, "big")
    if len(read) == 4 and found == magic:  # noqa: PLR2004 - a magic number has four bytes
        return
    hint = f" ({MEANINGS[found]})" if found in MEANINGS else ""
    got = f"0x{read.hex()}{hint}" if read else "an empty file"
    raise MalformedError(
        f"not an IDX file of {MEANINGS[magic]}: it must start with 0x{magic:08x}, got {got}"
    )


def times(shape: tuple[int, ...]) -> str:
    """Return a shape as people write it: 60000 x 28 x 28."""
    return " x ".join(map(str, shape))
