"""Take new examples for a trained network from arrays and data frames of a Python program.

``new_examples`` reads those of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.datasets.inputs import Inputs, rows_of, why_no_names
from nnexp.datasets.name_lists import lacking
from nnexp.errors import DataError

if TYPE_CHECKING:
    from nnexp.datasets.dataset import Features
    from nnexp.datasets.npz import AnyArray


def features(x: object, inputs: Inputs) -> Features:
    """Return new examples as rows, not scaled yet.

    Args:
        x: an array in the units of the data's files, of shape (examples, features) or, for
            images, (examples, rows, columns), with or without a last axis of length 1. A single
            example may lack the first axis. If the features have names: a data frame or mapping
            with a column of each name, in any order, or one row of a data frame; other columns
            are left out.
        inputs: what the network takes.

    Returns: shape (examples, features).

    Raises: DataError if these are not examples such as the network takes.
    """
    row = _named_row(x)
    is_table = row is not None or isinstance(x, Mapping) or hasattr(x, "columns")
    if is_table and (reason := why_no_names(inputs)):
        raise DataError(f"x has named columns, but {reason}")
    is_named = is_table and inputs.feature_names
    array = _joined(row or x, inputs) if is_named else _array(x, "x")
    shapes: list[tuple[int, ...]] = [(inputs.features,)]
    if inputs.image is not None:
        shapes += [inputs.image, (*inputs.image, 1)]
    if array.shape in shapes:
        array = array[np.newaxis]
    if array.shape[1:] not in shapes:
        raise DataError(_wrong_shape(array.shape, shapes))
    return rows_of(array, inputs, "x")


def _named_row(x: Any) -> dict[Any, list[Any]] | None:  # noqa: ANN401 - whatever is passed
    """Return a row of a data frame, a Series of pandas, as columns; None for anything else."""
    if hasattr(x, "columns") or not (hasattr(x, "items") and hasattr(x, "index")):
        return None
    columns: dict[Any, list[Any]] = {}
    for name, value in x.items():
        columns.setdefault(name, []).append(value)
    return columns if any(isinstance(name, str) for name in columns) else None


def _joined(x: Any, inputs: Inputs) -> AnyArray:  # noqa: ANN401 - a data frame of any library
    """Return the columns of the run's features, in their order, side by side."""
    known = list(x if isinstance(x, Mapping) else x.columns)
    missing = [name for name in inputs.feature_names if name not in known]
    if missing:
        raise DataError(f"x {lacking(missing[0], list(map(str, known)), inputs.feature_names)}")
    columns = [_array(x[name], f"column {name!r} of x") for name in inputs.feature_names]
    if not any(column.ndim for column in columns):
        name = inputs.feature_names[0]
        raise DataError(
            f"x must have lists as columns, got single values; for one example, write "
            f"{{{name!r}: [{columns[0]}], …}}"
        )
    if any(column.ndim != 1 or len(column) != len(columns[0]) for column in columns):
        raise DataError("x must have one value in each row of each column; some have more or fewer")
    return np.stack(columns, axis=1)


def _array(x: Any, what: str) -> AnyArray:  # noqa: ANN401 - whatever NumPy makes an array of
    """Return numbers as an array."""
    if isinstance(x, Mapping):
        raise DataError(f"{what} has named columns, but the run's data has none; pass an array")
    try:
        array = np.asarray(x)
    except ValueError as error:  # lists of different lengths
        raise DataError(f"{what} is no array: {error}") from error
    if array.dtype.kind not in "biuf":
        kind = {"U": "text", "S": "text", "O": "objects"}.get(array.dtype.kind, str(array.dtype))
        raise DataError(f"{what} must contain numbers, got {kind}")
    return array if array.dtype.itemsize <= np.dtype(np.float64).itemsize else array.astype(float)


def _wrong_shape(shape: tuple[int, ...], shapes: list[tuple[int, ...]]) -> str:
    """Return the message for an array of another shape."""
    known = [f"({', '.join(['examples', *map(str, each)])})" for each in shapes[:2]]
    message = f"x has shape {shape}, but the run takes {' or '.join(known)}"
    if len(shape) == 1 and shapes[0] == (1,):
        message += "; use x.reshape(-1, 1)"
    return message
