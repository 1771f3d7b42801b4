"""Describe what a trained network takes as an example, and check new examples against it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnexp.datasets.npz_file import features as as_rows
from nnexp.datasets.sources import Csv, Idx, Images, Mnist
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.datasets.dataset import Features
    from nnexp.datasets.npz import AnyArray
    from nnexp.datasets.sources import Source

BYTES = (Mnist, Idx, Images)
"""Sources whose pixels range from 0 to 255."""
WHITE = 255
"""The grey of white pixels."""


class Inputs(NamedTuple):
    """What a network takes as an example."""

    source: Source
    """The settings of its training data."""
    features: int
    image: tuple[int, int] | None
    """Rows and columns of an image; None if examples are not images."""
    is_mnist: bool
    """Whether it was trained on MNIST's images, whatever their source."""
    feature_names: Sequence[str] = ()
    label_name: str = ""
    label_names: Mapping[int, str] = MappingProxyType({})
    """The class of each number that the training data has a name for."""

    @property
    def are_bytes(self) -> bool:
        """Whether the training data are pixels from 0 to 255."""
        return isinstance(self.source, BYTES) or self.is_mnist


def white_of(inputs: Inputs) -> float:
    """Return the number that a white pixel has in a network's own data."""
    return WHITE if inputs.are_bytes else inputs.source.scale


def why_no_names(inputs: Inputs) -> str | None:
    """Return why the columns of a table cannot be found, though it has names; None if they can."""
    if isinstance(inputs.source, Csv) and not inputs.feature_names:
        return (
            "an earlier version of nnexp trained the run and did not record the columns' names; "
            "give an array with the features in the order of the training data, x in an npz "
            "archive, or train a new run"
        )
    return None


def why_no_pictures(inputs: Inputs) -> str | None:
    """Return why a network cannot be given pictures; None if it can."""
    if inputs.image is None:
        return f"the run was trained on tables of {inputs.features} features"
    if inputs.source.standardize and not inputs.are_bytes:
        return "the pixels that the run was trained on may have another range than 0 to 255"
    return None


def rows_of(array: AnyArray, inputs: Inputs, what: str) -> Features:
    """Return an array of examples as rows, not scaled yet.

    Args:
        array: shape (examples, …).
        inputs: what the network takes.
        what: what the array is, for messages.

    Returns: shape (examples, features).

    Raises: DataError if there are no examples, or a value is not finite or no pixel as the network
        takes them.
    """
    if not len(array):
        raise DataError(f"{what} has no examples")
    flat = np.ascontiguousarray(as_rows(what, array))
    if inputs.are_bytes:
        _check_pixels(array, what)
    return flat


def _check_pixels(array: AnyArray, what: str) -> None:
    """Raise DataError if an array is not of pixels from 0 to 255, but scaled otherwise."""
    low, high = float(array.min()) + 0.0, float(array.max()) + 0.0  # -0 becomes 0
    is_scaled = array.dtype.kind in "bf" and 0 < high <= 1
    if low < 0 or high > WHITE or is_scaled:
        advice = "; multiply them by 255" if is_scaled and low >= 0 else ""
        raise DataError(
            f"{what} has values from {low:g} to {high:g}, but the run was trained on pixels from "
            f"0 to {WHITE}{advice}"
        )
