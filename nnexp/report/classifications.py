"""Precision, recall and F1 by class as a table, and as a value for JSON."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from nnexp.analysis.confusion import Classification
from nnexp.errors import printable
from nnexp.report.document import Table
from nnexp.report.text import percent

CLASSES = 20
"""Maximum number of classes for which every class is listed."""
LOWEST = 10
"""Number of classes that are listed if there are more."""


def table(classification: Classification, classes: Sequence[int | str], examples: str) -> Table:
    """Return a table with a row for each class and one of the macro averages.

    Of more than 20 classes, the 10 with the lowest F1 are listed, the lowest first.

    Args:
        classification: of the examples.
        classes: the names of the classes.
        examples: a description of the examples.
    """
    f1, order = classification.f1, list(range(len(classes)))
    which = "By class"
    if len(order) > CLASSES:
        order = sorted(order, key=f1.__getitem__)[:LOWEST]
        which = f"The {LOWEST} of {len(classes)} classes with the lowest F1"
    by_class = (classification.precision, classification.recall, f1)
    rows = [
        [
            printable(str(classes[index])),
            *(percent(values[index]) for values in by_class),
            str(classification.examples[index]),
        ]
        for index in order
    ]
    average = [percent(value) for value in classification.macro]
    rows.append(["macro average", *average, str(sum(classification.examples))])
    balanced = percent(classification.balanced_accuracy)
    caption = f"{which} ({examples}); balanced accuracy {balanced}"
    return Table(["class", "precision", "recall", "F1", "examples"], rows, caption=caption)


class MacroOutput(Struct, frozen=True, kw_only=True):
    """Means over the classes that occur or are predicted."""

    precision: float
    recall: float
    f1: float


class ClassificationOutput(Struct, frozen=True, kw_only=True):
    """Quantities by class, in the order of the classes, and their means.

    They are 0 for a class that would need a division by 0.
    """

    precision: list[float]
    recall: list[float]
    f1: list[float]
    examples: list[int]
    macro: MacroOutput
    balanced_accuracy: float
    """The mean recall of the classes that occur."""


def output(classification: Classification) -> ClassificationOutput:
    """Return a classification as a value for JSON."""
    return ClassificationOutput(
        precision=classification.precision,
        recall=classification.recall,
        f1=classification.f1,
        examples=list(classification.examples),
        macro=MacroOutput(**classification.macro._asdict()),
        balanced_accuracy=classification.balanced_accuracy,
    )
