"""A search as a picture: accuracy against each searched key, side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.config import dump
from nnexp.report.curves import COLOURS, check_format, plain
from nnexp.store import disk
from nnexp.study.ranges import RANGES
from nnexp.study.search import SearchResult
from nnexp.study.space import Dimension
from nnexp.study.trials import TrialResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3
"""Panels side by side."""

MARGIN = 0.03
"""Of a range's width, to both sides of it."""

WIDE, LEAST, LINES = 36, 10, 3
"""Characters below a panel; of a line of a choice's label, at least; lines of it, at most."""

KEPT = "\N{NO-BREAK SPACE}"

TRIAL, BEST, GIVEN, FAULT = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[6]


def draw(path: Path, found: SearchResult) -> None:
    """Draw a search into a file, whose ending says the format.

    Raises:
        UsageError: the ending is no format of pictures.
        DiskError: the picture cannot be written.
    """
    check_format(path)
    with disk.errors(path):
        figure(found).savefig(path, dpi=150)


def figure(found: SearchResult) -> Figure:
    """Return the picture: a panel for each key, a point for each trial, the best one marked.

    Trials that halving left behind are hollow: theirs is the accuracy where they stopped. Bars
    are a standard deviation over seeds; those that diverged or failed are crosses at the foot.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    dimensions = found.definition.space.columns
    across = min(ACROSS, len(dimensions))
    down = -(-len(dimensions) // across)
    size = (max(6.0, 3.6 * across), 3.4 * down + 0.6)
    drawing = Figure(figsize=size, layout="constrained")
    panels = drawing.subplots(down, across, sharey=True, squeeze=False).flat
    for place, (axes, dimension) in enumerate(zip(panels, dimensions, strict=False)):
        _panel(axes, found, place, dimension)
        if place % across == 0:
            axes.set_ylabel("validation accuracy in %")
    for axes in list(drawing.axes)[len(dimensions) :]:
        axes.set_visible(False)
    handles = {h: each for each in drawing.axes for h in _labelled(each)}
    named = {str(h.get_label()): h for h in handles}
    drawing.legend(
        handles=list(named.values()), loc="outside lower center", ncols=len(named), frameon=False
    )
    return drawing


def _labelled(axes: Axes) -> list[Any]:
    return list(axes.get_legend_handles_labels()[0])


def _panel(axes: Axes, found: SearchResult, place: int, dimension: Dimension) -> None:
    at = _scale(axes, dimension)
    best = found.best
    groups: dict[str, list[TrialResult]] = {"trial": [], "left behind": []}
    for result in found.results:
        if result.score is not None and result is not best:
            groups["trial" if result.is_complete else "left behind"].append(result)
    for label, results in groups.items():
        face = "none" if label == "left behind" else TRIAL
        _points(axes, results, [at(e.trial.values[place]) for e in results], label, face, "o")
    if best is not None:
        _points(axes, [best], [at(best.trial.values[place])], "best", BEST, "D")
    _unscored(axes, found, place, at)
    if found.baseline is not None and found.baseline.score is not None:
        axes.axhline(
            100 * found.baseline.score, color=GIVEN, linestyle="--", linewidth=1, label="as given"
        )
    axes.set_xlabel(plain(dimension.key))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _unscored(axes: Axes, found: SearchResult, place: int, at: Callable[[Any], float]) -> None:
    """Draw the trials that diverged or failed at the foot of a panel."""
    foot = axes.get_xaxis_transform()  # x in the data, y in shares of the panel's height
    none = [each for each in found.results if each.score is None]
    for label, marker in (("diverged", "x"), ("failed", "+")):
        results = [each for each in none if (each.failure is not None) is (label == "failed")]
        if results:
            x = [at(each.trial.values[place]) for each in results]
            axes.plot(*(x, [0.03] * len(x)), marker, color=FAULT, transform=foot, label=label)


def _points(
    axes: Axes,
    results: Sequence[TrialResult],
    x: Sequence[float],
    label: str,
    face: str,
    marker: str,
) -> None:
    if not results:
        return
    colour = BEST if label == "best" else TRIAL
    deviations = [100 * (each.validation.sd or 0.0) for each in results]
    axes.errorbar(
        x,
        [100 * (each.score or 0.0) for each in results],
        deviations if any(deviations) else None,
        fmt=marker,
        color=colour,
        markerfacecolor=face,
        markersize=7 if label == "best" else 5,
        elinewidth=0.8,
        capsize=2,
        label=label,
        zorder=3 if label == "best" else 2,
    )


def label(value: Any, width: int) -> str:  # noqa: ANN401 - any value of a config
    """Return a choice's value in short lines: a component's name, then its settings."""
    text = plain(dump.inline(value))
    if isinstance(value, dict):
        shown = {plain(key): plain(dump.inline(each)) for key, each in value.items()}
        name = [shown.pop("name")] if "name" in shown else []
        settings = [f"{key}{KEPT}{setting}" for key, setting in shown.items()]
        text = ", ".join([*name, *settings])
    lines = textwrap.wrap(text, width, max_lines=LINES, placeholder=" …", break_on_hyphens=False)
    return "\n".join(lines).replace(KEPT, " ")


def _scale(axes: Axes, dimension: Dimension) -> Any:  # noqa: ANN401 - from a value to a place
    """Set up the panel's axis and return what says where a value stands on it."""
    if not dimension.is_choice:
        low, high = dimension.bounds
        if RANGES[dimension.kind].is_log:
            axes.set_xscale("log")
            low, high = low * (low / high) ** MARGIN, high * (high / low) ** MARGIN
        else:
            low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
        axes.set_xlim(low, high)
        return float
    names = list(dict.fromkeys(map(dump.inline, dimension.bounds)))
    width = max(LEAST, WIDE // len(names))
    labels = {dump.inline(value): label(value, width) for value in dimension.bounds}
    axes.set_xticks(range(len(names)), [labels[name] for name in names])
    if sum(max(map(len, each.split("\n"))) for each in labels.values()) > WIDE:
        axes.tick_params(axis="x", labelrotation=45)
    axes.set_xlim(-0.5, len(names) - 0.5)
    return lambda value: names.index(dump.inline(value))
