"""Describe the data of a config before any training: examples, classes, features, duplicates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from nnexp.config.model import Config
from nnexp.datasets.data_warnings import data_warnings
from nnexp.datasets.dataset import Dataset, Features, Split
from nnexp.datasets.loading import load

if TYPE_CHECKING:
    import numpy.typing as npt

ROWS = 1000
"""Examples that are converted to float64 at once."""


class ValuesDescription(NamedTuple):
    """The distribution of a feature, or of all features together, as in the file."""

    low: float
    high: float
    mean: float
    deviation: float
    """The standard deviation of the population."""
    zeros: float
    """The share of values that are zero."""


class SplitDescription(NamedTuple):
    """The examples of a split."""

    name: str
    examples: int
    per_class: tuple[int, ...]
    values: ValuesDescription
    """Of all features together."""
    duplicates: int
    """Examples whose features equal those of an earlier example of the split."""


class Overlap(NamedTuple):
    """Examples of a split whose features equal those of an example of an earlier split."""

    split: str
    other: str
    examples: int


class DataDescription(NamedTuple):
    """The data of a config, before it is scaled, standardized or expanded."""

    source: str
    features: int
    feature_names: tuple[str, ...]
    image: tuple[int, int] | None
    """Rows and columns of an example, or None if examples are no images."""
    class_names: tuple[str, ...]
    splits: tuple[SplitDescription, ...]
    by_feature: tuple[ValuesDescription, ...]
    """Of the training examples."""
    overlaps: tuple[Overlap, ...]
    warnings: list[str]
    dataset: Dataset


def describe(config: Config) -> DataDescription:
    """Load and describe a config's data.

    Raises: DataError if it cannot be read.
    """
    source = config.data
    dataset = load(msgspec.structs.replace(source, expand=None))
    warnings = data_warnings(dataset, config.dtype)
    if dataset.factors is not None:
        dataset = load(msgspec.structs.replace(source, expand=None, standardize=False))
    splits = dataset.splits
    hashes = {name: _hashes(split.features) for name, split in splits.items()}
    by_feature = {name: _Sums(split.features) for name, split in splits.items()}
    return DataDescription(
        source=str(source.__struct_config__.tag),
        features=dataset.train.features.shape[1],
        feature_names=dataset.feature_names,
        image=dataset.image_shape,
        class_names=dataset.class_names,
        splits=tuple(
            SplitDescription(
                name=name,
                examples=len(split.labels),
                per_class=_per_class(split, dataset.classes),
                values=by_feature[name].whole(),
                duplicates=len(split.labels) - len(set(hashes[name])),
            )
            for name, split in splits.items()
        ),
        by_feature=by_feature["train"].columns(),
        overlaps=tuple(
            Overlap(name, other, sum(h in seen for h in hashes[name]))
            for index, name in enumerate(splits)
            for other in list(splits)[:index]
            if (seen := set(hashes[other]))
        ),
        warnings=warnings,
        dataset=dataset,
    )


def _per_class(split: Split, classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(split.labels, minlength=classes).tolist())


def _hashes(features: Features) -> list[bytes]:
    """Return a short digest of each example's features."""
    is_bytes = features.dtype == np.uint8
    digests = []
    for row in features:
        # Equal numbers have equal bytes then, -0.0 and 0.0 among them, whatever the split's type.
        content = row if is_bytes else row + 0.0
        digests.append(
            hashlib.blake2b(np.ascontiguousarray(content, np.float64).data, digest_size=16).digest()
        )
    return digests


class _Sums:
    """Sums over the examples of a split, for each feature."""

    def __init__(self, features: Features) -> None:
        self._count, width = features.shape
        self._low = features.min(axis=0).astype(np.float64)
        self._high = features.max(axis=0).astype(np.float64)
        total, self._zeros = np.zeros(width), np.zeros(width, np.int64)
        for rows in self._chunks(features):
            total += rows.sum(axis=0)
            self._zeros += (rows == 0).sum(axis=0)
        self._means = total / self._count
        self._squares = np.zeros(width)
        for rows in self._chunks(features):
            self._squares += np.square(rows - self._means).sum(axis=0)

    @staticmethod
    def _chunks(features: Features) -> Iterator[npt.NDArray[np.float64]]:
        for start in range(0, len(features), ROWS):
            yield features[start : start + ROWS].astype(np.float64)

    def columns(self) -> tuple[ValuesDescription, ...]:
        """Return the distribution of each feature."""
        deviations = np.sqrt(self._squares / self._count)
        columns = (self._low, self._high, self._means, deviations, self._zeros / self._count)
        return tuple(ValuesDescription(*map(float, row)) for row in zip(*columns, strict=True))

    def whole(self) -> ValuesDescription:
        """Return the distribution of all features together."""
        mean = float(self._means.mean())
        variance = (self._squares / self._count + np.square(self._means - mean)).mean()
        return ValuesDescription(
            low=float(self._low.min()),
            high=float(self._high.max()),
            mean=mean,
            deviation=float(np.sqrt(variance)),
            zeros=float(self._zeros.sum() / (self._count * len(self._means))),
        )
