"""The columns of a CSV file by its header: features, label, and those that are dropped."""

from __future__ import annotations

import difflib
import math
import re
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

from nnexp.datasets import csv_lines
from nnexp.datasets.csv_numbers import is_number
from nnexp.datasets.files import MalformedError
from nnexp.datasets.name_lists import listed, yaml_list, yaml_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.datasets.csv_lines import Lines
    from nnexp.datasets.sources import Csv

UNNAMED = re.compile(r"|Unnamed: \d+", re.ASCII)
"""No name, or the one that pandas gives to a column without a name."""

SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""A line before the header that tells Excel the delimiter."""

SAMPLE_ROWS = 5
"""Rows that are compared with the header to recognize the delimiter."""

FEW = 8
"""Maximum number of other columns that a message lists."""

MANY = 8
"""Numbers of an example, this many or more, are hardly sorted by chance."""


LABEL_NAMES = {"label", "labels", "class", "target", "species", "y"}
"""Usual names of the labels' column, in lower case."""

ANY_DELIMITER = "".join(csv_lines.DELIMITERS)

IF_TITLE = "if the line is a title, remove it"


class Given(NamedTuple):
    """A delimiter that the config or the file itself names."""

    delimiter: str
    advice: str
    """Advice if it is wrong."""


class CsvColumns(NamedTuple):
    """The positions of the columns in a file."""

    names: tuple[str, ...]
    """Of all columns, in the file's order."""
    features: tuple[int, ...]
    """The positions of the features, in the training file's order."""
    label: int
    """The position of the labels."""
    label_is_given: bool
    """Whether data.label names the column of the labels."""
    delimiter: str
    delimiter_advice: str
    """Advice if the delimiter is wrong; empty if no other is possible."""
    dropped: tuple[str, ...]
    """The columns that data.drop names."""
    header_line: int

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
        """Advice if another column holds the labels."""
        candidates = [name for name in self.names if name != self.label_name]
        return f"name the labels' column by data.label (others: {listed(candidates, FEW)})"

    def labelled(self, name: str) -> str:
        """Return the setting that makes another column that of the labels, as YAML."""
        return f"data.label: {yaml_name(name)}"

    def dropping(self, names: Sequence[str]) -> str:
        """Return the setting that drops more columns, as YAML."""
        return _dropping(self.dropped, names)


class HeaderLine(NamedTuple):
    """The header line and how it is divided."""

    names: list[str]
    line: int
    delimiter: str
    delimiter_advice: str

    @property
    def where(self) -> str:
        """The line, for messages."""
        return f"line {self.line}"


def read_header(lines: Lines, source: Csv, train: CsvColumns | None) -> tuple[CsvColumns, Lines]:
    """Read the header line, and find the columns by their names.

    Args:
        lines: of the file.
        source: the settings.
        train: the training file's columns; None for that file itself.

    Returns: the columns, and the lines behind the header.

    Raises: MalformedError if there is no header, or its names are not as they should be.
    """
    known = () if train is None else train.feature_names
    header, rows = _header(lines, source, known)
    check_names(header.names, source.drop, header.where)
    return _first(header, source) if train is None else _matching(header, train), rows


def read_header_of_new(
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
    header, rows = _header(lines, source, feature_names)
    names = header.names
    others = [name for name in names if name not in feature_names and name != label_name]
    check_names(names, others, header.where)
    if missing := [name for name in feature_names if name not in names]:
        raise MalformedError(
            f"{header.where}: has no column {missing[0]!r}, which the run was trained with; "
            f"{_corrected('its name', missing[0], names)}"
        )
    columns = CsvColumns(
        names=tuple(names),
        features=tuple(names.index(name) for name in feature_names),
        label=names.index(label_name) if label_name in names else -1,
        label_is_given=True,
        delimiter=header.delimiter,
        delimiter_advice=header.delimiter_advice,
        dropped=tuple(others),
        header_line=header.line,
    )
    return columns, rows


def _header(lines: Lines, source: Csv, known: Sequence[str]) -> tuple[HeaderLine, Lines]:
    """Return the header line, and the lines behind it.

    Args:
        lines: of the file.
        source: the settings.
        known: names that the header should have; empty for the training file.

    Raises: MalformedError.
    """
    number, text = _next(lines)
    given = None
    if source.delimiter is not None:
        given = Given(source.delimiter, "correct data.delimiter, or leave it out")
    if match := SEPARATOR.fullmatch(text):
        given = given or Given(match[1], f"correct or remove line {number}, {text!r}")
        number, text = _next(lines)
    if not number:
        raise MalformedError("is empty; its first line must name the columns")
    sample = list(islice(lines, SAMPLE_ROWS))
    rows = [row for _, row in sample if not csv_lines.is_blank(row, ANY_DELIMITER)]
    header = _divided(number, text, rows, given)
    _check_is_no_title(header, text, source.drop)
    is_known = bool(known) and set(known) <= set(header.names)
    _check_has_names(header, text, rows, is_known=is_known)
    return header, chain(sample, lines)


def _next(lines: Lines) -> tuple[int, str]:
    """Return the next line that is not blank, with its number, which is 0 at the end."""
    filled = (line for line in lines if not csv_lines.is_blank(line[1], ANY_DELIMITER))
    return next(filled, (0, ""))


def _divided(number: int, text: str, rows: Sequence[str], given: Given | None) -> HeaderLine:
    """Return the header by the delimiter that is given, or by that which fits the first rows.

    Raises: MalformedError if the line is a comment, or has a single column.
    """
    delimiter = given.delimiter if given else csv_lines.recognized_delimiter(text, rows)
    where = f"line {number}"
    if text.startswith("#") and not csv_lines.fits(text, rows, delimiter):
        raise MalformedError(f"{where}: is a comment, got {text[:60]!r}; remove the line")
    try:
        names = csv_lines.split(text, delimiter)
    except MalformedError as error:
        raise MalformedError(f"{where}: {error}; names of columns need to be on one line") from None
    if len(names) == 1:
        raise MalformedError(f"{where}: {_single(text, rows, given)}")
    is_sure = not any(d in text for d in csv_lines.DELIMITERS if d != delimiter)
    advice = given.advice if given else f"set data.delimiter if it is not {delimiter!r}"
    return HeaderLine(names, number, delimiter, "" if is_sure else f", or {advice}")


def _single(text: str, rows: Sequence[str], given: Given | None) -> str:
    """Return why a header has a single column, with advice."""
    fact = f"must have two or more columns, got {text[:60]!r}"
    words = len(text.split())
    if not given and words > 1 and rows and all(len(row.split()) == words for row in rows):
        return f"{fact}: they are separated by blanks; save the file with commas between columns"
    delimiters = [given.delimiter] if given else csv_lines.DELIMITERS
    is_plain = set(text).isdisjoint(ANY_DELIMITER)
    if is_plain and rows and any(csv_lines.fits(rows[0], rows[1:], d) for d in delimiters):
        return f"{fact}; {IF_TITLE}"
    if given:
        return f"{fact}; the delimiter is {given.delimiter!r}: {given.advice}"
    return f"{fact}; set data.delimiter if it is none of , ; tab |"


def _check_is_no_title(header: HeaderLine, text: str, drop: Sequence[str]) -> None:
    """Raise MalformedError if most columns have no name, unless these are dropped."""
    unnamed = [name for name in header.names if UNNAMED.fullmatch(name)]
    named = len(header.names) - len(unnamed)
    is_single = named <= 1 < len(unnamed)
    if is_single or (named < len(unnamed) and not set(unnamed) <= set(drop)):
        raise MalformedError(
            f"{header.where}: most columns have no name, got {text[:60]!r}; {IF_TITLE}, else name "
            "the columns"
        )


def _check_has_names(header: HeaderLine, text: str, rows: Sequence[str], *, is_known: bool) -> None:
    """Raise MalformedError if most names are numbers, unless these look like names.

    Args:
        header: the line as divided.
        text: the line itself.
        rows: the first rows.
        is_known: whether the training file has the same names.
    """
    numbers = [float(name) for name in header.names if is_number(name)]
    if not numbers:
        return
    fact = f"{header.where}: must be a header that names the columns, got "
    if len(numbers) == sum(name != "" for name in header.names):
        if _count(numbers):
            raise MalformedError(
                f"{fact}their numbers, {text[:40]!r}; replace the line by a line of names or, if "
                "it is an example, add the names above it"
            )
        raise _not_header(fact, text, header.names)
    if 2 * len(numbers) <= len(header.names) or _rise(numbers) or is_known:
        return
    if not (_differ(numbers) and _ends_in_name(header, rows)):
        raise _not_header(fact, text, header.names)


def _not_header(fact: str, text: str, names: Sequence[str]) -> MalformedError:
    numbers = [name[:10] for name in names if is_number(name)]
    written = ", ".join(f"w{number}" for number in numbers[:2])
    return MalformedError(
        f"{fact}data, {text[:40]!r}; add a line of names above it or, if these are names, write "
        f"them as {written}"
    )


def _differ(numbers: Sequence[float]) -> bool:
    """Return whether numbers that stand above labels may be names: different ones, or rising."""
    is_whole = all(number.is_integer() for number in numbers)
    is_rising = all(a < b for a, b in pairwise(numbers))
    return is_rising or (is_whole and len(set(numbers)) == len(numbers))


def _ends_in_name(header: HeaderLine, rows: Sequence[str]) -> bool:
    """Return whether a header's last field is text, and no row has it as its label."""
    name = header.names[-1]
    labels = [csv_lines.fields(row, header.delimiter)[-1:] for row in rows]
    return name != "" and not is_number(name) and [name] not in labels


def _count(numbers: Sequence[float]) -> bool:
    """Return whether numbers are 0, 1, 2, … or 1, 2, 3, …, as columns are numbered."""
    return numbers[0] in {0, 1} and all(b - a == 1 for a, b in pairwise(numbers))


def _rise(numbers: Sequence[float]) -> bool:
    """Return whether numbers may name columns: pixels, years or wavelengths in their order."""
    steps = [b - a for a, b in pairwise(numbers)]
    is_even = len(steps) > 1 and all(math.isclose(step, steps[0]) for step in steps)
    is_rising = all(step > 0 for step in steps)
    return _count(numbers) or (is_rising and (is_even or len(numbers) >= MANY))


def check_not_data(columns: CsvColumns, labels: Sequence[str]) -> None:
    """Raise MalformedError if the label's column has the name of a label, and others are numbers.

    Such a header is the first example of a file without a header.
    """
    if columns.label_name in labels and any(map(is_number, columns.feature_names)):
        fact = f"line {columns.header_line}: must be a header that names the columns, got "
        raise _not_header(fact, columns.delimiter.join(columns.names), columns.names)


def check_names(names: Sequence[str], drop: Sequence[str], where: str) -> None:
    """Raise MalformedError if a name is missing or doubled, unless its columns are dropped."""
    seen: dict[str, int] = {}
    for column, name in enumerate(names, 1):
        if name in drop:
            continue
        if UNNAMED.fullmatch(name):
            raise MalformedError(
                f"{where}, column {column}: has no name (an index?); drop it by "
                f"{_dropping(drop, [name])}, or name it"
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
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"correct {key}"
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
