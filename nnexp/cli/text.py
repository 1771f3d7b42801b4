"""Small pieces of text output: lines, tables, percentages, JSON."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import sys
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TextIO

import click

from nnexp.errors import DiskError, one_line, printable


def put(text: str) -> bool:
    """Write a line to stdout and return whether it is still read.

    That its reader has gone, as ``head`` or a terminal, is no error.

    Raises:
        DiskError: it cannot be written.
    """
    try:
        try:
            click.echo(text)
        except UnicodeEncodeError:  # a path that is no text goes out as the bytes that it is
            click.echo(os.fsencode(text))
    except BrokenPipeError:
        return False
    except OSError as error:
        if error.errno == errno.EIO and _is_device(sys.stdout):
            return False  # a terminal that is no longer there
        raise DiskError(f"standard output: {(error.strerror or str(error)).lower()}") from error
    return True


def _is_device(stream: TextIO) -> bool:
    """Return whether a stream leads to a terminal; one that is gone no longer says so itself."""
    return stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)


class Told:
    """Standard error for what stops no training when nobody reads it any more.

    A terminal can vanish between any two calls; so each of them may fail, and none raises.
    """

    @property
    def encoding(self) -> str:
        """The encoding that the terminal reads."""
        return sys.stderr.encoding if sys.stderr else "ascii"

    def fileno(self) -> int:
        """Return the descriptor, for questions about the terminal's size."""
        return sys.stderr.fileno()

    def write(self, text: str) -> None:
        """Write text, if somebody is there."""
        with contextlib.suppress(OSError):
            if sys.stderr:  # it may have been closed before nnexp began
                sys.stderr.write(text)

    def flush(self) -> None:
        """Send what was written, if somebody is there."""
        with contextlib.suppress(OSError):
            if sys.stderr:
                sys.stderr.flush()

    def columns(self) -> int:
        """Return the terminal's width; 0 where there is no terminal, or one without columns."""
        try:
            return os.get_terminal_size(self.fileno()).columns
        except (AttributeError, OSError):  # closed, redirected, or gone a moment ago
            return 0


def say(line: str) -> None:
    """Write lines to stderr, harmless ones; that nobody reads it stops no training."""
    told = Told()
    told.write("".join(f"{one_line(each)}\n" for each in line.split("\n")))
    told.flush()


def tell(text: str) -> None:
    """Write sentences to stderr, broken between words where a terminal ends."""
    harmless = "\n".join(map(one_line, text.split("\n")))
    say(wrapped(harmless, Told().columns()))


def wrapped(text: str, width: int) -> str:
    """Return text whose lines are broken between words where they are wider than a terminal.

    A line goes on two columns further in than it began. A word that is wider stays whole: a path
    is there to be copied.

    Args:
        text: lines.
        width: of the terminal; 0: there is none, and lines stay as they are.
    """
    return "\n".join(_folded(line, width) for line in text.split("\n")) if width else text


def _folded(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def columns() -> int:
    """Return the width of the terminal that stdout is; 0 where it is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (AttributeError, OSError, ValueError):  # closed, redirected or replaced
        return 0


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage with two decimals, or a dash."""
    return "-" if fraction is None else f"{100 * fraction:.2f} %"


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, most: int = 0
) -> str:
    """Return aligned columns: the first ``left`` to the left, the others to the right.

    Args:
        header: the columns' names.
        rows: their cells.
        left: how many columns are aligned to the left.
        most: the width of the terminal; what is wider goes on in further lines, between two
            cells and two columns further in. 0: each row is one line.
    """
    whole = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    folds = _folds(widths, most)
    lines = []
    for row in whole:
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        parts = ["  ".join(cells[begin:end]).rstrip() for begin, end in pairwise(folds)]
        lines.append("\n  ".join(parts))
    if not os.environ.get("NO_COLOR"):
        lines[0] = click.style(lines[0], bold=True)
    return "\n".join(lines)


def _folds(widths: Sequence[int], most: int) -> list[int]:
    """Return the columns that begin the lines of a row, and the number of columns."""
    folds, used = [0], 0
    for place, width in enumerate(widths):
        if most and place > folds[-1] and used + width > most:
            folds.append(place)
            used = 2
        used += width + 2
    return [*folds, len(widths)]


PALETTE = ("blue", "yellow", "green", "magenta", "cyan", "red")


def coloured(text: str, place: int) -> str:
    """Return text in the colour of one of several things, by its place among them."""
    if not text or os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=PALETTE[place % len(PALETTE)])


def as_json(value: Any) -> str:  # noqa: ANN401 - anything that JSON can say
    """Return a value as one line of JSON, in ASCII where a terminal would not print it as it is."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else json.dumps(value, allow_nan=False)
