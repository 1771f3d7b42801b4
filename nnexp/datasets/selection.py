"""Select classes and examples from the splits of a source, and check that the splits match.

Expansion of the training examples comes last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnexp.datasets.dataset import Dataset, Features, Labels, Split
from nnexp.datasets.expansion import expand
from nnexp.errors import DataError
from nnexp.names import MAX_CLASSES

if TYPE_CHECKING:
    from nnexp.datasets.sources import Source


class Part(NamedTuple):
    """One split as read, with the names of its sources for messages."""

    features: Features  # (examples, fan_in)
    labels: Labels  # (examples,)
    features_from: str
    labels_from: str
    image: tuple[int, ...] = ()
    """The shape of an example in its file; empty if the file gives none."""


class Parts(NamedTuple):
    """All splits of a source as read, before selection."""

    train: Part
    validation: Part | None
    test: Part | None
    sha256: dict[str, str]


def pair(features: Features, labels: Labels, features_from: str, labels_from: str) -> Part:
    """Combine features and labels.

    Raises: DataError if their numbers differ.
    """
    if len(features) != len(labels):
        raise DataError(
            f"{labels_from}: {len(labels)} labels for the {len(features)} examples "
            f"of {features_from}"
        )
    return Part(features, labels, features_from, labels_from)


def select(source: Source, parts: Parts) -> Dataset:
    """Apply a source's selection: classes first, renumbered, then the first n examples of a split.

    After that, the training examples are expanded if the source says so. Without ``classes``, the
    number of classes is 1 + the largest training label, whatever n is.

    Raises: DataError if the splits do not match or have fewer examples than requested.
    """
    check_trainable(parts.train)
    count = class_count(source.classes, parts.train)
    _, validation, test, _ = parts
    for part in (validation, test):
        if part is not None:
            check_fits(part, parts.train, count if source.classes is None else None)
    return Dataset(
        train=select_train(source, parts.train),
        validation=select_optional(source, "validation", validation),
        test=select_optional(source, "test", test),
        classes=count,
        scale=source.scale,
        sha256=parts.sha256,
        image=parts.train.image,
    )


def check_trainable(train: Part) -> None:
    """Raise DataError if there are no training examples or no features."""
    if not len(train.labels):
        raise DataError(f"{train.features_from}: no training examples")
    if not train.features.shape[1]:
        raise DataError(f"{train.features_from}: examples without features")


def class_count(classes: tuple[int, ...] | None, train: Part) -> int:
    """Return the number of classes.

    Raises: DataError if there is only one, or one that the training data does not contain.
    """
    present = set(np.unique(train.labels).tolist())
    if classes is not None:
        check_classes(classes, present, train)
    count = 1 + max(present) if classes is None else len(classes)
    if min(count, len(present)) < 2:  # noqa: PLR2004 - a classifier needs two
        raise DataError(f"{train.labels_from}: only one class; a classifier needs at least two")
    if count > MAX_CLASSES:
        raise DataError(
            f"{train.labels_from}: labels up to {count - 1} would need {count} output neurons; "
            f"the limit is {MAX_CLASSES}"
        )
    return count


def check_classes(classes: tuple[int, ...], present: set[int], train: Part) -> None:
    """Raise DataError if a class is repeated or missing in the training data."""
    if len(set(classes)) < len(classes):
        raise DataError(f"data.classes: a class is named twice, got {list(classes)}")
    if missing := [label for label in classes if label not in present]:
        known = ", ".join(map(str, sorted(present)[:20])) + (", …" if len(present) > 20 else "")  # noqa: PLR2004 - fits a line
        raise DataError(f"{train.labels_from}: no example of class {missing[0]} (known: {known})")


def check_fits(part: Part, train: Part, classes: int | None) -> None:
    """Raise DataError if a split's features or classes do not match the training data's."""
    if part.features.shape[1] != train.features.shape[1]:
        raise DataError(
            f"{part.features_from}: {part.features.shape[1]} features per example, but "
            f"{train.features_from} has {train.features.shape[1]}"
        )
    if classes is not None and len(part.labels) and part.labels.max() >= classes:
        raise DataError(
            f"{part.labels_from}: label {part.labels.max()}, but the largest training label is "
            f"{classes - 1}"
        )


def select_train(source: Source, part: Part) -> Split:
    """Select the training examples, and expand them if the source says so."""
    train = select_split(source, "train", part)
    if source.expand is None:
        return train
    return expand(source.expand, train, part.image, part.features_from)


def select_optional(source: Source, name: str, part: Part | None) -> Split | None:
    """Select from a split that may be missing; an empty one counts as missing."""
    if part is not None and len(part.labels):
        return select_split(source, name, part)
    if getattr(source, name) is not None:
        raise DataError(f"data.{name}: asks for {getattr(source, name)} examples, but there are 0")
    return None


def select_split(source: Source, name: str, part: Part) -> Split:
    """Return the first n examples of the selected classes; a view if all classes are selected."""
    requested: int | None = getattr(source, name)
    numbers = None if source.classes is None else renumber(part.labels, source.classes)
    available = len(part.labels) if numbers is None else int((numbers >= 0).sum())
    if requested is not None and not 1 <= requested <= available:
        classes = "" if numbers is None else f" of classes {list(source.classes or ())}"
        raise DataError(
            f"{part.labels_from}: data.{name} asks for {requested} examples{classes}, "
            f"but there are {available}"
        )
    if numbers is None:
        return Split(part.features[:requested], part.labels[:requested])
    rows = np.flatnonzero(numbers >= 0)[:requested]
    return Split(part.features[rows], numbers[rows])


def renumber(labels: Labels, classes: tuple[int, ...]) -> Labels:
    """Return labels as indices into classes, -1 for those not in it."""
    numbers = np.full(len(labels), -1, dtype=np.int64)
    for number, label in enumerate(classes):
        numbers[labels == label] = number
    return numbers
