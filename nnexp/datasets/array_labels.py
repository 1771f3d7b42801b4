"""Labels as NumPy arrays have them: numbers, booleans, strings, one-hot rows or columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnexp.datasets import classes
from nnexp.datasets.dataset import Labels
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nnexp.datasets.npz import AnyArray


def labels(
    raw: Mapping[str, AnyArray], class_names: AnyArray | None, wheres: Mapping[str, str]
) -> tuple[dict[str, Labels], Sequence[str] | None]:
    """Return whole-number labels of each array, and their names if they have any.

    Args:
        raw: the arrays by role, y_train first of all.
        class_names: the names of the labels 0, 1, …, or of the sorted labels.
        wheres: where the arrays are from, by role, for messages.

    Raises: DataError if an array holds no labels, or not as many names as classes.
    """
    flat = {role: _flat(array, wheres[role]) for role, array in raw.items()}
    texts = {role: array for role, array in flat.items() if array.dtype.kind in "US"}
    if texts:
        return _of_strings(flat, texts, wheres)
    numbers = {role: _whole(array, wheres[role]) for role, array in flat.items()}
    distinct = np.unique(numbers["y_train"])
    classes.check_target(
        len(distinct),
        len(numbers["y_train"]),
        wheres["y_train"],
        "name another array by data.arrays.y_train",
    )
    if class_names is None:
        return numbers, None
    names = _strings(class_names, wheres["class_names"])
    if len(names) == len(distinct) and distinct[-1] >= len(names):
        known = classes.known(numbers["y_train"], None)
        numbers = {role: classes.numbered(array, known) for role, array in numbers.items()}
    largest = max(int(array.max(initial=-1)) for array in numbers.values())
    smallest = min(int(array.min(initial=0)) for array in numbers.values())
    if smallest < 0 or largest >= len(names) or len(set(names)) < len(names):
        raise DataError(
            f"{wheres['class_names']} has {len(names)} names, {len(set(names))} of them different, "
            f"for labels from {smallest} to {largest}; give each label one name of its own"
        )
    return numbers, names


def _flat(array: AnyArray, where: str) -> AnyArray:
    """Return a column or one-hot rows as a vector."""
    if array.ndim == 1:
        return array
    if array.shape[1] == 1:
        return array[:, 0]
    if array.dtype.kind not in "US" and len(array):
        is_one = array == 1
        if (is_one.sum(axis=1) == 1).all() and ((array == 0) | is_one).all():
            indices: AnyArray = is_one.argmax(axis=1)
            return indices
    raise DataError(
        f"{where} has {array.shape[1]} columns but is not one-hot, with a single 1 in each row; "
        "save one label for each example"
    )


def _whole(array: AnyArray, where: str) -> Labels:
    """Return booleans, integers or integral floats as int64."""
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            index = int(np.argmin(np.isfinite(array)))
            raise DataError(
                f"{where}[{index}] is {array[index]}, a missing label; remove such examples"
            )
        is_fraction = array != np.floor(array)
        if is_fraction.any():
            index = int(np.argmax(is_fraction))
            raise DataError(
                f"{where}[{index}] is {array[index]:g}: numbers with fractions are a regression "
                "target, and nnexp classifies; save classes, or name other labels by "
                "data.arrays.y_train"
            )
    if array.size and (array.max() > classes.LARGEST_LABEL or array.min() < -classes.LARGEST_LABEL):
        raise DataError(
            f"{where} has labels from {array.min()} to {array.max()}, beyond ±2**53; "
            "save labels 0, 1, …, or strings"
        )
    return array.astype(np.int64)


def _of_strings(
    flat: Mapping[str, AnyArray], texts: Mapping[str, AnyArray], wheres: Mapping[str, str]
) -> tuple[dict[str, Labels], list[str]]:
    for role, array in flat.items():
        if role not in texts:
            other = next(iter(texts))
            raise DataError(
                f"{wheres[role]} has labels of type {array.dtype}, but {wheres[other]} has "
                "strings; save both as the same type"
            )
    distinct = {role: np.unique(array) for role, array in texts.items()}
    names = sorted({name for role, a in distinct.items() for name in _strings(a, wheres[role])})
    place = {name: index for index, name in enumerate(names)}
    result = {}
    for role, array in texts.items():
        codes = np.array([place[name] for name in _strings(distinct[role], wheres[role])], np.int64)
        result[role] = codes[np.searchsorted(distinct[role], array)] if len(codes) else codes
    classes.check_target(
        len(distinct["y_train"]),
        len(texts["y_train"]),
        wheres["y_train"],
        "name another array by data.arrays.y_train",
    )
    return result, names


def _strings(array: AnyArray, where: str) -> list[str]:
    """Return an array of strings or of UTF-8 bytes as a list."""
    try:
        names = [v.decode() if isinstance(v, bytes) else str(v) for v in array.tolist()]
    except UnicodeDecodeError:
        raise DataError(f"{where} has bytes that are not UTF-8; save it as strings") from None
    return [classes.checked_name(name, where) for name in names]
