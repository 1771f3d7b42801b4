"""The part of a report that one can draw on: the best networks, embedded for pad.js."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.analysis.best_network import best_facts
from nnexp.analysis.comparison import Comparison
from nnexp.analysis.metrics import Facts, Side
from nnexp.analysis.task import inputs
from nnexp.datasets.drawing import SIDE
from nnexp.datasets.inputs import WHITE, Inputs, white_of, why_no_pictures
from nnexp.errors import printable
from nnexp.export.trained import TrainedNetwork, trained
from nnexp.nn.arrays import Array
from nnexp.report.document import Block, Section, Sentences
from nnexp.report.markup import Markup, swatch, tag

if TYPE_CHECKING:
    import numpy.typing as npt

NAME = "draw"
"""The anchor of the section."""
LARGEST = 2_000_000
"""Maximum bytes of an embedded network."""

HOW = (
    "Draw with mouse or finger, or with the keyboard: the arrow keys move the pen, Space lowers "
    "and lifts it, Delete clears the drawing. Each network answers at once; the drawing stays on "
    "this page."
)
PREPARED = (
    "As MNIST's makers prepared their images, the drawing is cropped, scaled to 20 × 20 pixels and "
    "centred in 28 × 28."
)
RESIZED = "The drawing is only scaled to 28 × 28 pixels: these images are not MNIST's."


def pad(compared: Comparison) -> Section:
    """Return the best network of each experiment that was trained on images of 28 × 28 pixels.

    Raises:
        CorruptError: a run is damaged.
    """
    figures, sentences, is_mnist = [], [], []
    for index, side in enumerate(compared.sides):
        best = best_facts(side)
        if best is None or not _takes_drawings(shape := inputs(best.run)):
            continue
        network = trained(best.run)
        attributes = _attributes(network)
        size = sum(len(value) for value in attributes.values() if value is not None)
        if size > LARGEST:
            sentences.append(
                f"The network of {side.experiment.label} is left out: it would add "
                f"{size / 1e6:.1f} MB to this page, and the limit is {LARGEST / 1e6:.0f} MB."
            )
            continue
        is_mnist.append(shape.is_mnist)
        figures.append(_figure(index, side, best, network, attributes))
    blocks: list[Block] = []
    if figures:
        how = [HOW, *([PREPARED] if any(is_mnist) else []), *([] if all(is_mnist) else [RESIZED])]
        blocks += [
            tag("p", " ".join(how)),
            tag("noscript", tag("p", "Drawing needs scripts, which are switched off.")),
            tag("div", tag("div", *figures, class_="networks"), class_="drawing"),
        ]
    if sentences:
        blocks.append(Sentences(sentences, "remark"))
    heading = "Draw a digit" if all(is_mnist) else "Draw an image"
    return Section(NAME, heading, blocks)


def _takes_drawings(shape: Inputs) -> bool:
    return shape.image == (SIDE, SIDE) and why_no_pictures(shape) is None


def _figure(
    index: int, side: Side, best: Facts, network: TrainedNetwork, attributes: dict[str, str | None]
) -> Markup:
    label = side.experiment.label
    epoch = "" if best.best is None else f"epoch {best.best.epoch} of "
    sizes = "-".join(map(str, network.sizes))
    hidden = f"{network.activation} neurons, " if len(network.layers) > 1 else ""
    caption = f" {epoch}{best.run.name}: {sizes}, {hidden}{network.output} output"
    return tag(
        "figure",
        tag("figcaption", swatch(index, label), caption),
        class_=f"network e{index}",
        data_label=label,
        **attributes,
    )


def _attributes(network: TrainedNetwork) -> dict[str, str | None]:
    """Return a network as attributes of an element, as pad.js reads them."""
    factors = network.factors
    return {
        "data_sizes": " ".join(map(str, network.sizes)),
        "data_activation": network.activation,
        "data_output": network.output,
        "data_classes": json.dumps([printable(name) for name in network.classes]),
        "data_scale": repr(network.scale * WHITE / white_of(network.inputs)),
        "data_prepares": "true" if network.inputs.is_mnist else "false",
        "data_mean": None if factors is None else _encoded(factors.mean),
        "data_deviation": None if factors is None else _encoded(factors.deviation),
        "data_dtype": network.layers[0].weights.dtype.name,
        "data_parameters": _encoded(np.concatenate(list(_parameters(network)))),
    }


def _parameters(network: TrainedNetwork) -> Iterator[Array]:
    """Yield each layer's weights, row by row, and its biases."""
    for layer in network.layers:
        yield layer.weights.ravel()
        yield layer.biases


def _encoded(values: npt.NDArray[np.floating[Any]]) -> str:
    """Return numbers as base64 of their bytes, the lowest first, as browsers expect them."""
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()
