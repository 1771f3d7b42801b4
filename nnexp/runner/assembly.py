"""From a config and its data to the parts that train: the one place where they are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.config.model import Config, PerExample
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.npz import Header
from nnexp.errors import UsageError
from nnexp.nn.arrays import Array
from nnexp.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Propagations
from nnexp.training import evaluation, memory
from nnexp.training.dropout import Dropout
from nnexp.training.evaluation import Evaluation, evaluate, outputs
from nnexp.training.feed import Feed
from nnexp.training.running_cost import RunningCosts
from nnexp.training.trainer import Trainer, TrainingState

SLOT = "slot_"

Arrays = Mapping[str, npt.NDArray[Any]]


def per_example(config: Config, examples: int) -> float:
    """Return λ/n for a training set of so many examples."""
    if isinstance(config.lambda_, PerExample):
        return config.lambda_.per_example
    return config.lambda_ / examples


def draws(config: Config, network: Network) -> Iterator[Array]:
    """Yield initial parameters without end; training starts from the first."""
    redrawn = 0 if config.initializer == "lecun-normal" else network.size
    rng = config.rng.parameters(config.seed, redrawn)
    weights, biases = INITIALIZERS[config.initializer], BIAS_INITIALIZERS[config.bias_initializer]
    while True:
        yield network.initial(rng, weights, biases, config.dtype)


def named(network: Network, theta: Array) -> dict[str, npt.NDArray[Any]]:
    """Return theta as the named arrays of a checkpoint, which are views."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    layers = zip(network.weights(theta), network.biases(theta), strict=True)
    for number, (weights, biases) in enumerate(layers, 1):
        arrays[f"weights_{number}"], arrays[f"biases_{number}"] = weights, biases
    return arrays


def headers(config: Config, network: Network) -> dict[str, Header]:
    """Return the types and shapes of a checkpoint's arrays, for whoever has no data."""
    theta: Array = np.zeros(network.size, config.dtype)
    slots = {SLOT + name: slot for name, slot in config.optimizer.start(theta).items()}
    arrays = named(network, theta) | slots
    return {name: Header(array.dtype, array.shape) for name, array in arrays.items()}


class Assembly:
    """Everything that trains and measures one config on its data.

    Args:
        config: the experiment.
        dataset: what ``config.data`` loads.

    Raises:
        UsageError: the network is too large to be trained.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        self._config = config
        self.examples, features = dataset.train.features.shape
        """Training examples in an epoch."""
        sizes = (features, *config.hidden, dataset.classes)
        itemsize = np.dtype(config.dtype).itemsize
        if too_large := memory.why_not(sizes, config.optimizer, config.batch_size, itemsize):
            raise UsageError(f"hidden: {too_large}")
        self.network = Network(sizes, config.activation, config.output, config.cost)
        self._penalty = Penalty(
            self.network, config.regularizer, per_example(config, self.examples), config.dtype
        )
        self._propagations = Propagations(self.network, config.dtype)
        splits = (dataset.train, dataset.validation, dataset.test)
        self._feeds = {
            name: Feed(split, dataset.scale, self.network, config.dtype)
            for name, split in zip(Sizes._fields, splits, strict=True)
            if split is not None
        }
        whole = config.batch_size == "all"
        batch_size = self.examples if whole else min(config.batch_size, self.examples)
        running = "running_cost" in config.monitor
        self.trainer = Trainer(
            config.optimizer,
            BatchObjective(self.network, self._penalty, config.dtype),
            self._feeds["train"],
            config.rng.orders(config.seed, self.examples),
            batch_size,
            Dropout(config.dropout, config.hidden, config.seed, config.dtype),
            RunningCosts(self.examples, batch_size) if running else None,
        )

    def beat(self, heartbeat: Callable[[], None]) -> None:
        """Call a heartbeat within everything that goes through many examples; it may raise."""
        for feed in self._feeds.values():
            feed.heartbeat = heartbeat

    def initial(self) -> TrainingState:
        """Return the state before the first epoch."""
        return self.trainer.start(next(draws(self._config, self.network)))

    def has(self, split: str) -> bool:
        """Return whether the data has this split."""
        return split in self._feeds

    def labels(self, split: str) -> npt.NDArray[np.int64]:
        """Return a split's labels."""
        return self._feeds[split].labels

    def evaluate(self, theta: Array, split: str) -> Evaluation:
        """Return the measure of parameters on a split."""
        return evaluate(theta, self._feeds[split], self._propagations, self._penalty)

    def outputs(self, theta: Array, split: str) -> Array:
        """Return the outputs of parameters for each example of a split, (examples, classes)."""
        return outputs(theta, self._feeds[split], self._propagations)

    def monitored(self, theta: Array, what: str) -> dict[str, Any]:
        """Return what a row says of parameters under one entry of the config's monitor."""
        if what == "saturation":
            feed = self._feeds["train"]
            shares = evaluation.saturation(theta, feed, self.network, self._propagations)
            return {"saturation": shares}
        if what == "norms":
            gradient = self.trainer.full_gradient(theta)
            return {
                "weight_norms": evaluation.norms(theta, self.network),
                "gradient_norms": evaluation.norms(gradient, self.network),
            }
        if what == "running_cost":
            return {"running_costs": self.trainer.running_costs}
        measured = self.evaluate(theta, what)
        return {f"{what}_cost": measured.cost, f"{what}_accuracy": measured.accuracy}

    def arrays(self, state: TrainingState) -> dict[str, npt.NDArray[Any]]:
        """Return a state as the named arrays of a checkpoint; those of theta are views."""
        slots = {SLOT + name: slot for name, slot in state.slots.items()}
        return named(self.network, state.theta) | slots

    def headers(self, state: TrainingState) -> dict[str, Header]:
        """Return the types and shapes of a checkpoint's arrays."""
        arrays = self.arrays(state)
        return {name: Header(array.dtype, array.shape) for name, array in arrays.items()}

    def restore(self, state: TrainingState, arrays: Arrays) -> None:
        """Set a state to what a checkpoint's arrays hold."""
        for name, array in self.arrays(state).items():
            array[...] = arrays[name]

    def theta(self, arrays: Arrays) -> Array:
        """Return the parameters that a checkpoint's arrays hold."""
        theta: Array = np.empty(self.network.size, self._config.dtype)
        for name, array in named(self.network, theta).items():
            array[...] = arrays[name]
        return theta


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
