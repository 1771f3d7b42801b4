"""The source csv: one text file per split, with a header line and a column of labels."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from nnexp.datasets import csv_labels, csv_lines, files
from nnexp.datasets.csv_columns import (
    CsvColumns,
    check_not_data,
    read_columns,
    read_columns_of_new,
)
from nnexp.datasets.csv_features import FeatureParser
from nnexp.datasets.csv_labels import NONE, CsvLabels, LabelCollector
from nnexp.datasets.csv_lines import Block
from nnexp.datasets.files import MalformedError
from nnexp.datasets.selection import Part, Parts, pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.datasets.csv_lines import Lines
    from nnexp.datasets.dataset import Features
    from nnexp.datasets.sources import Csv

FEWEST_COUNTED = 10
"""A feature that is 1, 2, … in fewer examples may do so by chance."""

BETWEEN_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[\W\d_]+")
"""Boundaries between the words of a column's name, as in patient_id and patientId."""
IDENTIFIERS = {"id", "ids", "uid", "identifier", "key", "nr"}
"""Words of a column's name, in lower case, that make it one of identifiers."""
NUMBERS = {"no", "num", "number", "index", "idx"}
"""Words that do so as the last one."""


class CsvTable(NamedTuple):
    """A file's examples and its sha256."""

    features: Features
    labels: CsvLabels
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
            like = tables["train"].columns if tables else None
            tables[split] = read(Path(path), source, like)
    train = tables["train"]
    where = f"{source.train_file}: {train.columns.labels_from}"
    csv_labels.check_target(train.labels, train.columns, where)
    unified = csv_labels.unified({split: table.labels for split, table in tables.items()})
    parts: dict[str, Part] = {}
    for split, table in tables.items():
        where = f"{paths[split]}: {table.columns.labels_from}"
        part = pair(table.features, unified.labels[split], str(paths[split]), where)
        parts[split] = part._replace(
            advice=table.columns.advice, occurrences=unified.occurrences[split]
        )
    counted = counting(train.features, train.columns.feature_names)
    identified = identifying(train.features, train.columns.feature_names)
    sha256 = {f"{split}_file": table.sha256 for split, table in tables.items()}
    return Parts(
        *(parts["train"], parts.get("validation"), parts.get("test"), sha256),
        names=unified.names,
        feature_names=train.columns.feature_names,
        label_name=train.columns.label_name,
        counting=counted,
        identifying=tuple(name for name in identified if name not in counted),
    )


def counting(features: Features, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of features that number the examples: whole numbers in equal steps."""
    if len(features) < FEWEST_COUNTED:
        return ()
    first = features[0].astype(np.float64)
    step = features[1] - first
    rows = np.arange(len(features))
    is_likely = (step != 0) & (np.floor(step) == step) & (np.floor(first) == first)
    is_likely &= features[-1] == first + step * rows[-1]
    return tuple(
        names[i]
        for i in np.flatnonzero(is_likely)
        if np.array_equal(features[:, i], first[i] + step[i] * rows)
    )


def identifying(features: Features, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of features that look like identifiers.

    They are named as such, like ``patient_id``, and every example has another whole number.
    """
    if len(features) < FEWEST_COUNTED:
        return ()
    return tuple(
        name
        for name, values in zip(names, features.T, strict=True)
        if _is_identifier(name)
        and (values == np.floor(values)).all()
        and len(np.unique(values)) == len(values)
    )


def _is_identifier(name: str) -> bool:
    """Return whether a column is named like an identifier; a "number of rooms" is a count."""
    words = BETWEEN_WORDS.sub(" ", name).lower().split()
    return bool(words) and (not IDENTIFIERS.isdisjoint(words) or words[-1] in NUMBERS)


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
    columns, rows = read_columns(csv_lines.read_lines(file, digest.update), source, train)
    features, labels = _examples(columns, rows, LabelCollector(columns))
    check_not_data(columns, labels.names)
    return CsvTable(features, labels, columns, digest.hexdigest())


def read_new(
    path: Path,
    source: Csv,
    feature_names: Sequence[str],
    label_name: str,
    *,
    is_labelled: bool = False,
) -> tuple[Features, list[str | None] | None]:
    """Read new examples: columns are found by their names, others than these are left out.

    Args:
        path: the file.
        source: the settings of the training data.
        feature_names: of the features, in their order.
        label_name: of the labels' column, which may be missing: then there are no labels.
        is_labelled: whether each example must have a label, if there is the column.

    Returns: the features, and the label of each example, or None; None if no example has any.

    Raises: DataError, with the line, if the file is malformed.
    """
    with files.open_binary(path) as file:
        lines = csv_lines.read_lines(file, lambda _: None)
        columns, rows = read_columns_of_new(lines, source, feature_names, label_name)
        collector = LabelCollector(columns, may_lack=not is_labelled)
        features, labels = _examples(columns, rows, collector)
    names = [None if code == NONE else labels.names[code] for code in labels.codes.tolist()]
    return features, names if labels.names else None


def _examples(
    columns: CsvColumns, rows: Lines, labels: LabelCollector
) -> tuple[Features, CsvLabels]:
    """Return the features and labels in a file's rows. Raises: MalformedError."""
    features, numbers = [], FeatureParser(columns)
    for block in csv_lines.blocks(rows, columns.delimiter):
        _check_widths(block, columns)
        features.append(_as_bytes(numbers.parse(block)))
        if columns.label >= 0:
            labels.add(block)
    if not features:
        raise MalformedError("contains a header but no examples; add a line for each example")
    return np.concatenate(features), labels.labels()


def _check_widths(block: Block, columns: CsvColumns) -> None:
    """Raise MalformedError if a row has more or fewer columns than the header."""
    separators = len(columns.names) - 1
    for number, text in zip(block.numbers, block.texts, strict=True):
        if text.count(block.delimiter) != separators:
            fields = text.split(block.delimiter)
            raise MalformedError(
                f"line {number}: {len(fields)} columns, but the header names {separators + 1}; "
                f"{_width_advice(fields, separators + 1)}{columns.delimiter_advice}"
            )


def _width_advice(fields: list[str], columns: int) -> str:
    """Return what to do about a row that has more or fewer fields than columns."""
    excess = fields[columns:]
    if not excess:
        return "complete the line, or remove it"
    if not any(map(str.strip, excess)):
        last = "last delimiter" if len(excess) == 1 else f"last {len(excess)} delimiters"
        return f"remove the {last} of each line"
    advice = "quote fields that contain the delimiter"
    return f"give row names a name in the header, or {advice}" if len(excess) == 1 else advice


def _as_bytes(features: Features) -> Features:
    """Return features as uint8 if that loses nothing, else unchanged."""
    if features.min() >= 0 and features.max() <= 255 and (features == np.floor(features)).all():  # noqa: PLR2004 - a byte
        return features.astype(np.uint8)
    return features
