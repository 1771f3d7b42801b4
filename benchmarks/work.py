"""The task of a benchmark's cell, which all contenders are given alike.

All train the same network from the same initial parameters on the same examples of MNIST in the
same order: sigmoid neurons, cross-entropy, L2 with λ/n = 1e-4, plain gradient descent, float32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nnexp.config.model import Config, PerExample
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.loading import load
from nnexp.nn.arrays import Array
from nnexp.runner.assembly import Assembly
from nnexp.store.records import BackendName
from nnexp.streams import Orders, Pcg64

DECAY = 1e-4  # λ/n

Weights = list[Array]

DataName: TypeAlias = Literal["pixels", "standardized"]

LEARNING_RATES: dict[DataName, float] = {"pixels": 0.1, "standardized": 0.0298}
"""Rates at which training is stable, so that rounding errors do not grow and results agree.

The second one makes 1 - ηλ/n nearly a float32: some programs round it, others never compute it.
"""


class Excerpt(Pcg64, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="excerpt"):
    """The same first examples of the first epoch's order in every epoch; drawn once, not timed."""

    count: int = 1

    def orders(self, seed: int, examples: int) -> Orders:
        """Return that order, whichever the epoch."""
        order = super().orders(seed, examples)(1)[: self.count]
        return lambda _epoch: order


class Work(NamedTuple):
    """The task of one cell."""

    config: Config
    dataset: Dataset
    reference: Assembly
    """Computes with the NumPy backend."""
    theta: Array
    """The initial parameters."""
    order: npt.NDArray[np.int64]
    """The examples of the epoch: a multiple of the batch size."""

    def assembly(self, backend: BackendName) -> Assembly:
        """Return the parts of nnexp that do this work with a backend."""
        return Assembly(self.config, self.dataset, backend)

    @property
    def batch(self) -> int:
        """Examples per step."""
        size = self.config.batch_size
        return len(self.order) if size == "all" else size

    @property
    def rate(self) -> float:
        """The learning rate."""
        rate = self.config.learning_rate
        assert rate is not None  # noqa: S101 - set by prepare
        return rate

    @property
    def weights(self) -> Weights:
        """The initial weights, each (fan_in, fan_out)."""
        return [w.copy() for w in self.reference.network.weights(self.theta)]

    @property
    def biases(self) -> Weights:
        """The initial biases, each (fan_out,)."""
        return [b.copy() for b in self.reference.network.biases(self.theta)]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer."""
        return self.reference.network.sizes

    def scaled(self) -> tuple[Array, Array]:
        """All training examples as floats: inputs and targets."""
        train = self.dataset.train
        inputs = np.divide(train.features, self.dataset.scale, dtype=np.float32)
        return inputs, self.reference.network.targets(train.labels, np.float32)

    def nonzero(self) -> npt.NDArray[np.bool_]:
        """Return which features of the epoch's examples are not zero, (examples, features)."""
        nonzero: npt.NDArray[np.bool_] = self.dataset.train.features[self.order] != 0
        return nonzero


class Training(NamedTuple):
    """An epoch to time, and the parameters that it changes."""

    epoch: Callable[[], None]
    parameters: Callable[[], tuple[Weights, Weights]]
    """Returns weights (fan_in, fan_out) and biases; copies."""


def prepare(data: DataName, sizes: list[int], batch: int, examples: int) -> Work:
    """Return a cell's work: an epoch of some examples."""
    config = Config(
        hidden=tuple(sizes[1:-1]),
        batch_size=batch,
        learning_rate=LEARNING_RATES[data],
        lambda_=PerExample(DECAY),
        rng=Excerpt(count=examples),
    )
    dataset = DATA[data]()
    reference = Assembly(config, dataset)
    order = config.rng.orders(config.seed, len(dataset.train.labels))(1)
    theta = reference.theta(reference.initial().parameters)
    return Work(config, dataset, reference, theta, order)


@cache
def pixels() -> Dataset:
    """Return MNIST's pixels, 81 % of which are zero."""
    return load(Config().data)


@cache
def standardized() -> Dataset:
    """Return MNIST's pixels as float32, each with mean 0 and standard deviation 1 in training.

    Pixels that are zero in all training examples stay zero; no other feature is.
    """
    stored = pixels()
    train = stored.train.features
    mean, deviation = train.mean(0), train.std(0)
    deviation[deviation == 0] = 1

    def convert(split: Split) -> Split:
        return Split(((split.features - mean) / deviation).astype(np.float32), split.labels)

    test = None if stored.test is None else convert(stored.test)
    return stored._replace(train=convert(stored.train), validation=None, test=test, scale=1.0)


DATA: dict[DataName, Callable[[], Dataset]] = {"pixels": pixels, "standardized": standardized}
