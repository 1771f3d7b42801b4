"""A decision of tuning with its evidence: rule, alternatives, numbers and figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from nnexp.errors import NnexpError
from nnexp.report.figure import Axis, Figure, Line, Panel, Points

BY_EPOCH, ACCURACY = Axis("epoch", whole=True), Axis("accuracy", "%")
MANY = 30
"""Maximum points of a curve that are marked individually."""
SIZE = 8.0, 4.0
"""Width and height of a decision's figure, in inches."""


class Decision(NamedTuple):
    """A decision, its rule and its alternatives."""

    stage: int
    name: str
    """The name of the part of the protocol, as in ``--only``."""
    heading: str
    answer: str
    """The choice and its reason, in one sentence."""
    rule: str
    """Empty if none was applied."""
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The alternatives as text."""
    left: int = 1
    """Number of leading columns that contain text."""
    picture: Figure | None = None
    notes: Sequence[str] = ()
    chose: tuple[tuple[str, Any], ...] = ()
    """The config's keys that it determines, with their values."""
    alternatives: Sequence[Struct] = ()
    """What the rows show, as values for JSON."""


class NothingFoundError(NnexpError):
    """A stage failed to decide; its trials are documented like those of other decisions."""

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.decision = decision


def skipped(stage: int, name: str, heading: str, why: str) -> Decision:
    """Return the decision of a stage that is skipped."""
    return Decision(stage, name, heading, f"Skipped: {why}.", "", (), ())


def curve(label: str, x: Sequence[float], y: Sequence[float], chosen: str = "") -> Line:
    """Return a line of a decision's figure.

    Args:
        label: for the legend.
        x: of each point.
        y: of each point; points that are not finite are left out.
        chosen: the legend's word for the curve of the chosen value, such as "threshold".
    """
    points = [(across, up) for across, up in zip(x, y, strict=True) if math.isfinite(up)]
    return Line(
        f"{label} ({chosen})" if chosen else label,
        [across for across, _ in points],
        [up for _, up in points],
        dots=len(points) <= MANY,
        bold=bool(chosen),
    )


def picture(title: str, x: Axis, y: Axis, marks: Sequence[Line | Points]) -> Figure:
    """Return a decision's figure: each mark in its colour, with a legend if there are several."""
    drawn = [mark._replace(colour=index) for index, mark in enumerate(marks)]
    if len(drawn) == 1:
        drawn = [drawn[0]._replace(label="")]
    return Figure([Panel(drawn, x, y)], title, size=SIZE, across=1, legend_at="right")


def duration(seconds: float) -> str:
    """Format a time for a table, short ones in milliseconds."""
    if seconds < 0.9995:  # noqa: PLR2004 - a second, as rounded
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:,.0f} s"  # noqa: PLR2004 - likewise


def number(value: float) -> str:
    """Format a number for a table, with four significant digits."""
    return f"{value:.4g}"
