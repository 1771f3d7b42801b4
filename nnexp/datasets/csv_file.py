"""The source csv: one text file a split, a header line, the label in the last column."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from nnexp.datasets import files
from nnexp.datasets.files import MalformedError
from nnexp.datasets.selection import Part, Parts, pair

if TYPE_CHECKING:
    import numpy.typing as npt

    from nnexp.datasets.dataset import Features, Labels
    from nnexp.datasets.sources import Csv

Lines: TypeAlias = Iterator[tuple[int, str]]
"""Lines that are not blank, each with its number counted from 1."""

LINE_BYTES = 1 << 20
ROWS = 1000
BLOCK_BYTES = 4 << 20
"""What is parsed at a time: images in text become bytes before the next ones are read."""

MOST_LABEL = 2**31 - 1


class CsvTable(NamedTuple):
    """One file's examples and the sha256 of the file."""

    features: Features
    labels: Labels
    sha256: str


def read_csv(source: Csv) -> Parts:
    """Return the splits, each from its own file.

    Raises: DataError if a file is missing or malformed.
    """
    paths = {
        "train": source.train_file,
        "validation": source.validation_file,
        "test": source.test_file,
    }
    tables = {split: read(Path(path)) for split, path in paths.items() if path is not None}
    parts = {split: part(str(paths[split]), table) for split, table in tables.items()}
    sha256 = {f"{split}_file": table.sha256 for split, table in tables.items()}
    return Parts(parts["train"], parts.get("validation"), parts.get("test"), sha256)


def part(path: str, table: CsvTable) -> Part:
    """Return a file's examples as a split."""
    return pair(table.features, table.labels, path, path)


def read(path: Path) -> CsvTable:
    """Return a file's examples: uint8 if all features are whole numbers to 255, else float64.

    Raises: DataError that names the line if the file is malformed.
    """
    with files.reading(path) as file:
        return parse(file)


def parse(file: BinaryIO) -> CsvTable:
    """Return an open file's examples.

    Raises: MalformedError.
    """
    digest = hashlib.sha256()
    lines = numbered(file, digest.update)
    columns = header(lines)
    blocks = []
    while rows := gathered(lines):
        blocks.append(block(rows, columns))
    if not blocks:
        raise MalformedError("holds a header and no examples")
    features, labels = (np.concatenate(pieces) for pieces in zip(*blocks, strict=True))
    return CsvTable(features, labels, digest.hexdigest())


def numbered(file: BinaryIO, update: Callable[[bytes], None]) -> Lines:
    """Yield the lines that are not blank; every byte goes through update."""
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        update(line)
        number += 1
        if len(line) > LINE_BYTES:
            raise MalformedError(f"line {number}: longer than {LINE_BYTES} bytes")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise MalformedError(f"line {number}: not UTF-8 text, {error.reason}") from error
        if text.strip():
            yield number, text


def gathered(lines: Lines) -> list[tuple[int, str]]:
    """Return the next lines, as many as are parsed at a time; none at the end."""
    rows: list[tuple[int, str]] = []
    room = BLOCK_BYTES
    for number, text in islice(lines, ROWS):
        rows.append((number, text))
        room -= len(text)
        if room < 0:
            break
    return rows


def header(lines: Lines) -> int:
    """Return the number of columns that the header line names.

    Raises: MalformedError if there is no header or the label is not in the last column.
    """
    number, text = next(lines, (0, ""))
    names = [name.strip().strip('"').lower() for name in text.split(",")]
    if not number:
        raise MalformedError("an empty file; its first line must name the columns")
    if all(is_number(name) for name in names):
        raise MalformedError(f"line {number}: a header that names the columns is needed, got data")
    if len(names) == 1:
        raise MalformedError(f"line {number}: two columns or more are needed, got {text[:60]!r}")
    if "label" in names[:-1] and names[-1] != "label":
        raise MalformedError(
            f"line {number}: the label must be the last column, got it as column "
            f"{names.index('label') + 1} of {len(names)}"
        )
    return len(names)


def is_number(field: str) -> bool:
    """Tell whether a field reads as a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def block(rows: list[tuple[int, str]], columns: int) -> tuple[Features, Labels]:
    """Return features and labels of some lines.

    Raises: MalformedError that names the first line at fault.
    """
    texts = [text for _, text in rows]
    try:
        values = np.loadtxt(texts, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        raise MalformedError(fault(rows, columns) or str(error)) from error
    if values.shape[1] != columns:
        raise MalformedError(fault(rows, columns))
    features, labels = values[:, :-1], values[:, -1]
    finite = np.asarray(np.isfinite(features).all(axis=1))
    check_rows(rows, finite, "a feature is not a finite number")
    in_range = (labels >= 0) & (labels <= MOST_LABEL)
    whole = in_range & (labels == np.floor(labels))
    check_rows(rows, whole, "the label, in the last column, must be a whole number from 0")
    return as_bytes(features), labels.astype(np.int64)


def fault(rows: list[tuple[int, str]], columns: int) -> str:
    """Return what is wrong with the first faulty line; empty if nothing is found."""
    for number, text in rows:
        fields = text.split(",")
        if len(fields) != columns:
            return f"line {number}: {len(fields)} columns, but the header names {columns}"
        for column, field in enumerate(fields, 1):
            if not is_number(field) or "_" in field:
                return f"line {number}, column {column}: not a number, got {field[:60]!r}"
    return ""


def check_rows(rows: list[tuple[int, str]], sound: npt.NDArray[np.bool_], complaint: str) -> None:
    """Refuse lines that are not all sound."""
    if not sound.all():
        number, text = rows[int(np.argmin(sound))]
        raise MalformedError(f"line {number}: {complaint}, got {text[-60:]!r}")


def as_bytes(features: Features) -> Features:
    """Return features as uint8 if that loses nothing, else as they are."""
    if features.min() >= 0 and features.max() <= 255 and (features == np.floor(features)).all():  # noqa: PLR2004 - a byte
        return features.astype(np.uint8)
    return features
