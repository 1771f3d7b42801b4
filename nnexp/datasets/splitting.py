"""Split off validation and test examples from the training examples, at random in each class."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnexp.errors import DataError
from nnexp.streams import Purpose, generator

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    labels: Labels,
    names: Sequence[str],
    validation: float | None,
    test: float | None,
    seed: int,
    source: str,
) -> Division:
    """Choose the rows to split off; either number is a count or a fraction, or None for none.

    Every class contributes its share, to within one example, and keeps one for training. Test rows
    do not depend on the number of validation rows. The random order of a class's rows depends only
    on the seed, the class's name and its size, so that it is the same when other classes are left
    out.

    Args:
        labels: the classes of all examples.
        names: of the classes.
        validation: to split off for validation.
        test: to split off for testing.
        seed: chooses the rows.
        source: where the labels are from, for messages.

    Raises: DataError if a class would be left without a training example.
    """
    n, sizes = len(labels), np.bincount(labels)
    test_count, validation_count = count(test, n), count(validation, n)
    available = np.maximum(sizes - 1, 0)
    if test_count + validation_count > available.sum():
        left = n - test_count - validation_count
        rest = f"only {left}" if left > 0 else "none"
        classes = np.count_nonzero(sizes)
        needed = f", which needs one of each of the {classes} classes" if left > 0 else ""
        raise DataError(
            f"{source}: data.validation = {validation_count} and data.test = {test_count} leave "
            f"{rest} of the {n} examples for training{needed}; use smaller numbers or fractions"
        )
    test_shares = shares(test_count, sizes, available)
    validation_shares = shares(validation_count, sizes, available - test_shares, test_shares)
    parts: list[list[npt.NDArray[np.int64]]] = [[], [], []]
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    for name, own, *ends in zip(names, by_class, test_shares, validation_shares, strict=False):
        split = np.split(shuffled(own, name, seed), np.cumsum(ends))
        for part, rows in zip(parts, split, strict=True):
            part.append(rows)
    test_rows, validation_rows, train_rows = (np.sort(np.concatenate(part)) for part in parts)
    return Division(train_rows, validation_rows, test_rows)


def count(requested: float | None, n: int) -> int:
    """Return a count, or a fraction of n rounded to the next whole number, at least 1."""
    if requested is None:
        return 0
    if isinstance(requested, int):
        return requested
    return max(1, math.floor(requested * n + 0.5))


def shares(
    total: int, sizes: Labels, available: Labels, taken: Labels | None = None
) -> npt.NDArray[np.int64]:
    """Return how many of a total each class contributes: its share, rounded up or down.

    The largest fractions are rounded up; of equal ones, those of the classes from which less has
    been taken, then of the first. A class contributes no more than it has available.

    Args:
        total: to distribute, at most the sum of what is available.
        sizes: of the classes.
        available: of each class.
        taken: of each class before; None for nothing.
    """
    n = int(sizes.sum())
    exact = total * sizes
    result = np.minimum(exact // n, available)
    taken = np.zeros_like(sizes) if taken is None else taken
    while (missing := total - int(result.sum())) > 0:
        order = np.lexsort((taken, result * n - exact))
        chosen = order[(result < available)[order]][:missing]
        result[chosen] += 1
    return result


def shuffled(rows: npt.NDArray[np.int64], name: str, seed: int) -> npt.NDArray[np.int64]:
    """Return the rows of a class in random order."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return generator(seed, Purpose.SPLIT, number).permutation(rows)
