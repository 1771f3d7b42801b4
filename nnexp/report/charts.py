"""Draw a panel's lines as SVG within an HTML page, where a script lets the reader explore them.

page.js reads numbers off the polylines and zooms by the plot's viewBox, and the page's style
gives series their colours on light and on dark pages. An SVG of matplotlib's carries neither, so
that this is a renderer of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nnexp.report.figure import Axis, Line, Panel, Style
from nnexp.report.markup import Markup, tag

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 54, 24, 10, 44
ACROSS, DOWN = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
POINTS = 3000
"""Maximum points of all lines of a chart, which limits the size of a page."""
MOST, LEAST = 400, 100
"""Maximum and minimum points of one line; no screen shows more."""
TICKS = 8
EXACT = 3
"""Decimals of a point's height, from which the page's script computes the values."""
APART = 13
"""Minimum distance between letters at the ends of lines, for legibility."""
STYLES: dict[Style, str] = {":": "dotted", "-": "solid", "--": "dashed"}
"""The class of each line style, here and in the legends of a page."""


class Scale(NamedTuple):
    """A linear map from numbers to coordinates on the page."""

    low: float
    high: float
    room: float

    def at(self, value: float) -> float:
        """Return the coordinate of a number."""
        return (value - self.low) / (self.high - self.low) * self.room


def chart(panel: Panel, points: int = POINTS) -> Markup:
    """Return a panel's lines as a chart.

    Args:
        panel: of at least one line, each with a point.
        points: maximum points of all lines; long ones are thinned.
    """
    lines = [_shown(mark, panel.y) for mark in panel.marks if isinstance(mark, Line)]
    unit = panel.y.unit
    across = _horizontal(lines)
    down = _vertical(lines)
    most = max(LEAST, min(MOST, points // len(lines)))
    plot = tag(
        "svg",
        *(_band(line, across, down, most // 2) for line in lines if any(line.spread)),
        *(_line(line, unit, across, down, most) for line in lines),
        class_="plot",
        x=str(LEFT),
        y=str(TOP),
        width=str(ACROSS),
        height=str(DOWN),
        viewBox=f"0 0 {ACROSS} {DOWN}",
        preserveAspectRatio="none",
    )
    drawing = tag(
        "svg",
        _ticks(across, down),
        tag("text", panel.x.title, class_="name", x=_short(LEFT + ACROSS / 2), y=str(HEIGHT - 6)),
        plot,
        _letters(lines, down),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{panel.y.title} against {panel.x.label}s. {described(lines, unit)}",
        data_x=f"{across.low:g} {across.high:g}",
        data_y=f"{down.low:.8g} {down.high:.8g}",
        data_unit=unit,
    )
    return tag("figure", tag("figcaption", panel.y.title), drawing, class_="chart")


def _shown(line: Line, axis: Axis) -> Line:
    """Return a line with its numbers in the unit of the axis."""
    return line._replace(y=axis.shown(line.y), spread=axis.shown(line.spread))


def described(lines: Sequence[Line], unit: str) -> str:
    """Describe the first and last value of each line, in words."""
    return " ".join(f"{_described(line, unit)}." for line in lines)


def _described(line: Line, unit: str) -> str:
    first = f"{line.label}: {_number(line.y[0], unit)} at epoch {line.x[0]:g}"
    if len(line.y) == 1:
        return first
    return f"{first}, {_number(line.y[-1], unit)} at epoch {line.x[-1]:g}"


def _number(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit else f"{value:.4g}"


def _horizontal(lines: Sequence[Line]) -> Scale:
    first = min(line.x[0] for line in lines)
    last = max(line.x[-1] for line in lines)
    return Scale(first, last if last > first else first + 1, ACROSS)


def _vertical(lines: Sequence[Line]) -> Scale:
    """Return a vertical scale that contains all lines and bands, with a small margin."""
    ends = [
        end
        for line in lines
        for middle, half in zip(line.y, line.spread, strict=True)
        for end in (middle - half, middle + half)
    ]
    low, high = min(ends), max(ends)
    air = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    floor = 0.0 if low >= 0 else -math.inf  # only recorded values can be negative
    return Scale(max(floor, low - air), high + air, DOWN)


def ticks(low: float, high: float) -> list[float]:
    """Return at most nine round numbers within an interval."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * by for by in (1, 2, 5, 10) if power * by >= rough)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _ticks(across: Scale, down: Scale) -> Markup:
    marks = []
    for epoch in (tick for tick in ticks(across.low, across.high) if tick == int(tick)):
        x = _short(LEFT + across.at(epoch))
        marks.append(tag("line", x1=x, x2=x, y1=str(TOP), y2=str(TOP + DOWN)))
        marks.append(tag("text", f"{epoch:g}", class_="x", x=x, y=str(TOP + DOWN + 16)))
    for value in ticks(down.low, down.high):
        y = TOP + DOWN - down.at(value)
        left, right = str(LEFT), str(LEFT + ACROSS)
        marks.append(tag("line", x1=left, x2=right, y1=_short(y), y2=_short(y)))
        marks.append(tag("text", f"{value:.6g}", class_="y", x=str(LEFT - 7), y=_short(y + 4)))
    return tag("g", *marks, class_="ticks")


def _line(line: Line, unit: str, across: Scale, down: Scale, most: int) -> Markup:
    indices = list(thinned(line.y, most))
    if len(indices) == 1:
        indices *= 2  # a line of no length is drawn as a dot
    points = " ".join(
        f"{_short(across.at(line.x[index]))},{_short(DOWN - down.at(line.y[index]), EXACT)}"
        for index in indices
    )
    return tag(
        "polyline",
        tag("title", _described(line, unit)),
        class_=f"e{line.colour} {STYLES[line.style]}{' dot' if len(line.y) == 1 else ''}",
        data_name=line.label,
        points=points,
    )


def _band(line: Line, across: Scale, down: Scale, most: int) -> Markup:
    indices = list(thinned(line.y, most))
    edges = [(index, line.y[index] + line.spread[index]) for index in indices]
    edges += [(index, line.y[index] - line.spread[index]) for index in reversed(indices)]
    points = " ".join(
        f"{across.at(line.x[index]):.1f},{DOWN - down.at(value):.1f}" for index, value in edges
    )
    return tag("polygon", class_=f"e{line.colour}", points=points)


def thinned(values: Sequence[float], most: int) -> Iterator[int]:
    """Yield the indices of values to draw: of a long curve, the extremes of each interval.

    So no spike is lost; the first and the last are always there.
    """
    count = len(values)
    if count <= most:
        yield from range(count)
        return
    stretches = most // 2 - 1
    kept = {0, count - 1}
    for k in range(stretches):
        stretch = range(k * count // stretches, (k + 1) * count // stretches)
        kept |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    yield from sorted(kept)


def _letters(lines: Sequence[Line], down: Scale) -> Markup:
    """Return each experiment's letter at the end of its last line, without overlaps."""
    ends = {line.end: down.at(line.y[-1]) for line in lines}
    names, heights = zip(*sorted(ends.items(), key=lambda end: end[1]), strict=True)
    texts = [
        tag(
            "text",
            letter,
            class_="letter",
            x=str(LEFT + ACROSS + 7),
            y=_short(TOP + DOWN - height + 4),
        )
        for letter, height in zip(names, apart(heights), strict=True)
    ]
    return tag("g", *texts, class_="letters")


def apart(heights: Sequence[float]) -> list[float]:
    """Move ascending heights apart to a minimum distance, within the panel."""
    raised: list[float] = []
    for height in heights:
        raised.append(max(height, raised[-1] + APART) if raised else height)
    lowered: list[float] = []
    for height in reversed(raised):
        lowered.append(min(height, lowered[-1] - APART if lowered else DOWN))
    return lowered[::-1]


def _short(number: float, decimals: int = 2) -> str:
    return f"{number:.{decimals}f}".rstrip("0").rstrip(".")
