"""From a config and its data to the parts that train: the one place where they are put together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.config.model import Config, PerExample
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.npz import Header
from nnexp.nn.arrays import Array
from nnexp.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Propagations
from nnexp.streams import Orders
from nnexp.training.evaluation import Evaluation, evaluate
from nnexp.training.feed import Feed
from nnexp.training.trainer import State, Trainer

SLOT = "slot_"


def per_example(config: Config, examples: int) -> float:
    """Return λ/n for a training set of so many examples."""
    if isinstance(config.lambda_, PerExample):
        return config.lambda_.per_example
    return config.lambda_ / examples


class Assembly:
    """Everything that trains and measures one config on its data.

    Args:
        config: the experiment.
        dataset: what ``config.data`` loads.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        self._config = config
        examples, features = dataset.train.features.shape
        sizes = (features, *config.hidden, dataset.classes)
        self.network = Network(sizes, config.activation, config.output, config.cost)
        self._feeds = {
            name: Feed(split, dataset.scale, self.network, config.dtype)
            for name, split in (
                ("train", dataset.train),
                ("validation", dataset.validation),
                ("test", dataset.test),
            )
            if split is not None
        }
        self._penalty = Penalty(
            self.network, config.regularizer, per_example(config, examples), config.dtype
        )
        self._propagations = Propagations(self.network, config.dtype)
        self.examples = examples
        self.trainer = Trainer(
            config.optimizer,
            BatchObjective(self.network, self._penalty, config.dtype),
            self._feeds["train"],
            examples if config.batch_size == "all" else min(config.batch_size, examples),
        )
        self.orders: Orders = config.rng.orders(config.seed, examples)

    def initial(self) -> State:
        """Return the state before the first epoch."""
        config = self._config
        theta = self.network.initial(
            config.rng.parameters(config.seed),
            INITIALIZERS[config.initializer],
            BIAS_INITIALIZERS[config.bias_initializer],
            config.dtype,
        )
        return self.trainer.start(theta)

    def has(self, split: str) -> bool:
        """Return whether the data has this split."""
        return split in self._feeds

    def labels(self, split: str) -> npt.NDArray[np.int64]:
        """Return a split's labels."""
        return self._feeds[split].labels

    def evaluate(self, theta: Array, split: str) -> Evaluation:
        """Return the measure of parameters on a split."""
        return evaluate(theta, self._feeds[split], self._propagations, self._penalty)

    def arrays(self, state: State) -> dict[str, npt.NDArray[Any]]:
        """Return a state as the named arrays of a checkpoint; those of theta are views."""
        named: dict[str, npt.NDArray[Any]] = {}
        weights, biases = self.network.weights(state.theta), self.network.biases(state.theta)
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
            named[f"weights_{number}"], named[f"biases_{number}"] = weight, bias
        return named | {SLOT + name: slot for name, slot in state.slots.items()}

    def expected(self) -> dict[str, Header]:
        """Return the types and shapes of a checkpoint's arrays."""
        arrays = self.arrays(self.initial())
        return {name: Header(array.dtype, array.shape) for name, array in arrays.items()}

    def state(self, arrays: dict[str, npt.NDArray[Any]]) -> State:
        """Return the state that a checkpoint's arrays hold."""
        state = self.initial()
        for name, array in self.arrays(state).items():
            array[...] = arrays[name]
        return state


class Sizes(NamedTuple):
    """How many examples each split has, 0 where there is none."""

    train: int
    validation: int
    test: int


def sizes(dataset: Dataset) -> Sizes:
    """Return how many examples each split of a dataset has."""

    def count(split: Split | None) -> int:
        return 0 if split is None else len(split.labels)

    return Sizes(count(dataset.train), count(dataset.validation), count(dataset.test))
