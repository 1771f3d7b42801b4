"""The distribution of z before training as a figure: rows are layers, columns initializers."""

from __future__ import annotations

import math

import numpy as np

from nnexp.analysis.initial_layers import Layer
from nnexp.analysis.inspection import RULES, Inspection
from nnexp.nn.activations import ACTIVATIONS, ActivationName
from nnexp.nn.initializers import InitializerName
from nnexp.report.figure import Axis, Bars, Figure, Line, Mark, Panel, Spans
from nnexp.training.backend import SATURATED

MOST = 6
"""Maximum number of layers in a figure; of a deeper network, evenly spaced ones are shown."""

REACH = 3.5
"""Half-width of an axis, in standard deviations of the layer's widest distribution."""

NARROWEST = 0.03
"""A distribution narrower than this fraction of the widest one has an axis of its own."""

POINTS = 2001
"""Number of points at which the slope of a nonlinearity is computed."""

BLACK = "#000000"


def figure(inspection: Inspection, activation: ActivationName) -> Figure:
    """Return the measured and the predicted distribution of z in each layer."""
    panels = []
    for index in layers(len(inspection.parameters)):
        is_output = index == len(inspection.parameters) - 1
        widest = max(_deviation(network.layers[index]) for network in inspection.initialized)
        for network in inspection.initialized:
            layer = network.layers[index]
            own = _deviation(layer)
            reach = REACH * (own if own < NARROWEST * widest else widest) or 1.0
            saturated = [] if is_output else [_saturated(reach, activation)]
            whose = ", this config's" if network is inspection.initialized[0] else ""
            name = f"layer {index + 1}{', output' if is_output else ''}"
            panels.append(
                Panel(
                    [*saturated, *_distribution(layer, network.initializer)],
                    Axis("z", limits=(-reach, reach)),
                    Axis("density"),
                    f"{name}: {network.initializer}{whose}",
                    _note(layer),
                )
            )
    columns = len(inspection.initialized)
    return Figure(panels, size=(5.0, 2.4), across=columns, legend_columns=columns)


def _colour(initializer: InitializerName) -> int:
    """Return an initializer's colour; the chapter's two rules have the same in every figure."""
    return RULES.index(initializer) if initializer in RULES else len(RULES)


def layers(count: int) -> list[int]:
    """Return the indices of the layers that are shown; the first and last are among them."""
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, MOST))})


def _deviation(layer: Layer) -> float:
    """Return the larger standard deviation of a layer's z; 0 if it cannot be drawn."""
    widest = max(layer.predicted, layer.measured)
    return widest if math.isfinite(widest) else 0.0


def _saturated(reach: float, activation: ActivationName) -> Spans:
    """Return the intervals in which the nonlinearity is saturated."""
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
    """Return a layer's histogram and its predicted normal distribution."""
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
