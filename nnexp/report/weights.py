"""Weights as images: a PNG with a square for each neuron, blue below zero and orange above."""

from __future__ import annotations

import struct
import zlib
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

ACROSS = 10
"""Neurons in a row."""
GAP = 2
"""Pixels between two of them."""
LEVELS = 10
"""Colours to either side of zero, which any colour vision can tell from each other."""
STOPS = (
    (-1.0, (0, 46, 99)),
    (-0.5, (38, 132, 193)),
    (0.0, (248, 248, 248)),
    (0.5, (232, 128, 40)),
    (1.0, (122, 42, 0)),
)
PIXELS = 30 * 28 * 28
"""Of all neurons together: thirty of MNIST's."""
BOUND = 99.5
"""Per cent of the weights that the colours tell apart: a single huge one pales no others."""

Grid = npt.NDArray[np.floating[Any]]


def shown(features: int, neurons: int) -> int:
    """Return how many neurons can be shown; none if inputs are no square image, or a huge one."""
    side = isqrt(features)
    if side * side != features or side < 4:  # noqa: PLR2004 - fewer pixels are no picture
        return 0
    return min(neurons, PIXELS // features)


def bound(weights: Grid) -> float:
    """Return the weight, to either side of zero, from which on the colour is the last."""
    return float(np.percentile(np.abs(weights), BOUND)) or 1.0


def image(weights: Grid) -> tuple[bytes, int, int]:
    """Return weights (neurons, pixels) as a PNG's bytes, its width and its height."""
    neurons, features = weights.shape
    side = isqrt(features)
    across, down = min(ACROSS, neurons), -(-neurons // ACROSS)
    step = side + GAP
    canvas = np.zeros((down * step - GAP, across * step - GAP), np.uint8)
    levels = np.rint(np.clip(weights / bound(weights), -1, 1) * LEVELS) + LEVELS + 1
    for neuron, pixels in enumerate(levels.astype(np.uint8)):
        top, left = step * (neuron // ACROSS), step * (neuron % ACROSS)
        canvas[top : top + side, left : left + side] = pixels.reshape(side, side)
    height, width = canvas.shape
    return _png(canvas), width, height


def _png(canvas: npt.NDArray[np.uint8]) -> bytes:
    """Return an image of the palette's colours; the first, the gap's, is transparent.

    Source: Portable Network Graphics, third edition, W3C (2025), sections 5 and 11.
    """
    height, width = canvas.shape
    rows = b"".join(b"\0" + row.tobytes() for row in canvas)  # 0: no filter
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(3) + _palette()),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _palette() -> bytes:
    at = np.linspace(-1, 1, 2 * LEVELS + 1)
    places = [place for place, _ in STOPS]
    channels = [np.interp(at, places, [colour[c] for _, colour in STOPS]) for c in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()
