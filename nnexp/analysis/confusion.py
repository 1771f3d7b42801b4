"""Measures of a classification by class: the confusion matrix, precision, recall and F1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from nnexp.store.predictions import Predictions

if TYPE_CHECKING:
    import numpy.typing as npt

Counts: TypeAlias = "npt.NDArray[np.int64]"

MOST_CLASSES = 256
"""Maximum number of classes for a confusion matrix; larger ones are unreadable."""


class Mixed(NamedTuple):
    """How many examples of one class were predicted to be of another."""

    true: int
    predicted: int
    examples: int


class Confusion(NamedTuple):
    """How often each true class is predicted as each class."""

    matrix: Counts
    """(classes, classes): rows are the true classes, columns the predicted ones."""

    @property
    def examples(self) -> list[int]:
        """Number of examples of each class."""
        return [int(count) for count in self.matrix.sum(axis=1)]

    @property
    def accuracy(self) -> list[float | None]:
        """Fraction of each class's examples that is predicted correctly; None if it has none."""
        correct = np.diagonal(self.matrix).tolist()
        pairs = zip(correct, self.examples, strict=True)
        return [right / count if count else None for right, count in pairs]

    def most_mixed(self, most: int) -> list[Mixed]:
        """Return the pairs of true and predicted class that are confused most often."""
        wrong = self.matrix.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        pairs: Sequence[tuple[int, int]] = [divmod(int(index), len(wrong)) for index in order]
        return [Mixed(i, j, int(wrong[i, j])) for i, j in pairs if wrong[i, j]]


def confusion(predictions: Predictions, classes: int) -> Confusion:
    """Count how often each true class was predicted as each class."""
    cells = predictions.true.astype(np.int64) * classes + predictions.predicted
    counts = np.bincount(cells, minlength=classes * classes)
    return Confusion(counts.reshape(classes, classes))


class Macro(NamedTuple):
    """Unweighted means over the classes that occur or are predicted."""

    precision: float
    recall: float
    f1: float


class Classification(NamedTuple):
    """Number of correct, of existing and of predicted examples, by class, and what follows.

    A quantity whose denominator is 0 is 0. Weights of the classes in the cost change nothing here.

    Source: scikit-learn's precision_recall_fscore_support with zero_division=0, which the tests
    compare with.
    """

    correct: tuple[int, ...]
    examples: tuple[int, ...]
    predicted: tuple[int, ...]
    """How often each class is predicted, rightly or wrongly."""

    @property
    def precision(self) -> list[float]:
        """Fraction of the predictions of each class that are correct."""
        return list(map(_fraction, self.correct, self.predicted))

    @property
    def recall(self) -> list[float]:
        """Fraction of the examples of each class that are predicted correctly."""
        return list(map(_fraction, self.correct, self.examples))

    @property
    def f1(self) -> list[float]:
        """Harmonic mean of precision and recall: 2 correct / (examples + predicted)."""
        sums = [count + times for count, times in zip(self.examples, self.predicted, strict=True)]
        return [_fraction(2 * right, both) for right, both in zip(self.correct, sums, strict=True)]

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that occur; NaN without examples."""
        pairs = zip(self.recall, self.examples, strict=True)
        recalls = [recall for recall, count in pairs if count]
        return fmean(recalls) if recalls else math.nan

    @property
    def macro(self) -> Macro:
        """Return the means of precision, recall and F1; NaN without examples."""
        pairs = zip(self.examples, self.predicted, strict=True)
        seen = [index for index, counts in enumerate(pairs) if any(counts)]
        quantities = (self.precision, self.recall, self.f1)
        if not seen:
            return Macro(math.nan, math.nan, math.nan)
        return Macro(*(fmean(values[index] for index in seen) for values in quantities))


def _fraction(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def classify(predictions: Predictions, classes: int) -> Classification:
    """Count the correct, existing and predicted examples of each class."""
    true, predicted = predictions.true, predictions.predicted
    counted = (true[true == predicted], true, predicted)
    counts = (np.bincount(labels, minlength=classes).tolist() for labels in counted)
    return Classification(*map(tuple, counts))
