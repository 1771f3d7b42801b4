"""What every contender of ``throughput.py`` is given, and what it gives back.

All train the same network from the same start on the same examples of MNIST in the same
order: sigmoid neurons, cross-entropy, L2 with λ/n = 1e-4, plain gradient descent, float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.config.model import Config, PerExample
from nnexp.datasets.dataset import Dataset
from nnexp.nn.arrays import Array
from nnexp.runner.assembly import Assembly
from nnexp.streams import Orders, Pcg64
from nnexp.training.state import TrainingState

LEARNING_RATE = 0.1
DECAY = 1e-4  # λ/n

Weights = list[Array]


class Excerpt(Pcg64, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="excerpt"):
    """The same first examples of the first epoch's order in every epoch; drawn once, not timed."""

    count: int = 1

    def orders(self, seed: int, examples: int) -> Orders:
        """Return that order, whichever the epoch."""
        order = super().orders(seed, examples)(1)[: self.count]
        return lambda _epoch: order


class Work(NamedTuple):
    """What one cell of the table asks of everyone."""

    dataset: Dataset
    assembly: Assembly
    start: TrainingState
    batch: int
    order: npt.NDArray[np.int64]
    """The examples of the epoch: a multiple of the batch size."""

    @property
    def theta(self) -> Array:
        """The initial parameters in theta's layout."""
        return self.assembly.theta(self.start.parameters)

    @property
    def weights(self) -> Weights:
        """The initial weights, each (fan_in, fan_out)."""
        return [w.copy() for w in self.assembly.network.weights(self.theta)]

    @property
    def biases(self) -> Weights:
        """The initial biases, each (fan_out,)."""
        return [b.copy() for b in self.assembly.network.biases(self.theta)]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer."""
        return self.assembly.network.sizes

    def scaled(self) -> tuple[Array, Array]:
        """All training examples as floats: inputs and targets."""
        train = self.dataset.train
        inputs = np.divide(train.features, self.dataset.scale, dtype=np.float32)
        return inputs, self.assembly.network.targets(train.labels, np.float32)


class Contender(NamedTuple):
    """An epoch to time, and where its parameters stand."""

    epoch: Callable[[], None]
    parameters: Callable[[], tuple[Weights, Weights]]
    """Weights (fan_in, fan_out) and biases; copies."""


def prepare(dataset: Dataset, sizes: list[int], batch: int, examples: int) -> Work:
    """Return a cell's work."""
    config = Config(
        hidden=tuple(sizes[1:-1]),
        batch_size=batch,
        learning_rate=LEARNING_RATE,
        lambda_=PerExample(DECAY),
        rng=Excerpt(count=examples),
    )
    assembly = Assembly(config, dataset)
    order = config.rng.orders(config.seed, len(dataset.train.labels))(1)
    return Work(dataset, assembly, assembly.initial(), batch, order)
