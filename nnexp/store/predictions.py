"""Read the classes that a finished run's best network predicts for validation and test data."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from nnexp.datasets import npz
from nnexp.errors import CorruptError
from nnexp.store import checkpoint, disk
from nnexp.store.run import PREDICTIONS, RESULT, Run

if TYPE_CHECKING:
    import numpy.typing as npt

Classes: TypeAlias = "npt.NDArray[np.integer[Any]]"


ARRAYS, MOST_BYTES = 4, 16
"""Two arrays for each of two splits; at most the bytes of two int64 for an example."""


class Predictions(NamedTuple):
    """Predicted and true classes of one split's examples, in the data's order."""

    predicted: Classes
    true: Classes


def read(run: Run) -> dict[str, Predictions]:
    """Return a run's predictions by split; empty until the run has finished.

    Splits without data are left out.

    Raises:
        CorruptError: they are damaged.
        DiskError: they cannot be read.
    """
    result = run.result
    if result is None or PREDICTIONS not in result.files:
        return {}
    data, path = run.record.data, run.path / PREDICTIONS
    sizes = {split: getattr(data, split) for split in ("validation", "test")}
    dtype = np.min_scalar_type(data.classes - 1)
    headers = {split: npz.Header(dtype, (size,)) for split, size in sizes.items() if size}
    fields = Predictions._fields
    expected = {f"{split}_{field}": headers[split] for split in headers for field in fields}
    arrays = _read_arrays(run, expected, result.files[PREDICTIONS])
    if any(array.size and array.max() >= data.classes for array in arrays.values()):
        raise CorruptError(f"{path}: is damaged: it contains a class that the data does not have")
    return {
        split: Predictions(*(arrays[f"{split}_{field}"] for field in fields)) for split in headers
    }


def check(run: Run) -> None:
    """Check a finished run's predictions by their checksum, without reading them.

    Raises: as ``read``.
    """
    result = run.result
    if result is not None and PREDICTIONS in result.files:
        _content(run, result.files[PREDICTIONS])


def _read_arrays(
    run: Run, expected: Mapping[str, npz.Header], digest: str
) -> dict[str, npt.NDArray[Any]]:
    content = _content(run, digest)
    try:
        return npz.parse(io.BytesIO(content), npz.exactly(expected))
    except ValueError as error:
        raise CorruptError(f"{run.path / PREDICTIONS}: is damaged: {error}") from error


def _content(run: Run, digest: str) -> bytes:
    path, data = run.path / PREDICTIONS, run.record.data
    examples = (data.validation or 0) + (data.test or 0)
    content = disk.read(path, checkpoint.max_archive(MOST_BYTES * examples, ARRAYS))
    if content is None:
        raise CorruptError(f"{path}: is missing")
    if hashlib.sha256(content).hexdigest() != digest:
        raise CorruptError(f"{path}: is damaged: its checksum does not match {RESULT}")
    return content
