"""Curves as text: eight dots of Braille in the place of a letter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

BLANK = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of a dot in its character, by row and column."""
DOWN, ACROSS = 4, 2

Paint = Callable[[str, int], str]
"""Gives a piece of text the colour of a curve, told by its place among the curves."""


class Curve(NamedTuple):
    """A line to draw; its mark stands where it ends."""

    mark: str
    x: Sequence[float]
    y: Sequence[float]


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


def _plain(text: str, place: int) -> str:
    del place
    return text


def draw(
    title: str,
    curves: Sequence[Curve],
    *,
    form: Callable[[float], str],
    width: int = 80,
    height: int = 10,
    paint: Paint = _plain,
) -> str:
    """Return curves as lines of at most ``width`` characters; what is not finite is left out.

    Args:
        title: what the curves are of.
        curves: at least one, with at least one finite point.
        form: how a number of the vertical axis is written.
        width: characters, the axis and the marks included.
        height: lines of the drawing, title and horizontal axis not included.
        paint: gives the characters of each curve their colour.
    """
    kept = [_finite(curve) for curve in curves]
    xs = [x for curve in kept for x in curve.x]
    ys = [y for curve in kept for y in curve.y]
    frame = _Frame(min(xs), max(xs), min(ys), max(ys))
    labels = _labels(frame, height, form)
    left = max(map(len, labels))
    right = 1 + sum(len(curve.mark) for curve in kept)  # they may end on one line
    columns = width - left - 2 - right
    bits = [[BLANK] * columns for _ in range(height)]
    owner = [[0] * columns for _ in range(height)]
    ends = [[" "] for _ in range(height)]
    for place, curve in enumerate(kept):
        dots = _dots(curve, frame, columns * ACROSS, height * DOWN)
        for row, column in dots:
            line, letter = row // DOWN, column // ACROSS
            bits[line][letter] |= DOTS[row % DOWN][column % ACROSS]
            owner[line][letter] = place
        if dots:
            ends[dots[-1][0] // DOWN].append(paint(curve.mark, place))
    lines = [f"{'':{left}}  {title}"]
    for line, label in enumerate(labels):
        drawn = "".join(
            paint(chr(bit), place) if bit != BLANK else " "
            for bit, place in zip(bits[line], owner[line], strict=True)
        )
        lines.append(f"{label:>{left}} ┤{drawn}{''.join(ends[line])}".rstrip())
    lines.append(_axis(frame, left, columns))
    return "\n".join(lines)


def _finite(curve: Curve) -> Curve:
    points = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if isfinite(x) and isfinite(y)]
    return Curve(curve.mark, [x for x, _ in points], [y for _, y in points])


def _labels(frame: _Frame, height: int, form: Callable[[float], str]) -> list[str]:
    labels = [""] * height
    middle = height // 2
    if frame.top == frame.bottom:
        labels[(height * DOWN - 1 - (height * DOWN - 1) // 2) // DOWN] = form(frame.top)
        return labels
    labels[0], labels[-1] = form(frame.top), form(frame.bottom)
    if height > DOWN:
        share = 1 - (middle + 0.5) / height
        labels[middle] = form(frame.bottom + share * (frame.top - frame.bottom))
    return labels


def _axis(frame: _Frame, left: int, columns: int) -> str:
    first, last = f"{frame.left:g}", f"{frame.right:g}"
    if first == last:
        return f"{'':{left}}  {first:^{columns}}".rstrip()
    middle = "epoch"
    room = columns - len(first) - len(last)
    return f"{'':{left}}  {first}{middle:^{room}}{last}"


def _dots(curve: Curve, frame: _Frame, columns: int, rows: int) -> list[tuple[int, int]]:
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
