"""Weights as an image: a square for each neuron, blue below zero and orange above."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.report.figure import Image

ACROSS = 10
"""Neurons in a row."""
GAP = 2
"""Pixels between two of them."""
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


def squares(weights: Grid) -> Image:
    """Return weights (neurons, pixels) as an image: a square for each neuron, ten in a row."""
    neurons, features = weights.shape
    side = isqrt(features)
    across, down = min(ACROSS, neurons), -(-neurons // ACROSS)
    step = side + GAP
    canvas = np.full((down * step - GAP, across * step - GAP), np.nan)
    for neuron, pixels in enumerate(weights):
        top, left = step * (neuron // ACROSS), step * (neuron % ACROSS)
        canvas[top : top + side, left : left + side] = pixels.reshape(side, side)
    limit = bound(weights)
    return Image(canvas.tolist(), "weights", (-limit, limit))
