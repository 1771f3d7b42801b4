"""The header line of a CSV file: its delimiter, and whether it names columns at all."""

from __future__ import annotations

import math
import re
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

from nnexp.datasets import csv_lines
from nnexp.datasets.csv_numbers import is_number
from nnexp.datasets.files import MalformedError

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

MANY = 8
"""Numbers of an example, this many or more, are hardly sorted by chance."""

ANY_DELIMITER = "".join(csv_lines.DELIMITERS)

WITH_COMMAS = "save the file with commas between columns"

IF_TITLE = "if the line is a title, remove it"


class Given(NamedTuple):
    """A delimiter that the config or the file itself names."""

    delimiter: str
    advice: str
    """Advice if it is wrong."""


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


def read_header(
    lines: Lines, source: Csv, known: Sequence[str], *, is_new: bool = False
) -> tuple[HeaderLine, Lines]:
    """Return the header line, and the lines behind it.

    Args:
        lines: of the file.
        source: the settings.
        known: names that the header should have; empty for the training file.
        is_new: whether the file has new examples, for a run whose settings cannot be changed.

    Raises: MalformedError.
    """
    number, text = _next(lines)
    given = None
    if source.delimiter is not None:
        advice = f"save the file with {source.delimiter!r} between columns, as the training data"
        if not is_new:
            advice = "correct data.delimiter, or leave it out"
        given = Given(source.delimiter, advice)
    if match := SEPARATOR.fullmatch(text):
        given = given or Given(match[1], f"correct or remove line {number}, {text!r}")
        number, text = _next(lines)
    if not number:
        raise MalformedError("is empty; its first line must name the columns")
    sample = list(islice(lines, SAMPLE_ROWS))
    rows = [row for _, row in sample if not csv_lines.is_blank(row, ANY_DELIMITER)]
    header = _divided(number, text, rows, given, is_new=is_new)
    _check_is_no_title(header, text, source.drop)
    is_known = bool(known) and set(known) <= set(header.names)
    _check_has_names(header, text, rows, is_known=is_known)
    return header, chain(sample, lines)


def _next(lines: Lines) -> tuple[int, str]:
    """Return the next line that is not blank, with its number, which is 0 at the end."""
    filled = (line for line in lines if not csv_lines.is_blank(line[1], ANY_DELIMITER))
    return next(filled, (0, ""))


def _divided(
    number: int, text: str, rows: Sequence[str], given: Given | None, *, is_new: bool
) -> HeaderLine:
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
        raise MalformedError(f"{where}: {_single(text, rows, given, is_new=is_new)}")
    is_sure = is_new or not any(d in text for d in csv_lines.DELIMITERS if d != delimiter)
    advice = given.advice if given else f"set data.delimiter if it is not {delimiter!r}"
    return HeaderLine(names, number, delimiter, "" if is_sure else f", or {advice}")


def _single(text: str, rows: Sequence[str], given: Given | None, *, is_new: bool) -> str:
    """Return why a header has a single column, with advice."""
    fact = f"must have two or more columns, got {text[:60]!r}"
    words = len(text.split())
    if not given and words > 1 and rows and all(len(row.split()) == words for row in rows):
        return f"{fact}: they are separated by blanks; {WITH_COMMAS}"
    delimiters = [given.delimiter] if given else csv_lines.DELIMITERS
    is_plain = set(text).isdisjoint(ANY_DELIMITER)
    if is_plain and rows and any(csv_lines.fits(rows[0], rows[1:], d) for d in delimiters):
        return f"{fact}; {IF_TITLE}"
    if given:
        return f"{fact}; the delimiter is {given.delimiter!r}: {given.advice}"
    if is_new:
        return f"{fact}; {WITH_COMMAS}"
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
        raise not_header(fact, text, header.names)
    if 2 * len(numbers) <= len(header.names) or _rise(numbers) or is_known:
        return
    if not (_differ(numbers) and _ends_in_name(header, rows)):
        raise not_header(fact, text, header.names)


def not_header(fact: str, text: str, names: Sequence[str]) -> MalformedError:
    """Return the error about a first line that is an example."""
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
