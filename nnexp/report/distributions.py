"""How z is distributed before training, as a figure: a row a layer, a column an initializer."""

from __future__ import annotations

import math

import numpy as np

from nnexp.analysis.initial_layers import Layer
from nnexp.analysis.inspection import RULES, Inspection
from nnexp.nn.activations import ACTIVATIONS, ActivationName
from nnexp.nn.initializers import InitializerName
from nnexp.report.figure import Axis, Bars, Figure, Line, Mark, Panel, Spans
from nnexp.training.evaluation import SATURATED

MOST = 6
"""Layers in a figure; of a deeper network some are left out, spread evenly."""

REACH = 3.5
"""Of an axis, in standard deviations of the widest distribution of a layer."""

NARROWEST = 0.03
"""Of that one: a narrower distribution would not be seen, and has an axis of its own."""

POINTS = 2001
"""At which the slope of a nonlinearity is looked at."""

BLACK = "#000000"


def figure(found: Inspection, activation: ActivationName) -> Figure:
    """Return the measured and the predicted distribution of z in each layer."""
    panels = []
    for number in layers(len(found.parameters)):
        is_output = number == len(found.parameters) - 1
        widest = max(_deviation(each.layers[number]) for each in found.initialized)
        for each in found.initialized:
            layer = each.layers[number]
            own = _deviation(layer)
            reach = REACH * (own if own < NARROWEST * widest else widest) or 1.0
            saturated = [] if is_output else [_saturated(reach, activation)]
            whose = ", this config's" if each is found.initialized[0] else ""
            name = f"layer {number + 1}{', output' if is_output else ''}"
            panels.append(
                Panel(
                    [*saturated, *_distribution(layer, each.initializer)],
                    Axis("z", limits=(-reach, reach)),
                    Axis("density"),
                    f"{name}: {each.initializer}{whose}",
                    _note(layer),
                )
            )
    columns = len(found.initialized)
    return Figure(panels, size=(5.0, 2.4), across=columns, legend_columns=columns)


def _colour(initializer: InitializerName) -> int:
    """Return an initializer's colour: the chapter's two rules have theirs in every figure."""
    return RULES.index(initializer) if initializer in RULES else len(RULES)


def layers(count: int) -> list[int]:
    """Return which of so many layers are shown, counted from 0, the first and last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, MOST))})


def _deviation(layer: Layer) -> float:
    """Return how far a layer's z reach; 0 where that cannot be drawn."""
    widest = max(layer.predicted, layer.measured)
    return widest if math.isfinite(widest) else 0.0


def _saturated(reach: float, activation: ActivationName) -> Spans:
    """Return where the nonlinearity is saturated."""
    z = np.linspace(-reach, reach, POINTS)
    a, slope = np.empty_like(z), np.empty_like(z)
    ACTIVATIONS[activation].apply(z, a)
    ACTIVATIONS[activation].slope(a, slope)
    edges = np.diff(np.concatenate([[0], slope < SATURATED, [0]]))
    starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0) - 1
    stretches = list(zip(z[starts].tolist(), z[ends].tolist(), strict=True))
    return Spans(f"saturated: slope of {activation} below {SATURATED:g}", stretches)


def _note(layer: Layer) -> str:
    note = f"sd {layer.predicted:.3g} predicted\n{layer.measured:.3g} measured"
    if layer.saturated is not None:
        note += f"\n{100 * layer.saturated:.1f} % saturated"
    return note


def _distribution(layer: Layer, name: InitializerName) -> list[Mark]:
    """Return a layer's histogram, and the normal distribution that was predicted."""
    if layer.histogram is None:
        return []
    edges, density = layer.histogram
    z = np.linspace(edges[0], edges[-1], 401)
    height = 1 / (layer.predicted * math.sqrt(2 * math.pi))
    normal = height * np.exp(-0.5 * (z / layer.predicted) ** 2)
    return [
        Bars(f"measured, {name}", edges.tolist(), density.tolist(), _colour(name)),
        Line("predicted, normal", z.tolist(), normal.tolist(), colour=BLACK),
    ]
