"""A chart as SVG within a page: curves with bands, axes, and in words what it shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nnexp.analysis.averages import Average
from nnexp.report.markup import Markup, tag

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 54, 24, 10, 44
ACROSS, DOWN = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
POINTS = 3000
"""Of all curves of a chart together, so that a page of many long runs stays small."""
MOST, LEAST = 400, 100
"""Of one curve: no screen shows more, and fewer would not be one."""
TICKS = 8
EXACT = 3
"""Decimals of a point's height: a page's script reads the curves' numbers off them again."""
APART = 13
"""Between two letters at the curves' ends, so that both can be read."""


class Curve(NamedTuple):
    """What is drawn as one line, with a band of one standard deviation."""

    letter: str
    """Its experiment's."""
    place: int
    """Its experiment's: what its colour is."""
    split: str
    """What its line style stands for."""
    points: Average


class Scale(NamedTuple):
    """What a stretch of numbers is on paper."""

    low: float
    high: float
    room: float

    def at(self, value: float) -> float:
        """Return where a number is."""
        return (value - self.low) / (self.high - self.low) * self.room


def chart(title: str, unit: str, curves: Sequence[Curve], points: int = POINTS) -> Markup:
    """Return a figure of curves against epochs.

    Args:
        title: what the vertical axis shows.
        unit: of its numbers; empty for none.
        curves: at least one, each with a point.
        points: what all of them may be drawn by; long ones are thinned.
    """
    across = _epochs(curves)
    down = _values(curves)
    most = max(LEAST, min(MOST, points // len(curves)))
    plot = tag(
        "svg",
        *(_band(curve, across, down, most // 2) for curve in curves if any(curve.points.sd)),
        *(_line(curve, unit, across, down, most) for curve in curves),
        class_="plot",
        x=str(LEFT),
        y=str(TOP),
        width=str(ACROSS),
        height=str(DOWN),
        viewBox=f"0 0 {ACROSS} {DOWN}",
        preserveAspectRatio="none",
    )
    name = f"{title} in {unit}" if unit else title
    drawing = tag(
        "svg",
        _ticks(across, down),
        tag("text", "epoch", class_="name", x=_short(LEFT + ACROSS / 2), y=str(HEIGHT - 6)),
        plot,
        _letters(curves, down),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{name} against epochs. {described(curves, unit)}",
        data_x=f"{across.low:g} {across.high:g}",
        data_y=f"{down.low:.8g} {down.high:.8g}",
        data_unit=unit,
    )
    return tag("figure", tag("figcaption", name), drawing, class_="chart")


def described(curves: Sequence[Curve], unit: str) -> str:
    """Return where each curve begins and ends, in words."""
    return " ".join(f"{_described(curve, unit)}." for curve in curves)


def _described(curve: Curve, unit: str) -> str:
    epochs, mean, _ = curve.points
    name = f"{curve.letter} {curve.split}".rstrip()
    first = f"{name}: {_number(mean[0], unit)} at epoch {epochs[0]}"
    if len(mean) == 1:
        return first
    return f"{first}, {_number(mean[-1], unit)} at epoch {epochs[-1]}"


def _number(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit else f"{value:.4g}"


def _epochs(curves: Sequence[Curve]) -> Scale:
    first = min(curve.points.epochs[0] for curve in curves)
    last = max(curve.points.epochs[-1] for curve in curves)
    return Scale(first, last if last > first else first + 1, ACROSS)


def _values(curves: Sequence[Curve]) -> Scale:
    """Return a vertical scale on which all curves and bands have a little air."""
    ends = [
        end
        for curve in curves
        for mean, sd in zip(curve.points.mean, curve.points.sd, strict=True)
        for end in (mean - sd, mean + sd)
    ]
    low, high = min(ends), max(ends)
    air = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    floor = 0.0 if low >= 0 else -math.inf  # nothing here is negative that was not recorded so
    return Scale(max(floor, low - air), high + air, DOWN)


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers within a stretch, at most nine."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * by for by in (1, 2, 5, 10) if power * by >= rough)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _ticks(across: Scale, down: Scale) -> Markup:
    marks = []
    for epoch in (each for each in ticks(across.low, across.high) if each == int(each)):
        x = _short(LEFT + across.at(epoch))
        marks.append(tag("line", x1=x, x2=x, y1=str(TOP), y2=str(TOP + DOWN)))
        marks.append(tag("text", f"{epoch:g}", class_="x", x=x, y=str(TOP + DOWN + 16)))
    for value in ticks(down.low, down.high):
        y = TOP + DOWN - down.at(value)
        left, right = str(LEFT), str(LEFT + ACROSS)
        marks.append(tag("line", x1=left, x2=right, y1=_short(y), y2=_short(y)))
        marks.append(tag("text", f"{value:.6g}", class_="y", x=str(LEFT - 7), y=_short(y + 4)))
    return tag("g", *marks, class_="ticks")


def _line(curve: Curve, unit: str, across: Scale, down: Scale, most: int) -> Markup:
    epochs, mean, _ = curve.points
    places = list(thinned(mean, most))
    if len(places) == 1:
        places *= 2  # a line of no length is drawn as a dot
    points = " ".join(
        f"{_short(across.at(epochs[place]))},{_short(DOWN - down.at(mean[place]), EXACT)}"
        for place in places
    )
    return tag(
        "polyline",
        tag("title", _described(curve, unit)),
        class_=f"e{curve.place} {curve.split}{' dot' if len(mean) == 1 else ''}",
        data_name=f"{curve.letter} {curve.split}".rstrip(),
        points=points,
    )


def _band(curve: Curve, across: Scale, down: Scale, most: int) -> Markup:
    epochs, mean, sd = curve.points
    places = list(thinned(mean, most))
    edges = [(place, mean[place] + sd[place]) for place in places]
    edges += [(place, mean[place] - sd[place]) for place in reversed(places)]
    points = " ".join(
        f"{across.at(epochs[place]):.1f},{DOWN - down.at(value):.1f}" for place, value in edges
    )
    return tag("polygon", class_=f"e{curve.place}", points=points)


def thinned(values: Sequence[float], most: int) -> Iterator[int]:
    """Yield the places of values to draw: of a long curve each stretch's lowest and highest.

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


def _letters(curves: Sequence[Curve], down: Scale) -> Markup:
    """Return each experiment's letter at the end of its last curve, one clear of another."""
    ends = {curve.letter: down.at(curve.points.mean[-1]) for curve in curves}
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
    """Return rising heights so that there is room between any two, and none is over the top."""
    raised: list[float] = []
    for height in heights:
        raised.append(max(height, raised[-1] + APART) if raised else height)
    lowered: list[float] = []
    for height in reversed(raised):
        lowered.append(min(height, lowered[-1] - APART if lowered else DOWN))
    return lowered[::-1]


def _short(number: float, decimals: int = 2) -> str:
    return f"{number:.{decimals}f}".rstrip("0").rstrip(".")
