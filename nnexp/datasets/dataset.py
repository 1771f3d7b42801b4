"""Labelled examples in memory: what every source loads and what training reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[Any]
"""Inputs, one example a row: uint8 as read from images, or floating point."""

Labels = npt.NDArray[np.int64]
"""Class indices 0, 1, …, one an example."""


class Split(NamedTuple):
    """The examples of one purpose: training, validation or test."""

    features: Features  # (examples, fan_in)
    labels: Labels  # (examples,)


class Dataset(NamedTuple):
    """All splits of one source, after selection; features are not yet scaled."""

    train: Split
    validation: Split | None
    test: Split | None
    classes: int
    """The number of classes, and so of output neurons."""
    scale: float
    """What features are divided by when a batch needs floats."""
    sha256: dict[str, str]
    """Content hashes of what was read, by names that depend on the source, never on paths."""
    image: tuple[int, ...] = ()
    """The shape of an example as its file gives it; empty where it gives none."""

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """The rows and columns of an example's image, or None if examples are no images."""
        return image_shape(self.train.features.shape[1], self.image)


def image_shape(features: int, image: Sequence[int]) -> tuple[int, int] | None:
    """Return an image's rows and columns: as its file gives them, or those of a square.

    Returns: None if the examples are no images.
    """
    side = math.isqrt(features)
    if len(image) == 2:  # noqa: PLR2004 - rows, columns
        return image[0], image[1]
    square = len(image) < 2 and side * side == features  # noqa: PLR2004 - a row of features
    return (side, side) if square else None
