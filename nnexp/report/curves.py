"""Curves as a picture: cost and accuracy against epochs, means with a band over seeds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from nnexp.analysis.averages import average
from nnexp.errors import DiskError, UsageError, printable
from nnexp.store import disk

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnexp.training.history import Row

# Okabe and Ito's colours, which people with any colour vision can tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
STYLES: dict[str, Literal[":", "-", "--"]] = {"train": ":", "validation": "-", "test": "--"}
FORMATS = (".png", ".svg", ".pdf")
BAND = 0.18
"""The opacity of a band: several on top of each other stay apart."""


class Line(NamedTuple):
    """An experiment to draw: what the legend calls it, and the rows of each of its runs."""

    label: str
    histories: Sequence[Sequence[Row]]


def check_format(path: Path) -> None:
    """Refuse a file whose ending is not a format of pictures.

    Raises:
        UsageError: it is none.
    """
    if path.suffix not in FORMATS:
        raise UsageError(f"{path}: a picture's name ends in {', '.join(FORMATS)}")


def check_target(path: Path) -> None:
    """Refuse a picture that could not be written, before there is work for it.

    Raises:
        UsageError: its ending is no format.
        DiskError: its folder is not there, or it may not be written.
    """
    check_format(path)
    if not path.parent.is_dir():
        raise DiskError(f"{path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise DiskError(f"{path}: may not be written")


def colours(count: int) -> list[str]:
    """Return colours that any colour vision can tell apart; more than seven by lightness."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    from matplotlib import colormaps  # noqa: PLC0415 - slow to import
    from matplotlib.colors import to_hex  # noqa: PLC0415 - likewise

    return [to_hex(colormaps["viridis"](place / count)) for place in range(count)]


def plot(path: Path, lines: Sequence[Line]) -> None:
    """Draw curves into a file, whose ending says the format.

    Args:
        path: where the picture goes.
        lines: one colour each, one line style a split; a band is one standard deviation between
            seeds to either side of their mean.

    Raises:
        UsageError: the ending is not a format of pictures.
        DiskError: the picture cannot be written.
    """
    check_format(path)
    with disk.errors(path):
        figure(lines).savefig(path, dpi=150)


def figure(lines: Sequence[Line]) -> Figure:
    """Return the picture of some experiments' curves: costs beside accuracies."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    rows = -(-len(lines) // 2)
    drawing = Figure(figsize=(10, 4.0 + 0.2 * rows), layout="constrained")
    costs, accuracies = drawing.subplots(1, 2)
    for colour, line in zip(colours(len(lines)), lines, strict=True):
        _draw(costs, line, "cost", 1.0, colour)
        _draw(accuracies, line, "accuracy", 100.0, colour)
    costs.set_ylabel("cost")
    accuracies.set_ylabel("accuracy in %")
    for axes in (costs, accuracies):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    _legends(drawing, costs, lines)
    return drawing


def _draw(axes: Axes, line: Line, kind: str, factor: float, colour: str) -> None:
    for split, style in STYLES.items():
        curve = average(line.histories, f"{split}_{kind}")
        if not curve.epochs:
            continue
        mean = [factor * value for value in curve.mean]
        marker = "." if len(mean) == 1 else ""
        axes.plot(curve.epochs, mean, style, marker=marker, color=colour, gid=split)
        if any(curve.sd):
            spread = [factor * value for value in curve.sd]
            low = [m - s for m, s in zip(mean, spread, strict=True)]
            high = [m + s for m, s in zip(mean, spread, strict=True)]
            axes.fill_between(curve.epochs, low, high, color=colour, alpha=BAND, linewidth=0)


def _legends(drawing: Figure, axes: Axes, lines: Sequence[Line]) -> None:
    """Say once what the colours mean and once what the line styles mean."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - slow to import

    named = [
        Line2D([], [], color=colour, label=plain(line.label))
        for colour, line in zip(colours(len(lines)), lines, strict=True)
    ]
    drawing.legend(handles=named, loc="outside lower center", ncols=2, frameon=False)
    drawn = {str(each.get_gid()) for each in axes.get_lines()}
    splits = [
        Line2D([], [], color="0.3", linestyle=STYLES[split], label=split)
        for split in STYLES
        if split in drawn
    ]
    if splits:
        axes.legend(handles=splits, frameon=False)


def plain(text: str) -> str:
    """Return text for a picture, as it stands: between two $ would stand a formula."""
    return printable(text).replace("$", r"\$")
