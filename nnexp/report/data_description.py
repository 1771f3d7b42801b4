"""The description of a config's data as a document, as a value for JSON, and as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from nnexp.analysis.data_description import DataDescription, ValuesDescription
from nnexp.config.messages import shortened
from nnexp.datasets.dataset import Features
from nnexp.errors import printable
from nnexp.report.document import Document, Sentences, Table, plain
from nnexp.report.figure import Figure, Image, Panel
from nnexp.report.text import percent

MOST_FEATURES = 50
"""Maximum number of features that the table shows."""
MOST_CLASSES = 30
"""Maximum number of classes that the table shows, and of those in the figure."""
LONGEST = 30
"""Maximum number of characters of a name in a table."""

Row = list[str]


def document(description: DataDescription, config: str) -> Document:
    """Return the splits, classes, features and duplicates of the data.

    Args:
        description: of the data.
        config: its name, the title.
    """
    return plain(
        Sentences([_summary(description)]),
        _splits(description),
        _classes(description),
        _features(description),
        Sentences(list(_notes(description))),
        title=config,
    )


def _summary(description: DataDescription) -> str:
    shape = f"{description.features} features"
    if description.image is not None and not description.feature_names:
        shape = f"images of {description.image[0]} × {description.image[1]} pixels"
    return f"{description.source}: {shape}, {len(description.class_names)} classes"


def _splits(description: DataDescription) -> Table:
    header = ("split", "examples", "min", "max", "mean", "sd", "zeros", "duplicates")
    rows = [
        [split.name, str(split.examples), *_values(split.values), str(split.duplicates)]
        for split in description.splits
    ]
    return Table(header, rows)


def _values(values: ValuesDescription) -> Row:
    numbers = (values.low, values.high, values.mean, values.deviation)
    return [*(f"{number:.4g}" for number in numbers), percent(values.zeros)]


def _classes(description: DataDescription) -> Table:
    counts = zip(*(split.per_class for split in description.splits), strict=True)
    rows = [
        [_name(name), *map(str, own)]
        for name, own in zip(description.class_names, counts, strict=True)
    ]
    return Table(["class", *(split.name for split in description.splits)], rows[:MOST_CLASSES])


def _features(description: DataDescription) -> Table | None:
    """Return a row for each feature that has a name."""
    names = description.feature_names
    if not names:
        return None
    rows = [
        [_name(name), *_values(values)]
        for name, values in zip(names, description.by_feature, strict=True)
    ]
    header = ("feature (training)", "min", "max", "mean", "sd", "zeros")
    return Table(header, rows[:MOST_FEATURES])


def _name(name: str) -> str:
    return shortened(printable(name), LONGEST)


def _notes(description: DataDescription) -> Iterator[str]:
    """Yield a sentence on each table that is cut, and on duplicates between splits."""
    if (features := len(description.feature_names)) > MOST_FEATURES:
        yield f"Shown are the first {MOST_FEATURES} of {features} features; --json has all."
    if (classes := len(description.class_names)) > MOST_CLASSES:
        yield f"Shown are the first {MOST_CLASSES} of {classes} classes; --json has all."
    for overlap in description.overlaps:
        if overlap.examples:
            number, split = overlap.examples, overlap.split
            subject = "example has" if number == 1 else "examples have"
            other = {"train": "training"}.get(overlap.other, overlap.other)
            yield f"{number} {split} {subject} the same features as a {other} example."
    if len(description.splits) > 1 and not any(o.examples for o in description.overlaps):
        yield "No example is in two splits."


class ValuesOutput(Struct, frozen=True, kw_only=True):
    """The distribution of values as in the file."""

    min: float
    max: float
    mean: float
    sd: float
    """The standard deviation of the population."""
    zeros: float
    """The share of values that are zero."""


class FeatureOutput(Struct, frozen=True, kw_only=True):
    """A feature of the training examples."""

    name: str | None
    """Null if the data has no names."""
    values: ValuesOutput


class SplitOutput(Struct, frozen=True, kw_only=True):
    """A split."""

    examples: int
    per_class: list[int]
    values: ValuesOutput
    """Of all features together."""
    duplicates: int
    """Examples that equal an earlier one of the split."""


class OverlapOutput(Struct, frozen=True, kw_only=True):
    """Examples of a split that equal one of another split."""

    split: str
    other: str
    examples: int


class DataOutput(Struct, frozen=True, kw_only=True):
    """The result of inspect --data."""

    source: str
    image: list[int] | None
    """Rows and columns; null if examples are no images."""
    classes: list[str]
    splits: dict[str, SplitOutput]
    features: list[FeatureOutput]
    overlaps: list[OverlapOutput]
    warnings: list[str]


def output(description: DataDescription) -> DataOutput:
    """Return a description as a value for JSON."""
    names: Sequence[str | None] = description.feature_names or [None] * description.features
    return DataOutput(
        source=description.source,
        image=None if description.image is None else list(description.image),
        classes=list(description.class_names),
        splits={
            split.name: SplitOutput(
                examples=split.examples,
                per_class=list(split.per_class),
                values=_values_output(split.values),
                duplicates=split.duplicates,
            )
            for split in description.splits
        },
        features=[
            FeatureOutput(name=name, values=_values_output(values))
            for name, values in zip(names, description.by_feature, strict=True)
        ],
        overlaps=[OverlapOutput(**overlap._asdict()) for overlap in description.overlaps],
        warnings=description.warnings,
    )


def _values_output(values: ValuesDescription) -> ValuesOutput:
    return ValuesOutput(
        min=values.low,
        max=values.high,
        mean=values.mean,
        sd=values.deviation,
        zeros=values.zeros,
    )


ACROSS = 5
"""Examples of each class in the figure."""
SIZE = 1.25, 1.5
"""Size of an image with its title, in inches."""
TABLE_SIZE = 5.0, 1.5
"""Size of a class's examples of a table, in inches."""
TABLE_ROWS = 20
"""Maximum examples of each class of a table in the figure."""


def figure(description: DataDescription, config: str) -> Figure:
    """Return the first training examples of each class: images, or rows of shades.

    A row of shades is an example of a table: each feature from white, its least, to black.
    """
    train = description.dataset.train
    is_image = description.image is not None and not description.feature_names
    shown = description.class_names[:MOST_CLASSES]
    title = f"{shortened(printable(config), LONGEST)}: training examples"
    panels = []
    for index, name in enumerate(shown):
        rows = np.flatnonzero(train.labels == index)[: ACROSS if is_image else TABLE_ROWS]
        examples = train.features[rows]
        if is_image:
            images = [Image(example.reshape(description.image).tolist()) for example in examples]
            images += [Image([[0.0]])] * (ACROSS - len(images))
            panels += [Panel([image], title=_name(name)) for image in images]
        else:
            panels.append(Panel([Image(_shades(examples, description))], title=_name(name)))
    if is_image:
        return Figure(panels, title, size=SIZE, across=ACROSS)
    explained = f"{title}\na row is an example, a column a feature: white is its least value"
    return Figure(panels, explained, size=TABLE_SIZE, across=1)


def _shades(examples: Features, description: DataDescription) -> list[list[float]]:
    """Return examples with every feature scaled to the range from 0 to 1."""
    low = np.array([values.low for values in description.by_feature])
    width = np.array([values.high for values in description.by_feature]) - low
    scaled: list[list[float]] = ((examples - low) / np.where(width > 0, width, 1)).tolist()
    return scaled
