"""The source csv: one text file per split, with a header line and a column of labels."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from nnexp.datasets import classes, csv_lines, files
from nnexp.datasets.csv_header import CsvColumns, is_number, read_header
from nnexp.datasets.csv_lines import Block
from nnexp.datasets.files import MalformedError
from nnexp.datasets.selection import Part, Parts, pair
from nnexp.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from nnexp.datasets.dataset import Features, Labels
    from nnexp.datasets.sources import Csv

MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
"""Fields that stand for a missing value, in lower case."""

GROUPED = re.compile(r"[+-]?\d{1,3}([.,' \N{NO-BREAK SPACE}]\d{3})+([.,]\d+)?")
"""A number with thousands separators, which could be read in two ways."""

LARGEST = 2**53
"""Whole numbers up to this are exact as floats; larger labels are names."""

MAX_LABELS = 100_000
"""Maximum number of different labels that are collected before a file is refused."""


class CsvTable(NamedTuple):
    """A file's examples and its sha256."""

    features: Features
    codes: Labels
    """(examples,): indices of names."""
    names: list[str]
    """The different labels, in the order of their first occurrence."""
    lines: list[int]
    """The line of the first occurrence of each label."""
    columns: CsvColumns
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
    tables: dict[str, CsvTable] = {}
    for split, path in paths.items():
        if path is not None:
            train = tables["train"].columns if tables else None
            tables[split] = read(Path(path), source, train)
    labels, names = _unified(tables, paths)
    parts = {
        split: part(str(paths[split]), table, labels[split]) for split, table in tables.items()
    }
    sha256 = {f"{split}_file": table.sha256 for split, table in tables.items()}
    columns = tables["train"].columns
    return Parts(
        *(parts["train"], parts.get("validation"), parts.get("test"), sha256),
        names=names,
        feature_names=columns.feature_names,
    )


def part(path: str, table: CsvTable, labels: Labels) -> Part:
    """Return a file's examples as a split."""
    examples = pair(table.features, labels, path, f"{path}: {table.columns.labels_from}")
    return examples._replace(advice=table.columns.advice)


def read(path: Path, source: Csv, train: CsvColumns | None = None) -> CsvTable:
    """Read a file: uint8 features if all are whole numbers from 0 to 255, else float64.

    Args:
        path: the file.
        source: its settings.
        train: the training file's columns, in whose order the features are returned.

    Raises: DataError, with the line, if the file is malformed.
    """
    with files.open_binary(path) as file:
        return parse(file, source, train)


def parse(file: BinaryIO, source: Csv, train: CsvColumns | None = None) -> CsvTable:
    """Parse an open file.

    Raises: MalformedError.
    """
    digest = hashlib.sha256()
    lines = csv_lines.read_lines(file, digest.update)
    columns = read_header(lines, source, train)
    features, codes, known = [], [], _Labels(columns)
    for block in csv_lines.blocks(lines, columns.delimiter):
        _check_widths(block, columns)
        features.append(_as_bytes(_features(block, columns)))
        codes.append(known.codes(block))
    if not features:
        raise MalformedError("contains a header but no examples; add a line for each example")
    names = list(known.numbers)
    table = np.concatenate(features), np.concatenate(codes)
    return CsvTable(*table, names, known.lines, columns, digest.hexdigest())


def _check_widths(block: Block, columns: CsvColumns) -> None:
    """Raise MalformedError if a row has more or fewer columns than the header."""
    separators = len(columns.names) - 1
    for number, text in zip(block.numbers, block.texts, strict=True):
        if text.count(block.delimiter) != separators:
            count = text.count(block.delimiter) + 1
            excess = count - len(columns.names)
            advice = "quote fields that contain the delimiter"
            if excess == 1:
                advice = f"give row names a name in the header, or {advice}"
            raise MalformedError(
                f"line {number}: {count} columns, but the header names {separators + 1}; "
                f"{advice if excess > 0 else 'complete the line, or remove it'}"
            )


def _features(block: Block, columns: CsvColumns) -> Features:
    """Return the features of a block of rows. Raises: MalformedError."""
    texts = block.texts
    try:
        values = _numbers(texts, block.delimiter, columns)
    except ValueError as error:
        if columns.delimiter == ",":
            raise _fault(block, columns, str(error)) from error
        try:
            commas = [text.replace(",", ".") for text in texts]
            values = _numbers(commas, block.delimiter, columns)
        except ValueError:
            raise _fault(block, columns, str(error)) from error
    if not np.isfinite(values).all():
        raise _fault(block, columns, "a feature is not a finite number")
    return values


def _numbers(texts: Sequence[str], delimiter: str, columns: CsvColumns) -> Features:
    """Parse the features. Raises: ValueError."""
    return np.loadtxt(texts, delimiter=delimiter, comments=None, ndmin=2, usecols=columns.features)


def _fault(block: Block, columns: CsvColumns, otherwise: str) -> MalformedError:
    """Return the error about the first field that is not a finite number."""
    for number, text in zip(block.numbers, block.texts, strict=True):
        fields = [field.strip() for field in text.split(block.delimiter)]
        for position in columns.features:
            if message := _problem(fields, position, columns):
                name = columns.names[position]
                where = f"line {number}, column {position + 1} ({name!r})"
                return MalformedError(f"{where}: {message}")
    return MalformedError(f"line {block.numbers[0]} or a later one: {otherwise}")


def _problem(fields: list[str], position: int, columns: CsvColumns) -> str:
    """Return why a field is not a finite number, with advice; empty if it is one."""
    field = fields[position]
    plain = field if columns.delimiter == "," else field.replace(",", ".")
    drop = f"data.drop: [{columns.names[position]}]"
    if field.lower() in MISSING:
        return f"a missing value, {field!r}; fill it in, or drop the column: {drop}"
    if _is_plain_number(plain):
        if np.isfinite(float(plain)):
            return ""
        return f"not a finite number, got {field[:60]!r}; correct it, or drop the column: {drop}"
    if GROUPED.fullmatch(plain):
        advice = f"remove the thousands separators, or drop the column: {drop}"
        return f"not a number, got {field[:60]!r}; {advice}"
    texts = [
        columns.names[other]
        for other in columns.features
        if not _is_numeric(fields[other], columns)
    ]
    return (
        f"not a number, got {field[:60]!r}; features are numbers: correct it, or drop text "
        f"columns by data.drop: [{classes.listed(texts)}]"
    )


def _is_numeric(field: str, columns: CsvColumns) -> bool:
    """Return whether a field is a number or missing."""
    plain = field if columns.delimiter == "," else field.replace(",", ".")
    return field.lower() in MISSING or _is_plain_number(plain)


def _is_plain_number(field: str) -> bool:
    """Return whether a field is a number as people write it, unlike 1_0 or other digits."""
    return is_number(field) and field.isascii() and "_" not in field


class _Labels:
    """Numbers the different labels of a file in the order of their first occurrence."""

    def __init__(self, columns: CsvColumns) -> None:
        self._columns = columns
        self.numbers: dict[str, int] = {}
        self.lines: list[int] = []

    def codes(self, block: Block) -> Labels:
        """Return the number of each row's label. Raises: MalformedError."""
        position, delimiter = self._columns.label, block.delimiter
        if position == len(self._columns.names) - 1:
            fields: Iterable[str] = (text.rpartition(delimiter)[2] for text in block.texts)
        else:
            fields = (text.split(delimiter, position + 1)[position] for text in block.texts)
        numbers = self.numbers
        codes = [
            numbers[label] if label in numbers else self._new(label, number)
            for label, number in zip(map(str.strip, fields), block.numbers, strict=True)
        ]
        return np.array(codes, np.int64)

    def _new(self, label: str, line: int) -> int:
        where = f"line {line}, column {self._columns.label + 1} ({self._columns.label_name!r})"
        if label.lower() in MISSING:
            raise MalformedError(
                f"{where}: a missing label, {label!r}; fill it in, remove the row, or "
                f"{self._columns.advice}"
            )
        if len(label) > classes.LONGEST_NAME:
            raise MalformedError(
                f"{where}: a label of {len(label)} characters, {label[:40]!r}…; labels have at "
                f"most {classes.LONGEST_NAME}: {self._columns.advice}"
            )
        if len(self.numbers) >= MAX_LABELS:
            raise MalformedError(
                f"{where}: more than {MAX_LABELS} different labels; {self._columns.advice}"
            )
        self.lines.append(line)
        return self.numbers.setdefault(label, len(self.numbers))


def _unified(
    tables: dict[str, CsvTable], paths: dict[str, str | None]
) -> tuple[dict[str, Labels], list[str] | None]:
    """Return the labels of all files as whole numbers or, if they are none, as indices of names.

    Raises: DataError if the training labels are a regression target.
    """
    numbers: dict[str, npt.NDArray[Any] | None] = {}
    for split, table in tables.items():
        numbers[split] = values = _as_numbers(table)
        where = f"{paths[split]}: {table.columns.labels_from}"
        if values is not None and (values != np.floor(values)).any():
            index = int(np.argmax(values != np.floor(values)))
            raise DataError(
                f"{where} is {table.names[index]!r} in line {table.lines[index]}: numbers with "
                f"fractions are a regression target, and nnexp classifies; {table.columns.advice}"
            )
    train = tables["train"]
    where = f"{paths['train']}: {train.columns.labels_from}"
    classes.check_target(len(train.names), len(train.codes), where, train.columns.advice)
    known = {split: values for split, values in numbers.items() if values is not None}
    if len(known) == len(tables) and all((abs(v) <= LARGEST).all() for v in known.values()):
        whole = {split: values.astype(np.int64) for split, values in known.items()}
        return {split: whole[split][table.codes] for split, table in tables.items()}, None
    names = sorted({name for table in tables.values() for name in table.names})
    place = {name: index for index, name in enumerate(names)}
    labels = {
        split: np.array([place[name] for name in table.names])[table.codes]
        for split, table in tables.items()
    }
    return labels, names


def _as_numbers(table: CsvTable) -> npt.NDArray[np.float64] | None:
    """Return the different labels of a file as numbers, or None if one is not a number."""
    names = table.names
    if table.columns.delimiter != ",":
        names = [name.replace(",", ".") for name in names]
    if not all(_is_plain_number(name) for name in names):
        return None
    return np.array([float(name) for name in names])


def _as_bytes(features: Features) -> Features:
    """Return features as uint8 if that loses nothing, else unchanged."""
    if features.min() >= 0 and features.max() <= 255 and (features == np.floor(features)).all():  # noqa: PLR2004 - a byte
        return features.astype(np.uint8)
    return features
