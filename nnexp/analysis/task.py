"""The task of a run: what its network takes as an example, and which classes it tells apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import UNSET

from nnexp.datasets.dataset import Factors, Features, Labels, assumed_image, image_shape
from nnexp.datasets.inputs import BYTES, Inputs
from nnexp.datasets.recognition import is_mnist
from nnexp.datasets.sources import Csv, source_name
from nnexp.errors import DataError, MismatchError
from nnexp.store.run import Run


def inputs(run: Run) -> Inputs:
    """Return what a run's network takes as an example."""
    data, source = run.record.data, run.config.data
    numbers = () if data.labels is UNSET else data.labels
    return Inputs(
        source=source,
        features=data.features,
        image=_image(run),
        is_mnist=is_mnist(data.sha256),
        feature_names=() if data.feature_names is UNSET else data.feature_names,
        label_name="" if data.label_name is UNSET else data.label_name,
        label_names=dict(zip(numbers, map(str, run.classes), strict=False)),
    )


def _image(run: Run) -> tuple[int, int] | None:
    """Return the rows and columns of a run's images; None if its examples are not images."""
    data, source = run.record.data, run.config.data
    if isinstance(source, Csv):
        return None  # its columns are quantities, whatever their number
    if data.image is not UNSET:
        return data.image
    is_image = isinstance(source, BYTES)
    return image_shape(data.features, ()) if is_image else assumed_image(data.features)


def class_numbers(labels: Sequence[str | None], classes: Sequence[str]) -> Labels:
    """Return the number of the class of each label, -1 for labels that are no class."""
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(classes)}
    return np.array([numbers.get(label, -1) for label in labels], np.int64)


def check_same_task(runs: Sequence[Run]) -> None:
    """Check that runs have the same classes and take the same examples. Raises: MismatchError."""
    first = runs[0]
    for run in runs[1:]:
        if difference := next(_differences(run, first), None):
            raise MismatchError(
                f"{run.path}: does not have the same {difference} as {first.path}: they cannot "
                "vote together"
            )


def _differences(run: Run, other: Run) -> Iterator[str]:
    """Yield how the tasks of two runs differ."""
    if list(run.classes) != list(other.classes):
        yield "classes"
    own, others = inputs(run), inputs(other)
    if (own.features, own.feature_names) != (others.features, others.feature_names):
        yield "features"
    if own.image != others.image:
        yield "shape of images"
    if own.label_name != others.label_name:
        yield "column of labels"
    if own.label_names != others.label_names:
        yield "numbers of classes"
    is_known = run.record.data.sha256 == other.record.data.sha256 or (
        own.are_bytes and others.are_bytes
    )
    if is_known:  # Examples are in the same units, however each run scales them.
        return
    if source_name(own.source) != source_name(others.source):
        yield "source of data"
    scales = {None if each.source.standardize else each.source.scale for each in (own, others)}
    if own.feature_names:  # Columns of the same names have the same units.
        scales.discard(None)
    if len(scales) > 1:
        yield "scale of features"


def check_range(features: Features, run: Run, factors: Factors | None, where: str) -> None:
    """Check that new examples, scaled as a run's own, are numbers that its dtype can represent.

    Args:
        features: not scaled yet.
        run: the run.
        factors: by which it standardizes; None if it does not.
        where: the examples are from, for the message.

    Raises: DataError.
    """
    if features.dtype == np.uint8:  # as pictures are, many of which are checked one by one
        return
    extremes = np.array([features.min(axis=0), features.max(axis=0)], np.float64)
    with np.errstate(over="ignore"):
        if factors is None:
            scaled = extremes / run.config.data.scale
        else:
            scaled = (extremes - factors.mean) / factors.deviation
        is_finite = np.isfinite(scaled.astype(run.config.dtype))
    if not is_finite.all():
        largest = extremes[~is_finite][0]
        raise DataError(
            f"{where}: the number {largest:g} is too large for the run's {run.config.dtype}; "
            "correct it, or leave the example out"
        )
