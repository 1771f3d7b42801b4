"""Load any source that a config can name as a Dataset, and share examples between runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from nnexp.datasets.csv_file import read_csv
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.idx import read_idx, read_mnist
from nnexp.datasets.npz_file import read_npz
from nnexp.datasets.selection import Parts, select
from nnexp.datasets.sources import Csv, Idx, Mnist, Npz, Source

KEPT = 4
"""Sources kept in memory at a time; studies vary the data last, if at all."""

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


class Data:
    """Hands out datasets; those of the same files share one array of examples."""

    def __init__(self) -> None:
        self._read: Callable[[Source], Parts] = lru_cache(KEPT)(_read)
        self._selected: Callable[[Source], Dataset] = lru_cache(KEPT)(self._select)

    def __call__(self, source: Source) -> Dataset:
        """Return what a source selects.

        Raises: DataError if a file is missing or malformed, or holds less than is asked for.
        """
        return self._selected(source)

    def check(self, sources: Iterable[Source]) -> None:
        """Read every file, and select from it, so that what is missing is told beforehand.

        Nothing is expanded, which takes long and asks for nothing that may be missing.

        Raises: DataError.
        """
        for plain in dict.fromkeys(msgspec.structs.replace(each, expand=None) for each in sources):
            self._selected(plain)

    def _select(self, source: Source) -> Dataset:
        return select(source, self._read(_whole(source)))


def _read(source: Source) -> Parts:
    return READERS[type(source)](source)


def _whole(source: Source) -> Source:
    """Return the source with nothing selected: sources of the same files are then the same."""
    fresh = {name: getattr(PLAIN, name) for name in Source.__struct_fields__}
    return msgspec.structs.replace(source, **fresh)


PLAIN = Source()

READERS: dict[type[Source], Callable[[Any], Parts]] = {
    Mnist: read_mnist,
    Idx: read_idx,
    Npz: read_npz,
    Csv: read_csv,
}
