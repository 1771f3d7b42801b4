"""The labels of CSV files: whole numbers are compared as numbers, other labels as written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnexp.datasets import classes
from nnexp.datasets.csv_numbers import exact, has_fraction, with_point
from nnexp.datasets.files import MalformedError
from nnexp.datasets.selection import Occurrence
from nnexp.errors import DataError

if TYPE_CHECKING:
    from nnexp.datasets.csv_columns import CsvColumns
    from nnexp.datasets.csv_lines import Block
    from nnexp.datasets.dataset import Labels

MISSING = re.compile(r"|NA|\?|(?i:nan)")
"""Labels that stand for a missing value; n/a and none may be classes."""

LEADING_ZERO = re.compile(r"[+-]?0\d")
"""The start of digits that are a code, not a number: 01 and 1 may be two classes."""

NONE = -1
"""The code of an example without a label."""

MAX_LABELS = 100_000
"""Maximum number of different labels that are collected before a file is refused."""


class CsvLabels(NamedTuple):
    """The labels of a file."""

    codes: Labels
    """(examples,): indices of names; NONE for a new example without a label."""
    names: list[str]
    """The different labels, in the order of their first occurrence."""
    lines: list[int]
    """The line of the first occurrence of each label."""


class LabelCollector:
    """Numbers the different labels of a file in the order of their first occurrence.

    Args:
        columns: of the file.
        may_lack: whether examples may have no label.
    """

    def __init__(self, columns: CsvColumns, *, may_lack: bool = False) -> None:
        self._columns = columns
        self._may_lack = may_lack
        self._numbers: dict[str, int] = {}
        """The number of each label as written, so that 1 and 1.0 have the same."""
        self._names: dict[str, int] = {}
        self._lines: list[int] = []
        self._codes: list[Labels] = []

    def add(self, block: Block) -> None:
        """Collect the labels of a block of rows. Raises: MalformedError."""
        position, delimiter = self._columns.label, block.delimiter
        if position == len(self._columns.names) - 1:
            fields: Iterable[str] = (text.rpartition(delimiter)[2] for text in block.texts)
        else:
            fields = (text.split(delimiter, position + 1)[position] for text in block.texts)
        numbers = self._numbers
        codes = [
            numbers[label] if label in numbers else self._new(label, number)
            for label, number in zip(map(str.strip, fields), block.numbers, strict=True)
        ]
        self._codes.append(np.array(codes, np.int64))

    def labels(self) -> CsvLabels:
        """Return the labels of all blocks; empty without any."""
        codes = np.concatenate(self._codes) if self._codes else np.empty(0, np.int64)
        return CsvLabels(codes, list(self._names), self._lines)

    def _new(self, label: str, line: int) -> int:
        where = f"line {line}, column {self._columns.label + 1} ({self._columns.label_name!r})"
        if MISSING.fullmatch(label):
            if self._may_lack:
                return self._numbers.setdefault(label, NONE)
            advice = "fill it in, or remove the row"
            if not self._columns.is_new:
                advice = f"fill it in, remove the row, or {self._columns.advice}"
            raise MalformedError(f"{where}: a missing label, {label!r}; {advice}")
        if len(label) > classes.LONGEST_NAME:
            raise MalformedError(
                f"{where}: a label of {len(label)} characters, {label[:40]!r}…; labels have at "
                f"most {classes.LONGEST_NAME}: {self._columns.advice}"
            )
        if len(self._numbers) >= MAX_LABELS:
            raise MalformedError(
                f"{where}: more than {MAX_LABELS} different labels; {self._columns.advice}"
            )
        number = whole_number(label, self._columns.delimiter)
        name = label if number is None else str(number)
        if name not in self._names:
            self._names[name] = len(self._names)
            self._lines.append(line)
        return self._numbers.setdefault(label, self._names[name])


def whole_number(label: str, delimiter: str = ",") -> int | None:
    """Return the whole number that a label is, such as 1.0 or 1e0, or None for another label."""
    plain = with_point(label, delimiter)
    value = exact(plain)
    if value is None or LEADING_ZERO.match(plain):
        return None
    is_small = -classes.LARGEST_LABEL <= value <= classes.LARGEST_LABEL
    return int(value) if is_small and not has_fraction(value) else None


def is_fraction(label: str, delimiter: str) -> bool:
    """Return whether a label is a number with a fraction."""
    value = exact(with_point(label, delimiter))
    return value is not None and has_fraction(value)


def regression(label: str, line: int) -> str:
    """Return what is wrong with a label that is a number with a fraction."""
    return (
        f"is {label!r} in line {line}: numbers with fractions are a regression target, and nnexp "
        "classifies"
    )


def check_target(labels: CsvLabels, columns: CsvColumns, source: str) -> None:
    """Raise DataError if training labels are a regression target or identifiers.

    A single fraction is enough: the other labels may stand for missing values.
    """
    for name, line in zip(labels.names, labels.lines, strict=True):
        if is_fraction(name, columns.delimiter):
            raise DataError(f"{source} {regression(name, line)}; {columns.advice}")
    classes.check_target(
        *(len(labels.names), len(labels.codes), source, columns.advice),
        are_text=_are_text(labels.names),
    )


def _are_text(labels: Sequence[str]) -> bool:
    """Return whether most labels are no whole numbers."""
    return 2 * sum(whole_number(label) is None for label in labels) > len(labels)


class Unified(NamedTuple):
    """The labels of all splits, in the same numbers."""

    labels: dict[str, Labels]
    occurrences: dict[str, dict[int, Occurrence]]
    names: list[str] | None
    """The names that labels index; None if all training labels are whole numbers."""


def unified(splits: dict[str, CsvLabels]) -> Unified:
    """Return the labels of all files as whole numbers or, if they are none, as indices of names.

    The training file decides. A label that it lacks never changes the meaning of the others.
    """
    every = {name: None for labels in splits.values() for name in labels.names}
    whole = {name: whole_number(name) for name in every}
    names = None
    if any(whole[name] is None for name in splits["train"].names):
        names = sorted(every)
        numbers = {name: index for index, name in enumerate(names)}
    else:  # beyond all labels that are numbers, an unknown name is a number of its own
        unknown = -classes.LARGEST_LABEL
        numbers = {
            name: unknown - index if number is None else number
            for index, (name, number) in enumerate(whole.items(), 1)
        }
    return Unified(
        {
            split: np.array([numbers[name] for name in labels.names], np.int64)[labels.codes]
            for split, labels in splits.items()
        },
        {
            split: {
                numbers[name]: Occurrence(name, line)
                for name, line in zip(labels.names, labels.lines, strict=True)
            }
            for split, labels in splits.items()
        },
        names,
    )
