"""One way in: from any source that a config can name to a Dataset in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.datasets.archives import read_npz
from nnexp.datasets.images import read_idx, read_mnist
from nnexp.datasets.selection import Parts, select
from nnexp.datasets.sources import Csv, Idx, Mnist, Npz, Source
from nnexp.datasets.tables import read_csv

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnexp.datasets.dataset import Dataset

FAINT, FAINT_FLOATS = 0.02, 0.1
"""Pixels, and other features, that stay below this after scaling seem to be scaled already."""

GLARING = 20.0
"""Features that reach this after scaling, such as pixels of 0 to 255, seem to need it."""


def load(source: Source) -> Dataset:
    """Return the examples that a source names, its choice of classes and counts applied.

    Raises: DataError if a file is missing or malformed, or holds less than is asked for.
    """
    return select(source, READERS[type(source)](source))


def scale_warning(dataset: Dataset) -> str | None:
    """Return a warning if the features seem to have been divided by their scale already."""
    features = dataset.train.features
    largest = max(abs(float(features.min())), abs(float(features.max()))) / dataset.scale
    if not largest:
        return "all features are 0, so that there is nothing to tell examples apart by"
    told = f"the largest value after dividing by data.scale = {dataset.scale:g} is {largest:.3g}"
    if largest > GLARING:
        return f"{told}; neurons saturate from such inputs: set data.scale so that it comes near 1"
    if largest < (FAINT if features.dtype == np.uint8 else FAINT_FLOATS):
        return f"{told}; already scaled? set data.scale: 1"
    return None


READERS: dict[type[Source], Callable[[Any], Parts]] = {
    Mnist: read_mnist,
    Idx: read_idx,
    Npz: read_npz,
    Csv: read_csv,
}
