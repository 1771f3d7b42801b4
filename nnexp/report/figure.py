"""A figure as a value: panels in a grid, each with two axes and marks.

Builders beside each subject make figures from results. Three renderers draw them: ``renderer``
through matplotlib (PNG, SVG, PDF), ``braille`` in the terminal and ``charts`` in an HTML page.
All of them take the palettes below and the rule for per cent from here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from nnexp import paths
from nnexp.errors import DiskError, UsageError

FORMATS = (".png", ".svg", ".pdf")

LIGHT = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#4999c6", "#c48700", "#000000"),
    *("#00456b", "#8a3d00", "#005c43", "#8c3f6b", "#26678f", "#7a5400", "#6f6f6f"),
)
"""Colours of series on white, with a contrast of at least 3.

The first seven are the colours of Okabe and Ito (2008), which people with any colour vision can
tell apart; sky blue and orange are darkened. The other seven are darker shades of the same hues.
"""
DARK = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#c9ccd3"),
    *("#8fc7ec", "#ffa563", "#66d9b5", "#efb8d6", "#b9dff7", "#ffd27a", "#8f949e"),
)
"""Colours of the same series on a dark page: grey instead of black, and lighter shades."""
HUES = 7
"""Number of colours in a palette before hues repeat."""
GREY, PALE = "#4d4d4d", "#e0e0e0"
"""Colours of marks that belong to no series, and of backgrounds."""

Colour: TypeAlias = int | str
"""A series' index in the palette, or a fixed colour as #rrggbb."""
ScaleName: TypeAlias = Literal["linear", "log", "symlog"]
Style: TypeAlias = Literal["-", "--", ":"]
Sign: TypeAlias = Literal["o", "D", "x", "+"]
Colormap: TypeAlias = Literal["grey", "weights"]
"""From white to black; or from blue below zero over white to orange above zero."""


class Axis(NamedTuple):
    """The label, unit, scale and limits of an axis."""

    label: str = ""
    unit: str = ""
    """With "%", the numbers of a vertical axis or a colour bar are fractions, shown times 100."""
    scale: ScaleName = "linear"
    linear_up_to: float = 1.0
    """The number up to which a symlog scale is linear."""
    limits: tuple[float, float] | None = None
    """None to include all marks."""
    names: Sequence[str] = ()
    """Labels at 0, 1, 2, … of a categorical axis."""
    whole: bool = False
    """Whether only whole numbers are labelled."""

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} in {self.unit}" if self.unit and self.label else self.label

    def shown(self, values: Sequence[float]) -> list[float]:
        """Return numbers in the unit of the axis."""
        return [100 * value for value in values] if self.unit == "%" else list(values)


class Line(NamedTuple):
    """Points joined by a line; a single point is a dot."""

    label: str
    x: Sequence[float] = ()
    y: Sequence[float] = ()
    colour: Colour = 0
    style: Style = "-"
    spread: Sequence[float] = ()
    """Half the height of the band around each point; empty for none."""
    end: str = ""
    """A letter at the last point, in the terminal and in pages."""
    dots: bool = False
    """Whether each point is marked."""
    bold: bool = False
    """Whether the line is thick and in front of the others."""


class Points(NamedTuple):
    """Points with error bars, joined or not."""

    label: str
    x: Sequence[float]
    y: Sequence[float] = ()
    """Empty for points at the bottom of the panel."""
    spread: Sequence[float] = ()
    """Half the length of each error bar; empty for none."""
    colour: Colour = 0
    sign: Sign = "o"
    size: float = 5.0
    filled: bool = True
    faint: bool = False
    joined: bool = False


class Shades(NamedTuple):
    """Points whose colours show a third number."""

    x: Sequence[float]
    y: Sequence[float]
    values: Sequence[float]
    bar: Axis
    """Axis of the colour bar."""


class Cell(NamedTuple):
    """A cell of a heat map."""

    value: float | None
    text: str = ""
    kind: str = ""
    """Legend entry of a framed cell or, without a value, of a hatched one."""


class Cells(NamedTuple):
    """A heat map; its first row is at the bottom."""

    rows: Sequence[Sequence[Cell]]
    bar: Axis
    """Axis of the colour bar."""
    hatches: Mapping[str, str]
    """The hatch of each kind of cell without a value."""


class Bars(NamedTuple):
    """A filled histogram."""

    label: str
    edges: Sequence[float]
    heights: Sequence[float]
    colour: Colour = 0


class Spans(NamedTuple):
    """Intervals of the horizontal axis that are shaded."""

    label: str
    stretches: Sequence[tuple[float, float]]


class Image(NamedTuple):
    """Numbers as pixels, the first row at the top; nan is transparent."""

    rows: Sequence[Sequence[float]]
    colours: Colormap = "grey"
    limits: tuple[float, float] | None = None
    """The numbers of the first and the last colour; None for the minimum and maximum."""


Mark: TypeAlias = Line | Points | Shades | Cells | Bars | Spans | Image


class Panel(NamedTuple):
    """One coordinate system and the marks in it, the first ones at the back."""

    marks: Sequence[Mark]
    x: Axis = Axis()
    y: Axis = Axis()
    title: str = ""
    note: str = ""
    """Text in the upper right corner."""
    legend: Sequence[Line] = ()
    """Whether the panel has its own legend."""


class Figure(NamedTuple):
    """Panels in a grid."""

    panels: Sequence[Panel]
    title: str = ""
    size: tuple[float, float] = (5.5, 3.6)
    """Width and height of a panel, in inches."""
    across: int = 2
    """Number of panels in a row."""
    shares_y: bool = False
    """Whether all panels share one vertical axis."""
    legend: Sequence[Line] = ()
    """Legend entries that replace the labels of the marks."""
    legend_at: Literal["below", "right"] = "below"
    legend_columns: int = 2

    @property
    def series(self) -> int:
        """The number of series with different colours."""
        marks: list[Mark] = list(self.legend)
        marks += [mark for panel in self.panels for mark in panel.marks]
        coloured = [mark for mark in marks if isinstance(mark, Line | Points | Bars)]
        indices = [mark.colour for mark in coloured if isinstance(mark.colour, int)]
        return 1 + max(indices, default=-1)


def check_format(path: Path) -> None:
    """Check that a file's suffix is a picture format.

    Raises:
        UsageError: it is none.
    """
    if path.suffix not in FORMATS:
        raise UsageError(f"{path}: a picture's name ends in {', '.join(FORMATS)}")


def check_target(path: Path) -> None:
    """Check that a picture can be written, before the work for it is done.

    Raises:
        UsageError: its ending is no format.
        DiskError: its folder is not there, or it may not be written.
    """
    check_format(path)
    if not paths.is_folder(path.parent):
        raise DiskError(f"{path}: {paths.no_folder(path.parent)}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise DiskError(f"{path}: may not be written")
