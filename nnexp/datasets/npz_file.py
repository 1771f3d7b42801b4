"""The source npz: one archive with the features and labels of every split."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnexp.datasets import npz
from nnexp.datasets.files import MalformedError
from nnexp.datasets.selection import Part, Parts, pair
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnexp.datasets.dataset import Features, Labels
    from nnexp.datasets.sources import Npz

SPLITS = ("train", "validation", "test")
KNOWN = tuple(f"{letter}_{split}" for split in SPLITS for letter in "xy")


def read_npz(source: Npz) -> Parts:
    """Read the splits of an archive; x_* of any shape (examples, …) are flattened to rows.

    Raises: DataError if the file is missing or malformed, or its arrays do not match each other.
    """
    path = Path(source.file)
    arrays = npz.read(path, check)
    sha256 = {name: content_hash(arrays[name]) for name in sorted(arrays)}
    train = part(str(path), "train", arrays)
    validation, test = (
        part(str(path), split, arrays) if f"x_{split}" in arrays else None
        for split in ("validation", "test")
    )
    return Parts(train, validation, test, sha256)


def check(headers: Mapping[str, npz.Header]) -> None:
    """Raise MalformedError unless the archive consists of pairs of features and integer labels."""
    npz.check_names(headers, required=("x_train", "y_train"), known=KNOWN)
    for split in SPLITS:
        if (f"x_{split}" in headers) != (f"y_{split}" in headers):
            raise MalformedError(f"x_{split} and y_{split} go together, contains only one of them")
    for name, header in headers.items():
        check_array(name, header)


def check_array(name: str, header: npz.Header) -> None:
    """Raise MalformedError if features are not a table or labels not a vector of integers."""
    if name.startswith("x_") and len(header.shape) < 2:  # noqa: PLR2004 - examples, features
        raise MalformedError(f"{name} must have shape (examples, features), got {header.shape}")
    if name.startswith("y_") and len(header.shape) != 1:
        raise MalformedError(f"{name} must have shape (examples,), got {header.shape}")
    if name.startswith("y_") and header.dtype.kind not in "iu":
        raise MalformedError(
            f"{name} must contain integers, the labels 0, 1, …, got {header.dtype}"
        )


def content_hash(array: npz.AnyArray) -> str:
    """Return the sha256 of an array's type, shape and values in C order."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def part(path: str, split: str, arrays: Mapping[str, npz.AnyArray]) -> Part:
    """Return one split, with its values checked."""
    x, y = f"{path}: x_{split}", f"{path}: y_{split}"
    examples = pair(features(x, arrays[f"x_{split}"]), labels(y, arrays[f"y_{split}"]), x, y)
    return examples._replace(image=arrays[f"x_{split}"].shape[1:])


def features(source: str, array: npz.AnyArray) -> Features:
    """Return an array as rows of uint8 or of the smallest float type that represents it exactly.

    Raises: DataError if a value is not finite.
    """
    rows = array.reshape(len(array), int(np.prod(array.shape[1:], dtype=np.int64)))
    if rows.dtype != np.uint8:
        rows = rows.astype(np.promote_types(rows.dtype, np.float32), copy=False)
    if rows.size and not (np.isfinite(rows.min()) and np.isfinite(rows.max())):
        raise DataError(f"{source} contains a value that is not finite")
    return rows


def labels(source: str, array: npz.AnyArray) -> Labels:
    """Return an array of integers as class indices.

    Raises: DataError if one is negative or too large.
    """
    if array.size and not 0 <= int(array.min()) <= int(array.max()) <= np.iinfo(np.int64).max:
        raise DataError(f"{source} must contain labels ≥ 0, got {array.min()} to {array.max()}")
    return array.astype(np.int64)
