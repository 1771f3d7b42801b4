"""How z is distributed before training, as a picture: a row a layer, a column an initializer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnexp.analysis.inspection import RULES
from nnexp.nn.activations import ACTIVATIONS, ActivationName
from nnexp.nn.initializers import InitializerName
from nnexp.report.curves import COLOURS, check_format
from nnexp.store import disk
from nnexp.training.evaluation import SATURATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnexp.analysis.initial_layers import Layer
    from nnexp.analysis.inspection import Inspection

MOST = 6
"""Layers in a picture; of a deeper network some are left out, spread evenly."""

REACH = 3.5
"""Of an axis, in standard deviations of the widest distribution of a layer."""

NARROWEST = 0.03
"""Of that one: a narrower distribution would not be seen, and has an axis of its own."""


def plot(path: Path, found: Inspection, activation: ActivationName) -> None:
    """Draw the distribution of z of each layer into a file, whose ending says the format.

    Raises:
        UsageError: the ending is not a format of pictures.
        DiskError: the picture cannot be written.
    """
    check_format(path)
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    shown = layers(len(found.parameters))
    columns = len(found.initialized)
    figure = Figure(figsize=(5 * columns, 0.6 + 2.4 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), columns, squeeze=False)
    for row, number in zip(grid, shown, strict=True):
        widest = max(_deviation(each.layers[number]) for each in found.initialized)
        output = number == len(found.parameters) - 1
        for axes, each in zip(row, found.initialized, strict=True):
            own = _deviation(each.layers[number])
            reach = REACH * (own if own < NARROWEST * widest else widest) or 1.0
            if not output:
                _shade(axes, reach, activation)
            _draw(axes, each.layers[number], each.initializer)
            layer = f"layer {number + 1}{', output' if output else ''}"
            whose = ", this config's" if each is found.initialized[0] else ""
            axes.set_title(f"{layer}: {each.initializer}{whose}", fontsize=10)
            axes.set_xlim(-reach, reach)
            axes.set_xlabel("z")
            axes.set_ylabel("density")
            axes.spines[["top", "right"]].set_visible(False)
    handles = {
        label: handle
        for axes in grid.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
    )
    with disk.errors(path):
        figure.savefig(path, dpi=150)


def _colour(initializer: InitializerName) -> str:
    """Return an initializer's colour: the chapter's two rules have theirs in every picture."""
    return COLOURS[RULES.index(initializer) if initializer in RULES else len(RULES)]


def layers(count: int) -> list[int]:
    """Return which of so many layers are shown, counted from 0, the first and last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, MOST))})


def _deviation(layer: Layer) -> float:
    """Return how far a layer's z reach; 0 where that cannot be drawn."""
    widest = max(layer.predicted, layer.measured)
    return widest if math.isfinite(widest) else 0.0


def _shade(axes: Axes, reach: float, activation: ActivationName) -> None:
    """Shade where the nonlinearity is saturated."""
    z = np.linspace(-reach, reach, 2001)
    a, slope = np.empty_like(z), np.empty_like(z)
    ACTIVATIONS[activation].apply(z, a)
    ACTIVATIONS[activation].slope(a, slope)
    label = f"saturated: slope of {activation} below {SATURATED:g}"
    across = axes.get_xaxis_transform()  # from the bottom to the top, whatever the density
    where = slope < SATURATED
    axes.fill_between(z, 0, 1, where=where, transform=across, color="0.88", lw=0, label=label)


def _draw(axes: Axes, layer: Layer, name: InitializerName) -> None:
    """Draw a layer's histogram, and the normal distribution that was predicted."""
    said = f"sd {layer.predicted:.3g} predicted\n{layer.measured:.3g} measured"
    if layer.saturated is not None:
        said += f"\n{100 * layer.saturated:.1f} % saturated"
    axes.text(0.98, 0.95, said, transform=axes.transAxes, ha="right", va="top", fontsize=9)
    if layer.histogram is None:
        return
    edges, density = layer.histogram
    axes.stairs(
        density, edges, fill=True, color=_colour(name), alpha=0.55, label=f"measured, {name}"
    )
    z = np.linspace(edges[0], edges[-1], 401)
    height = 1 / (layer.predicted * math.sqrt(2 * math.pi))
    normal = height * np.exp(-0.5 * (z / layer.predicted) ** 2)
    axes.plot(z, normal, color="black", lw=1, label="predicted, normal")
