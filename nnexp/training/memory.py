"""Estimate the memory that training needs, before anything is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from nnexp.optim.optimizers import Optimizer
from nnexp.training.evaluation import ROWS
from nnexp.training.feed import CHUNK

LIMIT = 8 << 30
"""8 GiB; the largest network of the book needs a hundredth of a GiB."""

VECTORS = 12
"""Arrays like theta: penalty, gradients, two of the optimizer, a copy, draws in float64."""

LAYERS = 5
"""Arrays with a number for each neuron and each example of a pass."""

SINGLE = 4
"""Bytes of a float32."""

WORKSPACE = 1024
"""Minimum rows of these arrays in float32: the native kernels' CHUNK."""


def estimate(
    sizes: Sequence[int], optimizer: Optimizer, batch_size: int | Literal["all"], itemsize: int
) -> int:
    """Estimate the bytes needed to train a network.

    Args:
        sizes: neurons of each layer, from the inputs to the outputs.
        optimizer: its history vectors count.
        batch_size: examples per step; at most ``CHUNK`` of them are in memory at once.
        itemsize: bytes per number.
    """
    vectors = VECTORS + optimizer.history_vectors
    rows = ROWS + (CHUNK if batch_size == "all" else min(batch_size, CHUNK))
    if itemsize == SINGLE:
        rows = max(rows, WORKSPACE)
    return itemsize * (vectors * _parameters(sizes) + LAYERS * rows * sum(sizes))


def why_not(
    sizes: Sequence[int], optimizer: Optimizer, batch_size: int | Literal["all"], itemsize: int
) -> str | None:
    """Return the message for a network that is too large to be trained, or None if it is not."""
    size = estimate(sizes, optimizer, batch_size, itemsize)
    if size <= LIMIT:
        return None
    return (
        f"a network of {_parameters(sizes)} parameters would take about {size / 2**30:.1f} GiB "
        f"of memory to train; the limit is {LIMIT >> 30} GiB"
    )


def _parameters(sizes: Sequence[int]) -> int:
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))
