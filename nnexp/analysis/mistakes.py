"""A run's mistakes: which classes it confuses, and which wrong answers it is most sure of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.analysis.evaluation import On, degrees, restored
from nnexp.datasets.dataset import Features
from nnexp.store.predictions import Predictions
from nnexp.store.run import Run


class Mistakes(NamedTuple):
    """Wrong answers, the surest first; all arrays are parallel."""

    on: On
    epoch: int
    """The best epoch, whose network is wrong."""
    examples: int
    wrong: int
    """How many examples it is wrong about; the arrays may hold fewer."""
    place: npt.NDArray[np.int64]
    """Which example of the split, from 0."""
    features: Features
    image: tuple[int, int] | None
    """The rows and columns of an example's image, or None if examples are no images."""
    true: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    belief: npt.NDArray[np.float64]
    """Its degree of belief in the predicted class: 1 is where the class's target is."""


def surest(run: Run, on: On, most: int) -> Mistakes:
    """Return the mistakes of a run's best epoch that it is surest of.

    Of equally sure ones those come first whose true class it believes in least.

    Raises:
        UsageError: no epoch was evaluated, or the data lacks the split.
        MismatchError: the data is not what the run was trained on.
        CorruptError: the run is damaged.
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - importing it sets a variable

    # What is not finite is a diverged run's; NumPy's warnings add nothing.
    with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        (whole,) = restored([run])
        theta, epoch = whole.best()
        whole.check(on)
        outputs = whole.assembly.outputs(theta, on)
        believed = degrees(outputs, whole.assembly.network)
    labels, predicted = whole.assembly.labels(on), np.argmax(outputs, axis=1)
    rows = np.arange(len(labels))
    belief, in_true = believed[rows, predicted], believed[rows, labels]
    wrong = np.flatnonzero(predicted != labels)
    chosen = wrong[np.lexsort((in_true[wrong], -belief[wrong]))[:most]]
    split = whole.dataset.validation if on == "validation" else whole.dataset.test
    assert split is not None  # noqa: S101 - check has seen that it is there
    return Mistakes(
        on=on,
        epoch=epoch,
        examples=len(labels),
        wrong=len(wrong),
        place=chosen,
        features=split.features[chosen],
        image=whole.dataset.image_shape,
        true=labels[chosen],
        predicted=predicted[chosen],
        belief=belief[chosen],
    )


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
