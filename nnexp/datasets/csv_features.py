"""The features of a CSV file as numbers: the decimal sign, missing values, and what is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnexp.datasets.csv_labels import is_fraction, regression
from nnexp.datasets.csv_numbers import is_plain_number, with_point
from nnexp.datasets.files import MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.datasets.csv_columns import CsvColumns
    from nnexp.datasets.csv_lines import Block
    from nnexp.datasets.dataset import Features

MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
"""Features that stand for a missing value, in lower case."""

GROUPED = re.compile(r"[+-]?\d{1,3}([.,' \N{NO-BREAK SPACE}]\d{3})+([.,]\d+)?")
"""A number with thousands separators, which could be read in two ways."""

SIGNS = {",": "a decimal comma", ".": "a decimal point"}


class Field(NamedTuple):
    """A feature as it stands in a file."""

    text: str
    line: int
    position: int


class FeatureParser:
    """Parses the features of a file's blocks; all of them must have the same decimal sign."""

    def __init__(self, columns: CsvColumns) -> None:
        self._columns = columns
        self._first: dict[str, Field] = {}
        """The first feature with each decimal sign; empty where there can be no comma."""
        self._first_line: int | None = None
        """The line of the first row, in which a column of text shows."""

    def parse(self, block: Block) -> Features:
        """Return the features of a block of rows. Raises: MalformedError."""
        self._first_line = self._first_line or block.numbers[0]
        try:
            values = self._parsed(block)
        except ValueError as error:
            raise self._fault(block, str(error)) from error
        if not np.isfinite(values).all():
            raise self._fault(block, "a feature is not a finite number")
        if self._columns.delimiter == ";":
            self._check_signs(block)
        return values

    def _parsed(self, block: Block) -> Features:
        texts, delimiter = block.texts, self._columns.delimiter
        try:
            return _loaded(texts, block.delimiter, self._columns)
        except ValueError:
            if delimiter != ";":
                raise
        points = [with_point(text, delimiter) for text in texts]
        return _loaded(points, block.delimiter, self._columns)

    def _check_signs(self, block: Block) -> None:
        """Raise MalformedError if a feature has another decimal sign than an earlier one."""
        for sign in SIGNS:
            if sign not in self._first and (field := _first_with(sign, block, self._columns)):
                self._first[sign] = field
        if len(self._first) < len(SIGNS):
            return
        (own, earlier), (sign, field) = sorted(
            self._first.items(), key=lambda item: (item[1].line, item[1].position)
        )
        name = self._columns.names[field.position]
        raise MalformedError(
            f"line {field.line}, column {field.position + 1} ({name!r}): {field.text[:40]!r} has "
            f"{SIGNS[sign]}, but {earlier.text[:40]!r} in line {earlier.line} has {SIGNS[own]}; "
            "remove thousands separators, or use one decimal sign in the whole file"
        )

    def _fault(self, block: Block, otherwise: str) -> MalformedError:
        """Return the error about the first field that is not a finite number."""
        columns = self._columns
        if fault := _label_fault(block, columns):
            return fault
        for line, text in zip(block.numbers, block.texts, strict=True):
            fields = [field.strip() for field in text.split(block.delimiter)]
            for position in columns.features:
                is_first = line == self._first_line
                if message := _problem(fields, position, columns, is_first=is_first):
                    where = f"line {line}, column {position + 1} ({columns.names[position]!r})"
                    return MalformedError(f"{where}: {message}")
        return MalformedError(f"line {block.numbers[0]} or a later one: {otherwise}")


def _loaded(texts: Sequence[str], delimiter: str, columns: CsvColumns) -> Features:
    """Parse the features. Raises: ValueError."""
    return np.loadtxt(texts, delimiter=delimiter, comments=None, ndmin=2, usecols=columns.features)


def _first_with(sign: str, block: Block, columns: CsvColumns) -> Field | None:
    """Return the first feature of a block that contains a decimal sign, if there is one."""
    for line, text in zip(block.numbers, block.texts, strict=True):
        if sign in text:
            fields = text.split(block.delimiter)
            for position in sorted(columns.features):
                if sign in fields[position]:
                    return Field(fields[position].strip(), line, position)
    return None


def _label_fault(block: Block, columns: CsvColumns) -> MalformedError | None:
    """Return the error about labels that are a regression target, if data.label names them.

    Then a feature that is text is rather the label than a column to drop.
    """
    if columns.is_new or not columns.label_is_given:
        return None
    for line, text in zip(block.numbers, block.texts, strict=True):
        fields = [field.strip() for field in text.split(block.delimiter)]
        label = fields[columns.label]
        if is_fraction(label, columns.delimiter):
            texts = _text_columns(fields, columns)
            advice = f"set {columns.labelled(texts[0])}" if len(texts) == 1 else columns.advice
            return MalformedError(f"{columns.labels_from} {regression(label, line)}; {advice}")
    return None


def _problem(fields: list[str], position: int, columns: CsvColumns, *, is_first: bool) -> str:
    """Return why a field is not a finite number, with advice; empty if it is one."""
    field = fields[position]
    plain = with_point(field, columns.delimiter)
    drop = f"or {columns.removal(columns.names[position])}"
    if field.lower() in MISSING:
        return f"a missing value, {field!r}; fill it in, {drop}"
    fact = f"got {field[:60]!r}"
    if is_plain_number(plain):
        if np.isfinite(float(plain)):
            return ""
        return f"not a finite number, {fact}; correct it, {drop}"
    if columns.delimiter != ";" and is_plain_number(field.replace(",", ".")):
        advice = "write decimal points, and no thousands separators"
        return f"not a number, {fact} (commas are decimal signs beside ; only); {advice}, {drop}"
    if GROUPED.fullmatch(plain):
        return f"not a number, {fact}; remove the thousands separators, {drop}"
    may_be_label = is_first and not columns.label_is_given and field[:1].isalpha()
    return f"not a number, {fact}; {_text_advice(fields, columns, may_be_label=may_be_label)}"


def _text_advice(fields: list[str], columns: CsvColumns, *, may_be_label: bool) -> str:
    """Return what to do about the text among a row's features, which may be the labels."""
    if columns.is_new:
        return f"features are numbers: correct it, or {columns.removal('')}"
    texts = _text_columns(fields, columns)
    drop = f"drop text columns by {columns.dropping(texts)}{columns.delimiter_advice}"
    if not may_be_label:
        return f"features are numbers: correct it, or {drop}"
    fact = f"the label is the last column, {columns.label_name!r}"
    if len(texts) == 1:
        return f"{fact}; if it is {texts[0]!r}, set {columns.labelled(texts[0])}; or {drop}"
    return f"{fact}; if it is one of the text columns, name that by data.label; or {drop}"


def _text_columns(fields: list[str], columns: CsvColumns) -> list[str]:
    """Return the names of the features that are text in a row."""
    return [columns.names[i] for i in columns.features if not _is_numeric(fields[i], columns)]


def _is_numeric(field: str, columns: CsvColumns) -> bool:
    """Return whether a field is a number or missing."""
    return field.lower() in MISSING or is_plain_number(with_point(field, columns.delimiter))
