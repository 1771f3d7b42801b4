"""IDX files are read exactly, and refused if their content contradicts their header."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.datasets import idx
from nnexp.datasets.files import MalformedError
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Idx
from nnexp.errors import DataError


def image_file(shape: tuple[int, int, int], values: bytes | None = None) -> bytes:
    """Return a file of images, its values counting up unless they are given."""
    n = shape[0] * shape[1] * shape[2]
    return struct.pack(">4I", 0x803, *shape) + (
        bytes(i % 256 for i in range(n)) if values is None else values
    )


def label_file(labels: bytes) -> bytes:
    return struct.pack(">2I", 0x801, len(labels)) + labels


def write_four(directory: Path, *, zipped: bool = False, train: int = 13) -> None:
    """Write the four files, image i made of the pixel value i, under MNIST's names."""
    contents = {
        "train-images-idx3-ubyte": image_file(
            (train, 1, 2), bytes(i // 2 for i in range(2 * train))
        ),
        "train-labels-idx1-ubyte": label_file(bytes(i % 3 for i in range(train))),
        "t10k-images-idx3-ubyte": image_file((4, 1, 2)),
        "t10k-labels-idx1-ubyte": label_file(bytes([0, 1, 2, 0])),
    }
    for name, content in contents.items():
        written = gzip.compress(content) if zipped else content
        (directory / (name + ".gz" * zipped)).write_bytes(written)


@pytest.mark.parametrize("zipped", [False, True])
def test_the_last_sixth_of_the_training_file_validates(tmp_path: Path, *, zipped: bool) -> None:
    write_four(tmp_path, zipped=zipped)
    dataset = load(Idx(directory=str(tmp_path)))
    assert dataset.validation is not None
    assert dataset.test is not None
    assert dataset.train.features[:, 0].tolist() == list(range(11))
    assert dataset.validation.features.tolist() == [[11, 11], [12, 12]]
    assert dataset.validation.labels.tolist() == [2, 0]
    assert dataset.test.features.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert dataset.classes == 3


def test_hashes_are_of_the_content_wherever_and_however_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_four(tmp_path / "a")
    write_four(tmp_path / "b", zipped=True)
    a, b = (load(Idx(directory=str(tmp_path / name))).sha256 for name in "ab")
    assert a == b
    assert sorted(a) == ["test_images", "test_labels", "train_images", "train_labels"]
    plain = (tmp_path / "a" / "train-labels-idx1-ubyte").read_bytes()
    assert a["train_labels"] == hashlib.sha256(plain).hexdigest()


def test_validation_files_leave_the_training_file_whole(tmp_path: Path) -> None:
    write_four(tmp_path)
    validation = tmp_path / "t10k-images-idx3-ubyte", tmp_path / "t10k-labels-idx1-ubyte"
    dataset = load(
        Idx(
            directory=str(tmp_path),
            validation_images=str(validation[0]),
            validation_labels=str(validation[1]),
        )
    )
    assert dataset.validation is not None
    assert (len(dataset.train.labels), len(dataset.validation.labels)) == (13, 4)
    assert dataset.sha256["validation_images"] == dataset.sha256["test_images"]


def test_single_files_need_no_test_files(tmp_path: Path) -> None:
    write_four(tmp_path)
    dataset = load(
        Idx(
            train_images=str(tmp_path / "train-images-idx3-ubyte"),
            train_labels=str(tmp_path / "train-labels-idx1-ubyte"),
        )
    )
    assert dataset.test is None
    assert sorted(dataset.sha256) == ["train_images", "train_labels"]


def test_too_few_examples_for_a_sixth_leave_no_validation_data(tmp_path: Path) -> None:
    write_four(tmp_path, train=5)
    dataset = load(Idx(directory=str(tmp_path)))
    assert dataset.validation is None
    assert len(dataset.train.labels) == 5


@given(shape=st.tuples(*[st.integers(1, 6)] * 3), zipped=st.booleans())
def test_what_was_written_is_read(shape: tuple[int, int, int], *, zipped: bool) -> None:
    content = image_file(shape)
    written = gzip.compress(content) if zipped else content
    array, sha256, image = idx.parse(io.BytesIO(written), idx.IMAGES)
    assert array.shape == shape
    assert image == shape[1:]
    assert array.tobytes() == content[16:]
    assert sha256 == hashlib.sha256(content).hexdigest()


def test_a_gzip_file_of_several_members_is_one_file(tmp_path: Path) -> None:
    content = image_file((3, 2, 2))
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(content[:20]) + gzip.compress(content[20:]))
    assert idx.read_images(path).array.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


BOMB = gzip.compress(struct.pack(">4I", 0x803, 1, 2, 2) + bytes(50_000_000), 9)
WHOLE = image_file((3, 2, 2))

MALFORMED = {
    "empty": (b"", "it must start with 0x00000803, got an empty file"),
    "short magic": (b"\0\0\x08", "it must start with 0x00000803, got 0x000008"),
    "text": (b"hello", "not an IDX file of images: it must start with 0x00000803, got 0x68656c6c"),
    "labels": (label_file(b"\1\2"), "got 0x00000801 (labels)"),
    "floats": (struct.pack(">4I", 0xD03, 1, 1, 1) + bytes(4), "got 0x00000d03"),
    "short header": (WHOLE[:10], "cut short within its header, after 10 bytes"),
    "short": (WHOLE[:-1], "declares 3 x 2 x 2 values, 28 bytes, but the file has 27"),
    "trailing": (WHOLE + b"\0", "declares 3 x 2 x 2 values, 28 bytes, but the file has 29"),
    "huge": (
        struct.pack(">4I", 0x803, 2**31, 1, 1) + bytes(9),
        "declares 2147483648 x 1 x 1 values, 2147483664 bytes, but the file has 25",
    ),
    "overflowing": (
        struct.pack(">4I", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1),
        "but the file has 16",
    ),
    "no pixels": (struct.pack(">4I", 0x803, 9, 0, 28), "declares images of 0 x 28 pixels"),
    "gzip, huge": (
        gzip.compress(struct.pack(">4I", 0x803, 2**31, 1, 1)),
        "but the file can contain at most ",
    ),
    "gzip, half": (gzip.compress(WHOLE)[:-12], "damaged or cut short: "),
    "gzip, checksum": (
        gzip.compress(WHOLE)[:-8] + bytes(4) + gzip.compress(WHOLE)[-4:],
        "damaged or cut short: CRC check failed",
    ),
    "gzip, only its magic": (b"\x1f\x8b", "damaged or cut short: "),
    "gzip, garbage behind": (gzip.compress(WHOLE) + b"garbage", "damaged or cut short: "),
    "gzip, short": (
        gzip.compress(WHOLE[:-1]),
        "cut short: 27 bytes, but its header declares 28",
    ),
    "gzip, trailing": (
        gzip.compress(WHOLE + b"\0"),
        "continues after the 28 bytes that its header declares",
    ),
    "gzip bomb": (BOMB, "continues after the 20 bytes that its header declares"),
    # A header that a file of this size could keep, over content that is not there.
    "gzip, within its bound": (
        gzip.compress(struct.pack(">4I", 0x803, 20_000_000, 1, 1) + os.urandom(50_000)),
        "cut short: 50016 bytes, but its header declares 20000016",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_at_once_without_allocating(tmp_path: Path, name: str) -> None:
    content, message = MALFORMED[name]
    path = tmp_path / "images"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            idx.read_images(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert peak < 10e6


def test_labels_are_no_images(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(WHOLE)
    expected = r"not an IDX file of labels: .* got 0x00000803 \(images\)"
    with pytest.raises(DataError, match=expected):
        idx.read_labels(path)


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, kind in [
        (tmp_path, "a directory"),
        (tmp_path / "fifo", "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
    ]:
        with pytest.raises(DataError, match=f"{path}: is {kind}; a data file is needed"):
            idx.read_labels(path)


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(struct.pack(">4I", 0x803, 2**20, 2**6, 2**6))
        file.truncate(2**32 + 16)
    with pytest.raises(DataError, match="has 4294967312 bytes; the limit is 2147483648"):
        idx.read_images(path)


def test_a_compressed_file_may_not_unfold_beyond_the_limit() -> None:
    content = gzip.compress(struct.pack(">4I", 0x803, 2**20, 2**6, 2**6) + os.urandom(5_000_000))
    most = 100 * len(content) + 2**24
    with pytest.raises(MalformedError, match=f"the file can contain at most {most}, compressed"):
        idx.parse(io.BytesIO(content), idx.IMAGES)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Idx(), "data.train_images: a file is required, or a directory that contains it"),
        (Idx(train_images="x"), "data.train_labels: a file is required"),
        (
            Idx(train_images="x", train_labels="y", test_images="z"),
            "data: test_images and test_labels go together, got only one of them",
        ),
        (
            Idx(train_images="x", train_labels="y", validation_labels="z"),
            "data: validation_images and validation_labels go together",
        ),
    ],
)
def test_files_that_are_needed_are_asked_for(source: Idx, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load(source)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", idx.MNIST_NAMES.values())
def test_a_directory_must_hold_all_four_files(tmp_path: Path, name: str) -> None:
    write_four(tmp_path)
    (tmp_path / name).unlink()
    key = next(key for key, file in idx.MNIST_NAMES.items() if file == name)
    with pytest.raises(DataError) as caught:
        load(Idx(directory=str(tmp_path)))
    assert str(caught.value) == (
        f"{tmp_path}: contains no file {name}, gzipped or not; name the file in data.{key}"
    )


def test_labels_that_do_not_match_are_refused_with_both_files_named(tmp_path: Path) -> None:
    write_four(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(label_file(bytes(12)))
    with pytest.raises(DataError) as caught:
        load(Idx(directory=str(tmp_path)))
    assert str(caught.value) == (
        f"{tmp_path}/train-labels-idx1-ubyte: 12 labels for the 13 examples "
        f"of {tmp_path}/train-images-idx3-ubyte; each example needs one label"
    )


def test_a_training_file_without_examples_is_refused(tmp_path: Path) -> None:
    write_four(tmp_path, train=0)
    with pytest.raises(DataError, match="train-images-idx3-ubyte: no training examples"):
        load(Idx(directory=str(tmp_path)))
