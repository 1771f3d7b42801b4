"""Expand the training data (data augmentation) by shifted or rotated copies of its images.

An expansion writes its copies into an array that the caller has allocated, so that no example is
in memory twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from nnexp.datasets.dataset import Split, image_shape
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

Images: TypeAlias = npt.NDArray[Any]
"""Pixels of shape (examples, rows, columns)."""

CHUNK = 1000
"""Images converted to floats at once."""


class Shift(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="shift"):
    """Add copies of each training image shifted by one pixel in four directions.

    That gives five times as many images. The edge that becomes free is 0.
    Source: Nielsen (2015), chapter 3, the problem on expanding the data.
    """

    copies: ClassVar[int] = 4

    def write(self, images: Images, out: Sequence[Images]) -> None:
        """Write the images shifted up, down, left and right to the four arrays of out."""
        up, down, left, right = out
        up[:, :-1], up[:, -1] = images[:, 1:], 0
        down[:, 1:], down[:, 0] = images[:, :-1], 0
        left[:, :, :-1], left[:, :, -1] = images[:, :, 1:], 0
        right[:, :, 1:], right[:, :, 0] = images[:, :, :-1], 0


class Rotate(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="rotate"):
    """Add copies of each training image rotated by a small angle in both directions.

    That gives three times as many images. The rotation is about the centre, with bilinear
    interpolation; pixels from outside the image are 0.
    Source: Nielsen (2015), chapter 3; ``scipy.ndimage.rotate`` with order 1.
    """

    copies: ClassVar[int] = 2

    degrees: Annotated[
        float, Meta(gt=0, le=45, description="The angle, counter-clockwise first, then clockwise.")
    ] = 10.0

    def write(self, images: Images, out: Sequence[Images]) -> None:
        """Write the images rotated counter-clockwise and clockwise to the two arrays of out."""
        from scipy import ndimage  # noqa: PLC0415 - slow to import and rarely needed

        is_integer = images.dtype.kind in "iu"
        for degrees, rotated in zip((self.degrees, -self.degrees), out, strict=True):
            for start in range(0, len(images), CHUNK):
                chunk = images[start : start + CHUNK].astype(np.float64)
                chunk = ndimage.rotate(chunk, degrees, axes=(2, 1), reshape=False, order=1)
                rotated[start : start + CHUNK] = np.rint(chunk) if is_integer else chunk


Expansion: TypeAlias = Shift | Rotate


def expand(expansion: Expansion, train: Split, image: Sequence[int], source: str) -> Split:
    """Return the training examples followed by the expansion's copies of them.

    Args:
        expansion: the kind of copies.
        train: the original examples.
        image: the shape of an example in its file; empty if the file gives none.
        source: the file, for messages.

    Raises: DataError if the examples are not images.
    """
    n, features = train.features.shape
    rows, columns = shape(features, image, source)
    times = 1 + expansion.copies
    expanded = np.empty((times * n, features), train.features.dtype)
    expanded[:n] = train.features
    originals, *copies = expanded.reshape(times, n, rows, columns)
    expansion.write(originals, copies)
    return Split(expanded, np.tile(train.labels, times))


def shape(features: int, image: Sequence[int], source: str) -> tuple[int, int]:
    """Return an image's rows and columns: those given by its file, or those of a square.

    Raises: DataError if the examples are not images.
    """
    if (rows_columns := image_shape(features, image)) is not None:
        return rows_columns
    got = " x ".join(map(str, image)) if len(image) > 1 else f"{features}, which is not a square"
    raise DataError(
        f"{source}: data.expand needs images (rows x columns of pixels per example), got {got}"
    )
