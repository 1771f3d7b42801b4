"""Draw a figure's lines in the terminal: eight dots of Braille in the place of a letter."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

from nnexp.report.figure import Figure, Line, Panel
from nnexp.report.text import coloured, percent

BLANK = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of a dot in its character, by row and column."""
DOWN, ACROSS = 4, 2
WIDTH, HEIGHT = 80, 10
"""Characters across, all included, and lines of a drawing without its title and axis."""


class _Frame(NamedTuple):
    """Which numbers the edges of the drawing stand for."""

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
    """Return each panel's lines as text; what is not finite is left out.

    Args:
        figure: of panels with at least one line, each with at least one finite point. A line's
            end is written where it ends.
    """
    return [_panel(panel) for panel in figure.panels]


def _panel(panel: Panel) -> str:
    curves = [mark for mark in panel.marks if isinstance(mark, Line)]
    form = percent if panel.y.unit == "%" else "{:.3g}".format
    kept = [_finite(curve) for curve in curves]
    xs = [x for curve in kept for x in curve.x]
    ys = [y for curve in kept for y in curve.y]
    frame = _Frame(min(xs), max(xs), min(ys), max(ys))
    labels = _labels(frame, form)
    left = max(map(len, labels))
    right = 1 + sum(len(curve.end) for curve in kept)  # they may end on one line
    columns = WIDTH - left - 2 - right
    bits = [[BLANK] * columns for _ in range(HEIGHT)]
    owner = [[0] * columns for _ in range(HEIGHT)]
    ends = [[" "] for _ in range(HEIGHT)]
    for place, curve in enumerate(kept):
        dots = _dots(curve, frame, columns * ACROSS, HEIGHT * DOWN)
        for row, column in dots:
            line, letter = row // DOWN, column // ACROSS
            bits[line][letter] |= DOTS[row % DOWN][column % ACROSS]
            owner[line][letter] = place
        if dots:
            ends[dots[-1][0] // DOWN].append(coloured(curve.end, place))
    lines = [f"{'':{left}}  {panel.title}"]
    for line, label in enumerate(labels):
        drawn = "".join(
            coloured(chr(bit), place) if bit != BLANK else " "
            for bit, place in zip(bits[line], owner[line], strict=True)
        )
        lines.append(f"{label:>{left}} ┤{drawn}{''.join(ends[line])}".rstrip())
    lines.append(_axis(frame, left, columns, panel.x.label))
    return "\n".join(lines)


def _finite(curve: Line) -> Line:
    points = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if isfinite(x) and isfinite(y)]
    return curve._replace(x=[x for x, _ in points], y=[y for _, y in points])


def _labels(frame: _Frame, form: Callable[[float], str]) -> list[str]:
    labels = [""] * HEIGHT
    middle = HEIGHT // 2
    if frame.top == frame.bottom:
        labels[(HEIGHT * DOWN - 1 - (HEIGHT * DOWN - 1) // 2) // DOWN] = form(frame.top)
        return labels
    labels[0], labels[-1] = form(frame.top), form(frame.bottom)
    if HEIGHT > DOWN:
        share = 1 - (middle + 0.5) / HEIGHT
        labels[middle] = form(frame.bottom + share * (frame.top - frame.bottom))
    return labels


def _axis(frame: _Frame, left: int, columns: int, middle: str) -> str:
    first, last = f"{frame.left:g}", f"{frame.right:g}"
    if first == last:
        return f"{'':{left}}  {first:^{columns}}".rstrip()
    room = columns - len(first) - len(last)
    return f"{'':{left}}  {first}{middle:^{room}}{last}"


def _dots(curve: Line, frame: _Frame, columns: int, rows: int) -> list[tuple[int, int]]:
    """Return the dots of a curve as (row, column), from its first point to its last."""
    places = [
        (frame.column(x, columns), frame.row(y, rows))
        for x, y in zip(curve.x, curve.y, strict=True)
    ]
    dots = [(row, column) for column, row in places[:1]]
    for (column, row), (next_column, next_row) in pairwise(places):
        steps = max(abs(next_column - column), abs(next_row - row), 1)
        dots += [
            (
                row + round(step * (next_row - row) / steps),
                column + round(step * (next_column - column) / steps),
            )
            for step in range(1, steps + 1)
        ]
    return dots
