"""A decision with all that it rests on, ready to be read, checked and argued with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nnexp.errors import NnexpError


class Curve(NamedTuple):
    """A line of a picture."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    chosen: bool = False
    line: bool = True
    """Its points are joined."""


class Picture(NamedTuple):
    """What a decision rests on, to be drawn."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    log_x: bool = False
    log_y: bool = False
    mark: str = "chosen"
    """What the legend says of the curve in front."""


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
    picture: Picture | None = None
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


def duration(seconds: float) -> str:
    """Return a time as tables have it, short ones in milliseconds."""
    if seconds < 0.9995:  # noqa: PLR2004 - a second, as rounded
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:,.0f} s"  # noqa: PLR2004 - likewise


def number(value: float) -> str:
    """Return a number as tables have it: no more digits than say something."""
    return f"{value:.4g}"
