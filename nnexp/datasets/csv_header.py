"""The columns of a CSV file by its header: features, label, and those that are dropped."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, NamedTuple

from nnexp.datasets import csv_lines
from nnexp.datasets.classes import listed
from nnexp.datasets.files import MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.datasets.csv_lines import Lines
    from nnexp.datasets.sources import Csv

UNNAMED = re.compile(r"|Unnamed: \d+", re.ASCII)
"""No name, or the one that pandas gives to a column without a name."""


class CsvColumns(NamedTuple):
    """Where the columns stand in a file."""

    names: tuple[str, ...]
    """Of all columns, in the file's order."""
    features: tuple[int, ...]
    """The positions of the features, in the training file's order."""
    label: int
    """The position of the labels."""
    label_is_given: bool
    """Whether the config names the label's column."""
    delimiter: str

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(self.names[position] for position in self.features)

    @property
    def label_name(self) -> str:
        """The name of the labels' column."""
        return self.names[self.label]

    @property
    def labels_from(self) -> str:
        """The labels' column, for messages."""
        by_default = "" if self.label_is_given else " (the last one)"
        return f"column {self.label_name!r}{by_default}"

    @property
    def advice(self) -> str:
        """What to do if the labels' column is the wrong one."""
        others = [name for name in self.names if name != self.label_name]
        return f"name the labels' column by data.label (others: {listed(others[:8])})"


def read_header(lines: Lines, source: Csv, train: CsvColumns | None) -> CsvColumns:
    """Read the header line, and find the columns by their names.

    Args:
        lines: of the file; the first one is consumed.
        source: the settings.
        train: the training file's columns; None for that file itself.

    Raises: MalformedError if there is no header, or its names are not as they should be.
    """
    number, text = next(lines, (0, ""))
    if not number:
        raise MalformedError("is empty; its first line must name the columns")
    delimiter = source.delimiter or csv_lines.recognized_delimiter(text)
    names = csv_lines.split(text, delimiter)
    where = f"line {number}"
    if all(is_number(name) for name in names):
        raise MalformedError(
            f"{where}: must be a header that names the columns, got data, {text[:40]!r}; "
            "add a line of names"
        )
    if len(names) == 1:
        raise MalformedError(
            f"{where}: must have two or more columns, got {text[:60]!r}; "
            "set data.delimiter if it is none of , ; tab |"
        )
    check_names(names, source.drop, where)
    if train is not None:
        return _matching(names, train, source.drop, delimiter, where)
    return _first(names, source, delimiter, where)


def is_number(field: str) -> bool:
    """Return whether a field can be parsed as a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def check_names(names: Sequence[str], drop: Sequence[str], where: str) -> None:
    """Raise MalformedError if a name is missing or doubled, unless its columns are dropped."""
    seen: dict[str, int] = {}
    for column, name in enumerate(names, 1):
        if name in drop:
            continue
        if UNNAMED.fullmatch(name):
            shown = ", ".join(f'"{other}"' for other in [*drop, name])
            raise MalformedError(
                f"{where}, column {column}: has no name (an index?); drop it by "
                f"data.drop: [{shown}], or name it"
            )
        if name in seen:
            raise MalformedError(
                f"{where}, column {column}: the name {name!r} is also that of column {seen[name]}; "
                "rename one of them"
            )
        seen[name] = column


def _first(names: list[str], source: Csv, delimiter: str, where: str) -> CsvColumns:
    """Return the columns of the training file."""
    if unknown := [name for name in source.drop if name not in names]:
        raise MalformedError(
            f"{where}: has no column {unknown[0]!r}, which data.drop names; "
            f"{_corrected('data.drop', unknown[0], names)}"
        )
    kept = [index for index, name in enumerate(names) if name not in source.drop]
    if source.label in source.drop:
        raise MalformedError(
            f"{where}: column {source.label!r} is both data.label and in data.drop; "
            "remove it from data.drop"
        )
    if source.label is not None and source.label not in names:
        raise MalformedError(
            f"{where}: has no column {source.label!r}, which data.label names; "
            f"{_corrected('data.label', source.label, names)}"
        )
    if len(kept) < 2:  # noqa: PLR2004 - a feature and the label
        raise MalformedError(
            f"{where}: must have two or more columns that are not dropped, got {len(kept)}; "
            "shorten data.drop"
        )
    if source.label is None:
        _check_default(names, kept, where)
    label = kept[-1] if source.label is None else names.index(source.label)
    features = tuple(index for index in kept if index != label)
    return CsvColumns(tuple(names), features, label, source.label is not None, delimiter)


def _corrected(key: str, name: str, names: list[str]) -> str:
    """Return the advice for a key that names a column which does not exist."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"correct {key}"
    return f"{hint} (columns: {listed(names)})"


def _check_default(names: list[str], kept: list[int], where: str) -> None:
    """Raise MalformedError if another column than the last one is called label."""
    lower = [names[index].lower() for index in kept]
    if "label" in lower[:-1] and lower[-1] != "label":
        index = kept[lower.index("label")]
        raise MalformedError(
            f"{where}: the label must be the last column, but is column {index + 1} of "
            f"{len(names)}; set data.label: {names[index]}, or data.label: {names[kept[-1]]}"
        )


def _matching(
    names: list[str], train: CsvColumns, drop: Sequence[str], delimiter: str, where: str
) -> CsvColumns:
    """Return the columns of another file, which are matched by name."""
    wanted = [*train.feature_names, train.label_name]
    missing = [name for name in wanted if name not in names]
    unknown = [name for name in names if name not in wanted and name not in drop]
    if missing or unknown:
        facts = [f"has no column {name!r} of the training file" for name in missing[:1]]
        facts += [f"has a column {name!r} that the training file lacks" for name in unknown[:1]]
        both = " and ".join(facts)
        if missing and unknown:
            advice = "rename one of them"
        elif missing:
            advice = f"add it, or drop it everywhere by data.drop: [{missing[0]}]"
        else:
            advice = f"drop it by data.drop: [{unknown[0]}]"
        raise MalformedError(
            f"{where}: {both}; columns are matched by name, so {advice} "
            f"(training file: {listed(wanted)})"
        )
    features = tuple(names.index(name) for name in train.feature_names)
    label = names.index(train.label_name)
    return CsvColumns(tuple(names), features, label, train.label_is_given, delimiter)
