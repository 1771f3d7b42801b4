"""What a report draws: curves and first-layer weights."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import numpy as np

from nnexp.analysis.averages import Average, average
from nnexp.analysis.comparison import Comparison
from nnexp.analysis.evaluation import first_layer
from nnexp.analysis.metrics import Side
from nnexp.report import comparisons, weights
from nnexp.report.charts import POINTS, Curve, chart
from nnexp.report.curves import STYLES
from nnexp.report.document import Section
from nnexp.report.markup import Markup, swatch, tag
from nnexp.training.history import Row

SPLITS = {"train": "training", "validation": "validation", "test": "test"}
LAYERS = 6


def curves(compared: Comparison) -> Section:
    """Return cost and accuracy of every split against epochs."""
    kinds = {"cost": ("cost", ""), "accuracy": ("accuracy", "%")}
    drawn = {
        kind: [
            Curve(side.experiment.label, place, SPLITS[split], each)
            for place, side in enumerate(compared.sides)
            for split in STYLES
            if (each := average(side.histories, f"{split}_{kind}")).epochs
        ]
        for kind in kinds
    }
    charts = [
        chart(*kinds[kind], [_percent(each) for each in found] if kind == "accuracy" else found)
        for kind, found in drawn.items()
        if found
    ]
    if not charts:
        return Section("curves", "", [])
    splits = {curve.split for found in drawn.values() for curve in found}
    legend = _legend(compared, [split for split in SPLITS.values() if split in splits])
    return Section("curves", "Curves", [legend, tag("div", *charts, class_="charts")])


def _percent(curve: Curve) -> Curve:
    epochs, mean, sd = curve.points
    scaled = Average(epochs, [100 * value for value in mean], [100 * value for value in sd])
    return curve._replace(points=scaled)


def _legend(compared: Comparison, splits: Sequence[str]) -> Markup:
    captions = comparisons.captions(compared)
    experiments = [
        tag("li", swatch(place, caption[0]), caption[1:]) for place, caption in enumerate(captions)
    ]
    styles = [
        tag("li", tag("span", class_=f"swatch {split}", aria_hidden="true"), split)
        for split in splits
    ]
    several = any(len(side.facts) > 1 for side in compared.sides)
    band = [tag("li", "band: one standard deviation between seeds")] if several else []
    return tag("ul", *experiments, *styles, *band, class_="legend")


def monitored(compared: Comparison) -> Section:
    """Return saturation and the norms of the weights, where runs were asked to record them."""
    charts = [
        chart(title.format(layer), unit, found, POINTS // 2)
        for title, unit, of in MONITORED
        for layer, found in zip(range(1, LAYERS + 1), _layers(compared, of), strict=False)
    ]
    legend = [_legend(compared, []), tag("div", *charts, class_="charts")] if charts else []
    return Section("layers", "Saturation and weights by layer", legend)


Listed = Callable[[Row], object]


def _layers(compared: Comparison, of: Listed) -> list[list[Curve]]:
    """Return the curves of each layer, until no experiment has one more."""
    layers: list[list[Curve]] = []
    for layer in count():
        found = [
            Curve(side.experiment.label, place, "", each)
            for place, side in enumerate(compared.sides)
            if (each := average(side.histories, partial(_entry, of, layer))).epochs
        ]
        if not found:
            return layers
        layers.append(found)
    raise AssertionError("counting never ends")


def _entry(of: Listed, layer: int, row: Row) -> object:
    listed = of(row)
    return listed[layer] if isinstance(listed, tuple) and layer < len(listed) else None


def _saturated(row: Row) -> object:
    listed = row.saturation
    return tuple(100 * share for share in listed) if isinstance(listed, tuple) else None


MONITORED: tuple[tuple[str, str, Listed], ...] = (
    ("saturated neurons of hidden layer {}", "%", _saturated),
    ("norm of layer {}’s weights", "", lambda row: row.weight_norms),
)


def learned(compared: Comparison) -> Section:
    """Return what the first layer's neurons look for, where the inputs are square images."""
    figures = [
        figure
        for place, side in enumerate(compared.sides)
        if (figure := _learned(place, side, len(compared.sides))) is not None
    ]
    intro = tag(
        "p",
        "Each square is one neuron: its weights, where the pixels are that they belong to. "
        "White is zero, blue negative (this pixel speaks against), orange positive.",
    )
    gallery = [intro, tag("div", *figures, class_="gallery")]
    return Section("weights", "What the first layer has learned", gallery if figures else [])


ROWS, ALL_ROWS = 3, 20
"""Of neurons: of one experiment, and of all together, so that the page stays small."""


def _learned(place: int, side: Side, experiments: int) -> Markup | None:
    label = side.experiment.label
    for run in side.experiment.runs:
        data, hidden = run.record.data, run.config.hidden
        neurons = hidden[0] if hidden else data.classes
        most = weights.shown(data.features, neurons)
        layer = first_layer(run) if most else None
        if layer is None:
            continue
        rows = min(ROWS, max(1, ALL_ROWS // experiments))
        shown = layer.weights[: min(most, rows * weights.ACROSS)]
        shown = np.where(np.isfinite(shown), shown, 0)
        content, width, height = weights.image(shown)
        bound, side_length = weights.bound(shown), round(data.features**0.5)
        which = f"{len(shown)} of {neurons}" if len(shown) < neurons else f"{neurons}"
        caption = (
            f"seed {run.config.seed}, epoch {layer.epoch}: {which} neurons; "
            f"the darkest blue is −{bound:.3g}, the darkest orange +{bound:.3g}"
        )
        described = (
            f"Weights of {which} neurons of {label} as images of {side_length} × {side_length} "
            f"pixels, from {shown.min():.3g} to {shown.max():.3g}; "
            f"their standard deviation is {shown.std():.3g}."
        )
        picture = tag(
            "img",
            src=f"data:image/png;base64,{base64.b64encode(content).decode()}",
            alt=described,
            width=str(2 * width),
            height=str(2 * height),
        )
        return tag("figure", picture, tag("figcaption", swatch(place, label), " ", caption))
    return None
