"""A sweep as a picture: accuracy against what was swept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nnexp.analysis.seeds import Spread
from nnexp.config import dump
from nnexp.errors import UsageError
from nnexp.report.curves import COLOURS, check_format, plain
from nnexp.store import disk
from nnexp.sweep.plan import Plan
from nnexp.sweep.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

DECADES = 30.0
"""Positive numbers whose largest is so many times the smallest stand on a logarithmic axis."""

FULL = 0.5
"""The share of cells that must be filled for a table of colours; fewer are points."""

LABEL = 32
"""Characters of a value on an axis."""


class Point(NamedTuple):
    """An experiment: its values of the keys that are drawn, and what it came to."""

    values: tuple[Any, ...]
    accuracy: Spread


def draw(path: Path, plan: Plan, ranking: Ranking) -> None:
    """Draw a sweep into a file, whose ending says the format.

    One swept key is a line with a standard deviation to both sides; two are a heat map, or
    points where values were drawn at random. Of further keys the best value counts.

    Raises:
        UsageError: the ending is no format of pictures, or nothing was swept.
        DiskError: the picture cannot be written.
    """
    check_format(path)
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    keys, points = _drawn(plan, ranking)
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.subplots()
    title = plain(f"{ranking.split} accuracy, {plan.definition.stem}")
    if (seeds := max(each.accuracy.seeds for each in points)) > 1:
        title += f": mean ± standard deviation of {seeds} seeds"
    if len(keys) == 1:
        _line(axes, [(each.values[0], each.accuracy) for each in points])
        axes.set_ylabel(f"{ranking.split} accuracy in %")
    else:
        title += _best_over(plan, keys)
        _plane(axes, points, str(ranking.split))
        axes.set_ylabel(plain(keys[1]))
    axes.set_xlabel(plain(keys[0]))
    axes.set_title(title, fontsize=10)
    with disk.errors(path):
        figure.savefig(path, dpi=150)


def _drawn(plan: Plan, ranking: Ranking) -> tuple[list[str], list[Point]]:
    """Return the one or two keys that are drawn, and the best point at each of their values.

    Raises: UsageError where no key has two values.
    """
    found = [Point(each.values, each.accuracy) for each in ranking.standings if each.accuracy]
    varied = [
        place
        for place in range(len(plan.keys))
        if len({dump.inline(point.values[place]) for point in found}) > 1
    ][:2]
    if not varied:
        raise UsageError("--plot: draws accuracy against swept keys, and none has two values here")
    best: dict[tuple[str, ...], Point] = {}
    for point in found:  # the best first
        values = tuple(point.values[place] for place in varied)
        best.setdefault(tuple(map(dump.inline, values)), Point(values, point.accuracy))
    return [plan.keys[place] for place in varied], list(best.values())


def _best_over(plan: Plan, keys: Sequence[str]) -> str:
    others = [key for key in plan.keys if key not in keys]
    return "\n" + plain(f"the best over {', '.join(others)}") if others else ""


def _line(axes: Axes, points: Sequence[tuple[Any, Spread]]) -> None:
    values = _ordered([value for value, _ in points])
    at = dict(zip(map(dump.inline, values), _scale(axes, "x", values), strict=True))
    ordered = sorted((at[dump.inline(value)], spread) for value, spread in points)
    axes.errorbar(
        [x for x, _ in ordered],
        [100 * spread.mean for _, spread in ordered],
        [100 * (spread.sd or 0.0) for _, spread in ordered],
        fmt="o-" if _numeric(values) else "o",
        color=COLOURS[0],
        ecolor=COLOURS[1],
        capsize=4,
        linewidth=1.2,
    )
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _plane(axes: Axes, points: Sequence[Point], split: str) -> None:
    columns, rows = (_ordered([point.values[place] for point in points]) for place in (0, 1))
    figure = axes.get_figure()
    assert figure is not None  # noqa: S101 - the caller made it
    if len(points) >= FULL * len(columns) * len(rows):
        shown = _heat_map(axes, points, columns, rows)
    else:
        x, y = (
            dict(zip(map(dump.inline, values), _scale(axes, which, values), strict=True))
            for which, values in (("x", columns), ("y", rows))
        )
        places = [[dump.inline(value) for value in point.values] for point in points]
        shown = axes.scatter(
            [x[place[0]] for place in places],
            [y[place[1]] for place in places],
            c=[100 * point.accuracy.mean for point in points],
            cmap="viridis",
            edgecolors="black",
            linewidths=0.4,
        )
        axes.grid(alpha=0.3)
    figure.colorbar(shown, ax=axes, label=f"{split} accuracy in %")


def _heat_map(
    axes: Axes, points: Sequence[Point], columns: Sequence[Any], rows: Sequence[Any]
) -> Any:  # noqa: ANN401 - matplotlib's own
    import numpy as np  # noqa: PLC0415 - with matplotlib only

    cells = np.full((len(rows), len(columns)), np.nan)
    names = [[dump.inline(value) for value in values] for values in (columns, rows)]
    middle = _middle([point.accuracy.mean for point in points])
    for (column, row), spread in points:
        x, y = names[0].index(dump.inline(column)), names[1].index(dump.inline(row))
        cells[y, x] = 100 * spread.mean
        told = f"{100 * spread.mean:.2f}"
        if spread.sd is not None:
            told += f"\n± {100 * spread.sd:.2f}"
        colour = "white" if spread.mean < middle else "black"  # viridis is dark where it is low
        size = 9 if len(columns) <= 8 else 6  # noqa: PLR2004 - what fits into a cell
        axes.text(x, y, told, ha="center", va="center", color=colour, fontsize=size)
    _words(axes.xaxis, columns)
    _words(axes.yaxis, rows)
    return axes.imshow(cells, cmap="viridis", aspect="auto", origin="lower")


def _middle(values: Sequence[float]) -> float:
    return min(values) + 0.6 * (max(values) - min(values))


def _scale(axes: Axes, which: str, values: Sequence[Any]) -> list[float]:
    """Return where values stand on the x or y axis: numbers to scale, anything else in turn."""
    if not _numeric(values):
        _words(axes.xaxis if which == "x" else axes.yaxis, values)
        return [float(place) for place in range(len(values))]
    numbers = [float(value) for value in values]
    positive = [number for number in numbers if number > 0]
    if positive and min(numbers) >= 0 and max(positive) >= DECADES * min(positive):
        set_scale = axes.set_xscale if which == "x" else axes.set_yscale
        if min(numbers) > 0:
            set_scale("log")
        else:  # 0 has a place on this one only
            set_scale("symlog", linthresh=min(positive))
    return numbers


def _words(axis: Axis, values: Sequence[Any]) -> None:
    axis.set_ticks(range(len(values)))
    axis.set_ticklabels([plain(_cut(dump.inline(value))) for value in values])


def _cut(label: str) -> str:
    return label if len(label) <= LABEL else f"{label[: LABEL - 1]}…"


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Return the different values: numbers from low to high, anything else by its text."""
    different = list({dump.inline(value): value for value in values}.values())
    return sorted(different, key=None if _numeric(different) else dump.inline)
