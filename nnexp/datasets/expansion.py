"""Expanded data: more training examples, made from those that are there.

An expansion writes changed copies of all images, one kind of change after another, into
room that the caller made for them, so that no example is ever held twice.
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
"""Images that are floats at a time."""


class Shift(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="shift"):
    """Each training image also one pixel further up, down, left and right: five times as many.

    The edge that comes free is 0.
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
    """Each training image also turned by a small angle both ways: three times as many.

    It turns about its centre, by bilinear interpolation; what comes from outside is 0.
    Source: Nielsen (2015), chapter 3; ``scipy.ndimage.rotate`` with order 1.
    """

    copies: ClassVar[int] = 2

    degrees: Annotated[
        float, Meta(gt=0, le=45, description="The angle, counter-clockwise first, then clockwise.")
    ] = 10.0

    def write(self, images: Images, out: Sequence[Images]) -> None:
        """Write the images turned counter-clockwise and clockwise to the two arrays of out."""
        from scipy import ndimage  # noqa: PLC0415 - slow to import, and needed here alone

        whole = images.dtype.kind in "iu"
        for degrees, turned in zip((self.degrees, -self.degrees), out, strict=True):
            for start in range(0, len(images), CHUNK):
                part = images[start : start + CHUNK].astype(np.float64)
                part = ndimage.rotate(part, degrees, axes=(2, 1), reshape=False, order=1)
                turned[start : start + CHUNK] = np.rint(part) if whole else part


Expansion: TypeAlias = Shift | Rotate


def expanded(expansion: Expansion, train: Split, image: Sequence[int], where: str) -> Split:
    """Return the training examples followed by all that the expansion makes of them.

    Args:
        expansion: what to make.
        train: the examples as they are.
        image: the shape of an example as its file gives it; empty where it gives none.
        where: the file, for messages.

    Raises: DataError if the examples are no images.
    """
    n, features = train.features.shape
    rows, columns = shape(features, image, where)
    times = 1 + expansion.copies
    grown = np.empty((times * n, features), train.features.dtype)
    grown[:n] = train.features
    first, *others = grown.reshape(times, n, rows, columns)
    expansion.write(first, others)
    return Split(grown, np.tile(train.labels, times))


def shape(features: int, image: Sequence[int], where: str) -> tuple[int, int]:
    """Return an image's rows and columns: as its file gives them, or those of a square.

    Raises: DataError if the examples are no images.
    """
    if (found := image_shape(features, image)) is not None:
        return found
    got = " x ".join(map(str, image)) if len(image) > 1 else f"{features}, which is no square"
    raise DataError(
        f"{where}: data.expand needs images, rows x columns of pixels an example, got {got}"
    )
