"""A run's mistakes: its most confident wrong answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnexp import numerics
from nnexp.analysis.evaluation import On, beliefs, restore
from nnexp.datasets.dataset import Features
from nnexp.datasets.standardization import original
from nnexp.store.run import Run

if TYPE_CHECKING:
    import numpy.typing as npt


class Mistakes(NamedTuple):
    """Wrong answers, most confident first; all arrays are parallel."""

    on: On
    epoch: int
    """The best epoch, whose network was evaluated."""
    examples: int
    wrong: int
    """Number of misclassified examples; the arrays may hold fewer."""
    place: npt.NDArray[np.int64]
    """Index of each example in the split, from 0."""
    features: Features
    image: tuple[int, int] | None
    """Rows and columns of an example's image, or None if examples are not images."""
    true: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    belief: npt.NDArray[np.float64]
    """Degree of belief in the predicted class, scaled so that its target is 1."""


def surest(run: Run, on: On, most: int) -> Mistakes:
    """Return the most confident mistakes of a run's best epoch.

    Among equally confident ones, those with the least belief in the true class come first.

    Raises:
        UsageError: no epoch is evaluated yet, or the data lacks the split.
        MismatchError: the data changed since the run was trained.
        CorruptError: the run is damaged.
    """
    # Diverged runs have numbers that are not finite; NumPy's warnings add nothing.
    with numerics.one_thread(), np.errstate(all="ignore"):
        (restored,) = restore([run])
        parameters, epoch = restored.best()
        restored.check(on)
        outputs = restored.assembly.outputs(parameters, on)
        belief = beliefs(outputs, restored.assembly.network)
    labels, predicted = restored.assembly.labels(on), np.argmax(outputs, axis=1)
    rows = np.arange(len(labels))
    in_predicted, in_true = belief[rows, predicted], belief[rows, labels]
    wrong = np.flatnonzero(predicted != labels)
    chosen = wrong[np.lexsort((in_true[wrong], -in_predicted[wrong]))[:most]]
    split = restored.dataset.validation if on == "validation" else restored.dataset.test
    assert split is not None  # noqa: S101 - checked above
    return Mistakes(
        on=on,
        epoch=epoch,
        examples=len(labels),
        wrong=len(wrong),
        place=chosen,
        features=original(split.features[chosen], restored.dataset.factors),
        image=restored.dataset.image_shape,
        true=labels[chosen],
        predicted=predicted[chosen],
        belief=in_predicted[chosen],
    )
