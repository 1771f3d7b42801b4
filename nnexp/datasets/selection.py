"""Select classes and examples from the splits of a source, and check that the splits match.

The order is: classes, splitting off validation and test examples, counts, standardization,
expansion of the training examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nnexp.datasets import classes, splitting, standardization
from nnexp.datasets.classes import Classes
from nnexp.datasets.dataset import Dataset, Factors, Features, Labels, Split
from nnexp.datasets.expansion import expand
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.datasets.sources import Source

HeldOut = Literal["validation", "test"]


class Part(NamedTuple):
    """One split as read, with the names of its sources for messages."""

    features: Features  # (examples, fan_in)
    labels: Labels
    """(examples,): the labels themselves if they are whole numbers, else indices of names."""
    features_from: str
    labels_from: str
    image: tuple[int, ...] = ()
    """The shape of an example in its file; empty if the file gives none."""
    advice: str = ""
    """What to do if these are not the labels."""

    def rows(self, start: int, stop: int) -> Part:
        """Return some of the examples, as views."""
        return self._replace(features=self.features[start:stop], labels=self.labels[start:stop])


class Parts(NamedTuple):
    """All splits of a source as read, before selection."""

    train: Part
    validation: Part | None
    test: Part | None
    sha256: dict[str, str]
    names: Sequence[str] | None = None
    """The names that labels index; None if labels are the whole numbers in the files."""
    feature_names: tuple[str, ...] = ()
    held_out: int = 0
    """The last training examples are for validation, unless a fraction is split off."""


def pair(features: Features, labels: Labels, features_from: str, labels_from: str) -> Part:
    """Combine features and labels.

    Raises: DataError if their numbers differ.
    """
    if len(features) != len(labels):
        raise DataError(
            f"{labels_from}: {len(labels)} labels for the {len(features)} examples "
            f"of {features_from}; each example needs one label"
        )
    return Part(features, labels, features_from, labels_from)


def select(source: Source, parts: Parts, factors: Factors | None = None) -> Dataset:
    """Apply a source's settings to the examples as read.

    Args:
        source: the settings.
        parts: read from the source.
        factors: to standardize with; None for those of the training examples.

    Raises: DataError if the splits do not match or have fewer examples than requested.
    """
    if parts.held_out and not isinstance(source.validation, float):
        parts = _divided(parts)
    check_trainable(parts.train)
    everything = classes.known(parts.train.labels, parts.names)
    train = parts.train
    chosen = classes.selected(everything, source.classes, train.labels_from, train.advice)
    named: dict[str, Part | None] = {"validation": parts.validation, "test": parts.test}
    present = {name: part for name, part in named.items() if part is not None}
    for part in present.values():
        check_width(part, parts.train)
        if source.classes is None:
            check_labels(part, chosen, parts.names)
    splits = {name: keep(part, chosen) for name, part in {"train": parts.train, **present}.items()}
    splits, sha256 = split_off(source, splits, parts.train.labels_from)
    named["train"] = parts.train
    splits = {name: first(source, name, split, named) for name, split in splits.items()}
    if source.standardize:
        factors = factors or standardization.factors(splits["train"].features)
        splits = {name: standardization.standardized(s, factors) for name, s in splits.items()}
    else:
        factors = None
    expanded, origin = splits["train"], parts.train
    if source.expand is not None:
        expanded = expand(source.expand, expanded, origin.image, origin.features_from)
    return Dataset(
        train=expanded,
        validation=splits.get("validation"),
        test=splits.get("test"),
        classes=len(chosen.numbers),
        scale=1.0 if source.standardize else source.scale,
        sha256=parts.sha256,
        image=origin.image,
        class_names=chosen.names,
        feature_names=parts.feature_names,
        factors=factors,
        split_sha256=sha256,
    )


def _divided(parts: Parts) -> Parts:
    """Return the parts with the last training examples as the validation part."""
    n = len(parts.train.labels)
    first = n - parts.held_out
    return parts._replace(train=parts.train.rows(0, first), validation=parts.train.rows(first, n))


def check_trainable(train: Part) -> None:
    """Raise DataError if there are no training examples or no features."""
    if not len(train.labels):
        raise DataError(f"{train.features_from}: no training examples")
    if not train.features.shape[1]:
        raise DataError(f"{train.features_from}: examples without features")


def check_width(part: Part, train: Part) -> None:
    """Raise DataError if a split has other features than the training data."""
    images = part.image, train.image
    shapes = [f"examples of shape {image}" for image in images]
    if part.features.shape[1] != train.features.shape[1]:
        shapes = [f"{p.features.shape[1]} features per example" for p in (part, train)]
    elif min(map(len, images)) < 2 or images[0] == images[1]:  # noqa: PLR2004 - rows, columns
        return
    raise DataError(
        f"{part.features_from}: {shapes[0]}, but {train.features_from} has "
        f"{shapes[1].removesuffix(' per example')}; all splits need the same features"
    )


def check_labels(part: Part, known: Classes, names: Sequence[str] | None) -> None:
    """Raise DataError if a split has a label that the training data does not have."""
    other = np.flatnonzero(classes.numbered(part.labels, known) < 0)
    if other.size:
        label = int(part.labels[other[0]])
        shown = str(label) if names is None else repr(names[label])
        raise DataError(
            f"{part.labels_from}: label {shown} of example {other[0] + 1} does not occur in the "
            f"training data (known: {known}); correct it, or choose classes by data.classes"
        )


def keep(part: Part, chosen: Classes) -> Split:
    """Return the examples of the chosen classes; a view if these are all."""
    numbers = classes.numbered(part.labels, chosen)
    if not (numbers < 0).any():
        return Split(part.features, numbers)
    rows = np.flatnonzero(numbers >= 0)
    return Split(part.features[rows], numbers[rows])


def split_off(
    source: Source, splits: dict[str, Split], labels_from: str
) -> tuple[dict[str, Split], str | None]:
    """Split off the validation and test examples that are requested and have no source.

    Returns: all splits that have examples, and the digest of those that were split off, if any.
    """
    present = {name: split for name, split in splits.items() if len(split.labels)}
    requested = {"validation": source.validation, "test": source.test}
    for name, number in requested.items():
        if name in present and isinstance(number, float):
            raise DataError(
                f"data.{name}: {number:g} is a fraction of the training examples to split off, but "
                f"the data has {name} examples of its own; give a count, or leave it out"
            )
    missing = {name: n for name, n in requested.items() if name not in present}
    if set(missing.values()) <= {None} or "train" not in present:
        return present, None
    train = present["train"]
    division = splitting.divide(
        train.labels,
        missing.get("validation"),
        missing.get("test"),
        source.split_seed,
        labels_from,
    )
    for name, rows in division._asdict().items():
        if len(rows):
            present[name] = Split(train.features[rows], train.labels[rows])
    return present, division.sha256


def first(source: Source, name: str, split: Split, parts: dict[str, Part | None]) -> Split:
    """Return the first n examples of a split, if the source requests a number of them.

    Examples that were split off are as many as requested already.

    Raises: DataError if there are fewer.
    """
    requested: float | None = getattr(source, name)
    available = len(split.labels)
    if requested is None or isinstance(requested, float):
        return split
    if not 1 <= requested <= available:
        part = parts.get(name)
        where = "" if part is None else f"{part.labels_from}: "
        chosen = "" if source.classes is None else f" of classes {list(source.classes)}"
        raise DataError(
            f"{where}data.{name} asks for {requested} examples{chosen}, but there are {available}"
        )
    return Split(split.features[: int(requested)], split.labels[: int(requested)])
