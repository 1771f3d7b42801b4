"""A decision with all that it rests on, ready to be read, checked and argued with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from nnexp.errors import NnexpError
from nnexp.report.figure import Axis, Figure, Line, Panel, Points

BY_EPOCH, ACCURACY = Axis("epoch", whole=True), Axis("accuracy", "%")
MANY = 30
"""Points of a curve from which on they are not marked one by one."""
SIZE = 8.0, 4.0
"""Inches of a decision's figure."""


class Decision(NamedTuple):
    """What was decided, by which rule, and what else there was."""

    stage: int
    name: str
    """Of the part of the protocol, as ``--only`` has it."""
    heading: str
    answer: str
    """One sentence: what was chosen and why."""
    rule: str
    """Empty where none was applied."""
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The alternatives and their numbers."""
    left: int = 1
    """Columns of words, the first ones."""
    picture: Figure | None = None
    notes: Sequence[str] = ()
    chose: tuple[tuple[str, Any], ...] = ()
    """The config's keys that it settles, with their values."""


class NothingFoundError(NnexpError):
    """A stage finds nothing; what it tried is a section like any other."""

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.decision = decision


def skipped(stage: int, name: str, heading: str, why: str) -> Decision:
    """Return the section of a stage that is not gone through."""
    return Decision(stage, name, heading, f"Skipped: {why}.", "", (), ())


def curve(label: str, x: Sequence[float], y: Sequence[float], chosen: str = "") -> Line:
    """Return a line of a decision's figure.

    Args:
        label: for the legend.
        x: of each point.
        y: of each point; points that are not finite are left out.
        chosen: the legend's word for the curve of the chosen value, such as "threshold".
    """
    points = [(left, up) for left, up in zip(x, y, strict=True) if math.isfinite(up)]
    return Line(
        f"{label} ({chosen})" if chosen else label,
        [left for left, _ in points],
        [up for _, up in points],
        dots=len(points) <= MANY,
        bold=bool(chosen),
    )


def picture(title: str, x: Axis, y: Axis, marks: Sequence[Line | Points]) -> Figure:
    """Return a decision's figure: each mark in its colour, with a legend if there are several."""
    drawn = [mark._replace(colour=place) for place, mark in enumerate(marks)]
    if len(drawn) == 1:
        drawn = [drawn[0]._replace(label="")]
    return Figure([Panel(drawn, x, y)], title, size=SIZE, across=1, legend_at="right")


def duration(seconds: float) -> str:
    """Return a time as tables have it, short ones in milliseconds."""
    if seconds < 0.9995:  # noqa: PLR2004 - a second, as rounded
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:,.0f} s"  # noqa: PLR2004 - likewise


def number(value: float) -> str:
    """Return a number as tables have it: no more digits than say something."""
    return f"{value:.4g}"
