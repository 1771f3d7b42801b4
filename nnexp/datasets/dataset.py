"""Labelled examples in memory: what every source loads and what training reads."""

from __future__ import annotations

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
