"""Split off validation and test examples from the training examples, at random in each class."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnexp.errors import DataError
from nnexp.streams import Purpose, generator

if TYPE_CHECKING:
    import numpy.typing as npt

    from nnexp.datasets.dataset import Labels


class Division(NamedTuple):
    """The rows of each split, in the order of the file."""

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]

    @property
    def sha256(self) -> str:
        """The digest of which rows are split off."""
        digest = hashlib.sha256()
        for rows in (self.validation, self.test):
            digest.update(f"{len(rows)}\n".encode())
            digest.update(rows.astype("<i8").tobytes())
        return digest.hexdigest()


def divide(
    labels: Labels, validation: float | None, test: float | None, seed: int, source: str
) -> Division:
    """Choose the rows to split off; either number is a count or a fraction, or None for none.

    Every class contributes its share, to within one example. The test rows do not depend on the
    number of validation rows, and those of a smaller number are among those of a larger one.

    Args:
        labels: the classes of all examples.
        validation: to split off for validation.
        test: to split off for testing.
        seed: chooses the rows.
        source: where the labels are from, for messages.

    Raises: DataError if a class would be left without a training example.
    """
    n = len(labels)
    counts = {"test": count(test, n), "validation": count(validation, n)}
    left, classes = n - sum(counts.values()), len(np.unique(labels))
    if left < classes:
        rest = f"only {left}" if left > 0 else "none"
        needed = f", which needs one of each of the {classes} classes" if left > 0 else ""
        raise DataError(
            f"{source}: data.validation = {counts['validation']} and data.test = {counts['test']} "
            f"leave {rest} of the {n} examples for training{needed}; use smaller numbers or "
            "fractions"
        )
    order = stratified(labels, seed)
    ends = np.cumsum([counts["test"], counts["validation"]])
    test_rows, validation_rows, train_rows = (np.sort(rows) for rows in np.split(order, ends))
    return Division(train_rows, validation_rows, test_rows)


def count(requested: float | None, n: int) -> int:
    """Return a count, or a fraction of n rounded to the next whole number, at least 1."""
    if requested is None:
        return 0
    if isinstance(requested, int):
        return requested
    return max(1, math.floor(requested * n + 0.5))


def stratified(labels: Labels, seed: int) -> npt.NDArray[np.int64]:
    """Return an order of the examples each of whose beginnings has all classes in proportion.

    Within a class the order is random. The i-th of a class's m examples comes at (i + 1/2) / m;
    the last one comes after all others, so that each class keeps an example for training.
    """
    n = len(labels)
    shuffled = generator(seed, Purpose.SPLIT).permutation(n)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    classes = labels[by_class]
    rank = np.arange(n) - starts[classes]
    place = (2 * rank + 1) / (2 * sizes[classes])
    place[rank == sizes[classes] - 1] = np.inf
    order: npt.NDArray[np.int64] = by_class[np.argsort(place, kind="stable")]
    return order
