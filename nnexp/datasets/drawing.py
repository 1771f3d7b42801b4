"""Prepare pictures of drawn digits as the makers of MNIST prepared theirs.

A picture becomes ink on an empty ground: 0 where there is paper, 1 where the ink is darkest,
whichever of both is lighter. The ink is cropped, scaled into a square of 20 x 20 pixels without
changing its proportions, and its centre of mass is put into the centre of 28 x 28 pixels.
Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits" (1998).

The page of ``nnexp report`` prepares drawings by the same steps in JavaScript.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float64]
"""(rows, columns)."""

SIDE, BOX = 28, 20
"""Rows and columns of a prepared picture, and of the square that the ink is scaled into."""
INKED = 0.35
"""Ink from here on belongs to the drawing; less may be a shade of the paper."""
FAINT = 0.1
"""Ink below this is taken for paper."""
MIDDLE = 127.0
"""A ground that is lighter than this grey is paper; a darker one a blackboard."""
ROUNDS, TOLERANCE, LEAST = 3, 2.5, 4.0
"""Pixels of the border that are further from the ground are left out: so many medians, or greys."""


def ink(picture: Grey) -> Grey:
    """Return the ink of an opaque picture, from 0 to 1: how much it differs from its ground.

    Args:
        picture: greys from 0 (black) to 255.
    """
    light = ground(picture)
    difference = light - picture if np.median(light) > MIDDLE else picture - light
    return normalized(difference)


def ground(picture: Grey) -> Grey:
    """Return the paper's greys: a plane, since light falls from one side, fitted to the edge.

    Pixels of the edge that are far from the plane, such as a stroke that leaves the paper, are left
    out.
    """
    rows, columns = picture.shape
    y, x = np.linspace(0, 1, rows)[:, None], np.linspace(0, 1, columns)
    values = edge(picture)
    terms = [edge(np.broadcast_to(term, picture.shape)) for term in (np.ones((1, 1)), y, x)]
    matrix = np.stack(terms, axis=1)
    kept = np.ones(len(values), bool)
    for _ in range(ROUNDS):
        level, down, right = np.linalg.lstsq(matrix[kept], values[kept], rcond=None)[0]
        distance = np.abs(values - matrix @ (level, down, right))
        kept = distance <= max(TOLERANCE * float(np.median(distance)), LEAST)
    plane: Grey = level + down * y + right * x
    return plane


def edge(picture: Grey) -> Grey:
    """Return the pixels of a picture's first and last rows and columns."""
    return np.concatenate([picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]])


def normalized(difference: Grey) -> Grey:
    """Return differences from the ground as ink from 0 to 1; all 0 if there is none."""
    positive = np.maximum(difference, 0.0)
    return positive / max(float(positive.max()), 1.0)


def prepared(drawn: Grey) -> Grey:
    """Return ink, from 0 to 1, as a picture of MNIST's format, (28, 28); all 0 if there is none."""
    result = np.zeros((SIDE, SIDE))
    inked = drawn > INKED
    if not inked.any():
        return result
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    cropped = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scaled = fitted(np.where(cropped < FAINT, 0.0, cropped))
    scaled /= scaled.max()
    top, left = (offset(scaled.sum(axis=1 - axis), scaled.shape[axis]) for axis in (0, 1))
    result[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return result


def fitted(drawn: Grey) -> Grey:
    """Return ink scaled into the box; each pixel is the mean of the area that it covers."""
    rows, columns = drawn.shape
    longest = max(rows, columns)
    # In whole numbers, so that every machine and the page round alike.
    height, width = (max(1, (2 * BOX * side + longest) // (2 * longest)) for side in drawn.shape)
    result: Grey = areas(rows, height) @ drawn @ areas(columns, width).T
    return result


def areas(length: int, count: int) -> Grey:
    """Return the weights that average a length of pixels over equal parts, (count, length)."""
    ends = np.arange(count + 1) * length / count
    pixels = np.arange(length)
    inside = np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels)
    weights: Grey = np.maximum(inside, 0.0) * count / length
    return weights


def offset(mass: Grey, length: int) -> int:
    """Return where pixels begin so that their centre of mass is in the middle, if they fit.

    Args:
        mass: the ink of each row, or column.
        length: the number of rows, or columns.
    """
    centre = float(mass @ np.arange(length)) / float(mass.sum())
    return int(np.clip(np.floor((SIDE - 1) / 2 - centre + 0.5), 0, SIDE - length))
