"""Predictions for new examples as a document, as CSV, as a value for JSON and as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec import Struct

from nnexp.config.messages import shortened
from nnexp.errors import UsageError, printable
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.figure import Figure, Image, Panel
from nnexp.report.text import percent

if TYPE_CHECKING:
    from nnexp.analysis.prediction import FilePrediction
    from nnexp.datasets.inputs import Inputs

ACROSS, MOST = 6, 30
"""Images in a row, and in a figure."""
SIZE = 1.25, 1.7
"""Size of an image with its title, in inches."""
PLURAL = "examples have the class of their label"
LONGEST = 14
"""Maximum characters of a line of a title."""


class PredictionOutput(Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """The prediction for one example."""

    file: str
    row: int | None
    """The example in the file, counted from 1; null for a picture."""
    class_: str
    """The class with the largest output."""
    output: float
    """Of that class."""
    outputs: dict[str, float]
    """By class, in the networks' order."""
    label: str | None
    """The label in the file; null if it has none."""


class Example(NamedTuple):
    """One example of a file, with its outputs in falling order."""

    file: str
    row: int | None
    order: Sequence[int]
    """The classes, the one with the largest output first; of equal outputs, the first class."""
    outputs: Sequence[float]
    """In the networks' order."""
    label: str | None


def examples(predictions: Sequence[FilePrediction]) -> Iterator[Example]:
    """Yield all examples of all files in their order."""
    for prediction in predictions:
        order = np.argsort(-prediction.outputs, axis=1, kind="stable").tolist()
        labels = prediction.examples.labels
        for index, outputs in enumerate(prediction.outputs.tolist()):
            row = None if prediction.examples.is_picture else index + 1
            label = None if labels is None else labels[index]
            yield Example(str(prediction.file), row, order[index], outputs, label)


def document(predictions: Sequence[FilePrediction], top: int, voters: int = 1) -> Document:
    """Return a table with a row for each example, and the accuracy on each file with labels.

    Args:
        predictions: of all files.
        top: how many classes of each example to list, those with the largest outputs.
        voters: the number of networks that predict together.
    """
    classes = predictions[0].classes
    rows = [
        [_name(example), *_ranked(example, classes, top), *_label(example, classes)]
        for example in examples(predictions)
    ]
    is_labelled = any(prediction.examples.labels for prediction in predictions)
    header = ["example", "class", "output"]
    for rank in range(2, top + 1):
        header += ["runner-up" if rank == 2 else f"{rank}.", "output"]  # noqa: PLR2004
    if is_labelled:
        header.append("label")
    rows = [[*row, *[""] * (len(header) - len(row))] for row in rows]
    lines = [f"The networks of {voters} runs vote."] if voters > 1 else []
    lines += [line for prediction in predictions for line in _accuracy(prediction)]
    return plain(Table(header, rows, left=2, folds=True), Sentences(lines) if lines else None)


def _accuracy(prediction: FilePrediction) -> Iterator[str]:
    """Yield how many examples have the class of their label, and how many labels are no class."""
    file = printable(str(prediction.file))
    labels = [label for label in prediction.examples.labels or () if label is not None]
    known = prediction.known
    if prediction.accuracy is not None:
        have = "example has the class of its label" if known == 1 else PLURAL
        yield f"{file}: {percent(prediction.accuracy)} of {known} {have}"
    if known < len(labels):
        other = next(label for label in labels if label not in prediction.classes)
        yield (
            f"{file}: {len(labels) - known} of {len(labels)} labels are no class of the network, "
            f"such as {printable(repr(other))}"
        )


def _name(example: Example) -> str:
    return example.file if example.row is None else f"{example.file}:{example.row}"


def _ranked(example: Example, classes: Sequence[str], top: int) -> Iterator[str]:
    for index in example.order[:top]:
        yield classes[index]
        yield f"{example.outputs[index]:.4f}"


def _label(example: Example, classes: Sequence[str]) -> Iterator[str]:
    """Yield the label, marked if the prediction differs from it."""
    if example.label is not None:
        is_right = classes[example.order[0]] == example.label
        yield example.label if is_right else f"{example.label} !"


def rows(predictions: Sequence[FilePrediction]) -> tuple[list[str], list[list[object]]]:
    """Return the header and rows of a CSV file with all outputs."""
    classes = predictions[0].classes
    header = ["file", "row", "label", "class", *(f"output {name}" for name in classes)]
    return header, [
        [
            example.file,
            "" if example.row is None else example.row,
            "" if example.label is None else example.label,
            classes[example.order[0]],
            *example.outputs,
        ]
        for example in examples(predictions)
    ]


def output(predictions: Sequence[FilePrediction]) -> list[PredictionOutput]:
    """Return all predictions as values for JSON."""
    return [
        PredictionOutput(
            file=example.file,
            row=example.row,
            class_=prediction.classes[example.order[0]],
            output=example.outputs[example.order[0]],
            outputs=dict(zip(prediction.classes, example.outputs, strict=True)),
            label=example.label,
        )
        for prediction in predictions
        for example in examples([prediction])
    ]


def figure(predictions: Sequence[FilePrediction], inputs: Inputs) -> Figure:
    """Return the first examples as the network saw them, with their classes.

    A title says how many are left out. Without that there is none, which fits one narrow panel.

    Raises:
        UsageError: the examples are no images.
    """
    if inputs.image is None:
        raise UsageError(f"--shown: examples of {inputs.features} features are no images to draw")
    classes, examples = predictions[0].classes, sum(len(each.outputs) for each in predictions)
    pixels = np.concatenate([prediction.examples.features[:MOST] for prediction in predictions])
    panels = []
    for features, example in zip(pixels[:MOST], _first(predictions), strict=False):
        best = example.order[0]
        lines = (
            _name(example._replace(file=Path(example.file).name)),
            f"{classes[best]}  {example.outputs[best]:.2f}",
        )
        title = "\n".join(shortened(printable(line), LONGEST) for line in lines)
        panels.append(Panel([Image(features.reshape(inputs.image).tolist())], title=title))
    title = f"the first {MOST} of {examples}" if examples > MOST else ""
    return Figure(panels, title, size=SIZE, across=ACROSS)


def _first(predictions: Sequence[FilePrediction]) -> Iterator[Example]:
    """Yield the first examples of each file, as many as a figure has."""
    for prediction in predictions:
        for index, example in enumerate(examples([prediction])):
            if index < MOST:
                yield example
