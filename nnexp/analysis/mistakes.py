"""The examples that a run's best network is wrong about, and most sure of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.analysis.restored import On, degrees, restored
from nnexp.datasets.dataset import Features
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
