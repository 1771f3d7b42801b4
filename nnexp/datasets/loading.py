"""One way in: from any source that a config can name to a Dataset in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnexp.datasets.archives import read_npz
from nnexp.datasets.images import read_idx, read_mnist
from nnexp.datasets.selection import Parts, select
from nnexp.datasets.sources import Csv, Idx, Mnist, Npz, Source
from nnexp.datasets.tables import read_csv

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnexp.datasets.dataset import Dataset

FAINT = 0.02
"""Features that stay below this after scaling were scaled before, in all likelihood."""


def load(source: Source) -> Dataset:
    """Return the examples that a source names, its choice of classes and counts applied.

    Raises: DataError if a file is missing or malformed, or holds less than is asked for.
    """
    return select(source, READERS[type(source)](source))


def scale_warning(dataset: Dataset) -> str | None:
    """Return a warning if the features seem to have been divided by their scale already."""
    features = dataset.train.features
    largest = max(abs(float(features.min())), abs(float(features.max()))) / dataset.scale
    if largest >= FAINT:
        return None
    return (
        f"the largest value after dividing by data.scale = {dataset.scale:g} is {largest:.2g}; "
        "already scaled? set data.scale: 1"
    )


READERS: dict[type[Source], Callable[[Any], Parts]] = {
    Mnist: read_mnist,
    Idx: read_idx,
    Npz: read_npz,
    Csv: read_csv,
}
