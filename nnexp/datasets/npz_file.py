"""The source npz: one archive with the features and labels of every split."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnexp.datasets import array_labels, npz
from nnexp.datasets.array_names import SPLITS, choose
from nnexp.datasets.files import MalformedError
from nnexp.datasets.selection import Part, Parts, pair
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnexp.datasets.dataset import Features, Labels
    from nnexp.datasets.sources import Npz


def read_npz(source: Npz) -> Parts:
    """Read the splits of an archive; x_* of any shape (examples, …) are flattened to rows.

    Raises: DataError if the file is missing or malformed, or its arrays do not match each other.
    """
    path = Path(source.file)
    origin: dict[str, str] = {}

    def chosen(headers: Mapping[str, npz.Header]) -> Mapping[str, str]:
        origin.update(choose(headers, source.arrays))
        for role, name in origin.items():
            check_array(role, name, headers[name])
        return origin

    arrays = npz.read(path, chosen)
    sha256 = {role: content_hash(arrays[role]) for role in sorted(arrays)}
    wheres = {role: f"{path}: {name}" for role, name in origin.items()}
    raw = {role: array for role, array in arrays.items() if role.startswith("y_")}
    labels, names = array_labels.labels(raw, arrays.get("class_names"), wheres)
    parts = {
        split: part(arrays[f"x_{split}"], labels[f"y_{split}"], split, wheres)
        for split in SPLITS
        if f"x_{split}" in arrays
    }
    train, validation, test = (parts.get(split) for split in SPLITS)
    assert train is not None  # noqa: S101 - choose raises without it
    return Parts(train, validation, test, sha256, names)


def check_array(role: str, name: str, header: npz.Header) -> None:
    """Raise MalformedError if features are not a table of numbers, or labels of no known form."""
    shape, kind, letter = header.shape, header.dtype.kind, role[0]
    if letter == "x" and len(shape) < 2:  # noqa: PLR2004 - examples, features
        raise MalformedError(
            f"{name} must have shape (examples, features), got {shape}; for a single feature, save "
            f"{name}.reshape(-1, 1)"
        )
    if letter == "x" and kind in "US":
        raise MalformedError(f"{name} must contain numbers, got text ({header.dtype}); encode it")
    if letter == "y" and (len(shape) not in {1, 2} or (len(shape) == 2 and not shape[1])):  # noqa: PLR2004 - one-hot
        raise MalformedError(
            f"{name} must have shape (examples,), (examples, 1) or, one-hot, (examples, classes), "
            f"got {shape}; save one label for each example"
        )
    if role == "class_names" and (len(shape) != 1 or kind not in "US"):
        raise MalformedError(
            f"{name} must be a list of strings, got {header.dtype} of shape {shape}; "
            "save it as np.array([...], dtype=str)"
        )


def content_hash(array: npz.AnyArray) -> str:
    """Return the sha256 of an array's type, shape and values in C order."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def part(array: npz.AnyArray, labels: Labels, split: str, wheres: Mapping[str, str]) -> Part:
    """Return one split, with its values checked."""
    x, y = wheres[f"x_{split}"], wheres[f"y_{split}"]
    examples = pair(features(x, array), labels, x, y)
    shape = array.shape[1:]
    is_grey = len(shape) == 3 and shape[-1] == 1  # noqa: PLR2004 - rows, columns, channels
    return examples._replace(image=shape[:-1] if is_grey else shape)


def features(source: str, array: npz.AnyArray) -> Features:
    """Return an array as rows of uint8 or of the smallest float type that represents it exactly.

    Raises: DataError if a value is not finite.
    """
    rows = array.reshape(len(array), int(np.prod(array.shape[1:], dtype=np.int64)))
    if rows.dtype == np.bool_:
        return rows.astype(np.uint8)
    if rows.dtype != np.uint8:
        rows = rows.astype(np.promote_types(rows.dtype, np.float32), copy=False)
    if rows.size and not (np.isfinite(rows.min()) and np.isfinite(rows.max())):
        position = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
        index = ", ".join(map(str, position))
        raise DataError(
            f"{source} contains a value that is not finite, {array[position]} at [{index}]; "
            "remove the example, or fill in a number"
        )
    return rows
