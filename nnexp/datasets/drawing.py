"""Prepare pictures of drawn digits as the makers of MNIST prepared theirs.

A picture becomes ink on an empty ground: 0 where there is paper, 1 where the ink is darkest,
whichever of both is lighter. The ink is cropped, scaled into a square of 20 x 20 pixels without
changing its proportions, and its centre of mass is put into the centre of 28 x 28 pixels.
Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits" (1998).

The page of ``nnexp report`` prepares drawings by the same steps in JavaScript.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Grey: TypeAlias = "npt.NDArray[np.float32]"
"""(rows, columns)."""
Ink: TypeAlias = "npt.NDArray[np.float64]"
"""(rows, columns), from 0 to 1."""
Pixels: TypeAlias = "npt.NDArray[np.uint8]"
"""(rows, columns), from 0 for black to 255 for white."""

SIDE, BOX = 28, 20
"""Rows and columns of a prepared picture, and of the square that the ink is scaled into."""
SMALLEST = 19
"""Rows or columns of the ink of MNIST's images, whichever are more: 19 in 16 of 70,000, else 20."""
CENTRES = 12.95, 14.55
"""Bounds of the ink's centre of mass: at least 13.48 in MNIST's images, 13 in prepared pictures."""
ONES, POSITIONS = np.ones(SIDE, np.float32), np.arange(SIDE, dtype=np.float32)
INKED = 0.35
"""Ink from here on belongs to the drawing; less may be a shade of the paper."""
HALF = 0.5 + 1e-9
"""Added before rounding down, so that halves are rounded up despite rounding errors."""
FAINT = 0.1
"""Ink below this is taken for paper."""
MIDDLE = 127.0
"""A ground that is lighter than this grey is paper; a darker one a blackboard."""
ROUNDS, TOLERANCE, LEAST = 3, 2.5, 4.0
"""Pixels of the border that are further from the ground are left out: so many medians, or greys."""


def prepared(picture: Pixels) -> Pixels:
    """Return an opaque picture in MNIST's format, (28, 28), light on black; all 0 without ink."""
    result = np.zeros((SIDE, SIDE), np.uint8)
    drawn = cropped(contrast(picture))
    if not drawn.size:
        return result
    scaled = fitted(drawn)
    pixels = np.floor(scaled * (255 / scaled.max()) + HALF).astype(np.int64)
    top, left = (offset(pixels.sum(axis=1 - axis)) for axis in (0, 1))
    result[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return result


def is_prepared(picture: Pixels) -> bool:
    """Return whether a picture is as MNIST's images are: of their size, with ink as large, centred.

    This is so for all 70,000 of them.
    """
    if picture.shape != (SIDE, SIDE):
        return False
    exact = picture.astype(np.float32)  # whole numbers below 2**24
    masses = exact @ ONES, ONES @ exact
    mass = float(masses[0] @ ONES)
    if not mass:
        return False
    inked = [line.nonzero()[0].tolist() for line in masses]
    longest = max(lines[-1] - lines[0] + 1 for lines in inked)
    centres = [float(line @ POSITIONS) / mass for line in masses]
    low, high = CENTRES
    return SMALLEST <= longest <= BOX and low <= min(centres) and max(centres) <= high


def contrast(picture: Pixels) -> Grey | Pixels:
    """Return how much darker than light paper, or lighter than a dark ground, each pixel is.

    Returns: bytes without negative numbers if the ground is even, which are quicker to work with.
    """
    plane, middle = ground(picture)
    is_paper = middle > MIDDLE
    if plane.size == 1:
        grey = np.uint8(middle)
        return grey - np.minimum(picture, grey) if is_paper else np.maximum(picture, grey) - grey
    first, second = (plane, picture) if is_paper else (picture, plane)
    return np.subtract(first, second, dtype=np.float32)


def ground(picture: Pixels) -> tuple[Grey, float]:
    """Return the paper's greys, and the one in its middle.

    They are a plane, since light falls from one side, fitted to the pixels of the edge. Those that
    are far from it, such as a stroke that leaves the paper, are left out.

    Returns: an array that broadcasts to the picture, and a grey.
    """
    values = edge(picture).astype(np.float64)
    if values.min() == values.max():
        return np.full((1, 1), values[0], np.float32), float(values[0])
    y, x = (np.linspace(0, 1, count) for count in picture.shape)
    across, along = np.ones_like(x), np.ones_like(y[1:-1])
    terms = np.array(
        [
            np.ones(len(values)),
            np.concatenate([0 * across, across, y[1:-1], y[1:-1]]),
            np.concatenate([x, x, 0 * along, along]),
        ]
    )
    kept = np.ones(len(values), bool)
    for _ in range(ROUNDS):
        matrix = terms[:, kept]
        plane = np.linalg.lstsq(matrix @ matrix.T, matrix @ values[kept])[0]
        distance = np.abs(values - plane @ terms)
        earlier, kept = kept, distance <= max(TOLERANCE * _median(distance), LEAST)
        if np.array_equal(kept, earlier):
            break
    level, down, right = plane.tolist()
    greys = np.add((level + down * y)[:, None], right * x, dtype=np.float32)
    return greys, level + (down + right) / 2


def _median(values: npt.NDArray[np.float64]) -> float:
    """Return the upper median, sooner than NumPy's own."""
    middle = len(values) // 2
    return float(np.partition(values, middle)[middle])


def edge(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the pixels of a picture's first and last rows and columns."""
    return np.concatenate([picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]])


def cropped(difference: Grey | Pixels) -> Ink:
    """Return the part of a picture that has ink, as ink from 0 to 1; empty if none has any.

    Args:
        difference: from the ground.
    """
    darkest = max(float(difference.max()), 1.0)
    least = INKED * darkest
    inked = difference > (int(least) if difference.dtype == np.uint8 else least)
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not rows.size:
        return np.empty((0, 0))
    part = difference[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ink: Ink = np.divide(part, darkest, dtype=np.float64)
    ink[ink < FAINT] = 0.0
    return ink


def fitted(drawn: Ink) -> Ink:
    """Return ink scaled into the box; each pixel is the mean of the area that it covers."""
    rows, columns = drawn.shape
    longest = max(rows, columns)
    # In whole numbers, so that every machine and the page round alike.
    height, width = (max(1, (2 * BOX * side + longest) // (2 * longest)) for side in drawn.shape)
    result: Ink = areas(rows, height) @ drawn @ areas(columns, width).T
    return result


def areas(length: int, count: int) -> Ink:
    """Return the weights that average a length of pixels over equal parts, (count, length)."""
    ends = np.arange(count + 1) * length / count
    pixels = np.arange(length)
    inside = np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels)
    weights: Ink = np.maximum(inside, 0.0) * (count / length)
    return weights


def offset(mass: npt.NDArray[np.int64]) -> int:
    """Return where pixels begin so that their centre of mass is in the middle, if they fit.

    Args:
        mass: the ink of each row, or column; whole numbers, so that centres between two pixels are
            told exactly.
    """
    total, moment = int(mass.sum()), int(mass @ np.arange(len(mass)))
    return min(max(0, (SIDE * total - 2 * moment) // (2 * total)), SIDE - len(mass))
