"""Decode PNG and JPEG files as grey pixels. Which files are read is decided in image_folder."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from nnexp.datasets import files
from nnexp.datasets.files import MalformedError
from nnexp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.datasets.dataset import Features

FORMATS = ("PNG", "JPEG")
PNG = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 1 << 26
"""Maximum pixels of a file, before it is resized."""

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""
EXIF = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
"""The entries of an image's information that may have the tag."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn an image of each orientation."""


def decode(content: bytes, size: tuple[int, int] | None = None) -> Features:
    """Return a file's pixels as uint8 of shape (rows, columns), upright.

    Args:
        content: of the file.
        size: rows and columns to resize to; None for the image's own.

    Raises: MalformedError if it is no PNG or JPEG image, damaged or too large.
    """
    with _opened(content) as image:
        grey = _upright(image, _grey(image))
        if size is not None and grey.size != (size[1], size[0]):
            grey = grey.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return np.asarray(grey, np.uint8)


def shape(path: Path) -> tuple[int, int] | None:
    """Return the rows and columns that a file declares, before it is turned upright, or None."""
    with suppress(DataError), files.open_binary(path) as file, _opened(file.read()) as image:
        return image.height, image.width
    return None


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Open an image. Errors inside the block become MalformedError."""
    if files.is_html(content[:64].lstrip()):
        raise MalformedError(files.HTML)
    try:
        with _image(content) as image:
            _check_pixels(image)
            yield image
    except MalformedError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MalformedError(
            f"is no readable PNG or JPEG image{_reason(error)}; replace or remove it"
        ) from error


def _image(content: bytes) -> Image.Image:
    """Open an image of any size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large images, which are checked later
        if content.startswith(PNG):  # for small images, Image.open is half of the work
            return PngImageFile(io.BytesIO(content))
        return Image.open(io.BytesIO(content), formats=FORMATS)


def _check_pixels(image: Image.Image) -> None:
    """Raise MalformedError if a file declares too many pixels to decode."""
    if image.width * image.height > MAX_PIXELS:
        raise MalformedError(
            f"has {image.height} x {image.width} pixels; the limit is {MAX_PIXELS} in all; "
            "reduce it"
        )


def _reason(error: Exception) -> str:
    """Return Pillow's reason if it is one for people.

    Other errors than OSError are about Pillow's own work: a bad chunk, or an unpack_from.
    """
    is_readable = isinstance(error, OSError) and not isinstance(error, UnidentifiedImageError)
    return f": {error}" if is_readable else ""


def _grey(image: Image.Image) -> Image.Image:
    """Return an image as 8-bit grey.

    Of 16 bits, the upper eight are kept, which Pillow would clip. Transparent pixels become white,
    or black if the image would be constant otherwise: white ink on a transparent ground.
    """
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image if image.mode == "L" else image.convert("L")
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    on_white = _composite(image, "white")
    darkest, lightest = on_white.getextrema()
    return _composite(image, "black") if darkest == lightest else on_white


def _composite(image: Image.Image, ground: str) -> Image.Image:
    """Return a transparent image on an opaque ground as grey."""
    opaque = Image.new("RGBA", image.size, ground)
    return Image.alpha_composite(opaque, image).convert("L")


def _upright(image: Image.Image, grey: Image.Image) -> Image.Image:
    """Turn the grey pixels of an image as its EXIF data says, if that can be read."""
    if image.info.keys().isdisjoint(EXIF):
        return grey
    orientation = None
    with suppress(SyntaxError, struct.error), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged entries
        orientation = image.getexif().get(ORIENTATION)
    return grey.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else grey
