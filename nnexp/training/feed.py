"""Convert stored examples to a network's inputs and targets: scaled floats, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnexp.datasets.dataset import Split
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network

if TYPE_CHECKING:
    import numpy.typing as npt

CHUNK = 2000
"""Examples converted to floats at once: they fit in the CPU's cache and need few calls."""


class Batch(NamedTuple):
    """Inputs and targets of a network, in buffers that the next chunk overwrites."""

    inputs: Array  # (rows, fan_in + 1), the last column 1
    targets: Array  # (rows, classes)


class Feed:
    """The examples of a split in any order, converted to floats on demand.

    Args:
        split: the stored examples.
        scale: the divisor of the features.
        network: determines the targets of a class.
        dtype: of the batches.
        heartbeat: called before each chunk; an exception that it raises ends the iteration.
    """

    def __init__(
        self,
        split: Split,
        scale: float,
        network: Network,
        dtype: npt.DTypeLike,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        self.labels = split.labels
        self._heartbeat = heartbeat
        self._features = split.features
        self._scale: Array = np.array(scale, dtype)
        self._targets = network.targets(np.arange(network.sizes[-1]), dtype)
        rows, width = min(CHUNK, len(self)), split.features.shape[1]
        self._stored = np.empty((rows, width), split.features.dtype)
        self._inputs: Array = np.ones((rows, width + 1), dtype)
        self._outputs: Array = np.empty((rows, network.sizes[-1]), dtype)

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: npt.NDArray[np.int64], rows: int) -> Iterator[Batch]:
        """Yield the examples in the given order in batches of rows; the last may be smaller.

        A batch lies within one chunk, so rows must be at most ``CHUNK``.
        """
        step = CHUNK // rows * rows
        for start in range(0, len(order), step):
            self._heartbeat()
            inputs, targets = self._chunk(order[start : start + step])
            for first in range(0, len(inputs), rows):
                yield Batch(inputs[first : first + rows], targets[first : first + rows])

    def _chunk(self, indices: npt.NDArray[np.int64]) -> Batch:
        rows = len(indices)
        stored, inputs, targets = self._stored[:rows], self._inputs[:rows], self._outputs[:rows]
        np.take(self._features, indices, axis=0, out=stored, mode="clip")  # clip avoids a buffer
        np.divide(stored, self._scale, out=inputs[:, :-1], casting="same_kind")
        np.take(self._targets, self.labels[indices], axis=0, out=targets, mode="clip")
        return Batch(inputs, targets)
