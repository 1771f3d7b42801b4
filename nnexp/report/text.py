"""Render text for a terminal: tables, percentages, wrapped lines, colours and JSON."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from nnexp.errors import printable

BOLD = 1
PALETTE = (34, 33, 32, 35, 36, 31)
"""Terminal codes of blue, yellow, green, magenta, cyan and red."""


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
        lines[0] = _styled(lines[0], BOLD)
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


def coloured(text: str, place: int) -> str:
    """Return text in the colour of one of several things, by its place among them."""
    if not text or os.environ.get("NO_COLOR"):
        return text
    return _styled(text, PALETTE[place % len(PALETTE)])


def _styled(text: str, code: int) -> str:
    return f"\033[{code}m{text}\033[0m"


def as_json(value: Any) -> str:  # noqa: ANN401 - a Struct, or builtins
    """Return a value as one line of JSON, in ASCII where a terminal would not print it as it is."""
    import msgspec  # noqa: PLC0415 - for JSON only

    tree = msgspec.to_builtins(value)
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else json.dumps(tree, allow_nan=False)
