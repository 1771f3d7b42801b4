"""Labelled examples in memory: the result of every source and the input of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Features: TypeAlias = "npt.NDArray[Any]"
"""Inputs, one row per example: uint8 for images, or floating point."""

Labels: TypeAlias = "npt.NDArray[np.int64]"
"""Class indices 0, 1, …, one per example."""


LEAST_PIXELS = 64
"""Fewer features in a row are quantities rather than pixels."""


@dataclass(frozen=True, eq=False)
class Split:
    """The examples for training, validation or testing; equal only to itself."""

    features: Features  # (examples, fan_in)
    labels: Labels  # (examples,)


@dataclass(frozen=True, eq=False)
class Factors:
    """The numbers that standardize features: (x - mean) / deviation."""

    mean: npt.NDArray[np.float64]  # (features,)
    deviation: npt.NDArray[np.float64]  # (features,), 1 for a constant feature

    def equals(self, other: Factors) -> bool:
        """Return whether all numbers are equal."""
        same_means = np.array_equal(self.mean, other.mean)
        return same_means and np.array_equal(self.deviation, other.deviation)


class SplitOff(NamedTuple):
    """Which examples were split off from the training examples."""

    splits: tuple[str, ...]
    """For which splits."""
    sizes: npt.NDArray[np.int64]
    """The number of examples of each class before."""
    sha256: str
    """The digest of the rows that were chosen."""


class Dataset(NamedTuple):
    """All splits of a source, after selection; features are not divided by the scale yet."""

    train: Split
    validation: Split | None
    test: Split | None
    classes: int
    """The number of classes, which is the number of output neurons."""
    scale: float
    """The divisor of features when they are converted to floats."""
    sha256: dict[str, str]
    """Content hashes of the files, by names that depend on the source, not on paths."""
    image: tuple[int, ...] = ()
    """The shape of an example in its file; empty if the file gives none."""
    class_names: tuple[str, ...] = ()
    """The label of each class as the data names it; empty in tests, where nothing prints them."""
    class_choices: tuple[int | str, ...] = ()
    """How ``data.classes`` chooses each class: by the number or name in the file."""
    feature_names: tuple[str, ...] = ()
    """The names of the features' columns; empty if they have none."""
    counting: tuple[str, ...] = ()
    """The names of features that number the training examples as read, in equal steps."""
    identifying: tuple[str, ...] = ()
    """The names of other features that look like identifiers of the training examples as read."""
    label_name: str = ""
    """The name of the labels' column; empty if it has none."""
    factors: Factors | None = None
    """How the features are standardized; None if they are as in the file."""
    split_off: SplitOff | None = None
    """What was split off from the training examples; None if each split has its own."""

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that the source has, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """The rows and columns of an example's image, or None if examples are not images."""
        return image_shape(self.train.features.shape[1], self.image)


def assumed_image(features: int) -> tuple[int, int] | None:
    """Return the rows and columns of examples that no file or record calls images.

    Returns: those of a square of 8 x 8 pixels or more; None for fewer features, and other numbers.
    """
    shape = image_shape(features, ())
    return shape if features >= LEAST_PIXELS else None


def image_shape(features: int, image: Sequence[int]) -> tuple[int, int] | None:
    """Return an image's rows and columns: those given by its file, or those of a square.

    Returns: None if the examples are not images.
    """
    side = math.isqrt(features)
    if len(image) == 2:  # noqa: PLR2004 - rows, columns
        return image[0], image[1]
    is_square = len(image) < 2 and side * side == features  # noqa: PLR2004 - a row of features
    return (side, side) if is_square else None
