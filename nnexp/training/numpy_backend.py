"""The NumPy backend: the readable reference, for float32 and float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nnexp.datasets.dataset import Split
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Masks, Propagations
from nnexp.training import evaluation
from nnexp.training.backend import Evaluation, Heartbeat
from nnexp.training.dropout import by_layer
from nnexp.training.feed import CHUNK, Batch, Feed

if TYPE_CHECKING:
    import numpy.typing as npt


class NumpyBackend:
    """Computes with NumPy. Its vectors are in theta's layout.

    Args:
        network: the architecture.
        penalty: the regularization.
        splits: the stored examples, among them "train".
        scale: the divisor of the features.
        dtype: of all computations.
    """

    def __init__(
        self,
        network: Network,
        penalty: Penalty,
        splits: Mapping[str, Split],
        scale: float,
        dtype: npt.DTypeLike,
    ) -> None:
        self._network, self._penalty = network, penalty
        self._hidden = network.sizes[1:-1]
        self._propagations = Propagations(network, dtype)
        self._objective = BatchObjective(network, penalty, dtype)
        self.heartbeat = Heartbeat()
        self._feeds = {
            name: Feed(split, scale, network, dtype, self.heartbeat)
            for name, split in splits.items()
        }

    @property
    def examples(self) -> int:
        """The number of training examples."""
        return len(self._feeds["train"])

    def pack(self, theta: Array) -> Array:
        """Return theta itself."""
        return theta

    def unpack(self, vector: Array) -> Array:
        """Return the vector itself."""
        return vector

    def batches(
        self,
        parameters: Array,
        order: npt.NDArray[np.int64],
        batch_size: int,
        masks: Array | None = None,
        costs: npt.NDArray[np.float64] | None = None,
    ) -> NumpyBatches:
        """Return the mini-batches of successive steps; see ``Backend``."""
        batches = self._batches(order, batch_size)
        layered = by_layer(masks, self._hidden)
        return NumpyBatches(parameters, self._objective, batches, layered, costs)

    def whole(self, masks: Array | None = None) -> BatchObjective:
        """Return the objective over all training examples, with dropout's masks, (1, hidden)."""
        feed = self._feeds["train"]
        pieces = partial(feed.batches, np.arange(len(feed)), CHUNK)  # so sums round the same way
        self._objective.use(len(feed), pieces, next(by_layer(masks, self._hidden)))
        return self._objective

    def gradient(self, parameters: Array) -> Array:
        """Return the gradient of the cost over all training examples, without dropout."""
        gradient: Array = self.whole().gradient(parameters).copy()
        return gradient

    def evaluate(self, parameters: Array, split: str) -> Evaluation:
        """Evaluate parameters on all examples of a split."""
        return evaluation.evaluate(
            parameters, self._feeds[split], self._propagations, self._penalty
        )

    def outputs(self, parameters: Array, split: str) -> Array:
        """Return the network's outputs for all examples of a split, (examples, classes)."""
        return evaluation.outputs(parameters, self._feeds[split], self._propagations)

    def saturation(self, parameters: Array) -> tuple[float, ...]:
        """Return the fraction of saturated (neuron, training example) pairs of each layer."""
        feed = self._feeds["train"]
        return evaluation.saturation(parameters, feed, self._network, self._propagations)

    def _batches(
        self, order: npt.NDArray[np.int64], rows: int
    ) -> Iterator[tuple[int, Callable[[], Iterator[Batch]]]]:
        """Yield the size and the pieces of each mini-batch."""
        feed = self._feeds["train"]
        if rows <= CHUNK:
            for batch in feed.batches(order, rows):
                yield len(batch.inputs), (batch,).__iter__
        else:
            for start in range(0, len(order), rows):
                indices = order[start : start + rows]
                yield len(indices), partial(feed.batches, indices, CHUNK)


class NumpyBatches:
    """The mini-batches of successive steps: a ``Batches``.

    Args:
        parameters: of the network; change in place.
        objective: is set to each mini-batch in turn.
        batches: the size and the pieces of each mini-batch.
        masks: those of dropout for each step, by layer.
        costs: receives the objective's value before each step.
    """

    def __init__(
        self,
        parameters: Array,
        objective: BatchObjective,
        batches: Iterator[tuple[int, Callable[[], Iterator[Batch]]]],
        masks: Iterator[Masks | None],
        costs: npt.NDArray[np.float64] | None,
    ) -> None:
        self._parameters, self._objective = parameters, objective
        self._batches, self._masks, self._costs = batches, masks, costs

    def __iter__(self) -> Iterator[BatchObjective]:
        """Yield the objective of each mini-batch."""
        objective = self._objective
        for step, (examples, pieces) in enumerate(self._batches):
            objective.use(examples, pieces, next(self._masks))
            if self._costs is not None:
                self._costs[step] = objective.value(self._parameters)
            yield objective

    def descend(self, learning_rate: float) -> None:
        """Make a step of gradient descent for each mini-batch."""
        for objective in self:
            objective.descend(self._parameters, learning_rate)
