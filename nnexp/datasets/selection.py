"""Select classes and examples from the splits of a source, and check that the splits match.

The order is: classes, splitting off validation and test examples, counts, the numbers that
standardize, expansion of the training examples, standardization. So an image's copies are images
like it, and the edges that become free are as black as others.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nnexp.datasets import classes, splitting, standardization
from nnexp.datasets.classes import Classes
from nnexp.datasets.dataset import Dataset, Factors, Features, Labels, Split, SplitOff
from nnexp.datasets.expansion import expand
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized

    from nnexp.datasets.classes import LabelNames
    from nnexp.datasets.sources import Source

HeldOut = Literal["validation", "test"]


class Occurrence(NamedTuple):
    """A label as a text file has it, and the line where it occurs first."""

    label: str
    line: int


class Part(NamedTuple):
    """One split as read, with the names of its sources for messages."""

    features: Features  # (examples, fan_in)
    labels: Labels
    """(examples,): the labels themselves if they are whole numbers; if strings, their indices."""
    features_from: str
    labels_from: str
    image: tuple[int, ...] = ()
    """The shape of an example in its file; empty if the file gives none."""
    advice: str = ""
    """What to do if these are not the labels."""
    occurrences: Mapping[int, Occurrence] = MappingProxyType({})
    """Where labels occur; empty if the source has no lines."""

    def rows(self, start: int, stop: int) -> Part:
        """Return some of the examples, as views."""
        return self._replace(features=self.features[start:stop], labels=self.labels[start:stop])


class Parts(NamedTuple):
    """All splits of a source as read, before selection."""

    train: Part
    validation: Part | None
    test: Part | None
    sha256: dict[str, str]
    names: LabelNames | None = None
    """The names of labels; None if labels are whole numbers without names."""
    feature_names: tuple[str, ...] = ()
    label_name: str = ""
    """The name of the labels' column."""
    counting: tuple[str, ...] = ()
    """The names of features that number the training examples."""
    identifying: tuple[str, ...] = ()
    """The names of other features that look like identifiers."""
    held_out: int = 0
    """The last training examples are for validation, unless a fraction is split off."""


def pair(features: Features, labels: Labels, features_from: str, labels_from: str) -> Part:
    """Combine features and labels.

    Raises: DataError if their numbers differ.
    """
    check_paired(features, labels, features_from, labels_from)
    return Part(features, labels, features_from, labels_from)


def check_paired(features: Sized, labels: Sized, features_from: str, labels_from: str) -> None:
    """Raise DataError unless there are as many labels as examples."""
    if len(features) != len(labels):
        raise DataError(
            f"{labels_from}: {len(labels)} labels for the {len(features)} examples "
            f"of {features_from}; each example needs one label"
        )


def select(source: Source, parts: Parts, factors: Factors | None = None) -> Dataset:
    """Apply a source's settings to the examples as read.

    Args:
        source: the settings.
        parts: read from the source.
        factors: to standardize with; None for those of the training examples.

    Raises: DataError if the splits do not match or have fewer examples than requested.
    """
    if parts.held_out and not isinstance(source.validation, float):
        parts = _with_last_held_out(parts)
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
    present = {name: part for name, part in present.items() if len(part.labels)}
    splits = {name: keep(part, chosen) for name, part in {"train": parts.train, **present}.items()}
    check_kept(present, splits, chosen)
    numbers, origin = requested(source, splits), parts.train
    split_off = None
    if numbers:
        seed, labels_from = source.split_seed, origin.labels_from
        splits, split_off = divided(splits, numbers, chosen.names, seed, labels_from)
    named["train"] = origin
    splits = {name: first(source, name, split, named) for name, split in splits.items()}
    if source.standardize:
        factors = factors or standardization.factors(splits["train"].features, origin.features_from)
    else:
        factors = None
    if source.expand is not None:
        splits["train"] = expand(source.expand, splits["train"], origin.image, origin.features_from)
    if factors is not None:
        copied = () if split_off is None else ("train", *split_off.splits)
        splits = {
            name: standardization.standardized(split, factors, in_place=name in copied)
            for name, split in splits.items()
        }
    return Dataset(
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        classes=len(chosen.numbers),
        scale=1.0 if source.standardize else source.scale,
        sha256=parts.sha256,
        image=origin.image,
        class_names=chosen.names,
        class_choices=chosen.choices,
        feature_names=parts.feature_names,
        label_name=parts.label_name,
        counting=parts.counting,
        identifying=parts.identifying,
        factors=factors,
        split_off=split_off,
    )


def _with_last_held_out(parts: Parts) -> Parts:
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
    if part.features.shape[1] != train.features.shape[1]:
        own, expected = (f"{p.features.shape[1]} features per example" for p in (part, train))
    elif part.image != train.image:
        own, expected = (f"examples of shape {p.image}" for p in (part, train))
    else:
        return
    raise DataError(
        f"{part.features_from}: {own}, but {train.features_from} has "
        f"{expected.removesuffix(' per example')}; save all splits in the same shape"
    )


def check_labels(part: Part, known: Classes, names: LabelNames | None) -> None:
    """Raise DataError if a split has a label that the training data does not have."""
    unknown = np.flatnonzero(classes.numbered(part.labels, known) < 0)
    if unknown.size:
        label = int(part.labels[unknown[0]])
        if label in part.occurrences:
            name, line = part.occurrences[label]
            shown = f"{name!r} in line {line}"
        else:
            name = str(label) if names is None else repr(names[label])
            shown = f"{name} of example {unknown[0] + 1}"
        raise DataError(
            f"{part.labels_from}: label {shown} does not occur in the training data "
            f"(known: {known}); correct it, or choose classes by data.classes"
        )


def check_kept(parts: Mapping[str, Part], splits: Mapping[str, Split], chosen: Classes) -> None:
    """Raise DataError if a split has none of the chosen classes."""
    for name, part in parts.items():
        if not len(splits[name].labels):
            raise DataError(
                f"{part.labels_from}: none of the {len(part.labels)} {name} examples is of the "
                f"chosen classes ({chosen}); change data.classes, or leave the {name} data out"
            )


def keep(part: Part, chosen: Classes) -> Split:
    """Return the examples of the chosen classes; a view if these are all."""
    numbers = classes.numbered(part.labels, chosen)
    if not (numbers < 0).any():
        return Split(part.features, numbers)
    rows = np.flatnonzero(numbers >= 0)
    return Split(part.features[rows], numbers[rows])


def requested(source: Source, splits: dict[str, Split]) -> dict[str, float]:
    """Return how much to split off for each split: a count or a fraction.

    Raises: DataError if the data has examples for a split that should be a fraction of the
        training examples, or if a seed chooses nothing.
    """
    wanted = {"validation": source.validation, "test": source.test}
    for name, number in wanted.items():
        if name in splits and isinstance(number, float):
            raise DataError(
                f"data.{name}: {number:g} is a fraction of the training examples to split off, but "
                f"the data has {name} examples of its own; give a count, or leave it out"
            )
    missing = {n: number for n, number in wanted.items() if number is not None and n not in splits}
    if source.split_seed and not missing:
        raise DataError(
            f"data.split_seed: {source.split_seed} has nothing to choose, since no examples are "
            "split off; leave it out, or set data.validation or data.test"
        )
    return missing


def divided(
    splits: dict[str, Split],
    numbers: dict[str, float],
    names: Sequence[str],
    seed: int,
    source: str,
) -> tuple[dict[str, Split], SplitOff]:
    """Split off validation and test examples from the training examples.

    Args:
        splits: that the data has.
        numbers: how many examples to split off, by split.
        names: of the classes.
        seed: chooses them.
        source: where the labels are from, for messages.
    """
    train = splits["train"]
    validation, test = numbers.get("validation"), numbers.get("test")
    division = splitting.divide(train.labels, names, validation, test, seed, source)
    chosen = {name: rows for name, rows in division._asdict().items() if len(rows)}
    parts = {name: Split(train.features[r], train.labels[r]) for name, r in chosen.items()}
    sizes = np.bincount(train.labels, minlength=len(names))
    return splits | parts, SplitOff(tuple(numbers), sizes, division.sha256)


def first(source: Source, name: str, split: Split, parts: dict[str, Part | None]) -> Split:
    """Return the first n examples of a split, if the source requests a number of them.

    Examples that were split off are as many as requested already.

    Raises: DataError if there are fewer.
    """
    number: float | None = getattr(source, name)
    available = len(split.labels)
    if number is None or isinstance(number, float):
        return split
    if not 1 <= number <= available:
        part = parts.get(name)
        where = "" if part is None else f"{part.labels_from}: "
        chosen = "" if source.classes is None else f" of classes {list(source.classes)}"
        raise DataError(
            f"{where}data.{name} asks for {number} examples{chosen}, but there are {available}; "
            "use a smaller number, or leave it out"
        )
    return Split(split.features[: int(number)], split.labels[: int(number)])
