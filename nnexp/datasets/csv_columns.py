"""The columns of a CSV file by its header: features, label, and those that are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nnexp.datasets.csv_header import (
    UNNAMED,
    HeaderLine,
    not_header,
    read_header,
)
from nnexp.datasets.csv_numbers import is_number
from nnexp.datasets.files import MalformedError
from nnexp.datasets.name_lists import closest, lacking, listed, yaml_list, yaml_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.datasets.csv_lines import Lines
    from nnexp.datasets.sources import Csv

FEW = 8
"""Maximum number of other columns that a message lists."""

LABEL_NAMES = {"label", "labels", "class", "target", "species", "y"}
"""Usual names of the labels' column, in lower case."""


class CsvColumns(NamedTuple):
    """The positions of the columns in a file."""

    names: tuple[str, ...]
    """Of all columns, in the file's order."""
    features: tuple[int, ...]
    """The positions of the features, in the training file's order."""
    label: int
    """The position of the labels."""
    label_is_given: bool
    """True if the config's data.label names the labels' column; False if it is the last one."""
    delimiter: str
    delimiter_advice: str
    """Advice if the delimiter is wrong; empty if no other is possible."""
    dropped: tuple[str, ...]
    """The columns that data.drop names."""
    header_line: int
    is_new: bool = False
    """True for new examples of a trained network, whose config can no longer be changed."""

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
        """Advice if another column holds the labels, or if new labels are no labels."""
        if self.is_new:
            return f"correct column {self.label_name!r}, or leave it out"
        candidates = [name for name in self.names if name != self.label_name]
        return f"name the labels' column by data.label (others: {listed(candidates, FEW)})"

    def labelled(self, name: str) -> str:
        """Return the setting that makes another column that of the labels, as YAML."""
        return f"data.label: {yaml_name(name)}"

    def removal(self, name: str) -> str:
        """Return how to do without a value of a column."""
        if self.is_new:
            return "remove the row"
        return f"drop the column: {self.dropping([name])}"

    def dropping(self, names: Sequence[str]) -> str:
        """Return the setting that drops more columns, as YAML."""
        return _dropping(self.dropped, names)


def read_columns(lines: Lines, source: Csv, train: CsvColumns | None) -> tuple[CsvColumns, Lines]:
    """Read the header line, and find the columns by their names.

    Args:
        lines: of the file.
        source: the settings.
        train: the training file's columns; None for that file itself.

    Returns: the columns, and the lines behind the header.

    Raises: MalformedError if there is no header, or its names are not as they should be.
    """
    known = () if train is None else train.feature_names
    header, rows = read_header(lines, source, known)
    check_names(header.names, source.drop, header.where)
    return _first(header, source) if train is None else _matching(header, train), rows


def read_columns_of_new(
    lines: Lines, source: Csv, feature_names: Sequence[str], label_name: str
) -> tuple[CsvColumns, Lines]:
    """Read the header line of new examples: features by name, perhaps labels, and other columns.

    Args:
        lines: of the file.
        source: the settings of the training data.
        feature_names: of the features, in their order.
        label_name: of the labels' column, which may be missing: then ``label`` is -1.

    Raises: MalformedError if there is no header, or it lacks a feature.
    """
    header, rows = read_header(lines, source, feature_names, is_new=True)
    names = header.names
    others = [name for name in names if name not in feature_names and name != label_name]
    check_names(names, others, header.where)
    if missing := [name for name in feature_names if name not in names]:
        fact = lacking(missing[0], names, [*feature_names, label_name])
        raise MalformedError(f"{header.where}: {fact}")
    columns = CsvColumns(
        names=tuple(names),
        features=tuple(names.index(name) for name in feature_names),
        label=names.index(label_name) if label_name in names else -1,
        label_is_given=True,
        delimiter=header.delimiter,
        delimiter_advice=header.delimiter_advice,
        dropped=tuple(others),
        header_line=header.line,
        is_new=True,
    )
    return columns, rows


def check_not_data(columns: CsvColumns, labels: Sequence[str]) -> None:
    """Raise MalformedError if the label's column has the name of a label, and others are numbers.

    Such a header is the first example of a file without a header.
    """
    if columns.label_name in labels and any(map(is_number, columns.feature_names)):
        fact = f"line {columns.header_line}: must be a header that names the columns, got "
        raise not_header(fact, columns.delimiter.join(columns.names), columns.names)


def check_names(names: Sequence[str], drop: Sequence[str], where: str) -> None:
    """Raise MalformedError if a name is missing or doubled, unless its columns are dropped."""
    seen: dict[str, int] = {}
    for column, name in enumerate(names, 1):
        if name in drop:
            continue
        if UNNAMED.fullmatch(name):
            raise MalformedError(
                f"{where}, column {column}: has no name (an index?); drop it by "
                f"{_dropping([other for other in drop if other in names], [name])}, or name it"
            )
        if name in seen:
            raise MalformedError(
                f"{where}, column {column}: the name {name!r} is also that of column {seen[name]}; "
                "rename one of them"
            )
        seen[name] = column


def _dropping(dropped: Sequence[str], names: Sequence[str]) -> str:
    """Return the setting that drops columns besides those that are dropped already, as YAML."""
    return f"data.drop: {yaml_list([*dropped, *names])}"


def _first(header: HeaderLine, source: Csv) -> CsvColumns:
    """Return the columns of the training file."""
    names, where = header.names, header.where
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
    return CsvColumns(
        tuple(names),
        features,
        label,
        source.label is not None,
        header.delimiter,
        header.delimiter_advice,
        source.drop,
        header.line,
    )


def _corrected(key: str, name: str, names: list[str]) -> str:
    """Return the advice for a key that names a column which does not exist."""
    near = closest(name, names)
    hint = f"did you mean {near!r}?" if near else f"correct {key}"
    return f"{hint} (columns: {listed(names)})"


def _check_default(names: list[str], kept: list[int], where: str) -> None:
    """Raise MalformedError if another column than the last one has a name of labels.

    Beside a column x, y is a coordinate.
    """
    lower = [names[index].lower() for index in kept]
    usual = LABEL_NAMES - {"y"} if "x" in lower else LABEL_NAMES
    likely = [index for index, name in zip(kept, lower, strict=True) if name in usual]
    if likely and lower[-1] not in usual:
        raise MalformedError(
            f"{where}: the label must be the last column, but is column {likely[0] + 1} of "
            f"{len(names)}; set data.label: {yaml_name(names[likely[0]])}, or "
            f"data.label: {yaml_name(names[kept[-1]])}"
        )


def _matching(header: HeaderLine, train: CsvColumns) -> CsvColumns:
    """Return the columns of another file, which are matched by name."""
    names, label = header.names, train.label_name
    wanted = [*train.feature_names, label]
    missing = [name for name in wanted if name not in names]
    unknown = [name for name in names if name not in wanted and name not in train.dropped]
    if missing == [label] and not unknown:
        raise MalformedError(
            f"{header.where}: has no column {label!r}, which holds the labels in the training "
            "file; examples without labels cannot be tested: add it, or leave the file out of the "
            "config"
        )
    if missing or unknown:
        facts = [f"has no column {name!r} of the training file" for name in missing[:1]]
        facts += [f"has a column {name!r} that the training file lacks" for name in unknown[:1]]
        raise MalformedError(
            f"{header.where}: {' and '.join(facts)}; columns are matched by name, so "
            f"{_advice_for(missing, unknown, train)} (training file: {listed(wanted, FEW)})"
        )
    return train._replace(
        names=tuple(names),
        features=tuple(names.index(name) for name in train.feature_names),
        label=names.index(label),
        delimiter=header.delimiter,
        delimiter_advice=header.delimiter_advice,
        header_line=header.line,
    )


def _advice_for(missing: list[str], unknown: list[str], train: CsvColumns) -> str:
    """Return what to do about columns that a file lacks, and those that it has besides."""
    if missing == [train.label_name]:
        return "rename one of them or, if the file has no labels, leave it out of the config"
    if missing and unknown:
        return "rename one of them"
    if missing:
        features = [name for name in missing if name != train.label_name]
        return f"add it, or drop it everywhere by {train.dropping(features)}"
    return f"drop it by {train.dropping(unknown)}"
