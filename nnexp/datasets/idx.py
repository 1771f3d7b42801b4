"""The sources mnist and idx: files in MNIST's IDX format.

A file has a magic number, big-endian dimensions and unsigned bytes.

Gzipped files are known by their first two bytes. What a header declares is held against
the file's size before anything is read on its word.

Source: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.datasets import files
from nnexp.datasets.files import MalformedError, naming
from nnexp.datasets.selection import Part, Parts, pair
from nnexp.datasets.sources import Idx
from nnexp.errors import DataError

if TYPE_CHECKING:
    from nnexp.datasets.dataset import Labels
    from nnexp.datasets.sources import Mnist

GZIP = b"\x1f\x8b"

IMAGES = 0x00000803
LABELS = 0x00000801
MEANINGS = {IMAGES: "images", LABELS: "labels"}


class IdxFile(NamedTuple):
    """A file's array, the sha256 of the uncompressed file, and the shape of an image."""

    array: npt.NDArray[Any]
    sha256: str
    image: tuple[int, ...] = ()
    """Rows and columns; empty where the array holds labels."""


def read_images(path: Path) -> IdxFile:
    """Return a file's images as uint8 of shape (examples, pixels).

    Raises: DataError if the file cannot be read or is malformed.
    """
    with files.reading(path) as file:
        images, sha256, image = parse(file, IMAGES)
        if 0 in image:
            raise MalformedError(f"declares images of {times(image)} pixels")
    return IdxFile(images.reshape(len(images), math.prod(image)), sha256, image)


def read_labels(path: Path) -> IdxFile:
    """Return a file's labels as int64 of shape (examples,).

    Raises: DataError if the file cannot be read or is malformed.
    """
    with files.reading(path) as file:
        labels, sha256, _ = parse(file, LABELS)
    as_indices: Labels = labels.astype(np.int64)
    return IdxFile(as_indices, sha256)


def parse(file: BinaryIO, magic: int) -> IdxFile:
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


def content(stream: files.Stream, magic: int, room: int, *, exact: bool) -> IdxFile:
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
    return IdxFile(array, hashlib.sha256(read).hexdigest(), shape[1:])


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


MNIST_NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}

MNIST_SHA256 = {
    "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

SIXTH = 6
"""The training file's last sixth validates: of MNIST's 60,000 the book's last 10,000."""


def read_mnist(_source: Mnist) -> Parts:
    """Return MNIST from the package, every file's content verified.

    Raises: DataError if a file is missing or damaged.
    """
    package = importlib.resources.files("nnexp.datasets")
    with importlib.resources.as_file(package / "mnist") as directory:
        try:
            parts = read_idx(Idx(directory=str(directory)))
        except DataError as error:
            raise DataError(f"{error}; the package's own file: reinstall nnexp") from error
    for name, sha256 in MNIST_SHA256.items():
        if parts.sha256[name] != sha256:
            file = MNIST_NAMES[name]
            raise DataError(
                f"{directory}: {file} is damaged, its sha256 is not MNIST's; reinstall nnexp"
            )
    return parts


def read_idx(source: Idx) -> Parts:
    """Return the user's files; without validation files the training file's last sixth validates.

    Raises: DataError if a file is missing or malformed, or files do not fit together.
    """
    paths = located(source)
    sha256: dict[str, str] = {}
    train = read_part("train", paths, sha256)
    validation = read_part("validation", paths, sha256) if "validation_images" in paths else None
    if validation is None:
        train, validation = divided(train, len(train.labels) - len(train.labels) // SIXTH)
    test = read_part("test", paths, sha256) if "test_images" in paths else None
    return Parts(train, validation, test, sha256)


def located(source: Idx) -> dict[str, Path]:
    """Return the path of each file, the single files going before the directory's.

    Raises: DataError if a file is missing or has no partner.
    """
    found = {} if source.directory is None else _in_directory(Path(source.directory))
    fields = [f"{part}_{kind}" for part in PARTS for kind in ("images", "labels")]
    single = {name: Path(path) for name in fields if (path := getattr(source, name)) is not None}
    paths = found | single
    for name in MNIST_NAMES if source.directory is not None else ("train_images", "train_labels"):
        if name not in paths:
            raise DataError(missing_file(source, name))
    for part in PARTS:
        images, labels = f"{part}_images", f"{part}_labels"
        if (images in paths) != (labels in paths):
            raise DataError(f"data: {images} and {labels} go together, got one of them only")
    return paths


def missing_file(source: Idx, name: str) -> str:
    """Return what to say of a file that is needed and was not named or found."""
    if source.directory is None:
        return f"data.{name}: a file is needed, or a directory that holds it"
    return f"{source.directory}: holds no file {MNIST_NAMES[name]}, gzipped or not"


def _in_directory(directory: Path) -> dict[str, Path]:
    """Return those of the four files that a directory holds, the plain form going first."""
    with naming(directory):
        held = {path.name for path in directory.iterdir()}
    return {
        field: directory / form
        for field, name in MNIST_NAMES.items()
        for form in (f"{name}.gz", name)  # the later wins
        if form in held
    }


def read_part(part: str, paths: dict[str, Path], sha256: dict[str, str]) -> Part:
    """Return a split from its two files, and record their hashes."""
    images_path, labels_path = paths[f"{part}_images"], paths[f"{part}_labels"]
    images, sha256[f"{part}_images"], image = read_images(images_path)
    labels, sha256[f"{part}_labels"], _ = read_labels(labels_path)
    read = pair(images, labels, str(images_path), str(labels_path))
    return read._replace(image=image)


def divided(part: Part, n: int) -> tuple[Part, Part]:
    """Return views of the first n examples and of the others."""
    first = part._replace(features=part.features[:n], labels=part.labels[:n])
    return first, part._replace(features=part.features[n:], labels=part.labels[n:])


PARTS = ("train", "validation", "test")
