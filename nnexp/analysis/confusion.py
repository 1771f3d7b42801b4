"""What a network takes the examples of each class for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.store.predictions import Predictions

Counts = npt.NDArray[np.int64]

MOST_CLASSES = 256
"""Of which every pair is counted: a matrix of more is nothing to be read."""


class Mixed(NamedTuple):
    """How many examples of one class were taken for another."""

    true: int
    predicted: int
    examples: int


class Confusion(NamedTuple):
    """How often which class is taken for which."""

    matrix: Counts
    """(classes, classes): rows are the true classes, columns the predicted ones."""

    @property
    def examples(self) -> list[int]:
        """How many examples each class has."""
        return [int(count) for count in self.matrix.sum(axis=1)]

    @property
    def accuracy(self) -> list[float | None]:
        """The part of each class's examples that is taken for it; None where it has none."""
        right = np.diagonal(self.matrix).tolist()
        return [
            own / count if count else None for own, count in zip(right, self.examples, strict=True)
        ]

    def most_mixed(self, most: int) -> list[Mixed]:
        """Return the pairs of true and predicted class that are mixed up most often."""
        wrong = self.matrix.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        pairs: Sequence[tuple[int, int]] = [divmod(int(place), len(wrong)) for place in order]
        return [Mixed(i, j, int(wrong[i, j])) for i, j in pairs if wrong[i, j]]


def confusion(predictions: Predictions, classes: int) -> Confusion:
    """Return how often which class was taken for which."""
    places = predictions.true.astype(np.int64) * classes + predictions.predicted
    counts = np.bincount(places, minlength=classes * classes)
    return Confusion(counts.reshape(classes, classes))
