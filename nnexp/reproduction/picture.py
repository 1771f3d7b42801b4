"""A figure as a picture: what was published as points, what was obtained as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nnexp.report.curves import COLOURS
from nnexp.reproduction.measures import Curve, curve, highest_epoch, obtained
from nnexp.reproduction.plan import NetPlan
from nnexp.reproduction.published import Published
from nnexp.store import disk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = 2
"""Panels side by side."""


class Drawn(NamedTuple):
    """One series of one net: the published points and the obtained line."""

    series: str
    label: str
    published: Curve
    obtained: Curve


def draw(
    path: Path, title: str, parts: Sequence[NetPlan], published: Sequence[Published] | None
) -> None:
    """Draw a figure into a file, whose ending says the format.

    Args:
        path: where the picture goes.
        title: what it shows.
        parts: the nets, trained.
        published: what the author's file holds of each; None: the published numbers are drawn.

    Raises:
        DiskError: the picture cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    drawn = [
        each
        for place, part in enumerate(parts)
        for each in (_numbers(part) if published is None else _series(part, published[place]))
    ]
    if len(parts) > len(COLOURS):  # nets that differ in one number: a point each
        drawn = list(_across(parts, drawn))
    panels = list(dict.fromkeys(each.series for each in drawn))
    columns = min(AXES, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.5 * columns, 3.6 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, series in zip(grid, panels, strict=False):
        _draw(axes, [each for each in drawn if each.series == series])
        axes.set_ylabel(series.replace("_", " ") + _unit(series, published is None))
        axes.set_xlabel("epoch")
        if len(parts) > len(COLOURS):
            axes.set(xlabel="training images", xscale="log")
    figure.suptitle(title, fontsize="medium")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    with disk.errors(path):
        figure.savefig(path, dpi=150)


def _draw(axes: Axes, drawn: Sequence[Drawn]) -> None:
    for colour, each in zip(COLOURS, drawn, strict=False):
        label = f"{each.label} published".strip()
        axes.plot(*each.published, "o", markersize=4, color=colour, alpha=0.4, label=label)
        label = f"{each.label} obtained".strip()
        marker = "." if len(each.obtained.epochs) == 1 else ""
        axes.plot(*each.obtained, marker=marker, linewidth=1.2, color=colour, label=label)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _unit(series: str, is_percent: bool) -> str:  # noqa: FBT001 - a word of the caller's
    if not series.endswith("accuracy"):
        return ""
    return " in %" if is_percent else " in examples"


def _series(part: NetPlan, published: Published) -> Iterator[Drawn]:
    for key, values in published.items():
        yield Drawn(key, part.net.name, values, obtained(part.book.run, key))


def _numbers(part: NetPlan) -> Iterator[Drawn]:
    """Generate the series that headlines speak of, each with the headlines that have a place."""
    history = part.book.run.history()
    for key in dict.fromkeys(headline.series for headline in part.net.headlines):
        found = curve(history, key)
        scale = 100 if key.endswith("accuracy") else 1
        places = {
            "first": found.epochs[0],
            "last": found.epochs[-1],
            "highest": int(highest_epoch(found)),
        }
        stated = [(h.measure, h.published) for h in part.headlines if h.series == key]
        points = [(places[measure], value) for measure, value in stated if measure in places]
        published = Curve([epoch for epoch, _ in points], [value for _, value in points])
        line = Curve(found.epochs, [scale * value for value in found.values])
        yield Drawn(key, part.net.name, published, line)


def _across(parts: Sequence[NetPlan], drawn: Sequence[Drawn]) -> Iterator[Drawn]:
    """Generate each series' last values against the nets' numbers of training examples."""
    examples = [part.book.run.record.data.train for part in parts]
    for series in dict.fromkeys(each.series for each in drawn):
        own = [each for each in drawn if each.series == series]
        last = [each.obtained.values[-1] for each in own]
        known = [
            (n, d.published.values[-1])
            for n, d in zip(examples, own, strict=True)
            if d.published.values
        ]
        published = Curve([n for n, _ in known], [value for _, value in known])
        yield Drawn(series, "", published, Curve(examples, last))
