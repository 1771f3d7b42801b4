"""Expand the training data (data augmentation) by shifted or rotated copies of its images.

An expansion writes its copies into an array that the caller has allocated, so that no example is
in memory twice.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from msgspec import Meta, Struct

from nnexp.datasets.dataset import Split, image_shape
from nnexp.errors import DataError
from nnexp.nn.arrays import Array
from nnexp.nn.elementary import cosine, sine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Images: TypeAlias = "npt.NDArray[Any]"
"""Pixels of shape (examples, rows, columns)."""

PIXELS = 100_000
"""Pixels that are converted to floats at once, which fit in the cache; at least one image."""


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
    Source: Nielsen (2015), chapter 3.
    """

    copies: ClassVar[int] = 2

    degrees: Annotated[
        float, Meta(gt=0, le=45, description="The angle, counter-clockwise first, then clockwise.")
    ] = 10.0

    def write(self, images: Images, out: Sequence[Images]) -> None:
        """Write the images rotated counter-clockwise and clockwise to the two arrays of out."""
        n, rows, columns = images.shape
        step = max(1, PIXELS // (rows * columns))
        for degrees, rotated in zip((self.degrees, -self.degrees), out, strict=True):
            rotation = Rotation((rows, columns), math.radians(degrees))
            for start in range(0, n, step):
                chunk = slice(start, start + step)
                rotated[chunk] = rotation.apply(images[chunk])


class Tap(NamedTuple):
    """The nearest pixels on one side of positions along an axis, and their weights."""

    pixel: npt.NDArray[np.int64]
    weight: Array


def taps(position: Array) -> tuple[Tap, Tap]:
    """Return the pixels below and above positions, for linear interpolation.

    A position at an axis's last pixel has none above; then the weight is 0, whatever is read.
    """
    below = np.floor(position)
    pixel = below.astype(np.int64)
    weight = 1.0 - (position - below)
    return Tap(pixel, weight), Tap(pixel + 1, 1.0 - weight)


class Rotation:
    """A rotation of images about their centre, with bilinear interpolation.

    Its results are the same to the last bit on every machine. They are those of
    ``scipy.ndimage.rotate`` with order 1, which sums in this order, except where the exact value
    of an integer pixel ends in 1/2 and is rounded up or down by chance, as at 45 degrees.

    Args:
        shape: of an image.
        radians: the angle, counter-clockwise.
    """

    def __init__(self, shape: tuple[int, int], radians: float) -> None:
        rows, columns = shape
        cos, sin = cosine(radians), sine(radians)
        y, x = (rows - 1) / 2, (columns - 1) / 2  # the centre
        row, column = np.arange(rows)[:, None], np.arange(columns)
        # The source of each pixel: its position turned back about the centre.
        source_row = y - (cos * y + sin * x) + row * cos + column * sin
        source_column = x - (cos * x - sin * y) - row * sin + column * cos
        inside = (source_row >= 0) & (source_row <= rows - 1)
        inside &= (source_column >= 0) & (source_column <= columns - 1)
        self._columns = columns
        self._inside = np.flatnonzero(inside)
        self._vertical = taps(source_row[inside])
        self._horizontal = taps(source_column[inside])

    def apply(self, images: Images) -> Images:
        """Return rotated images, rounded to the nearest integers if they are integers."""
        pixels = images.reshape(len(images), -1).astype(np.float64)
        total: Array = np.zeros((len(images), len(self._inside)))
        part = np.empty_like(total)
        for row, vertical in self._vertical:
            for column, horizontal in self._horizontal:
                # An index behind the last pixel, whose weight is 0, is clipped.
                np.take(pixels, row * self._columns + column, axis=1, out=part, mode="clip")
                np.multiply(part, vertical, out=part)
                np.multiply(part, horizontal, out=part)
                np.add(total, part, out=total)
        if images.dtype.kind in "iu":
            np.rint(total, out=total)
        rotated = np.zeros_like(pixels, images.dtype)
        rotated[:, self._inside] = total
        return rotated.reshape(images.shape)


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
