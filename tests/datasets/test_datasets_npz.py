"""NumPy archives of features and labels are checked before they are used."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.datasets import npz
from nnexp.datasets.files import MalformedError
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Npz
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Arrays = dict[str, npt.NDArray[Any]]


def good() -> Arrays:
    """Return a small and sound data set."""
    return {
        "x_train": np.arange(36, dtype=np.uint8).reshape(6, 2, 3),
        "y_train": np.array([0, 1, 2, 1, 0, 1]),
        "x_test": np.ones((1, 2, 3), dtype=np.uint8),
        "y_test": np.array([2], dtype=np.uint8),
    }


def npy(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """Return an .npy file of any header."""
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + data


def archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as written:
        for name, content in members.items():
            written.writestr(name, content)
    return buffer.getvalue()


def anything(_headers: Mapping[str, npz.Header]) -> None:
    """Pass every archive."""


def all_of(headers: Mapping[str, npz.Header]) -> Mapping[str, str]:
    """Choose every array."""
    return {name: name for name in headers}


def saved(arrays: Arrays, *, compressed: bool = False) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)  # type: ignore[arg-type] # numpy types the keywords after allow_pickle
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_an_archive_becomes_rows_and_labels(tmp_path: Path, *, compressed: bool) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(saved(good(), compressed=compressed))
    dataset = load(Npz(file=str(path)))
    assert dataset.train.features.dtype == np.uint8
    assert dataset.train.features.tolist() == np.arange(36).reshape(6, 6).tolist()
    assert dataset.train.labels.tolist() == [0, 1, 2, 1, 0, 1]
    assert dataset.validation is None
    assert dataset.test is not None
    assert dataset.test.labels.dtype == np.int64
    assert dataset.classes == 3
    assert sorted(dataset.sha256) == ["x_test", "x_train", "y_test", "y_train"]


def test_hashes_are_of_the_arrays_not_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(saved(good()))
    (tmp_path / "b.npz").write_bytes(saved(good(), compressed=True))
    in_columns = good() | {"x_train": np.asfortranarray(good()["x_train"])}
    (tmp_path / "c.npz").write_bytes(saved(in_columns))
    a, b, c = (load(Npz(file=str(tmp_path / f"{name}.npz"))).sha256 for name in "abc")
    assert a == b == c
    changed = good() | {"y_train": np.array([0, 1, 2, 2, 0, 1])}
    (tmp_path / "d.npz").write_bytes(saved(changed))
    d = load(Npz(file=str(tmp_path / "d.npz"))).sha256
    assert [name for name in a if a[name] != d[name]] == ["y_train"]


@pytest.mark.parametrize(
    ("given_type", "kept_type"),
    [
        ("u1", "u1"),
        ("i1", "f4"),
        ("u2", "f4"),
        ("f2", "f4"),
        ("f4", "f4"),
        (">f4", "f4"),
        ("i4", "f8"),
        ("i8", "f8"),
        ("f8", "f8"),
    ],
)
def test_features_keep_their_values_in_the_smallest_type_that_can(
    tmp_path: Path, given_type: str, kept_type: str
) -> None:
    x = np.array([[0, 1], [100, 127]], dtype=given_type)
    path = tmp_path / "a.npz"
    path.write_bytes(saved({"x_train": x, "y_train": np.array([0, 1])}))
    features = load(Npz(file=str(path))).train.features
    assert features.dtype == np.dtype(kept_type)
    assert features.tolist() == x.tolist()


X, Y = np.ones((2, 3), dtype=np.float32), np.array([0, 1])

UNFIT: dict[str, tuple[Arrays, str]] = {
    "no labels": ({"x_train": X}, "contains no y_train"),
    "unknown": (
        {"x_train": X, "y_train": Y, "evil\n": X},
        r"contains an unknown array 'evil\n' (known: x_train, ",
    ),
    "half a split": (
        {"x_train": X, "y_train": Y, "x_test": X},
        "x_test and y_test go together, contains only one of them",
    ),
    "fractions": (
        {"x_train": X, "y_train": Y + 0.5},
        "y_train[0] is 0.5: numbers with fractions are a regression target",
    ),
    "beyond int64": (
        {"x_train": X, "y_train": np.array([0, 2**64 - 1], dtype=np.uint64)},
        "y_train has labels from 0 to 18446744073709551615, beyond ±2**53",
    ),
    "several hot": (
        {"x_train": X, "y_train": np.ones((2, 2), dtype=int)},
        "y_train has 2 columns but is not one-hot",
    ),
    "flat": (
        {"x_train": X[0], "y_train": Y},
        "x_train must have shape (examples, features), got (3,)",
    ),
    "NaN": (
        {"x_train": np.array([[1, np.nan], [1, 1]]), "y_train": Y},
        "x_train contains a value that is not finite",
    ),
    "infinity": (
        {"x_train": np.array([[1, np.inf], [1, 1]]), "y_train": Y},
        "x_train contains a value that is not finite",
    ),
    "minus infinity": (
        {"x_train": np.array([[1, -np.inf], [1, 1]]), "y_train": Y},
        "x_train contains a value that is not finite",
    ),
    "lengths": (
        {"x_train": X, "y_train": np.array([0, 1, 1])},
        "y_train: 3 labels for the 2 examples of ",
    ),
    "features": (
        {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y},
        "x_test: 2 features per example, but ",
    ),
    "pickle": (
        {"x_train": X, "y_train": np.array([None, 1])},
        "'y_train' holds Python objects (dtype=object), which could run code",
    ),
    "complex": ({"x_train": X + 1j, "y_train": Y}, "'x_train' holds complex numbers; save array"),
    "text": ({"x_train": X.astype(str), "y_train": Y}, "x_train must contain numbers, got text"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_arrays_that_are_no_data_set_are_refused(tmp_path: Path, name: str) -> None:
    arrays, message = UNFIT[name]
    path = tmp_path / "a.npz"
    path.write_bytes(saved(arrays))
    with pytest.raises(DataError) as caught:
        load(Npz(file=str(path)))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (536870912,), }\n"
PAIR = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"


def patched(content: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Return an archive with a field of its first such record overwritten."""
    at = content.index(signature) + offset
    return content[:at] + value + content[at + len(value) :]


SOUND = archive({"a.npy": npy(PAIR, bytes(8))})
DIRECTORY = b"PK\1\2"

MALFORMED = {
    "empty": (b"", "damaged or cut short: File is not a zip file"),
    "bytes": (b"\0" * 100, "damaged or cut short: File is not a zip file"),
    "cut": (SOUND[:-30], "damaged or cut short"),
    "checksum": (SOUND.replace(bytes(8), b"\0" * 7 + b"\1", 1), "damaged or cut short"),
    "not npy": (archive({"a.npy": b"hello"}), "'a' is not in NumPy's .npy format: b'hello'"),
    "version": (
        archive({"a.npy": npy(PAIR, bytes(8), b"\x09\0")}),
        "'a' is not in NumPy's .npy format",
    ),
    "code": (archive({"a.npy": npy("__import__('os')")}), "'a' is not a plain array of numbers"),
    "short": (archive({"a.npy": npy(PAIR, bytes(7))}), "'a' declares shape (2,) of float32, 8"),
    "long": (archive({"a.npy": npy(PAIR, bytes(9))}), "8 bytes, but 9 follow"),
    "huge": (archive({"a.npy": npy(HUGE, bytes(8))}), "2147483648 bytes, but 8 follow"),
    "huge header": (
        archive({"a.npy": b"\x93NUMPY\2\0" + struct.pack("<I", 2**31)}),
        "'a' declares a header of 2147483648 bytes",
    ),
    "absurd dimensions": (
        archive({"a.npy": npy(PAIR.replace("(2,)", "(0, 9999999999999999999)"))}),
        "'a' declares shape (0, 9999999999999999999)",
    ),
    "negative": (
        archive({"a.npy": npy(PAIR.replace("(2,)", "(-2,)"), bytes(8))}),
        "not a plain array of numbers",
    ),
    "bomb": (
        archive({"a.npy": npy(PAIR, bytes(16_000_000))}, zipfile.ZIP_DEFLATED),
        "8 bytes, but 16000000 follow",
    ),
    "declared size": (
        patched(SOUND, DIRECTORY, 24, struct.pack("<I", 2**31)),
        "'a.npy' declares 2147483648 bytes, but can contain at most",
    ),
    "both sizes": (
        patched(SOUND, DIRECTORY, 20, struct.pack("<II", 2**30, 2**30)),
        "'a.npy' declares 1073741824 bytes, but can contain at most",
    ),
    "deflated size": (
        patched(
            archive({"a.npy": npy(HUGE, bytes(8))}, zipfile.ZIP_DEFLATED),
            DIRECTORY,
            24,
            struct.pack("<I", 2**31 + 76),
        ),
        "'a.npy' declares 2147483724 bytes",
    ),
    "method": (archive({"a.npy": b"x"}, zipfile.ZIP_BZIP2), "is neither stored nor deflated"),
    "encrypted": (patched(SOUND, DIRECTORY, 8, b"\1\0"), "or is encrypted"),
    "outside": (
        patched(SOUND, DIRECTORY, 42, struct.pack("<I", 2**31)),
        "'a.npy' begins outside the file",
    ),
    "twice": (archive({"a.npy": npy(PAIR, bytes(8)), "a": b""}), "contains 'a' twice"),
    "many": (archive({f"{i}.npy": b"" for i in range(1001)}), "contains 1001 members"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_archive_is_refused_at_once_without_allocating(
    tmp_path: Path, name: str
) -> None:
    content, message = MALFORMED[name]
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            npz.read(path, all_of)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert peak < 10e6


@given(
    shape=st.lists(st.integers(0, 4), max_size=4),
    dtype=st.sampled_from(["<f4", ">f8", "|u1", "<i8", ">i2", "<f2"]),
    order=st.sampled_from(["C", "F"]),
    compressed=st.booleans(),
)
def test_what_numpy_wrote_is_read(
    shape: list[int], dtype: str, order: Literal["C", "F"], *, compressed: bool
) -> None:
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape, order=order)
    content = saved({"weights_1": np.asarray(array, order=order)}, compressed=compressed)
    read = npz.parse(io.BytesIO(content), anything)["weights_1"]
    assert read.dtype == np.dtype(dtype).newbyteorder("=")
    assert read.dtype.isnative
    assert read.shape == array.shape
    assert np.array_equal(read, array)


EXPECTED = {"theta": npz.Header(np.dtype(np.float32), (3,))}


def test_exactly_what_is_expected_passes() -> None:
    theta = np.arange(3, dtype=np.float32)
    content = io.BytesIO(saved({"theta": theta}))
    assert np.array_equal(npz.parse(content, npz.exactly(EXPECTED))["theta"], theta)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "contains no theta"),
        ({"theta": np.zeros(3, dtype=np.float32), "more": Y}, "contains an unknown array 'more'"),
        ({"theta": np.zeros(3)}, "theta must be float32 of shape (3,), got float64 of shape (3,)"),
        ({"theta": np.zeros(4, dtype=np.float32)}, "of shape (3,), got float32 of shape (4,)"),
    ],
)
def test_anything_but_what_is_expected_is_refused(arrays: Arrays, message: str) -> None:
    with pytest.raises(MalformedError) as caught:
        npz.parse(io.BytesIO(saved(arrays)), npz.exactly(EXPECTED))
    assert message in str(caught.value)


def test_the_check_comes_before_any_array_is_read() -> None:
    content = io.BytesIO(saved({"theta": np.zeros(5_000_000)}))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            npz.parse(content, npz.exactly(EXPECTED))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e6
