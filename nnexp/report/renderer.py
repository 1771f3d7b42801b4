"""Draw figures with matplotlib: as a PNG, SVG or PDF file, or as the SVG of a page.

Nothing else imports matplotlib, which is slow to import: commands import this module when there
is something to draw.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.axis import Axis as DrawnAxis
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_hex
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogFormatter, MaxNLocator
from PIL import Image as Picture

from nnexp.errors import printable
from nnexp.report.figure import (
    GREY,
    HUES,
    LIGHT,
    PALE,
    Axis,
    Bars,
    Cells,
    Colour,
    Figure,
    Image,
    Line,
    Mark,
    Panel,
    Points,
    Shades,
    Spans,
    check_format,
)
from nnexp.store import disk

DOTS_PER_INCH = 150
LETTERS = 10
"""Maximum characters per inch of labels on a horizontal axis; longer labels are slanted."""
LEGEND_LETTERS = 24
"""Maximum length of a label to the right of the panels."""
BAND = 0.18
"""Opacity of a band; overlapping bands remain visible."""
DARK_PART = 0.6
"""Fraction of viridis below which text on it is white."""
WIDE_MAP = 8
"""Number of columns from which on the text of a heat map is small."""
STOPS = ((0, 46, 99), (38, 132, 193), (248, 248, 248), (232, 128, 40), (122, 42, 0))
WEIGHTS = LinearSegmentedColormap.from_list(
    "weights", [tuple(channel / 255 for channel in stop) for stop in STOPS], N=21
).with_extremes(bad=(0, 0, 0, 0))
"""Ten colours on each side of zero, chosen for all kinds of colour vision."""
COLORMAPS = {"grey": colormaps["gray_r"], "weights": WEIGHTS}


DEFAULTS: dict[Any, Any] = {
    key: value for key, value in rcParamsDefault.items() if not key.startswith("backend")
}
"""matplotlib's own settings, since the process may have the user's; files need no backend."""


def save(figure: Figure, path: Path) -> None:
    """Draw a figure into a file, in the format of its suffix.

    Raises:
        UsageError: the suffix is not a format of pictures.
        CorruptError: a link, a pipe, a device or a folder is at path.
        DiskError: the file cannot be written.
    """
    check_format(path)
    content = io.BytesIO()
    with rc_context(DEFAULTS):
        drawing(figure).savefig(content, format=path.suffix[1:], dpi=DOTS_PER_INCH)
    disk.publish(path, content.getvalue())


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG on white, always with the same bytes; text is not outlined."""
    content = io.BytesIO()
    with rc_context({**DEFAULTS, "svg.hashsalt": "nnexp", "svg.fonttype": "none"}):
        drawing(figure).savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def png(pixels: Image) -> bytes:
    """Return an image as PNG, one pixel per number, always with the same bytes."""
    content, rows = io.BytesIO(), np.asarray(pixels.rows)
    scale = Normalize(*(pixels.limits or (None, None)))
    shown = COLORMAPS[pixels.colours](scale(rows), bytes=True)
    palette, indices = np.unique(shown.reshape(-1, 4), axis=0, return_inverse=True)
    picture = Picture.fromarray(indices.reshape(rows.shape).astype(np.uint8))
    picture.putpalette(palette.tobytes(), "RGBA")  # a third of the size of four channels
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()


def drawing(figure: Figure) -> Drawing:
    """Return a figure as matplotlib draws it."""
    across = min(figure.across, len(figure.panels))
    down = -(-len(figure.panels) // across)
    width, height = figure.size
    titles, rows = figure.title.count("\n") + bool(figure.title), _legend_rows(figure)
    size = (width * across, height * down + 0.2 * (titles + rows))
    drawn = Drawing(figsize=size, layout="constrained")
    grid = drawn.subplots(down, across, sharey=figure.shares_y, squeeze=False)
    colours = _colours(figure.series)
    for axes, panel in zip(grid.flat, figure.panels, strict=False):
        _panel(axes, panel, colours, figure.size[0])
    for axes in grid.flat[len(figure.panels) :]:
        axes.set_visible(False)
    if figure.title:
        drawn.suptitle(literal(figure.title), fontsize=10)
    _legend(drawn, figure, colours)
    return drawn


def literal(text: str) -> str:
    """Escape text for matplotlib, which renders text between two $ as a formula."""
    return "\n".join(printable(line) for line in text.split("\n")).replace("$", r"\$")


Colours = Callable[[Colour], str]


def _colours(series: int) -> Colours:
    """Return a function from series to colours; more than seven differ in lightness."""
    viridis = colormaps["viridis"]

    def colour(of: Colour) -> str:
        if isinstance(of, str):
            return of
        return LIGHT[of] if series <= HUES else to_hex(viridis(of / series))

    return colour


def _panel(axes: Axes, panel: Panel, colours: Colours, width: float) -> None:
    _scale(axes.xaxis, axes.set_xscale, panel.x)
    _scale(axes.yaxis, axes.set_yscale, panel.y)
    for mark in panel.marks:
        DRAW[type(mark)](axes, mark, panel, colours)
    if panel.x.limits is not None:
        axes.set_xlim(panel.x.limits)
    if panel.y.limits is not None:
        axes.set_ylim(panel.y.limits)
    lengths = [max(map(len, name.split("\n"))) for name in panel.x.names]
    if sum(lengths) > LETTERS * width:
        axes.tick_params(axis="x", labelrotation=45)
    axes.set_xlabel(literal(panel.x.title))
    axes.set_ylabel(literal(panel.y.title))
    if panel.title:
        axes.set_title(literal(panel.title), fontsize=10)
    if panel.note:
        where = {"transform": axes.transAxes, "ha": "right", "va": "top"}
        axes.text(0.98, 0.95, literal(panel.note), **where, fontsize=9)  # type: ignore[arg-type]
    if panel.legend:
        axes.legend(handles=[_entry(line, colours) for line in panel.legend], frameon=False)
    kinds = {type(mark) for mark in panel.marks}
    if Image in kinds:
        axes.set_axis_off()
    elif Cells not in kinds:
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)


def _scale(axis: DrawnAxis, set_scale: Callable[..., None], spec: Axis) -> None:
    if spec.scale == "symlog":
        set_scale("symlog", linthresh=spec.linear_up_to)
    elif spec.scale == "log":
        set_scale("log")
        axis.set_major_formatter(PlainLogFormatter())
        axis.set_minor_formatter(PlainLogFormatter())
    elif spec.names:
        axis.set_ticks(range(len(spec.names)), [literal(name) for name in spec.names])
    elif spec.whole:
        axis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))


class PlainLogFormatter(LogFormatter):
    """Label a logarithmic axis with numbers such as 0.3 instead of powers of ten."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return a number's label; empty if it would overlap another."""
        return f"{x:g}" if super().__call__(x, pos) else ""


def _line(axes: Axes, line: Line, panel: Panel, colours: Colours) -> None:
    y, colour = panel.y.shown(line.y), colours(line.colour)
    is_dot = len(line.x) == 1
    axes.plot(
        line.x,
        y,
        line.style,
        marker="o" if line.dots or is_dot else "",
        markersize=(9 if line.bold else 5) if is_dot else (4 if line.bold else 2.5),
        linewidth=2.6 if line.bold else 1.3,
        color=colour,
        zorder=3 if line.bold else 2,
        label=literal(line.label),
    )
    if any(line.spread):
        spread = panel.y.shown(line.spread)
        low = [middle - half for middle, half in zip(y, spread, strict=True)]
        high = [middle + half for middle, half in zip(y, spread, strict=True)]
        axes.fill_between(line.x, low, high, color=colour, alpha=BAND, linewidth=0)


def _points(axes: Axes, points: Points, panel: Panel, colours: Colours) -> None:
    colour = colours(points.colour)
    look: dict[str, Any] = {
        "color": colour,
        "marker": points.sign,
        "markersize": points.size,
        "markerfacecolor": colour if points.filled else "none",
        "label": literal(points.label),
        "zorder": 2 if points.faint else 3,
    }
    if not points.y:  # y in shares of the panel's height
        foot = axes.get_xaxis_transform()
        where: dict[str, Any] = {"transform": foot, "clip_on": False, "linestyle": ""}
        axes.plot(points.x, [0.03] * len(points.x), **look, **where)
        return
    axes.errorbar(
        points.x,
        panel.y.shown(points.y),
        panel.y.shown(points.spread) if any(points.spread) else None,
        **look,
        linestyle="-" if points.joined else "",
        linewidth=1.3,
        elinewidth=0.8,
        capsize=3,
        alpha=0.4 if points.faint else None,
    )


def _shades(axes: Axes, shades: Shades, panel: Panel, colours: Colours) -> None:
    del panel, colours
    shown = axes.scatter(
        shades.x,
        shades.y,
        c=shades.bar.shown(shades.values),
        cmap="viridis",
        edgecolors="black",
        linewidths=0.4,
        zorder=3,
    )
    axes.get_figure().colorbar(shown, ax=axes, label=literal(shades.bar.title))  # type: ignore[union-attr]


def _cells(axes: Axes, cells: Cells, panel: Panel, colours: Colours) -> None:
    del panel
    rows = [[math.nan if c.value is None else c.value for c in row] for row in cells.rows]
    values = [value for row in rows for value in row if not math.isnan(value)]
    middle = min(values) + DARK_PART * (max(values) - min(values))
    columns = len(rows[0])
    labelled: set[str] = set()
    for y, x in product(range(len(rows)), range(columns)):
        cell = cells.rows[y][x]
        if cell.value is not None:
            colour = "white" if cell.value < middle else "black"  # viridis is dark where it is low
            look = {"ha": "center", "va": "center", "color": colour}
            size = 9 if columns <= WIDE_MAP else 6
            axes.text(x, y, cell.text, **look, fontsize=size)  # type: ignore[arg-type]
        if cell.kind:
            label = (
                literal(cell.kind) if cell.kind not in labelled else "_again"
            )  # not in the legend
            labelled.add(cell.kind)
            hatch = cells.hatches[cell.kind] if cell.value is None else None
            axes.add_patch(_box(x, y, hatch, label, colours(1)))
    shown = axes.imshow(
        np.array([cells.bar.shown(row) for row in rows]),
        cmap="viridis",
        aspect="auto",
        origin="lower",
    )
    axes.get_figure().colorbar(shown, ax=axes, label=literal(cells.bar.title))  # type: ignore[union-attr]


def _box(x: int, y: int, hatch: str | None, label: str, frame: str) -> Rectangle:
    """Return the frame of a cell or, with a hatch, its area."""
    half = 0.47 if hatch is None else 0.5
    look: dict[str, Any] = {"linewidth": 2.5, "edgecolor": frame}
    if hatch is not None:
        look = {"linewidth": 0, "edgecolor": GREY, "hatch": hatch}
    return Rectangle((x - half, y - half), 2 * half, 2 * half, fill=False, label=label, **look)


def _bars(axes: Axes, bars: Bars, panel: Panel, colours: Colours) -> None:
    del panel
    look: dict[str, Any] = {"fill": True, "alpha": 0.55, "label": literal(bars.label)}
    axes.stairs(bars.heights, bars.edges, color=colours(bars.colour), **look)


def _spans(axes: Axes, spans: Spans, panel: Panel, colours: Colours) -> None:
    del panel, colours
    for index, (low, high) in enumerate(spans.stretches):
        label = "_again" if index else literal(spans.label)
        axes.axvspan(low, high, color=PALE, linewidth=0, zorder=0, label=label)


def _image(axes: Axes, pixels: Image, panel: Panel, colours: Colours) -> None:
    del panel, colours
    low, high = pixels.limits or (None, None)
    rows, cmap = np.asarray(pixels.rows), COLORMAPS[pixels.colours]
    axes.imshow(rows, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")


def _entry(line: Line, colours: Colours) -> Line2D:
    """Return a line as an entry of a legend."""
    look: dict[str, Any] = {"color": colours(line.colour), "linestyle": line.style}
    return Line2D([], [], label=literal(line.label), **look)


def _labels(figure: Figure) -> list[str]:
    """Return the labels of a legend, in the order of the marks."""
    marks: list[Mark] = list(figure.legend)
    marks = marks or [mark for panel in figure.panels for mark in panel.marks]
    labelled = [m.label for m in marks if isinstance(m, Line | Points | Bars | Spans)]
    maps = [mark for mark in marks if isinstance(mark, Cells)]
    cells = [cell for grid in maps for row in grid.rows for cell in row]
    cells.sort(key=lambda cell: cell.value is None)  # frames, then hatches
    kinds = [cell.kind for cell in cells]
    return [label for label in dict.fromkeys([*labelled, *kinds]) if label]


def _is_right(figure: Figure, labels: Sequence[str]) -> bool:
    return figure.legend_at == "right" and max(map(len, labels)) <= LEGEND_LETTERS


def _legend_rows(figure: Figure) -> int:
    """Return the lines of a legend below the panels."""
    labels = _labels(figure)
    if not labels or _is_right(figure, labels):
        return 0
    return -(-len(labels) // figure.legend_columns)


def _legend(drawn: Drawing, figure: Figure, colours: Colours) -> None:
    labels = _labels(figure)
    if not labels:
        return
    handles: dict[str, Any] = {}
    for axes in drawn.axes:
        known, names = axes.get_legend_handles_labels()
        handles |= dict(zip(names, known, strict=True))
    handles |= {literal(line.label): _entry(line, colours) for line in figure.legend}
    shown = [label for label in map(literal, labels) if label in handles]
    is_map = any(isinstance(mark, Cells) for panel in figure.panels for mark in panel.marks)
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": figure.legend_columns}
    if _is_right(figure, labels):
        where = {"loc": "outside right upper"}
    drawn.legend(
        [handles[label] for label in shown],
        shown,
        **where,
        frameon=False,
        fontsize=9,
        handlelength=3 if is_map else 2,  # so that hatches are seen
        handleheight=1.5 if is_map else 0.7,
    )


DRAW: Mapping[type, Callable[..., None]] = {
    Line: _line,
    Points: _points,
    Shades: _shades,
    Cells: _cells,
    Bars: _bars,
    Spans: _spans,
    Image: _image,
}
