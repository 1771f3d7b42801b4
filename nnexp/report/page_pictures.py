"""Pictures of a report: curves, and weights of the first layer as images."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from math import isqrt
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from nnexp.analysis.averages import average
from nnexp.analysis.best_network import best_facts
from nnexp.analysis.comparison import Comparison
from nnexp.analysis.evaluation import FirstLayer, first_layer, is_best_deleted
from nnexp.analysis.metrics import Side
from nnexp.errors import CorruptError
from nnexp.report import charts, comparisons
from nnexp.report.charts import POINTS, chart
from nnexp.report.curves import EPOCHS, SPLITS, STYLES, panels
from nnexp.report.document import Section
from nnexp.report.figure import Axis, Image, Line, Panel
from nnexp.report.markup import Markup, swatch, tag
from nnexp.store.run import Run
from nnexp.training.history import Row

if TYPE_CHECKING:
    import numpy.typing as npt

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
        tag("li", swatch(index, caption[0]), caption[1:]) for index, caption in enumerate(captions)
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
    """Return charts of saturation and weight norms, if the runs recorded them."""
    drawn = [
        chart(Panel(lines, EPOCHS, Axis(title.format(layer), unit)), POINTS // 2)
        for title, unit, key in MONITORED
        for layer, lines in zip(range(1, LAYERS + 1), _layers(compared, key), strict=False)
    ]
    legend = [_legend(compared, []), tag("div", *drawn, class_="charts")] if drawn else []
    return Section("layers", "Saturation and weights by layer", legend)


Key = Literal["saturation", "weight_norms"]


def _layers(compared: Comparison, key: Key) -> Iterator[list[Line]]:
    """Yield the lines of each layer, up to the deepest network's last one."""
    for layer in count():
        lines = []
        for index, side in enumerate(compared.sides):
            epochs, mean, sd = average(side.histories, partial(_entry, key, layer))
            if epochs:
                label = side.experiment.label
                lines.append(Line(label, epochs, mean, colour=index, spread=sd, end=label))
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
    """Return images of the first layer's weights, if the inputs are square images.

    An experiment whose best checkpoints were deleted has none, which a sentence says.
    """
    figures, sentences = [], []
    rows = min(ROWS, max(1, ALL_ROWS // len(compared.sides)))
    for index, side in enumerate(compared.sides):
        label, shown = side.experiment.label, _shown_layer(side, rows)
        if isinstance(shown, CorruptError):
            sentences.append(tag("p", f"{label}: {shown}"))
        elif shown is not None:
            figures.append(_weights_figure(index, label, *shown))
    intro = tag(
        "p",
        "Each square shows the weights of one neuron, arranged like the pixels of an input. "
        "White is zero, blue is negative, orange is positive.",
    )
    gallery = [intro, tag("div", *figures, class_="gallery")] if figures else []
    return Section("weights", "Weights of the first layer", [*gallery, *sentences])


ROWS, ALL_ROWS = 3, 20
"""Maximum rows of neurons, of one experiment and of all, which limits the size of the page."""


def _shown_layer(side: Side, rows: int) -> tuple[Run, FirstLayer, Grid] | CorruptError | None:
    """Return the best run, and its weights of at most some rows of neurons.

    If none counts, it is the first run with weights to show.

    Returns: the error of the first run if the best checkpoints of all of them were deleted; None if
        there is nothing to show.
    """
    deleted: CorruptError | None = None
    best = best_facts(side)
    for run in side.experiment.runs if best is None else [best.run]:
        data, hidden = run.record.data, run.config.hidden
        most = shown_neurons(data.features, hidden[0] if hidden else data.classes)
        try:
            layer = first_layer(run) if most else None
        except CorruptError as error:
            if not is_best_deleted(run):
                raise
            deleted = deleted or error
            continue
        if layer is not None:
            shown = layer.weights[: min(most, rows * ACROSS)]
            return run, layer, np.where(np.isfinite(shown), shown, 0)
    return deleted


def _weights_figure(index: int, label: str, run: Run, layer: FirstLayer, shown: Grid) -> Markup:
    """Return the picture of some neurons' weights with its caption."""
    from nnexp.report import renderer  # noqa: PLC0415 - matplotlib is slow to import

    image = squares(shown)
    content, height, width = renderer.png(image), len(image.rows), len(image.rows[0])
    neurons, features = layer.weights.shape
    bound, side_length = colour_bound(shown), round(features**0.5)
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
    return tag("figure", picture, tag("figcaption", swatch(index, label), " ", caption))


ACROSS = 10
"""Neurons in a row."""
GAP = 2
"""Pixels between two neurons."""
PIXELS = 30 * 28 * 28
"""Maximum pixels of all neurons: as many as thirty neurons have for MNIST."""
BOUND = 99.5
"""Percentile of the weights' magnitudes at which the colours end, which ignores outliers."""

Grid: TypeAlias = "npt.NDArray[np.floating[Any]]"


def shown_neurons(features: int, neurons: int) -> int:
    """Return how many neurons can be shown: 0 unless inputs are square images of usual size."""
    side = isqrt(features)
    if side * side != features or side < 4:  # noqa: PLR2004 - fewer pixels are no picture
        return 0
    return min(neurons, PIXELS // features)


def colour_bound(weights: Grid) -> float:
    """Return the magnitude from which on weights have the darkest colour."""
    return float(np.percentile(np.abs(weights), BOUND)) or 1.0


def squares(weights: Grid) -> Image:
    """Return weights, of shape (neurons, pixels), as one image with ten neurons in a row."""
    neurons, features = weights.shape
    side = isqrt(features)
    across, down = min(ACROSS, neurons), -(-neurons // ACROSS)
    step = side + GAP
    canvas = np.full((down * step - GAP, across * step - GAP), np.nan)
    for neuron, pixels in enumerate(weights):
        top, left = step * (neuron // ACROSS), step * (neuron % ACROSS)
        canvas[top : top + side, left : left + side] = pixels.reshape(side, side)
    limit = colour_bound(weights)
    return Image(canvas.tolist(), "weights", (-limit, limit))
