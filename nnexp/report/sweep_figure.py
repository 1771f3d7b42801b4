"""A sweep as a picture: accuracy against what was swept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nnexp.config import dump
from nnexp.errors import UsageError
from nnexp.report import scales
from nnexp.report.curves import COLOURS, check_format, plain
from nnexp.seeds import Spread
from nnexp.store import disk
from nnexp.study.plan import Plan
from nnexp.study.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FULL = 0.5
"""The share of cells that must be filled for a table of colours; fewer are points."""

SOME = "diverged with some of its seeds"
HATCHES = {"diverged": "xxx", "no result": "//", "not in the sweep": "."}
"""What a cell without a number is, and how it looks."""

SIGNS = {"diverged": "x", "no result": "+"}
"""The same of a point, which then stands on the edge of a line's picture."""


class Point(NamedTuple):
    """An experiment: its values of the keys that are drawn, and what it came to."""

    values: tuple[Any, ...]
    accuracy: Spread | None
    diverged: int

    @property
    def lack(self) -> str | None:
        """Why there is no number; None where there is one."""
        return None if self.accuracy else "diverged" if self.diverged else "no result"


def draw(path: Path, plan: Plan, ranking: Ranking) -> None:
    """Draw a sweep into a file, whose ending says the format.

    One swept key is a line with a standard deviation to both sides; two are a heat map, or
    points where values were drawn at random. Of further keys the best value counts. What
    diverged, with some seeds or all of them, and what has no result is marked.

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
    if (seeds := max(each.accuracy.seeds for each in points if each.accuracy)) > 1:
        title += f": mean ± standard deviation of {seeds} seeds"
    if len(keys) == 1:
        _line(axes, points)
        axes.set_ylabel(f"{ranking.split} accuracy in %")
    else:
        title += _best_over(plan, keys)
        _plane(axes, points, str(ranking.split))
        axes.set_ylabel(plain(keys[1]))
    axes.set_xlabel(plain(keys[0]))
    axes.set_title(title, fontsize=10)
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(
            *(handles, labels),
            loc="outside lower center",
            ncols=len(labels),
            fontsize=8,
            handlelength=3,
            handleheight=1.5,
        )
    with disk.errors(path):
        figure.savefig(path, dpi=150)


def _drawn(plan: Plan, ranking: Ranking) -> tuple[list[str], list[Point]]:
    """Return the one or two keys that are drawn, and the best point at each of their values.

    Raises: UsageError where no key has two values.
    """
    found = [Point(each.values, each.accuracy, each.diverged) for each in ranking.standings]
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
        best.setdefault(tuple(map(dump.inline, values)), point._replace(values=values))
    return [plan.keys[place] for place in varied], list(best.values())


def _best_over(plan: Plan, keys: Sequence[str]) -> str:
    others = [key for key in plan.keys if key not in keys]
    return "\n" + plain(f"the best over {', '.join(others)}") if others else ""


def _line(axes: Axes, points: Sequence[Point]) -> None:
    values = scales.ordered([point.values[0] for point in points])
    at = scales.places(axes, "x", values)
    reached = sorted((at[dump.inline(p.values[0])], p.accuracy) for p in points if p.accuracy)
    axes.errorbar(
        [x for x, _ in reached],
        [100 * spread.mean for _, spread in reached],
        [100 * (spread.sd or 0.0) for _, spread in reached],
        fmt="o-" if scales.numeric(values) else "o",
        color=COLOURS[0],
        ecolor=COLOURS[1],
        capsize=4,
        linewidth=1.2,
    )
    if some := [p for p in points if p.accuracy and p.diverged]:
        x = [at[dump.inline(p.values[0])] for p in some]
        y = [100 * p.accuracy.mean for p in some if p.accuracy]
        axes.plot(x, y, "o", color=COLOURS[0], markerfacecolor="white", zorder=4, label=SOME)
    for lack, sign in SIGNS.items():
        if x := [at[dump.inline(p.values[0])] for p in points if p.lack == lack]:
            axes.plot(
                *(x, [0.0] * len(x), sign),
                color=COLOURS[1],
                markersize=9,
                label=lack,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _plane(axes: Axes, points: Sequence[Point], split: str) -> None:
    columns, rows = (scales.ordered([point.values[place] for point in points]) for place in (0, 1))
    figure = axes.get_figure()
    assert figure is not None  # noqa: S101 - the caller made it
    is_full = len(points) >= FULL * len(columns) * len(rows)
    shown = (_heat_map if is_full else _scatter)(axes, points, columns, rows)
    figure.colorbar(shown, ax=axes, label=f"{split} accuracy in %")


def _scatter(
    axes: Axes, points: Sequence[Point], columns: Sequence[Any], rows: Sequence[Any]
) -> Any:  # noqa: ANN401 - matplotlib's own
    x, y = (scales.places(axes, which, values) for which, values in (("x", columns), ("y", rows)))

    def at(some: Sequence[Point]) -> tuple[list[float], list[float]]:
        places = [[dump.inline(value) for value in point.values] for point in some]
        return [x[place[0]] for place in places], [y[place[1]] for place in places]

    reached = [point for point in points if point.accuracy]
    shown = axes.scatter(
        *at(reached),
        c=[100 * point.accuracy.mean for point in reached if point.accuracy],
        cmap="viridis",
        edgecolors="black",
        linewidths=0.4,
    )
    if some := [point for point in reached if point.diverged]:
        axes.scatter(*at(some), s=90, facecolors="none", edgecolors=COLOURS[1], label=SOME)
    for lack, sign in SIGNS.items():
        if without := [point for point in points if point.lack == lack]:
            axes.scatter(*at(without), marker=sign, color=COLOURS[1], label=lack)
    axes.grid(alpha=0.3)
    return shown


def _heat_map(
    axes: Axes, points: Sequence[Point], columns: Sequence[Any], rows: Sequence[Any]
) -> Any:  # noqa: ANN401 - matplotlib's own
    import numpy as np  # noqa: PLC0415 - with matplotlib only

    cells = np.full((len(rows), len(columns)), np.nan)
    names = [[dump.inline(value) for value in values] for values in (columns, rows)]
    middle = _middle([point.accuracy.mean for point in points if point.accuracy])
    empty = dict.fromkeys(product(range(len(columns)), range(len(rows))), "not in the sweep")
    for point in points:
        x, y = (n.index(dump.inline(v)) for n, v in zip(names, point.values, strict=True))
        if (spread := point.accuracy) is None:
            empty[x, y] = str(point.lack)
            continue
        del empty[x, y]
        cells[y, x] = 100 * spread.mean
        told = f"{100 * spread.mean:.2f}"
        if spread.sd is not None:
            told += f"\n± {100 * spread.sd:.2f}"
        colour = "white" if spread.mean < middle else "black"  # viridis is dark where it is low
        size = 9 if len(columns) <= 8 else 6  # noqa: PLR2004 - what fits into a cell
        axes.text(x, y, told, ha="center", va="center", color=colour, fontsize=size)
        if point.diverged:
            _box(axes, x, y, SOME, linewidth=2.5, edgecolor=COLOURS[1])
    for (x, y), what in empty.items():
        _box(axes, x, y, what, hatch=HATCHES[what], linewidth=0, edgecolor="grey")
    scales.words(axes.xaxis, columns)
    scales.words(axes.yaxis, rows)
    return axes.imshow(cells, cmap="viridis", aspect="auto", origin="lower")


def _box(axes: Axes, x: int, y: int, label: str, **look: Any) -> None:  # noqa: ANN401 - matplotlib's own
    """Draw a cell's box; of those that mean the same the first one stands in the legend."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - slow to import

    _, told = axes.get_legend_handles_labels()
    half = 0.5 if "hatch" in look else 0.47
    label = f"_{label}" if label in told else label  # no legend has what begins so
    box = Rectangle((x - half, y - half), 2 * half, 2 * half, fill=False, label=label, **look)
    axes.add_patch(box)


def _middle(values: Sequence[float]) -> float:
    return min(values) + 0.6 * (max(values) - min(values))
