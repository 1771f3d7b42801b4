"""The pictures that decisions rest on: curves, those of what was chosen in front."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.errors import printable
from nnexp.report.curves import check_format, colours
from nnexp.store import disk
from nnexp.tune.decision import Curve, Picture

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

SKIN = {
    "light": {"text": "#1b1d22", "page": "#ffffff", "grid": "#d9dce2"},
    "dark": {"text": "#e6e8ec", "page": "#15171c", "grid": "#3a404b"},
}
"""What a picture takes from the page it is on."""
WIDE = 24
"""Characters of a label for which there is no room beside the picture."""
BESIDE: dict[str, Any] = {"loc": "outside right upper"}
MANY = 30
"""Points of a curve from which on they are not marked one by one."""
FRONT, BACK = 2.6, 1.3
"""How thick the chosen curve is, and another."""


def plot(path: Path, picture: Picture) -> None:
    """Draw a picture into a file, whose ending says the format.

    Raises:
        UsageError: the ending is not a format of pictures.
        DiskError: it cannot be written.
    """
    check_format(path)
    with disk.errors(path):
        _figure(picture, "light").savefig(path, dpi=150)


def svg(picture: Picture, skin: str = "light") -> bytes:
    """Return a picture as SVG: for a light page or a dark one, the same bytes each time."""
    from matplotlib import rc_context  # noqa: PLC0415 - slow to import

    content = io.BytesIO()
    # The same bytes for the same picture, and text that is text.
    with rc_context({"svg.hashsalt": "nnexp", "svg.fonttype": "none"}):
        figure = _figure(picture, skin)
        figure.savefig(content, format="svg", metadata={"Date": None}, transparent=True)
    return content.getvalue()


def _figure(picture: Picture, skin: str) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    text, grid = SKIN[skin]["text"], SKIN[skin]["grid"]
    drawing = Figure(figsize=(8, 4.2), layout="constrained", facecolor=SKIN[skin]["page"])
    axes = drawing.subplots()
    axes.set_facecolor(SKIN[skin]["page"])
    axes.set_title(printable(picture.title), color=text, fontsize=11, loc="left")
    axes.set_xlabel(picture.x, color=text)
    axes.set_ylabel(picture.y, color=text)
    if picture.log_x:
        axes.set_xscale("log")
        _label_plainly(axes.xaxis)
    if picture.log_y:
        axes.set_yscale("log")
        _label_plainly(axes.yaxis)
    if picture.x == "epoch":
        axes.locator_params(axis="x", integer=True)
    axes.tick_params(which="both", colors=text)
    axes.grid(color=grid, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(text)
    shades = colours(len(picture.curves))
    for curve, shade in zip(picture.curves, shades, strict=True):
        _draw(axes, curve, text if shade == "#000000" else shade, picture.mark)
    if len(picture.curves) > 1:
        widest = max(len(curve.label) for curve in picture.curves)
        place: dict[str, Any] = (
            {"loc": "outside lower center", "ncols": 2} if widest > WIDE else BESIDE
        )
        drawing.legend(**place, frameon=False, labelcolor=text, fontsize=9)
    return drawing


def _label_plainly(axis: Axis) -> None:
    """Label a logarithmic axis with numbers such as 0.3, where matplotlib has powers of ten."""
    from matplotlib.ticker import LogFormatter  # noqa: PLC0415 - slow to import

    class Plain(LogFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:g}" if super().__call__(x, pos) else ""  # that leaves out what is too close

    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(Plain())


def _draw(axes: Any, curve: Curve, colour: str, mark: str) -> None:  # noqa: ANN401 - matplotlib's own
    points = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(y)]
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        _style(curve),
        markersize=(9 if len(curve.x) == 1 else 4) if curve.chosen else 2.5,
        linewidth=FRONT if curve.chosen else BACK,
        color=colour,
        zorder=3 if curve.chosen else 2,
        label=f"{printable(curve.label)}{f' ({mark})' if curve.chosen else ''}",
    )


def _style(curve: Curve) -> str:
    if not curve.line:
        return "o"
    return "-" if len(curve.x) > MANY else "-o"
