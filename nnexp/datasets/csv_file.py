"""The source csv: one text file per split, with a header line and the label in the last column."""

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
"""Non-blank lines with their numbers, counted from 1."""

MAX_LINE_BYTES = 1 << 20
BLOCK_ROWS = 1000
BLOCK_BYTES = 4 << 20
"""Maximum rows and bytes parsed at once, so that a file's text is never in memory as a whole."""

MAX_LABEL = 2**31 - 1


class CsvTable(NamedTuple):
    """A file's examples and its sha256."""

    features: Features
    labels: Labels
    sha256: str


def read_csv(source: Csv) -> Parts:
    """Read the splits, each from its own file.

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
    """Read a file: uint8 features if all are whole numbers from 0 to 255, else float64.

    Raises: DataError, with the line, if the file is malformed.
    """
    with files.open_binary(path) as file:
        return parse(file)


def parse(file: BinaryIO) -> CsvTable:
    """Parse an open file.

    Raises: MalformedError.
    """
    digest = hashlib.sha256()
    lines = read_lines(file, digest.update)
    columns = header(lines)
    blocks = []
    while rows := next_rows(lines):
        blocks.append(block(rows, columns))
    if not blocks:
        raise MalformedError("contains a header but no examples")
    features, labels = (np.concatenate(pieces) for pieces in zip(*blocks, strict=True))
    return CsvTable(features, labels, digest.hexdigest())


def read_lines(file: BinaryIO, update: Callable[[bytes], None]) -> Lines:
    """Yield the non-blank lines; call update with the bytes of every line."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        update(line)
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise MalformedError(f"line {number}: longer than {MAX_LINE_BYTES} bytes")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise MalformedError(f"line {number}: not UTF-8 text, {error.reason}") from error
        if text.strip():
            yield number, text


def next_rows(lines: Lines) -> list[tuple[int, str]]:
    """Return the next block of lines; empty at the end."""
    rows: list[tuple[int, str]] = []
    remaining = BLOCK_BYTES
    for number, text in islice(lines, BLOCK_ROWS):
        rows.append((number, text))
        remaining -= len(text)
        if remaining < 0:
            break
    return rows


def header(lines: Lines) -> int:
    """Return the number of columns in the header line.

    Raises: MalformedError if there is no header or the label is not in the last column.
    """
    number, text = next(lines, (0, ""))
    names = [name.strip().strip('"').lower() for name in text.split(",")]
    if not number:
        raise MalformedError("is empty; its first line must name the columns")
    if all(is_number(name) for name in names):
        raise MalformedError(f"line {number}: must be a header that names the columns, got data")
    if len(names) == 1:
        raise MalformedError(f"line {number}: must have two or more columns, got {text[:60]!r}")
    if "label" in names[:-1] and names[-1] != "label":
        raise MalformedError(
            f"line {number}: the label must be the last column, but is column "
            f"{names.index('label') + 1} of {len(names)}"
        )
    return len(names)


def is_number(field: str) -> bool:
    """Return whether a field can be parsed as a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def block(rows: list[tuple[int, str]], columns: int) -> tuple[Features, Labels]:
    """Return the features and labels of a block of lines.

    Raises: MalformedError with the first faulty line.
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
    in_range = (labels >= 0) & (labels <= MAX_LABEL)
    valid = in_range & (labels == np.floor(labels))
    check_rows(rows, valid, "the label, in the last column, must be a whole number ≥ 0")
    return as_bytes(features), labels.astype(np.int64)


def fault(rows: list[tuple[int, str]], columns: int) -> str:
    """Describe the first faulty line; empty if none is found."""
    for number, text in rows:
        fields = text.split(",")
        if len(fields) != columns:
            return f"line {number}: {len(fields)} columns, but the header names {columns}"
        for column, field in enumerate(fields, 1):
            if not is_number(field) or "_" in field:
                return f"line {number}, column {column}: not a number, got {field[:60]!r}"
    return ""


def check_rows(rows: list[tuple[int, str]], valid: npt.NDArray[np.bool_], problem: str) -> None:
    """Raise MalformedError for the first line that is not valid, if any."""
    if not valid.all():
        number, text = rows[int(np.argmin(valid))]
        raise MalformedError(f"line {number}: {problem}, got {text[-60:]!r}")


def as_bytes(features: Features) -> Features:
    """Return features as uint8 if that loses nothing, else unchanged."""
    if features.min() >= 0 and features.max() <= 255 and (features == np.floor(features)).all():  # noqa: PLR2004 - a byte
        return features.astype(np.uint8)
    return features
