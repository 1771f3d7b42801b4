"""Format text for a terminal: tables, percentages, wrapped lines, colours and JSON."""

from __future__ import annotations

import json
import math
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nnexp.errors import printable

if TYPE_CHECKING:
    from nnexp.seeds import Spread

MISSING = "-"
"""Stands for a value that is not there."""
BOLD = 1
PALETTE = (34, 33, 32, 35, 36, 31)
"""Terminal codes of blue, yellow, green, magenta, cyan and red."""
GLUE = "\N{NO-BREAK SPACE}"


def wrapped(text: str, width: int) -> str:
    """Break lines that are wider than a terminal between words.

    Continuation lines are indented by two more columns. A longer word, such as a path, stays
    whole, and a number stays with its % sign.

    Args:
        text: one or several lines.
        width: of the terminal; 0 for none, which leaves lines whole.
    """
    return "\n".join(_folded(line, width) for line in text.split("\n")) if width else text


def _folded(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    return textwrap.fill(
        line.replace(" %", f"{GLUE}%"),
        width,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    ).replace(GLUE, " ")


def columns() -> int:
    """Return the width of the terminal that is stdout; 0 if stdout is no terminal."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (AttributeError, OSError, ValueError):  # closed, redirected or replaced
        return 0


def percent(fraction: float | None) -> str:
    """Format a fraction as a percentage with two decimals; a dash for None."""
    return MISSING if fraction is None else f"{100 * fraction:.2f} %"


def plus_minus(mean: str, sd: str | None) -> str:
    """Format a mean and, unless it is None, the standard deviation over seeds."""
    return mean if sd is None else f"{mean} ± {sd}"


def percent_spread(spread: Spread | None) -> str:
    """Format a mean ± standard deviation over seeds as percentages; a dash for None."""
    if spread is None or spread.sd is None:
        return percent(spread.mean if spread else None)
    return plus_minus(f"{100 * spread.mean:.2f}", percent(spread.sd))


def counts(statuses: Mapping[str, int]) -> str:
    """Format the number of runs with each status."""
    return ", ".join(f"{count:,} {status}" for status, count in statuses.items())


def setting(value: Any) -> str:  # noqa: ANN401 - a config's value
    """Format a config's value; a dash for one that is not there or None."""
    from msgspec import UNSET  # noqa: PLC0415 - slow to import for --help

    if value is None or value is UNSET:
        return MISSING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, most: int = 0
) -> str:
    """Format aligned columns.

    Args:
        header: the columns' names.
        rows: their cells.
        left: number of columns that are aligned to the left, from the first; others to the right.
        most: the width of the terminal; wider rows are broken between cells, and continuation
            lines are indented by two columns. 0: each row is one line.
    """
    lines = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    folds = _folds(widths, most)
    texts = []
    for line in lines:
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        parts = ["  ".join(cells[begin:end]).rstrip() for begin, end in pairwise(folds)]
        texts.append("\n  ".join(parts))
    if not os.environ.get("NO_COLOR"):
        texts[0] = _styled(texts[0], BOLD)
    return "\n".join(texts)


def _folds(widths: Sequence[int], most: int) -> list[int]:
    """Return the indices of the columns that begin a line, and the number of columns."""
    folds, used = [0], 0
    for index, width in enumerate(widths):
        if most and index > folds[-1] and used + width > most:
            folds.append(index)
            used = 2
        used += width + 2
    return [*folds, len(widths)]


def coloured(text: str, index: int) -> str:
    """Return text in the colour of a series, chosen by its index."""
    if not text or os.environ.get("NO_COLOR"):
        return text
    return _styled(text, PALETTE[index % len(PALETTE)])


def _styled(text: str, code: int) -> str:
    return f"\033[{code}m{text}\033[0m"


def as_json(value: Any) -> str:  # noqa: ANN401 - a Struct, or builtins
    """Return a value as one line of JSON, in ASCII if a terminal would not print it as it is.

    JSON has no infinity and no NaN: null stands for them.
    """
    import msgspec  # noqa: PLC0415 - for JSON only

    tree = msgspec.to_builtins(value)
    try:
        text = json.dumps(tree, ensure_ascii=False, allow_nan=False)
    except ValueError:  # rare, so that other values are not searched for such numbers
        tree = _finite(tree)
        text = json.dumps(tree, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else json.dumps(tree, allow_nan=False)


def _finite(tree: Any) -> Any:  # noqa: ANN401 - any value of JSON
    """Return builtins with None in place of infinite numbers and those that are not a number."""
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def resolution(split: str, examples: int) -> str:
    """Return why equal accuracies cannot be ranked, after what has them."""
    return (
        f"{split} accuracy; the {examples:,} {split} examples cannot rank them: one example is "
        f"{100 / examples:.2g} points"
    )
