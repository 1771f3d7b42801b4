"""From splits as they were read to a Dataset: which classes, how many examples, and what fits.

Training examples that are to be expanded are so last of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnexp.datasets.dataset import Dataset, Features, Labels, Split
from nnexp.datasets.expansion import expanded
from nnexp.errors import DataError
from nnexp.names import MOST_CLASSES

if TYPE_CHECKING:
    from nnexp.datasets.sources import Source


class Part(NamedTuple):
    """One split as it was read, with the places that messages name."""

    features: Features  # (examples, fan_in)
    labels: Labels  # (examples,)
    features_from: str
    labels_from: str
    image: tuple[int, ...] = ()
    """The shape of an example as its file gives it; empty where it gives none."""


class Parts(NamedTuple):
    """All splits of a source as they were read; at least as many as the source can select from."""

    train: Part
    validation: Part | None
    test: Part | None
    sha256: dict[str, str]


def pair(features: Features, labels: Labels, features_from: str, labels_from: str) -> Part:
    """Return features and their labels together.

    Raises: DataError if they are not equally many.
    """
    if len(features) != len(labels):
        raise DataError(
            f"{labels_from}: {len(labels)} labels for the {len(features)} examples "
            f"of {features_from}"
        )
    return Part(features, labels, features_from, labels_from)


def select(source: Source, parts: Parts) -> Dataset:
    """Return what the source selects: the classes first, renumbered, then the first n of each.

    The training examples are expanded after that, if they are to be.

    Without ``classes`` there are 1 + the largest training label, whatever n is.

    Raises: DataError if the parts do not fit together or hold less than is asked for.
    """
    check_trainable(parts.train)
    count = class_count(source.classes, parts.train)
    _, validation, test, _ = parts
    for part in (validation, test):
        if part is not None:
            check_fits(part, parts.train, count if source.classes is None else None)
    return Dataset(
        train=trained_on(source, parts.train),
        validation=chosen_or_none(source, "validation", validation),
        test=chosen_or_none(source, "test", test),
        classes=count,
        scale=source.scale,
        sha256=parts.sha256,
        image=parts.train.image,
    )


def check_trainable(train: Part) -> None:
    """Refuse training data without an example or without a feature."""
    if not len(train.labels):
        raise DataError(f"{train.features_from}: no training examples")
    if not train.features.shape[1]:
        raise DataError(f"{train.features_from}: examples without a feature")


def class_count(classes: tuple[int, ...] | None, train: Part) -> int:
    """Return the number of classes.

    Raises: DataError if there is one only, or one that the training data does not hold.
    """
    held = set(np.unique(train.labels).tolist())
    if classes is not None:
        check_classes(classes, held, train)
    count = 1 + max(held) if classes is None else len(classes)
    if min(count, len(held)) < 2:  # noqa: PLR2004 - two are needed to tell apart
        raise DataError(f"{train.labels_from}: one class only, nothing to tell apart")
    if count > MOST_CLASSES:
        raise DataError(
            f"{train.labels_from}: labels up to {count - 1} would need {count} output neurons; "
            f"the limit is {MOST_CLASSES}"
        )
    return count


def check_classes(classes: tuple[int, ...], held: set[int], train: Part) -> None:
    """Refuse classes named twice or absent from the training data."""
    if len(set(classes)) < len(classes):
        raise DataError(f"data.classes: a class is named twice, got {list(classes)}")
    if absent := [label for label in classes if label not in held]:
        known = ", ".join(map(str, sorted(held)[:20])) + (", …" if len(held) > 20 else "")  # noqa: PLR2004 - fits a line
        raise DataError(f"{train.labels_from}: no example of class {absent[0]} (known: {known})")


def check_fits(part: Part, train: Part, classes: int | None) -> None:
    """Refuse a split of other features than the training data's, or with a class beyond them."""
    if part.features.shape[1] != train.features.shape[1]:
        raise DataError(
            f"{part.features_from}: {part.features.shape[1]} features an example, but "
            f"{train.features_from} has {train.features.shape[1]}"
        )
    if classes is not None and len(part.labels) and part.labels.max() >= classes:
        raise DataError(
            f"{part.labels_from}: label {part.labels.max()}, but the training labels end "
            f"at {classes - 1}"
        )


def trained_on(source: Source, part: Part) -> Split:
    """Return what is chosen of the training examples, expanded if the source says so."""
    train = chosen(source, "train", part)
    if source.expand is None:
        return train
    return expanded(source.expand, train, part.image, part.features_from)


def chosen_or_none(source: Source, name: str, part: Part | None) -> Split | None:
    """Return what is chosen of a split that may be absent; an empty one counts as absent."""
    if part is not None and len(part.labels):
        return chosen(source, name, part)
    if getattr(source, name) is not None:
        raise DataError(f"data.{name}: asks for {getattr(source, name)} examples, but there are 0")
    return None


def chosen(source: Source, name: str, part: Part) -> Split:
    """Return the first n examples of the chosen classes: a view unless classes are chosen."""
    wanted: int | None = getattr(source, name)
    numbers = None if source.classes is None else renumbered(part.labels, source.classes)
    held = len(part.labels) if numbers is None else int((numbers >= 0).sum())
    if wanted is not None and not 1 <= wanted <= held:
        among = "" if numbers is None else f" of classes {list(source.classes or ())}"
        raise DataError(
            f"{part.labels_from}: data.{name} asks for {wanted} examples{among}, "
            f"but there are {held}"
        )
    if numbers is None:
        return Split(part.features[:wanted], part.labels[:wanted])
    kept = np.flatnonzero(numbers >= 0)[:wanted]
    return Split(part.features[kept], numbers[kept])


def renumbered(labels: Labels, classes: tuple[int, ...]) -> Labels:
    """Return labels as positions in classes, -1 for those not in it."""
    numbers = np.full(len(labels), -1, dtype=np.int64)
    for number, label in enumerate(classes):
        numbers[labels == label] = number
    return numbers
