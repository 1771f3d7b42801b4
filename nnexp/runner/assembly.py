"""Assemble the network, data feeds and trainer that a config and its data describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.config.model import Config, FromRun, PerExample
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.npz import Header
from nnexp.errors import SettingError
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
    """Return λ/n for a training set of n examples."""
    if isinstance(config.lambda_, PerExample):
        return config.lambda_.per_example
    return config.lambda_ / examples


def draws(config: Config, network: Network) -> Iterator[Array]:
    """Yield draws of the initial parameters indefinitely; training starts from the first."""
    name = config.initializer
    assert not isinstance(name, FromRun)  # noqa: S101 - another run's weights are not drawn
    rng = config.rng.parameters(config.seed, 0 if name == "lecun-normal" else network.size)
    weights, biases = INITIALIZERS[name], BIAS_INITIALIZERS[config.bias_initializer]
    while True:
        yield network.initial(rng, weights, biases, config.dtype)


def named(network: Network, theta: Array) -> dict[str, npt.NDArray[Any]]:
    """Return views of theta as the named arrays of a checkpoint."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    layers = zip(network.weights(theta), network.biases(theta), strict=True)
    for number, (weights, biases) in enumerate(layers, 1):
        arrays[f"weights_{number}"], arrays[f"biases_{number}"] = weights, biases
    return arrays


def headers(config: Config, network: Network) -> dict[str, Header]:
    """Return the types and shapes of a checkpoint's arrays; needs no data."""
    theta: Array = np.zeros(network.size, config.dtype)
    slots = {SLOT + name: slot for name, slot in config.optimizer.start(theta).items()}
    arrays = named(network, theta) | slots
    return {name: Header(array.dtype, array.shape) for name, array in arrays.items()}


class Assembly:
    """The parts that train and evaluate one config on its data.

    Args:
        config: the config.
        dataset: loaded from ``config.data``.

    Raises:
        SettingError: the network is too large to be trained.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        self._config = config
        self.examples, features = dataset.train.features.shape
        """Training examples in an epoch."""
        sizes = (features, *config.hidden, dataset.classes)
        itemsize = np.dtype(config.dtype).itemsize
        if too_large := memory.why_not(sizes, config.optimizer, config.batch_size, itemsize):
            raise SettingError("hidden", too_large)
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
        full_batch = config.batch_size == "all"
        batch_size = self.examples if full_batch else min(config.batch_size, self.examples)
        has_running_cost = "running_cost" in config.monitor
        self.trainer = Trainer(
            config.optimizer,
            BatchObjective(self.network, self._penalty, config.dtype),
            self._feeds["train"],
            config.rng.orders(config.seed, self.examples),
            batch_size,
            Dropout(config.dropout, config.hidden, config.seed, config.dtype),
            RunningCosts(self.examples, batch_size) if has_running_cost else None,
        )

    def set_heartbeat(self, heartbeat: Callable[[], None]) -> None:
        """Set the callback for every loop over many examples; it may raise."""
        for feed in self._feeds.values():
            feed.heartbeat = heartbeat

    def initial(self, weights: Arrays | None = None) -> TrainingState:
        """Return the state before the first epoch, drawn or with the weights of another run."""
        if weights is not None:
            return self.trainer.start(self.theta(weights))
        return self.trainer.start(next(draws(self._config, self.network)))

    def has(self, split: str) -> bool:
        """Return whether the data has a split."""
        return split in self._feeds

    def labels(self, split: str) -> npt.NDArray[np.int64]:
        """Return a split's labels."""
        return self._feeds[split].labels

    def evaluate(self, theta: Array, split: str) -> Evaluation:
        """Evaluate parameters on a split."""
        return evaluate(theta, self._feeds[split], self._propagations, self._penalty)

    def outputs(self, theta: Array, split: str) -> Array:
        """Return the outputs of parameters for each example of a split, (examples, classes)."""
        return outputs(theta, self._feeds[split], self._propagations)

    def monitored(self, theta: Array, entry: str) -> dict[str, Any]:
        """Return the fields of a row for one entry of the config's monitor."""
        if entry == "saturation":
            feed = self._feeds["train"]
            shares = evaluation.saturation(theta, feed, self.network, self._propagations)
            return {"saturation": shares}
        if entry == "norms":
            gradient = self.trainer.full_gradient(theta)
            return {
                "weight_norms": evaluation.norms(theta, self.network),
                "gradient_norms": evaluation.norms(gradient, self.network),
            }
        if entry == "running_cost":
            return {"running_costs": self.trainer.running_costs}
        measures = self.evaluate(theta, entry)
        return {f"{entry}_cost": measures.cost, f"{entry}_accuracy": measures.accuracy}

    def arrays(self, state: TrainingState) -> dict[str, npt.NDArray[Any]]:
        """Return a state as the named arrays of a checkpoint, as views where possible."""
        slots = {SLOT + name: slot for name, slot in state.slots.items()}
        return named(self.network, state.theta) | slots

    def headers(self, state: TrainingState) -> dict[str, Header]:
        """Return the types and shapes of a checkpoint's arrays."""
        arrays = self.arrays(state)
        return {name: Header(array.dtype, array.shape) for name, array in arrays.items()}

    def restore(self, state: TrainingState, arrays: Arrays) -> None:
        """Load a checkpoint's arrays into a state."""
        for name, array in self.arrays(state).items():
            array[...] = arrays[name]

    def theta(self, arrays: Arrays) -> Array:
        """Return the parameters in a checkpoint's arrays."""
        theta: Array = np.empty(self.network.size, self._config.dtype)
        for name, array in named(self.network, theta).items():
            array[...] = arrays[name]
        return theta


class Sizes(NamedTuple):
    """Number of examples in each split; 0 for a missing one."""

    train: int
    validation: int
    test: int


def sizes(dataset: Dataset) -> Sizes:
    """Return the number of examples in each split of a dataset."""

    def count(split: Split | None) -> int:
        return 0 if split is None else len(split.labels)

    return Sizes(count(dataset.train), count(dataset.validation), count(dataset.test))
