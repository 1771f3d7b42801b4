"""What a finished run's best network takes each validation and test example for."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.datasets import npz
from nnexp.errors import CorruptError
from nnexp.store import checkpoint, disk
from nnexp.store.run import PREDICTIONS, RESULT, Run

Classes = npt.NDArray[np.unsignedinteger[Any]]


class Predictions(NamedTuple):
    """The classes of one split's examples, in the data's order."""

    predicted: Classes
    true: Classes


def read(run: Run) -> dict[str, Predictions]:
    """Return a run's predictions by split: none while it trains, or where a split has no data.

    Raises:
        CorruptError: they are damaged.
        DiskError: they cannot be read.
    """
    result = run.result
    if result is None or PREDICTIONS not in result.files:
        return {}
    data, path = run.record.data, run.path / PREDICTIONS
    sizes = {split: getattr(data, split) for split in ("validation", "test")}
    kind = np.min_scalar_type(data.classes - 1)
    header = {split: npz.Header(kind, (size,)) for split, size in sizes.items() if size}
    expected = {f"{s}_{of}": h for s, h in header.items() for of in Predictions._fields}
    arrays = _checked(run, expected, result.files[PREDICTIONS])
    if any(array.size and array.max() >= data.classes for array in arrays.values()):
        raise CorruptError(f"{path}: is damaged: it names a class that the data does not have")
    return {s: Predictions(*(arrays[f"{s}_{of}"] for of in Predictions._fields)) for s in header}


def _checked(
    run: Run, expected: Mapping[str, npz.Header], digest: str
) -> dict[str, npt.NDArray[Any]]:
    path = run.path / PREDICTIONS
    content = disk.read(path, checkpoint.room(expected))
    if content is None:
        raise CorruptError(f"{path}: is missing")
    if hashlib.sha256(content).hexdigest() != digest:
        raise CorruptError(f"{path}: is damaged: its checksum does not fit {RESULT}")
    try:
        return npz.parse(io.BytesIO(content), npz.exactly(expected))
    except ValueError as error:
        raise CorruptError(f"{path}: is damaged: {error}") from error
