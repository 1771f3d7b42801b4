"""The classes of a data set: distinct training labels, their names, and the selection of some."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from nnexp.datasets.name_lists import listed
from nnexp.errors import DataError
from nnexp.names import MAX_CLASSES

if TYPE_CHECKING:
    from nnexp.datasets.dataset import Labels

LARGEST_LABEL = 2**53
"""Whole numbers up to this are exact as floats; larger labels are names."""
LONGEST_NAME = 100
"""Maximum characters of a class's name; a longer label is text, not a class."""

LabelNames: TypeAlias = Sequence[str] | Mapping[int, str]
"""Names of labels: strings in the file, which labels index, or the names of numbers in it."""


class Classes(NamedTuple):
    """The classes in the network's order."""

    numbers: tuple[int, ...]
    """Their labels: as in the file or, for strings, indices into the names of all labels."""
    names: tuple[str, ...]
    are_strings: bool = False
    """Whether the labels in the file are strings; ``data.classes`` then takes names only."""

    @property
    def are_indices(self) -> bool:
        """Whether the labels are 0, 1, … in this order and need no renumbering."""
        return self.numbers == tuple(range(len(self.numbers)))

    @property
    def choices(self) -> tuple[int | str, ...]:
        """How ``data.classes`` chooses the classes."""
        return self.names if self.are_strings else self.numbers

    def __str__(self) -> str:
        """Return the names for a message."""
        return listed(self.names)


def distinct(labels: Labels) -> list[int]:
    """Return the different labels in ascending order.

    As np.unique does, which would import numpy.ma.
    """
    ordered = np.sort(labels)
    return [*ordered[:1].tolist(), *ordered[1:][ordered[1:] != ordered[:-1]].tolist()]


def known(labels: Labels, names: LabelNames | None) -> Classes:
    """Return the classes that training labels have.

    Args:
        labels: whole numbers.
        names: the name of each number; None if the numbers themselves are the names.
    """
    numbers = tuple(distinct(labels))
    are_strings = names is not None and not isinstance(names, Mapping)
    own = tuple(str(n) if names is None else names[n] for n in numbers)
    return Classes(numbers, own, are_strings)


def selected(
    everything: Classes, chosen: Sequence[int | str] | None, source: str, advice: str = ""
) -> Classes:
    """Return the classes that ``data.classes`` chooses by name or number, in its order.

    Args:
        everything: the classes of the training data.
        chosen: names and numbers; None for all classes.
        source: where the labels are from, for messages.
        advice: what to do if these are not the labels.

    Raises: DataError if a class does not exist, is named twice, or only one is left.
    """
    if chosen is None:
        check_number(everything, source, advice)
        return everything
    indices = [_index(everything, choice, source) for choice in chosen]
    if len(set(indices)) < len(indices):
        raise DataError(f"data.classes: a class is named twice, got {list(chosen)}")
    result = Classes(
        tuple(everything.numbers[index] for index in indices),
        tuple(everything.names[index] for index in indices),
        everything.are_strings,
    )
    check_number(result, source, advice)
    return result


def _index(everything: Classes, choice: int | str, source: str) -> int:
    """Return the position of a class that is given by its name, or by its number in the file."""
    if isinstance(choice, int) and not everything.are_strings:
        known: Sequence[str] = [str(number) for number in everything.numbers]
    else:
        known = everything.names
    if str(choice) in known:
        return known.index(str(choice))
    if isinstance(choice, int) and everything.are_strings:
        raise DataError(
            f"{source}: labels are names: {listed(known)}; choose classes by name in data.classes, "
            f"not by number, got {choice}"
        )
    raise DataError(
        f"{source}: no example of class {choice} (known: {listed(known)}); change data.classes"
    )


def check_number(classes: Classes, source: str, advice: str = "") -> None:
    """Raise DataError unless there are between two classes and the limit."""
    count = len(classes.numbers)
    if count < 2:  # noqa: PLR2004 - a classifier needs two
        only = f", {classes.names[0]!r}" if count else ""
        raise DataError(
            f"{source}: only one class{only}; a classifier needs at least two"
            + (f"; {advice}" if advice else "")
        )
    if count > MAX_CLASSES:
        raise DataError(
            f"{source}: {count} classes would need as many output neurons; "
            f"the limit is {MAX_CLASSES}; choose some by data.classes"
            + (f"; {advice}" if advice else "")
        )


def numbered(labels: Labels, classes: Classes) -> Labels:
    """Return labels as indices into the classes, -1 for other labels; may be the same array."""
    count = len(classes.numbers)
    if classes.are_indices:
        is_other = (labels < 0) | (labels >= count)
        return np.where(is_other, -1, labels) if is_other.any() else labels
    ordered = np.array(classes.numbers)
    order = np.argsort(ordered)
    nearest = np.minimum(np.searchsorted(ordered[order], labels), count - 1)
    indices: Labels = np.where(ordered[order][nearest] == labels, order[nearest], -1)
    return indices


def content(labels: Labels) -> dict[str, str]:
    """Return the digest of whole-number labels that are not 0, 1, …; nothing if they are.

    nnexp 0.1.0 gave every number up to the largest label an output neuron, so that its runs of
    such data have other networks and must not be taken for the same experiment.
    """
    numbers = distinct(labels)
    if numbers == list(range(len(numbers))):
        return {}
    return {"classes": hashlib.sha256(json.dumps(numbers).encode()).hexdigest()}


def check_target(
    count: int, examples: int, source: str, advice: str, *, are_text: bool = False
) -> None:
    """Refuse a column with more than half as many different labels as examples.

    Raises: DataError.
    """
    if count > 2 and 2 * count > examples:  # noqa: PLR2004 - two values are no regression target
        fact = "that is a regression target, and nnexp classifies"
        if are_text:
            fact = "these are identifiers, not classes"
        raise DataError(
            f"{source} has {count} different labels in {examples} examples: {fact}; {advice}"
        )


def checked_name(name: str, source: str) -> str:
    """Return a class's name without surrounding blanks.

    Raises: DataError if it is empty or too long.
    """
    name = name.strip()
    if not name:
        raise DataError(f"{source}: a label is empty; remove examples without labels")
    if len(name) > LONGEST_NAME:
        raise DataError(
            f"{source}: a label has {len(name)} characters, {name[:40]!r}…; the limit is "
            f"{LONGEST_NAME}, since a longer one is text, not a class"
        )
    return name
