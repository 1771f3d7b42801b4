"""Hostile data files cause no crash, no hang, and no allocation of the size they claim."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

if TYPE_CHECKING:
    from tests.hostile.conftest import Hostile

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


class Case(NamedTuple):
    """A file's content, made when it is needed, and what is said of it."""

    content: Callable[[], bytes]
    told: str


# IDX


def images(*shape: int, data: bytes | None = None, magic: int = 0x0803) -> bytes:
    """Return an IDX file of images; what it declares and what it holds may differ."""
    declared = shape or (12, 2, 2)
    held = bytes(np.arange(48, dtype=np.uint8)) if data is None else data
    return struct.pack(f">I{len(declared)}I", magic, *declared) + held


def labels(count: int = 12, data: bytes | None = None) -> bytes:
    return struct.pack(">II", 0x0801, count) + (bytes(range(3)) * 4 if data is None else data)


def unlike(declared: bytes, held: int) -> bytes:
    """Return a gzipped file that holds so many zeros, whatever its header declares."""
    written = io.BytesIO()
    with gzip.GzipFile(fileobj=written, mode="wb", compresslevel=6) as file:
        file.write(declared)
        for _ in range(held >> 20):
            file.write(bytes(1 << 20))
    return written.getvalue()


IDX_IMAGES: dict[str, Case] = {
    "empty": Case(lambda: b"", "got an empty file"),
    "one byte": Case(lambda: b"\0", "must start with 0x00000803, got 0x00"),
    "only a magic": Case(lambda: images()[:4], "cut short within its header"),
    "half a header": Case(lambda: images()[:11], "cut short within its header"),
    "cut short": Case(lambda: images()[:-1], "but the file has 63"),
    "goes on": Case(lambda: images() + b"x", "but the file has 65"),
    "labels for images": Case(labels, "got 0x00000801 (labels)"),
    "a magic of doubles": Case(lambda: images(magic=0x0E03), "must start with 0x00000803"),
    "a magic of 255 dimensions": Case(lambda: images(magic=0x08FF), "must start with 0x00000803"),
    "a magic backwards": Case(lambda: images(magic=0x03080000), "must start with 0x00000803"),
    "enormous": Case(lambda: images(*(2**32 - 1,) * 3), "declares 4294967295 x 4294967295"),
    "as large as 64 bits": Case(lambda: images(2**31, 2**31, 4), "declares 2147483648 x"),
    "no images": Case(lambda: images(0, 2, 2, data=b""), "0 examples"),
    "no pixels": Case(lambda: images(12, 0, 2, data=b""), "images of 0 x 2 pixels"),
    "many without pixels": Case(lambda: images(2**31, 0, 0, data=b""), "of 0 x 0 pixels"),
    "nothing, enormously": Case(
        lambda: images(2**32 - 1, 2**32 - 1, 0, data=b""), "x 0 values, too many for an array"
    ),
    "other images": Case(lambda: images(11, 2, 2)[:-4], "12 labels for the 11 examples"),
    "a short gzip": Case(lambda: gzip.compress(images())[:-9], "damaged or cut short"),
    "a gzip's first bytes": Case(lambda: b"\x1f\x8b", "damaged or cut short"),
    "a gzip's header": Case(lambda: gzip.compress(images())[:10], "damaged or cut short"),
    "a gzip's checksum": Case(
        lambda: gzip.compress(images())[:-8] + bytes(8), "damaged or cut short"
    ),
    "a gzip of another method": Case(
        lambda: b"\x1f\x8b\x09" + gzip.compress(images())[3:], "damaged or cut short"
    ),
    "a gzip of a gzip": Case(lambda: gzip.compress(gzip.compress(images())), "got 0x1f8b"),
    "a gzip with a tail": Case(lambda: gzip.compress(images()) + b"tail", "damaged or cut short"),
    "two gzips": Case(lambda: gzip.compress(images()) * 2, "continues after the 64 bytes"),
    "a bomb": Case(lambda: unlike(images(), 300 << 20), "continues after the 64 bytes"),
    "a bomb that says so": Case(
        lambda: unlike(images(300 << 10, 32, 32, data=b""), 300 << 20),
        "but the file can contain at most",
    ),
    "a bomb that lies": Case(
        lambda: unlike(images(1 << 20, 64, 64, data=b""), 1 << 20), "can contain at most"
    ),
    "text": Case(lambda: b"<!DOCTYPE html><html>\x1b[31m moved", "is an HTML page"),
    "an archive": Case(lambda: saved(good()), "got 0x504b0304"),
}

IDX_LABELS: dict[str, Case] = {
    "images for labels": Case(images, "got 0x00000803 (images)"),
    "too few labels": Case(lambda: labels(11, b"\0" * 11), "11 labels for the 12 examples"),
    "one class": Case(lambda: labels(12, b"\0" * 12), "only one class"),
    "labels cut short": Case(lambda: labels()[:-1], "but the file has 19"),
    "labels enormous": Case(lambda: labels(2**32 - 1), "declares 4294967295 values"),
}

# npz


def good() -> Arrays:
    return {
        "x_train": np.arange(24, dtype=np.uint8).reshape(12, 2),
        "y_train": np.arange(12) % 3,
    }


def saved(arrays: Arrays) -> bytes:
    written = io.BytesIO()
    np.savez(written, **arrays)  # type: ignore[arg-type] # its other keyword is a bool
    return written.getvalue()


def npy(descr: str, shape: str, data: bytes = b"", order: str = "False") -> bytes:
    """Return an .npy file whose header says anything."""
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data


def members(**changed: bytes | npt.NDArray[Any] | None) -> dict[str, bytes]:
    """Return the members of a good archive, with some changed or, by None, left out."""
    found: dict[str, bytes] = {}
    for name, value in {**good(), **changed}.items():
        if isinstance(value, np.ndarray):
            written = io.BytesIO()
            np.lib.format.write_array(written, value)
            found[f"{name}.npy"] = written.getvalue()
        elif value is not None:
            found[f"{name}.npy"] = value
    return found


def archive(held: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as file:
        for name, content in held.items():
            file.writestr(name, content)
    return written.getvalue()


def changed(**arrays: bytes | npt.NDArray[Any] | None) -> Callable[[], bytes]:
    return lambda: archive(members(**arrays))


def patched(old: bytes, new: bytes, content: Callable[[], bytes]) -> Callable[[], bytes]:
    """Return a file with some bytes replaced everywhere."""
    return lambda: content().replace(old, new)


def flagged() -> bytes:
    """Return an archive whose members are said to be encrypted."""
    whole = bytearray(saved(good()))
    for place in (at for at in range(len(whole)) if whole[at : at + 4] == b"PK\1\2"):
        whole[place + 8] |= 1
    return bytes(whole)


def crowded(count: int) -> bytes:
    return archive({f"m{n}.npy": b"" for n in range(count)})


def claimed() -> bytes:
    """Return an archive that ends in a directory of several megabytes, none of it true."""
    entry = bytearray(archive({"a.npy": b""}))
    start = entry.index(b"PK\1\2")
    entry = entry[start : entry.index(b"PK\5\6")]
    count = (5 << 20) // len(entry)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, count * len(entry), 0, 0)
    return bytes(entry) * count + end


def objects() -> npt.NDArray[Any]:
    return np.array([{"a": 1}] * 12, dtype=object)


NPZ: dict[str, Case] = {
    "empty": Case(lambda: b"", "damaged or cut short: File is not a zip file"),
    "an array alone": Case(lambda: members()["x_train.npy"], "is a single .npy array"),
    "cut short": Case(lambda: saved(good())[:-10], "File is not a zip file"),
    "half": Case(lambda: saved(good())[: len(saved(good())) // 2], "File is not a zip file"),
    "no members": Case(lambda: archive({}), "contains no x_train"),
    "no labels": Case(changed(y_train=None), "contains no y_train"),
    "half a split": Case(changed(x_test=good()["x_train"]), "x_test and y_test go together"),
    "one more": Case(changed(extra=good()["x_train"]), "contains an unknown array 'extra'"),
    "one outside": Case(
        lambda: archive(members() | {"../../x_train.npy": b""}), "is not in NumPy's .npy format"
    ),
    "one at the root": Case(
        lambda: archive(members() | {"/etc/x.npy": members()["x_train.npy"]}),
        "unknown array '/etc/x'",
    ),
    "a name that colours": Case(
        changed(**{"\x1b[31m\u202e": good()["x_train"]}), "unknown array '\\x1b[31m\\u202e'"
    ),
    "twice": Case(
        lambda: archive(members() | {"x_train": members()["x_train.npy"]}),
        "contains 'x_train' twice",
    ),
    "twice by one name": Case(
        patched(b"y_tests.npy", b"y_train.npy", changed(y_tests=np.arange(12))),
        "contains 'y_train' twice",
    ),
    "encrypted": Case(flagged, "or is encrypted"),
    "another method": Case(lambda: archive(members(), zipfile.ZIP_LZMA), "neither stored nor"),
    "yet another": Case(lambda: archive(members(), zipfile.ZIP_BZIP2), "neither stored nor"),
    "crowded": Case(lambda: crowded(1001), "contains 1001 members; the limit is 1000"),
    "very crowded": Case(lambda: crowded(30_000), "its directory has"),
    "all directory": Case(claimed, "its directory has"),
    "a bomb": Case(
        lambda: archive(members(x_train=npy("'|u1'", "(12, 9000000)")), zipfile.ZIP_DEFLATED),
        "declares shape (12, 9000000)",
    ),
    "a true bomb": Case(
        lambda: archive(
            members(x_train=npy("'|u1'", "(12, 20000000)", bytes(240_000_000))),
            zipfile.ZIP_DEFLATED,
        ),
        "but can contain at most",
    ),
    "a flipped byte": Case(patched(bytes(range(24)), bytes(24), lambda: saved(good())), "CRC"),
    "pickled": Case(changed(x_train=objects()), "holds Python objects"),
    "pickled labels": Case(changed(y_train=objects()), "holds Python objects"),
    "a pickle": Case(changed(x_train=b"cos\nsystem\n(S'id'\ntR."), "not in NumPy's .npy format"),
    "records": Case(changed(x_train=np.zeros(12, "u1,f4")), "records with named fields"),
    "text": Case(changed(x_train=np.array([["a"]] * 12)), "must contain numbers, got text"),
    "complex": Case(changed(x_train=np.zeros((12, 2), complex)), "holds complex numbers"),
    "dates": Case(changed(y_train=np.zeros(12, "M8[s]")), "holds dates"),
    "wide floats": Case(changed(x_train=np.zeros((12, 2), "g")), "numbers of extended precision"),
    "voids": Case(changed(x_train=np.zeros((12, 2), "V8")), "holds raw bytes"),
    "an expression": Case(
        changed(x_train=npy("__import__('os').system('id')", "(12, 2)")), "is not a plain array"
    ),
    "negative": Case(changed(x_train=npy("'|u1'", "(-12, 2)")), "is not a plain array"),
    "two negatives": Case(changed(x_train=npy("'|u1'", "(-12, -2)")), "is not a plain array"),
    "overflowing": Case(
        changed(x_train=npy("'|u1'", f"({2**32}, {2**32}, 0)")), "declares shape (4294967296"
    ),
    "overflowing to nothing": Case(
        changed(x_train=npy("'|u1'", f"({2**63}, 2)")), "declares shape (9223372036854775808"
    ),
    "many dimensions": Case(changed(x_train=npy("'|u1'", f"({'1, ' * 40})")), "is not a plain"),
    "many digits": Case(changed(x_train=npy("'|u1'", f"({'9' * 5000},)")), "is not a plain"),
    "a long header": Case(
        changed(x_train=b"\x93NUMPY\2\0\xff\xff\xff\xff"), "declares a header of 4294967295 bytes"
    ),
    "a short header": Case(changed(x_train=b"\x93NUMPY\1\0\xff\xff{"), "declares a header of"),
    "no header": Case(changed(x_train=b""), "is not in NumPy's .npy format: b''"),
    "a header that colours": Case(
        changed(x_train=b"\x93NUMPY\1\0\x05\0\x1b[31m"), "is not a plain array of numbers"
    ),
    "values missing": Case(
        changed(x_train=npy("'|u1'", "(12, 2)", bytes(23))), "24 bytes, but 23 follow"
    ),
    "values left": Case(
        changed(x_train=npy("'|u1'", "(12, 2)", bytes(25))), "24 bytes, but 25 follow"
    ),
    "no examples": Case(
        changed(x_train=np.zeros((0, 2)), y_train=np.zeros(0, int)), "no training examples"
    ),
    "no features": Case(changed(x_train=np.zeros((12, 0))), "examples without features"),
    "one dimension": Case(changed(x_train=np.zeros(12)), "must have shape (examples, features)"),
    "labels in columns": Case(changed(y_train=np.zeros((12, 2), int)), "is not one-hot"),
    "labels in cubes": Case(changed(y_train=np.zeros((12, 1, 1), int)), "must have shape"),
    "a number": Case(changed(x_train=np.array(3.0)), "must have shape (examples, features)"),
    "labels of reals": Case(changed(y_train=np.full(12, 0.5)), "numbers with fractions"),
    "too few labels": Case(changed(y_train=np.arange(11) % 3), "11 labels for the 12 examples"),
    "negative labels": Case(changed(y_train=np.full(12, -1)), "only one class, '-1'"),
    "huge labels": Case(changed(y_train=np.full(12, 2**64 - 1, np.uint64)), "beyond ±2**53"),
    "a billion classes": Case(
        changed(y_train=np.arange(12) * 10**8), "has 12 different labels in 12 examples"
    ),
    "nan": Case(changed(x_train=np.full((12, 2), np.nan)), "contains a value that is not finite"),
    "infinite": Case(changed(x_train=np.full((12, 2), -np.inf)), "that is not finite"),
    "other features": Case(
        changed(x_test=np.zeros((3, 5), np.uint8), y_test=np.arange(3)), "5 features per example"
    ),
    "other labels": Case(
        changed(x_test=np.zeros((3, 2), np.uint8), y_test=np.arange(3) + 1), "label 3 of example 3"
    ),
}

# csv

CSV: dict[str, Case] = {
    "empty": Case(lambda: b"", "is empty"),
    "only a header": Case(lambda: b"a,b,label\n", "contains a header but no examples"),
    "blank lines": Case(lambda: b"\n" * 100_000, "is empty"),
    "no header": Case(lambda: b"1,2,0\n1,2,1\n", "must be a header that names the columns"),
    "one column": Case(lambda: b"label\n0\n1\n", "must have two or more columns"),
    "the label first": Case(lambda: b"label,a,b\n0,1,2\n", "the label must be the last column"),
    "ragged": Case(lambda: b"a,b,label\n1,2,0\n1,0\n", "line 3: 2 columns, but the header names 3"),
    "wider": Case(lambda: b"a,b,label\n1,2,3,0\n1,2,3,1\n", "line 2: 4 columns"),
    "words": Case(lambda: b"a,b,label\n1,two,0\n", "column 2 ('b'): not a number, got 'two'"),
    "underscores": Case(lambda: b"a,b,label\n1_0,2,0\n", "column 1 ('a'): not a number"),
    "nothing": Case(lambda: b"a,b,label\n1,,0\n", "line 2, column 2 ('b'): a missing value, ''"),
    "nan": Case(lambda: b"a,b,label\n1,nan,0\n", "a missing value, 'nan'"),
    "too large": Case(lambda: b"a,b,label\n1,1e999,0\n", "not a finite number, got '1e999'"),
    "many digits": Case(lambda: b"a,b,label\n1," + b"9" * 900_000 + b",0\n", "not a finite number"),
    "half a label": Case(
        lambda: b"a,b,label\n1,2,0.5\n", "numbers with fractions are a regression target"
    ),
    "a negative label": Case(lambda: b"a,b,label\n1,2,-1\n", "only one class, '-1'"),
    "a nan label": Case(lambda: b"a,b,label\n1,2,nan\n", "a missing label, 'nan'"),
    "a huge label": Case(lambda: b"a,b,label\n1,2,1e18\n", "only one class, '1e18'"),
    "a billion classes": Case(
        lambda: b"a,b,label\n" + b"".join(b"1,2,%d\n" % (i * 10**8) for i in range(9)),
        "has 9 different labels in 9 examples",
    ),
    "one class": Case(lambda: b"a,b,label\n1,2,0\n1,2,0\n", "only one class"),
    "NUL": Case(lambda: b"a,b,label\n1,\0,0\n", "not a number, got '\\x00'"),
    "escapes": Case(lambda: b"a,b,label\n1,\x1b[31m,0\n", "not a number, got '\\x1b[31m'"),
    "bidi": Case("a,b,label\n1,\u202e2,0\n".encode, "not a number, got '\\u202e2'"),
    "other digits": Case("a,b,label\n1,٣,0\n".encode, "not a number, got '٣'"),
    "UTF-16": Case(lambda: "a,b,label\n1,2,0\n".encode("utf-16"), "line 1: is UTF-16 text"),
    "bytes": Case(lambda: bytes(range(256)) * 100, "line 2: not UTF-8 text"),
    "a line without end": Case(lambda: b"a," * (20 << 20), "line 1: longer than 1048576 bytes"),
    "a row without end": Case(
        lambda: b"a,label\n" + b"1," * (20 << 20), "line 2: longer than 1048576 bytes"
    ),
    "a million columns": Case(
        lambda: b"a" + b"," * 1_000_000 + b"\n1\n", "line 1: most columns have no name"
    ),
    "quotes": Case(lambda: b'a,b,label\n"1,2",0\n', "line 2: 2 columns, but"),
}


@pytest.mark.parametrize("name", IDX_IMAGES)
def test_hostile_images_are_refused(hostile: Hostile, name: str) -> None:
    refused(hostile, IDX_IMAGES[name], other=labels(), images_first=True)


@pytest.mark.parametrize("name", IDX_LABELS)
def test_hostile_labels_are_refused(hostile: Hostile, name: str) -> None:
    refused(hostile, IDX_LABELS[name], other=images(), images_first=False)


def refused(hostile: Hostile, case: Case, other: bytes, *, images_first: bool) -> None:
    (hostile.folder / "hostile").write_bytes(case.content())
    (hostile.folder / "other").write_bytes(other)
    files = ("hostile", "other") if images_first else ("other", "hostile")
    hostile.config("data: {{name: idx, train_images: {}, train_labels: {}}}\n".format(*files))
    hostile.holds("train", "c.yaml", code=2, told=case.told)


@pytest.mark.parametrize("name", NPZ)
def test_hostile_archives_are_refused(hostile: Hostile, name: str) -> None:
    (hostile.folder / "d.npz").write_bytes(NPZ[name].content())
    hostile.config("data: {name: npz, file: d.npz}\n")
    said = hostile.holds("train", "c.yaml", code=2, told=NPZ[name].told)
    assert said.err.startswith("d.npz: ")


@pytest.mark.parametrize("name", CSV)
def test_hostile_tables_are_refused(hostile: Hostile, name: str) -> None:
    (hostile.folder / "d.csv").write_bytes(CSV[name].content())
    hostile.config("data: {name: csv, train_file: d.csv}\n")
    said = hostile.holds("train", "c.yaml", code=2, told=CSV[name].told)
    assert said.err.startswith("d.csv: ")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a bomb", "a bomb that says so", "enormous"])
def test_a_process_does_not_fill_its_memory_with_images(hostile: Hostile, name: str) -> None:
    (hostile.folder / "i").write_bytes(IDX_IMAGES[name].content())
    (hostile.folder / "l").write_bytes(labels())
    hostile.config("data: {name: idx, train_images: i, train_labels: l}\n")
    hostile.process_holds("train", "c.yaml", code=2, told=IDX_IMAGES[name].told)


@pytest.mark.parametrize("name", ["a true bomb", "very crowded", "all directory", "overflowing"])
def test_a_process_does_not_fill_its_memory_with_an_archive(hostile: Hostile, name: str) -> None:
    (hostile.folder / "d.npz").write_bytes(NPZ[name].content())
    hostile.config("data: {name: npz, file: d.npz}\n")
    hostile.process_holds("train", "c.yaml", code=2, told=NPZ[name].told)


def test_a_picture_that_declares_a_billion_pixels_is_refused(hostile: Hostile) -> None:
    size = struct.pack(">II", 50_000, 50_000)
    header = b"IHDR" + size + b"\x08\x00\x00\x00\x00"
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    content += struct.pack(">I", zlib.crc32(header)) + struct.pack(">I", 0) + b"IDAT" + bytes(4)
    (hostile.folder / "p" / "a").mkdir(parents=True)
    (hostile.folder / "p" / "a" / "1.png").write_bytes(content)
    hostile.config("data: {name: images, directory: p, size: 8}\n")
    hostile.process_holds("train", "c.yaml", code=2, told="p/a/1.png: ")


def test_what_the_cases_are_made_of_is_sound(hostile: Hostile) -> None:
    """Each case differs from a file that trains: else it may be refused for another reason."""
    (hostile.folder / "i").write_bytes(gzip.compress(images()))
    (hostile.folder / "l").write_bytes(labels())
    (hostile.folder / "d.npz").write_bytes(archive(members(), zipfile.ZIP_DEFLATED))
    (hostile.folder / "d.csv").write_bytes(b"a,b,label\n" + b"1,2,0\n1,3,1\n" * 3)
    for source in (
        "idx, train_images: i, train_labels: l",
        "npz, file: d.npz",
        "csv, train_file: d.csv",
    ):
        hostile.config(f"data: {{name: {source}}}\nmonitor: [train]\npatience: null\nepochs: 1\n")
        assert hostile.bench("train", "c.yaml", "-q").code == 0


def test_there_are_as_many_hostile_files_as_promised() -> None:
    assert len(IDX_IMAGES | IDX_LABELS) + len(NPZ) + len(CSV) >= 40
