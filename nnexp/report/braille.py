"""Draw a figure's lines in the terminal, with eight Braille dots per character."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

from nnexp.report.document import Drawing
from nnexp.report.figure import Figure, Line, Panel
from nnexp.report.text import coloured, percent

BLANK = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of a dot in its character, by row and column."""
DOWN, ACROSS = 4, 2
WIDTH, HEIGHT = 80, 10
"""Characters across, all included, and lines of a drawing without its title and axis."""


class _Frame(NamedTuple):
    """The numbers at the edges of the drawing."""

    left: float
    right: float
    bottom: float
    top: float

    def column(self, x: float, dots: int) -> int:
        return _place(x, self.left, self.right, dots)

    def row(self, y: float, dots: int) -> int:
        return dots - 1 - _place(y, self.bottom, self.top, dots)


def _place(value: float, low: float, high: float, dots: int) -> int:
    return round((value - low) / (high - low) * (dots - 1)) if high > low else (dots - 1) // 2


def draw(figure: Figure) -> list[str]:
    """Return each panel's lines as text, without points that are not finite.

    Args:
        figure: of panels with at least one line, each with at least one finite point. A line's
            end is written where it ends.
    """
    return [_panel(panel) for panel in figure.panels]


def drawings(figure: Figure) -> list[Drawing]:
    """Return each panel as a block of a document."""
    return [Drawing("", "", lines=lines) for lines in draw(figure)]


def _panel(panel: Panel) -> str:
    lines = [_finite(mark) for mark in panel.marks if isinstance(mark, Line)]
    xs = [x for line in lines for x in line.x]
    ys = [y for line in lines for y in line.y]
    frame = _Frame(min(xs), max(xs), min(ys), max(ys))
    labels = _labels(frame, percent if panel.y.unit == "%" else "{:.3g}".format)
    left = max(map(len, labels))
    ends = 1 + sum(len(line.end) for line in lines)  # they may stand in one row
    columns = WIDTH - left - 2 - ends
    rows = [
        f"{label:>{left}} ┤{row}".rstrip()
        for label, row in zip(labels, _rows(lines, frame, columns), strict=True)
    ]
    axis = _axis(frame, left, columns, panel.x.label)
    return "\n".join([f"{'':{left}}  {panel.title}", *rows, axis])


def _rows(lines: Sequence[Line], frame: _Frame, columns: int) -> list[str]:
    """Return the rows of the drawing; where lines cross, the later one gives the colour."""
    bits = [[BLANK] * columns for _ in range(HEIGHT)]
    owner = [[0] * columns for _ in range(HEIGHT)]
    ends = [" "] * HEIGHT
    for index, line in enumerate(lines):
        dots = _dots(line, frame, columns * ACROSS, HEIGHT * DOWN)
        for down, across in dots:
            row, column = down // DOWN, across // ACROSS
            bits[row][column] |= DOTS[down % DOWN][across % ACROSS]
            owner[row][column] = index
        if dots:
            ends[dots[-1][0] // DOWN] += coloured(line.end, index)
    drawn = [
        "".join(
            coloured(chr(bit), index) if bit != BLANK else " "
            for bit, index in zip(*row, strict=True)
        )
        for row in zip(bits, owner, strict=True)
    ]
    return [f"{row}{end}" for row, end in zip(drawn, ends, strict=True)]


def _finite(line: Line) -> Line:
    points = [(x, y) for x, y in zip(line.x, line.y, strict=True) if isfinite(x) and isfinite(y)]
    return line._replace(x=[x for x, _ in points], y=[y for _, y in points])


def _labels(frame: _Frame, form: Callable[[float], str]) -> list[str]:
    labels = [""] * HEIGHT
    middle = HEIGHT // 2
    if frame.top == frame.bottom:
        labels[(HEIGHT * DOWN - 1 - (HEIGHT * DOWN - 1) // 2) // DOWN] = form(frame.top)
        return labels
    labels[0], labels[-1] = form(frame.top), form(frame.bottom)
    share = 1 - (middle + 0.5) / HEIGHT
    labels[middle] = form(frame.bottom + share * (frame.top - frame.bottom))
    return labels


def _axis(frame: _Frame, left: int, columns: int, middle: str) -> str:
    first, last = f"{frame.left:g}", f"{frame.right:g}"
    if first == last:
        return f"{'':{left}}  {first:^{columns}}".rstrip()
    room = columns - len(first) - len(last)
    return f"{'':{left}}  {first}{middle:^{room}}{last}"


def _dots(line: Line, frame: _Frame, columns: int, rows: int) -> list[tuple[int, int]]:
    """Return the dots of a line as (row, column), from its first point to its last."""
    cells = [
        (frame.column(x, columns), frame.row(y, rows)) for x, y in zip(line.x, line.y, strict=True)
    ]
    dots = [(row, column) for column, row in cells[:1]]
    for (column, row), (next_column, next_row) in pairwise(cells):
        steps = max(abs(next_column - column), abs(next_row - row), 1)
        dots += [
            (
                row + round(step * (next_row - row) / steps),
                column + round(step * (next_column - column) / steps),
            )
            for step in range(1, steps + 1)
        ]
    return dots
