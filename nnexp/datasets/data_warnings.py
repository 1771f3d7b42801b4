"""Warnings about data that can be read but will probably not be learned as intended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.name_lists import closest, listed, yaml_list

if TYPE_CHECKING:
    import numpy.typing as npt

SMALL_PIXELS, SMALL_FEATURES = 0.065, 0.1
"""Pixels, and other features, below this after scaling have probably been scaled already.

The upper eight bits of 12-bit pixels in 16-bit files are at most 15, which is 0.059 of 255.
"""

LARGE_FEATURES = 20.0
"""Features above this after scaling, such as unscaled pixels, probably need a larger scale."""

FEWEST = 10
"""Splits with fewer examples are not compared: their ranges say little."""
SHOWN = 3
"""Maximum number of features or classes that a warning lists."""
MANY_NUMBERS, RARE = 30, 5
"""More classes with whole numbers than this, most with fewer examples, are probably a quantity."""
MISSPELT = 0.85
"""Minimum similarity of a class to the one that it may be a misspelling of, as in difflib."""
STEPS = 16
"""A feature with a range of fewer float32 steps than this loses its differences."""


class Ranges(NamedTuple):
    """The smallest and the largest value of each feature."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


_ranges: WeakKeyDictionary[Split, Ranges] = WeakKeyDictionary()
_different: WeakKeyDictionary[Split, npt.NDArray[np.bool_]] = WeakKeyDictionary()


def ranges(split: Split) -> Ranges:
    """Return the range of each feature, computed once for a split."""
    if split not in _ranges:
        low, high = split.features.min(axis=0), split.features.max(axis=0)
        _ranges[split] = Ranges(low.astype(np.float64), high.astype(np.float64))
    return _ranges[split]


def data_warnings(dataset: Dataset, dtype: str = "float32") -> list[str]:
    """Return all warnings about a dataset.

    Args:
        dataset: the examples.
        dtype: of the arithmetic.
    """
    scale = scale_warning(dataset)
    return [
        *([] if scale is None else [scale]),
        *_precision(dataset, dtype),
        *_constant(dataset),
        *_counting(dataset),
        *_target(dataset),
        *_other_scales(dataset),
        *_absent(dataset),
    ]


def scale_warning(dataset: Dataset) -> str | None:
    """Return a warning if data.scale is probably wrong for the features, else None."""
    if dataset.factors is not None:
        return None
    features = dataset.train.features
    low, high = ranges(dataset.train)
    largest = max(abs(float(low.min())), abs(float(high.max()))) / dataset.scale
    if not largest:
        return "all features are 0, so that examples cannot be distinguished"
    fact = f"the largest value after dividing by data.scale = {dataset.scale:g} is {largest:.3g}"
    if largest > LARGE_FEATURES:
        advice = "set data.scale so that it is near 1"
        if dataset.feature_names:
            advice = "set data.standardize: true"
        return f"{fact}; such inputs saturate neurons: {advice}"
    is_pixels = features.dtype == np.uint8
    if largest < (SMALL_PIXELS if is_pixels else SMALL_FEATURES):
        if dataset.feature_names:
            return f"{fact}; such inputs are learned slowly: set data.standardize: true"
        scale = float(high.max()) if is_pixels else 1
        return (
            None if scale == dataset.scale else f"{fact}; already scaled? set data.scale: {scale:g}"
        )
    return None


def exceeds(dataset: Dataset, dtype: str) -> npt.NDArray[np.int64]:
    """Return the features whose scaled values are too large for the arithmetic."""
    limit = np.finfo(dtype).max
    large = np.zeros(dataset.train.features.shape[1], bool)
    for split in dataset.splits.values():
        low, high = ranges(split)
        large |= np.maximum(np.abs(low), np.abs(high)) / dataset.scale > limit
    return np.flatnonzero(large)


def _precision(dataset: Dataset, dtype: str) -> Iterator[str]:
    """Yield a warning for features that the arithmetic cannot hold or cannot tell apart."""
    too_large = exceeds(dataset, dtype)
    if too_large.size:
        yield (
            f"{_features(dataset, too_large[:1])} exceeds the {np.finfo(dtype).max:.2g} that "
            f"{dtype} can hold{_more(too_large)}: training will diverge; set data.standardize: "
            "true or data.scale, or drop what is too large"
        )
    low, high = ranges(dataset.train)
    step = np.maximum(np.abs(low), np.abs(high)) * np.finfo(dtype).eps
    lost = np.flatnonzero((high > low) & (high - low < STEPS * step))
    if lost.size:
        first = lost[0]
        yield (
            f"{_features(dataset, lost[:1])} varies only from {low[first]:.12g} to "
            f"{high[first]:.12g}, which {dtype} can hardly tell apart{_more(lost)}; set "
            "data.standardize: true"
        )


def _constant(dataset: Dataset) -> Iterator[str]:
    """Yield a warning about constant features; pixels at an image's border often are."""
    if len(dataset.image) > 1:
        return
    low, high = ranges(dataset.train)
    constant = np.flatnonzero(low == high)
    if constant.size == len(low):
        return  # all examples are equal: the scale's warning, or the result, says so
    if constant.size:
        verb, it = ("is", "it") if constant.size == 1 else ("are", "them")
        advice = ""
        if dataset.feature_names:
            advice = f"; drop {it} by data.drop"
        if dataset.feature_names and constant.size <= SHOWN:
            advice += f": {_dropping(dataset, constant)}"
        yield (
            f"{_features(dataset, constant)} {verb} constant in the training examples and cannot "
            f"help{advice}"
        )


def _counting(dataset: Dataset) -> Iterator[str]:
    """Yield a warning for each feature that only numbers the examples."""
    for name in dataset.counting:
        yield (
            f"column {name!r} numbers the examples: it tells only their order in the file; drop it "
            f"by data.drop: {yaml_list([name])}"
        )
    for name in dataset.identifying:
        yield (
            f"column {name!r} has another whole number for each example, and its name is that of "
            f"an identifier, from which nothing can be learned: if it is one, drop it by "
            f"data.drop: {yaml_list([name])}"
        )


def _target(dataset: Dataset) -> Iterator[str]:
    """Yield a warning if the classes, unless of images, look like the values of a quantity."""
    if len(dataset.class_names) <= MANY_NUMBERS or len(dataset.image) > 1:
        return
    are_numbers = all(re.fullmatch(r"-?\d+", name) for name in dataset.class_names)
    counts = np.bincount(dataset.train.labels, minlength=dataset.classes)
    rare = int(np.count_nonzero(counts < RARE))
    if are_numbers and 2 * rare > dataset.classes:
        yield (
            f"the labels are {dataset.classes} different whole numbers, {rare} of them with fewer "
            f"than {RARE} training examples: that looks like a regression target, and nnexp "
            "classifies; choose other labels, or group these into a few classes"
        )


def _other_scales(dataset: Dataset) -> Iterator[str]:
    """Yield a warning for each split whose features are scaled unlike the training examples'."""
    if len(dataset.train.labels) < FEWEST:
        return
    for name, split in dataset.splits.items():
        if name == "train" or len(split.labels) < FEWEST:
            continue
        other = np.flatnonzero(_is_scaled_differently(dataset.train, split))
        if other.size:
            index = int(other[0])
            (low, high), (own_low, own_high) = ranges(dataset.train), ranges(split)
            yield (
                f"the {name} examples are scaled differently from the training examples: "
                f"{_features(dataset, other[:1])} is from {own_low[index]:.4g} to "
                f"{own_high[index]:.4g} there, and from {low[index]:.4g} to {high[index]:.4g} in "
                f"training{_more(other)}; scale both in the same way"
            )


def _is_scaled_differently(train: Split, split: Split) -> npt.NDArray[np.bool_]:
    """Return for each feature whether most values of one split are far outside the other's range.

    Far means by more than the width of the range. It is computed once for a split.
    """
    if split in _different:
        return _different[split]
    different = np.zeros(train.features.shape[1], bool)
    for inside, outside in ((train, split), (split, train)):
        (low, high), (other_low, other_high) = ranges(inside), ranges(outside)
        width = high - low
        candidates = (width > 0) & ((other_low < low - width) | (other_high > high + width))
        for index in np.flatnonzero(candidates):
            values = outside.features[:, index]
            far = (values < low[index] - width[index]) | (values > high[index] + width[index])
            different[index] |= 2 * np.count_nonzero(far) > len(values)
    _different[split] = different
    return different


def _absent(dataset: Dataset) -> Iterator[str]:
    """Yield a warning for each split that lacks a class."""
    for name, split in dataset.splits.items():
        counts = np.bincount(split.labels, minlength=dataset.classes)
        absent = np.flatnonzero(counts == 0)
        if absent.size:
            names = [dataset.class_names[i] if dataset.class_names else str(i) for i in absent]
            noun, which = ("class", "it") if len(names) == 1 else ("classes", "they")
            kind, done = ("training", "learned") if name == "train" else (name, "judged")
            rare = [_rarity(dataset, int(index)) for index in absent[:SHOWN]]
            yield (
                f"no {kind} example is of {noun} {listed(names, SHOWN)}: {which} cannot be {done}"
                f"{''.join(rare)}"
            )


def _rarity(dataset: Dataset, index: int) -> str:
    """Return how few examples a class has, and what it may be a misspelling of; else nothing."""
    labels = np.concatenate([split.labels for split in dataset.splits.values()])
    counts = np.bincount(labels, minlength=dataset.classes).tolist()
    count = counts[index]
    if not 0 < count < RARE or not dataset.class_names:
        return ""
    name = dataset.class_names[index]
    text = f"; {name!r} has only {count} example{'s' * (count != 1)}"
    common = [
        other
        for other, its_count in zip(dataset.class_names, counts, strict=True)
        if its_count > count and _digits(other) == _digits(name)
    ]
    near = closest(name, common, MISSPELT)
    return text if near is None else f"{text}: a misspelling of {near!r}?"


def _digits(name: str) -> str:
    """Return the digits of a name: type-1 is no misspelling of type-2."""
    return "".join(filter(str.isdecimal, name))


def _features(dataset: Dataset, indices: npt.NDArray[np.int64]) -> str:
    """Return the names of features as a subject."""
    noun = "feature" if indices.size == 1 else f"{indices.size} features,"
    if dataset.feature_names:
        names = [repr(dataset.feature_names[i]) for i in indices]
    else:
        names = [str(i + 1) for i in indices]
    text = f"{noun} {listed(names, SHOWN)}"
    return text if indices.size == 1 else f"{text},"


def _more(indices: npt.NDArray[np.int64]) -> str:
    """Return how many further features a sentence about the first one is true of."""
    return f", like {indices.size - 1} more" if indices.size > 1 else ""


def _dropping(dataset: Dataset, indices: npt.NDArray[np.int64]) -> str:
    return yaml_list([dataset.feature_names[i] for i in indices])
