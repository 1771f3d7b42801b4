"""Labels as NumPy arrays have them: numbers, booleans, strings, one-hot rows or columns."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from nnexp.datasets import classes
from nnexp.datasets.csv_numbers import exact, has_fraction
from nnexp.datasets.dataset import Labels
from nnexp.datasets.name_lists import listed
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnexp.datasets.classes import LabelNames
    from nnexp.datasets.npz import AnyArray


MISSING = {"", "nan", "NaN", "NaT", "None", "<NA>"}
"""Strings that NumPy and pandas make of missing values."""

ANOTHER_ARRAY = "save classes, or name other labels by data.arrays.y_train"


def labels(
    raw: Mapping[str, AnyArray], class_names: AnyArray | None, wheres: Mapping[str, str]
) -> tuple[dict[str, Labels], LabelNames | None]:
    """Return whole-number labels of each array, and their names if they have any.

    Args:
        raw: the arrays by role, y_train first of all.
        class_names: for numbers, the names of the sorted training labels or of 0, 1, …; for
            strings, the same strings in the order of the classes.
        wheres: where the arrays are from, by role, for messages.

    Raises: DataError if an array holds no labels, or names and labels do not match.
    """
    names = None if class_names is None else _class_names(class_names, wheres["class_names"])
    flat = {role: _flat(array, wheres[role]) for role, array in raw.items()}
    if any(_is_text(array) for array in flat.values()):
        return _of_strings(flat, names, wheres)
    numbers = {role: _whole(array, wheres[role]) for role, array in flat.items()}
    _check_target(len(np.unique(numbers["y_train"])), len(numbers["y_train"]), wheres["y_train"])
    return numbers, None if names is None else _named(numbers, names, wheres)


def labels_of_new(
    array: AnyArray,
    class_names: AnyArray | None,
    where: str,
    known: Mapping[int, str] = MappingProxyType({}),
) -> list[str]:
    """Return the label of each new example as text, whatever classes a network knows.

    Args:
        array: the labels.
        class_names: for numbers, their names, as for training labels.
        where: where the labels are from, for messages.
        known: the names of numbers in the network's own data. They count, unless class_names has
            other names, or names all numbers while these do not.

    Raises: DataError if the array holds no labels.
    """
    flat = _flat(array, where)
    if _is_text(flat):
        return _strings(flat, where)
    numbers: list[int] = _whole(flat, where, "save classes").tolist()
    named = known
    if class_names is not None:
        own = _numbered(_class_names(class_names, where), np.unique(numbers).tolist())
        is_other = not set(known.values()) <= set(own.values())
        fits_own = own.keys() >= set(numbers) and not known.keys() >= set(numbers)
        if not known or is_other or fits_own:
            named = own
    return [named.get(number, str(number)) for number in numbers]


def _numbered(names: list[str], distinct: list[int]) -> dict[int, str]:
    """Return the names of sorted labels if there are as many, or else of 0, 1, …."""
    return dict(
        zip(distinct if len(names) == len(distinct) else range(len(names)), names, strict=True)
    )


def _check_target(count: int, examples: int, where: str, *, are_text: bool = False) -> None:
    advice = "name another array by data.arrays.y_train"
    classes.check_target(count, examples, where, advice, are_text=are_text)


def _is_text(array: AnyArray) -> bool:
    return array.dtype.kind in "US"


def _class_names(array: AnyArray, where: str) -> list[str]:
    """Return the names of classes. Raises: DataError if two of them are equal."""
    names = _strings(array, where)
    for index, name in enumerate(names):
        if name in names[:index]:
            raise DataError(f"{where} has {name!r} twice; give each label a name of its own")
    return names


def _named(
    numbers: Mapping[str, Labels], names: list[str], wheres: Mapping[str, str]
) -> dict[int, str]:
    """Return the name of each label. Raises: DataError if a label has none."""
    named = _numbered(names, np.unique(numbers["y_train"]).tolist())
    for role, array in numbers.items():
        nameless = np.flatnonzero(~np.isin(array, list(named)))
        if nameless.size:
            needed = np.unique(np.concatenate(list(numbers.values()))).tolist()
            raise DataError(
                f"{wheres[role]}: label {array[nameless[0]]} of example {nameless[0] + 1} has no "
                f"name: class_names has {len(names)} ({listed(names)}), but {len(needed)} "
                f"names are needed, for the labels {listed([str(n) for n in needed])}; "
                "correct the label, or save a name for each"
            )
    return named


def _flat(array: AnyArray, where: str) -> AnyArray:
    """Return a column or one-hot rows as a vector."""
    if array.ndim == 1:
        return array
    if array.shape[1] == 1:
        return array[:, 0]
    if _is_text(array):
        raise DataError(
            f"{where} has {array.shape[1]} columns of strings; each example needs exactly one "
            "class: save one label for each example"
        )
    is_one = array == 1
    is_one_hot = (is_one.sum(axis=1) == 1) & ((array == 0) | is_one).all(axis=1)
    if not is_one_hot.all():
        row = int(np.argmin(is_one_hot))
        raise DataError(
            f"{where} has {array.shape[1]} columns but is not one-hot, with a single 1 in each "
            f"row: example {row + 1} has {_described(array[row])}; each example needs exactly one "
            "class: save one label for each example"
        )
    indices: AnyArray = is_one.argmax(axis=1)
    return indices


def _described(row: AnyArray) -> str:
    """Return how a row differs from a one-hot one."""
    is_odd = (row != 0) & (row != 1)
    if is_odd.any():
        return f"the value {row[np.argmax(is_odd)]:g}"
    return f"{np.count_nonzero(row) or 'no'} ones"


def _whole(array: AnyArray, where: str, advice: str = ANOTHER_ARRAY) -> Labels:
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
                f"target, and nnexp classifies; {advice}"
            )
    if array.size and (array.max() > classes.LARGEST_LABEL or array.min() < -classes.LARGEST_LABEL):
        raise DataError(
            f"{where} has labels from {array.min()} to {array.max()}, beyond ±2**53; "
            "save labels 0, 1, …, or strings"
        )
    return array.astype(np.int64)


def _of_strings(
    flat: Mapping[str, AnyArray], class_names: list[str] | None, wheres: Mapping[str, str]
) -> tuple[dict[str, Labels], list[str]]:
    """Return labels as indices of names, sorted or in the order of class_names."""
    text = next(role for role, array in flat.items() if _is_text(array))
    codes, distinct = {}, {}
    for role, array in flat.items():
        if not _is_text(array):
            raise DataError(
                f"{wheres[role]} has labels of type {array.dtype}, but {wheres[text]} has "
                "strings; save both as the same type"
            )
        spellings, codes[role] = np.unique(array, return_inverse=True)
        _check_missing(spellings, codes[role], wheres[role])
        distinct[role] = _strings(spellings, wheres[role])
    train = "y_train"
    _check_fractions(distinct[train], wheres[train])
    _check_target(len(set(distinct[train])), len(flat[train]), wheres[train], are_text=True)
    names = sorted({name for strings in distinct.values() for name in strings})
    if class_names is not None:
        if sorted(class_names) != names:
            raise DataError(
                f"{wheres['class_names']} has {listed(class_names)}, but the labels are "
                f"the strings {listed(names)}; remove class_names, or save these strings "
                "in it, in the order of the classes"
            )
        names = class_names
    index = {name: number for number, name in enumerate(names)}
    numbers = {
        role: np.array([index[name] for name in strings], np.int64)[codes[role]]
        for role, strings in distinct.items()
    }
    return numbers, names


def _check_fractions(spellings: list[str], where: str) -> None:
    """Raise DataError if a label is a number with a fraction."""
    for spelling in spellings:
        value = exact(spelling)
        if value is not None and has_fraction(value):
            raise DataError(
                f"{where} has the label {spelling!r}: numbers with fractions are a regression "
                f"target, and nnexp classifies; {ANOTHER_ARRAY}"
            )


def _check_missing(spellings: AnyArray, codes: AnyArray, where: str) -> None:
    """Raise DataError if a label is a missing value.

    Args:
        spellings: the distinct labels, strings or bytes.
        codes: the index of each example's label.
        where: where the labels are from, for the message.
    """
    for code, spelling in enumerate(spellings.tolist()):
        text = spelling.decode(errors="replace") if isinstance(spelling, bytes) else spelling
        if text.strip() in MISSING:
            raise DataError(
                f"{where}: label {text!r} of example {int(np.argmax(codes == code)) + 1} is a "
                "missing value; remove such examples, or rename the class"
            )


def _strings(array: AnyArray, where: str) -> list[str]:
    """Return an array of strings or of UTF-8 bytes as a list."""
    try:
        names = [v.decode() if isinstance(v, bytes) else str(v) for v in array.tolist()]
    except UnicodeDecodeError:
        raise DataError(f"{where} has bytes that are not UTF-8; save it as strings") from None
    return [classes.checked_name(name, where) for name in names]
