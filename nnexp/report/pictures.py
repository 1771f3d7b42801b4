"""What a report draws: curves and first-layer weights."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from typing import Literal

import numpy as np

from nnexp.analysis.averages import average
from nnexp.analysis.comparison import Comparison
from nnexp.analysis.evaluation import first_layer
from nnexp.analysis.metrics import Side
from nnexp.report import charts, comparisons, weights
from nnexp.report.charts import POINTS, chart
from nnexp.report.curves import EPOCHS, SPLITS, STYLES, panels
from nnexp.report.document import Section
from nnexp.report.figure import Axis, Line, Panel
from nnexp.report.markup import Markup, swatch, tag
from nnexp.training.history import Row

LAYERS = 6


def curves(compared: Comparison) -> Section:
    """Return cost and accuracy of every split against epochs."""
    histories = {side.experiment.label: side.histories for side in compared.sides}
    drawn = [panel for panel in panels(histories) if panel.marks]
    if not drawn:
        return Section("curves", "", [])
    styles = {mark.style for panel in drawn for mark in panel.marks if isinstance(mark, Line)}
    legend = _legend(compared, [split for split in STYLES if STYLES[split] in styles])
    return Section("curves", "Curves", [legend, tag("div", *map(chart, drawn), class_="charts")])


def _legend(compared: Comparison, splits: Sequence[str]) -> Markup:
    captions = comparisons.captions(compared)
    experiments = [
        tag("li", swatch(place, caption[0]), caption[1:]) for place, caption in enumerate(captions)
    ]
    styles = [
        tag(
            "li",
            tag("span", class_=f"swatch {charts.STYLES[STYLES[split]]}", aria_hidden="true"),
            SPLITS[split],
        )
        for split in splits
    ]
    several = any(len(side.facts) > 1 for side in compared.sides)
    band = [tag("li", "band: one standard deviation between seeds")] if several else []
    return tag("ul", *experiments, *styles, *band, class_="legend")


def monitored(compared: Comparison) -> Section:
    """Return saturation and the norms of the weights, where runs were asked to record them."""
    drawn = [
        chart(Panel(lines, EPOCHS, Axis(title.format(layer), unit)), POINTS // 2)
        for title, unit, key in MONITORED
        for layer, lines in zip(range(1, LAYERS + 1), _layers(compared, key), strict=False)
    ]
    legend = [_legend(compared, []), tag("div", *drawn, class_="charts")] if drawn else []
    return Section("layers", "Saturation and weights by layer", legend)


Key = Literal["saturation", "weight_norms"]


def _layers(compared: Comparison, key: Key) -> Iterator[list[Line]]:
    """Yield the lines of each layer, until no experiment has one more."""
    for layer in count():
        lines = []
        for place, side in enumerate(compared.sides):
            epochs, mean, sd = average(side.histories, partial(_entry, key, layer))
            if epochs:
                label = side.experiment.label
                lines.append(Line(label, epochs, mean, colour=place, spread=sd, end=label))
        if not lines:
            return
        yield lines


def _entry(key: Key, layer: int, row: Row) -> object:
    layers = getattr(row, key)
    return layers[layer] if isinstance(layers, tuple) and layer < len(layers) else None


MONITORED: tuple[tuple[str, str, Key], ...] = (
    ("saturated neurons of hidden layer {}", "%", "saturation"),
    ("norm of layer {}’s weights", "", "weight_norms"),
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
        from nnexp.report import renderer  # noqa: PLC0415 - matplotlib is slow to import

        squares = weights.squares(shown)
        content, height, width = renderer.png(squares), len(squares.rows), len(squares.rows[0])
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
