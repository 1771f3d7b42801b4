"""Where swept values stand on a picture's axes: numbers to scale, anything else in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnexp.config import dump
from nnexp.report.curves import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

DECADES = 30.0
"""Positive numbers whose largest is so many times the smallest stand on a logarithmic axis."""

LARGEST = 1e30
"""Of an axis to scale; squares of much larger numbers overflow when it is laid out."""

LABEL = 32
"""Characters of a value on an axis."""


def places(axes: Axes, which: str, values: Sequence[Any]) -> dict[str, float]:
    """Return where values stand on the x or y axis, by their text."""
    return dict(zip(map(dump.inline, values), _scale(axes, which, values), strict=True))


def _scale(axes: Axes, which: str, values: Sequence[Any]) -> list[float]:
    """Return where values stand on the x or y axis: numbers to scale, anything else in turn."""
    if not numeric(values):
        words(axes.xaxis if which == "x" else axes.yaxis, values)
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


def words(axis: Axis, values: Sequence[Any]) -> None:
    """Let an axis show values in turn, by their text."""
    axis.set_ticks(range(len(values)))
    axis.set_ticklabels([plain(_cut(dump.inline(value))) for value in values])


def _cut(label: str) -> str:
    return label if len(label) <= LABEL else f"{label[: LABEL - 1]}…"


def numeric(values: Sequence[Any]) -> bool:
    """Return whether all values are numbers, and no larger than an axis can have."""
    return all(
        isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= LARGEST for v in values
    )


def ordered(values: Sequence[Any]) -> list[Any]:
    """Return the different values: numbers from low to high, anything else by its text."""
    different = list({dump.inline(value): value for value in values}.values())
    return sorted(different, key=None if numeric(different) else dump.inline)
