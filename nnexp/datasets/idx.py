"""The sources mnist and idx: files in MNIST's IDX format.

A file has a magic number, big-endian dimensions and unsigned bytes.

Gzipped files are detected by their first two bytes. The declared shape is checked against the
file's size before any values are read.

Source: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import filecmp
import gzip
import hashlib
import math
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from nnexp.datasets import files
from nnexp.datasets.files import MalformedError, file_errors
from nnexp.datasets.selection import Part, Parts, pair
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from nnexp.datasets.dataset import Labels
    from nnexp.datasets.sources import Idx, Mnist

GZIP = b"\x1f\x8b"

IMAGES = 0x00000803
LABELS = 0x00000801
MEANINGS = {IMAGES: "images", LABELS: "labels"}


class IdxFile(NamedTuple):
    """A file's array, the sha256 of the uncompressed content, and the shape of an image."""

    array: npt.NDArray[Any]
    sha256: str
    image: tuple[int, ...] = ()
    """Rows and columns; empty for labels."""


def read_images(path: Path) -> IdxFile:
    """Read images as uint8 of shape (examples, pixels).

    Raises: DataError if the file cannot be read or is malformed.
    """
    with files.open_binary(path) as file:
        images, sha256, image = parse(file, IMAGES)
        if 0 in image:
            raise MalformedError(f"declares images of {format_shape(image)} pixels")
    return IdxFile(images.reshape(len(images), math.prod(image)), sha256, image)


def read_labels(path: Path) -> IdxFile:
    """Read labels as int64 of shape (examples,).

    Raises: DataError if the file cannot be read or is malformed.
    """
    with files.open_binary(path) as file:
        labels, sha256, _ = parse(file, LABELS)
    indices: Labels = labels.astype(np.int64)
    return IdxFile(indices, sha256)


def parse(file: BinaryIO, magic: int) -> IdxFile:
    """Return an open file's values as uint8 in the shape that its header declares.

    Raises: MalformedError.
    """
    length = files.size(file)
    is_gzipped = file.read(2) == GZIP
    file.seek(0)
    with files.decompression_errors():
        if not is_gzipped:
            return parse_stream(file, magic, length, exact=True)
        with gzip.GzipFile(fileobj=file) as stream:
            return parse_stream(stream, magic, files.max_decompressed(length), exact=False)


def parse_stream(stream: files.Stream, magic: int, limit: int, *, exact: bool) -> IdxFile:
    """Read the header and values of a stream of exactly, or at most, limit bytes."""
    content, shape = header(stream, magic)
    declared = len(content) + math.prod(shape)
    if declared > limit or (exact and declared < limit):
        actual = f"has {limit}" if exact else f"can contain at most {limit}, compressed"
        advice = "it is cut short" if declared > limit else "it is damaged"
        raise MalformedError(
            f"declares {format_shape(shape)} values, {declared} bytes, but the file {actual}; "
            f"{advice}: copy or download it again"
        )
    if math.prod(max(1, size) for size in shape) > files.LIMIT:  # NumPy refuses it even if one is 0
        raise MalformedError(f"declares {format_shape(shape)} values, too many for an array")
    start = len(content)
    files.fill(content, stream, declared)
    array = np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    return IdxFile(array, hashlib.sha256(content).hexdigest(), shape[1:])


def header(stream: files.Stream, magic: int) -> tuple[bytearray, tuple[int, ...]]:
    """Read the header; return its bytes and the shape that it declares."""
    dimensions = magic & 0xFF
    content = bytearray(stream.read(4))
    check_magic(content, magic)
    content += stream.read(4 * dimensions)
    if len(content) < 4 + 4 * dimensions:
        raise MalformedError(f"cut short within its header, after {len(content)} bytes")
    return content, struct.unpack_from(f">{dimensions}I", content, 4)


def check_magic(content: bytes | bytearray, magic: int) -> None:
    """Raise MalformedError if the file does not begin with the expected magic number."""
    number = int.from_bytes(content, "big")
    if len(content) == 4 and number == magic:  # noqa: PLR2004 - a magic number has four bytes
        return
    if files.is_html(content):
        raise MalformedError(files.HTML)
    hint, advice = "", "check which file this is"
    if number in MEANINGS:
        hint, advice = f" ({MEANINGS[number]})", "exchange the two files"
    elif content[:2] == GZIP:
        hint, advice = " (gzip)", "it is compressed twice: gunzip it once"
    got = f"0x{content.hex()}{hint}" if content else "an empty file"
    raise MalformedError(
        f"not an IDX file of {MEANINGS[magic]}: it must start with 0x{magic:08x}, got {got}; "
        f"{advice}"
    )


def format_shape(shape: tuple[int, ...]) -> str:
    """Return a shape as text: 60000 x 28 x 28."""
    return " x ".join(map(str, shape))


MNIST_NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}

MNIST_DIRECTORY = Path(__file__).with_name("mnist")
"""In the package, which cannot be used from a zip file: it would be unpacked at every start."""

MNIST_SHA256 = {
    "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

SIXTH = 6
"""The last sixth of the training file is for validation: 10,000 of MNIST's 60,000 examples."""


def read_mnist(_source: Mnist) -> Parts:
    """Read MNIST from the package and verify the content of every file.

    Raises: DataError if a file is missing or damaged.
    """
    paths = {role: MNIST_DIRECTORY / name for role, name in MNIST_NAMES.items()}
    for path in paths.values():
        if not path.exists():
            raise DataError(f"{path}: missing; reinstall nnexp")
    try:
        parts = read_files(paths)
    except DataError as error:
        raise DataError(f"{error}; this file belongs to nnexp: reinstall nnexp") from error
    for role, sha256 in MNIST_SHA256.items():
        if parts.sha256[role] != sha256:
            raise DataError(f"{paths[role]}: damaged: its sha256 is not MNIST's; reinstall nnexp")
    return parts


def read_idx(source: Idx) -> Parts:
    """Read the user's files; without validation files, hold out the training file's last sixth.

    Raises: DataError if a file is missing or malformed, or if files do not match each other.
    """
    return read_files(locate(source))


def read_files(paths: Mapping[str, Path]) -> Parts:
    """Read the files of the roles that they have, such as train_images.

    Raises: DataError.
    """
    sha256: dict[str, str] = {}
    train = read_part("train", paths, sha256)
    validation = read_part("validation", paths, sha256) if "validation_images" in paths else None
    held_out = len(train.labels) // SIXTH if validation is None else 0
    test = read_part("test", paths, sha256) if "test_images" in paths else None
    return Parts(train, validation, test, sha256, held_out=held_out)


def locate(source: Idx) -> dict[str, Path]:
    """Return the path of each file; files given by name replace those of the directory.

    Raises: DataError if a file is missing, or images are given without labels or the reverse.
    """
    fields = [f"{part}_{kind}" for part in PARTS for kind in ("images", "labels")]
    named = {name: Path(path) for name in fields if (path := getattr(source, name)) is not None}
    paths = dict(named)
    if source.directory is not None:
        paths |= _files_in(Path(source.directory), MNIST_NAMES.keys() - named.keys())
    for name in MNIST_NAMES if source.directory is not None else ("train_images", "train_labels"):
        if name not in paths:
            raise DataError(missing_file(source, name))
    for part in PARTS:
        images, labels = f"{part}_images", f"{part}_labels"
        if (images in paths) != (labels in paths):
            raise DataError(f"data: {images} and {labels} go together, got only one of them")
    return paths


def missing_file(source: Idx, name: str) -> str:
    """Return the message for a required file that was not given or found."""
    if source.directory is None:
        return f"data.{name}: a file is required, or a directory that contains it"
    return (
        f"{source.directory}: contains no file {MNIST_NAMES[name]}, gzipped or not; name the file "
        f"in data.{name}"
    )


SPELLING = re.compile(
    r"(?:(?P<prefix>.+)[-_.])?(?P<split>train|t10k|test)[-_.](?P<kind>images|labels)"
    r"(?:[-_.]idx[13]?)?(?:[-_.]ubyte)?(?P<gzip>\.gz)?",
    re.ASCII | re.IGNORECASE,
)
"""Names of MNIST's files and of data sets like it, such as emnist-letters-train-images-…"""


def _files_in(directory: Path, wanted: set[str]) -> dict[str, Path]:
    """Return those of the wanted files that a directory contains, uncompressed if it has both.

    Raises: DataError if it contains several such data sets, or different files for the same role.
    """
    with file_errors(directory):
        names = sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))
    spelled = [match for name in names if (match := SPELLING.fullmatch(name))]
    spelled = [match for match in spelled if _role(match) in wanted]
    candidates = {match: _unpacked(directory / match[0]) for match in sorted(spelled, key=_rank)}
    candidates = {match: path for match, path in candidates.items() if not path.is_dir()}
    prefixes = sorted({match["prefix"] or "" for match in candidates})
    if len(prefixes) > 1 and "" not in prefixes:
        raise DataError(
            f"{directory}: contains several data sets ({', '.join(prefixes)}); name the files of "
            "one in data.train_images, data.train_labels, …"
        )
    paths: dict[str, Path] = {}
    for match, path in candidates.items():
        if (match["prefix"] or "") == prefixes[0]:
            role = _role(match)
            _check_same(paths.setdefault(role, path), path, role)
    return paths


def labels_beside(images: Path) -> Path | None:
    """Return the file of labels that belongs to a file of images by its name, if it exists.

    Its name has labels for the last images, and idx1 for idx3: digits.idx1 for digits.idx3.
    """
    named = OF_IMAGES.sub(_of_labels, images.name)
    if named == images.name:
        return None
    bare = named.removesuffix(".gz")
    paths = [images.with_name(candidate) for candidate in (named, bare, f"{bare}.gz")]
    return next((path for path in paths if path.is_file()), None)


OF_IMAGES = re.compile(r"images(?!.*images)|(?<=idx)3", re.IGNORECASE)
"""The parts of a name by which a file of images differs from that of its labels."""


def _of_labels(match: re.Match[str]) -> str:
    """Return the part that a file of labels has instead, in the same case."""
    if match[0] == "3":
        return "1"
    if match[0].isupper():
        return "LABELS"
    return "Labels" if match[0].istitle() else "labels"


def _role(match: re.Match[str]) -> str:
    """Return the role of a file by its name, such as train_images."""
    split = "train" if match["split"].lower() == "train" else "test"
    return f"{split}_{match['kind'].lower()}"


def _rank(match: re.Match[str]) -> tuple[bool, bool]:
    """Return a key that sorts uncompressed files first, then those named like MNIST's."""
    return bool(match["gzip"]), match[0].removesuffix(".gz") not in MNIST_NAMES.values()


def _unpacked(path: Path) -> Path:
    """Return the file itself if an archive was unpacked to a folder of the file's name."""
    return path / path.name if path.is_dir() and (path / path.name).is_file() else path


def _check_same(first: Path, second: Path, role: str) -> None:
    """Raise DataError if two files differ, unless one is named as the archive of the other."""
    if first == second or second.name.lower() == f"{first.name.lower()}.gz":
        return
    with file_errors(second):
        is_same = filecmp.cmp(first, second, shallow=False)
    if not is_same:
        raise DataError(
            f"{first} and {second.name} could both be the {role.replace('_', ' ')}, and differ; "
            f"remove one of them, or set data.{role}: {first}"
        )


def read_part(part: str, paths: Mapping[str, Path], sha256: dict[str, str]) -> Part:
    """Read a split from its two files, and add their hashes to sha256."""
    images_path, labels_path = paths[f"{part}_images"], paths[f"{part}_labels"]
    images, sha256[f"{part}_images"], image = read_images(images_path)
    labels, sha256[f"{part}_labels"], _ = read_labels(labels_path)
    split = pair(images, labels, str(images_path), str(labels_path))
    return split._replace(image=image)


PARTS = ("train", "validation", "test")
