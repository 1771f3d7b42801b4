"""Assemble the network, data feeds and trainer that a config and its data describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from nnexp.config.model import Config, FromRun, PerExample
from nnexp.datasets import data_warnings
from nnexp.datasets.dataset import Dataset, Factors, Split
from nnexp.datasets.npz import Header
from nnexp.errors import MismatchError, SettingError
from nnexp.nn.arrays import Array
from nnexp.nn.costs import balanced
from nnexp.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS
from nnexp.nn.network import Network
from nnexp.optim.optimizers import FullBatchOptimizer
from nnexp.runner import backends
from nnexp.store.checkpoint import SLOT
from nnexp.store.records import BackendName
from nnexp.training import evaluation, memory
from nnexp.training.backend import Backend, Evaluation
from nnexp.training.dropout import Dropout
from nnexp.training.full_batch import FullBatchTrainer
from nnexp.training.running_cost import RunningCosts
from nnexp.training.state import TrainingState
from nnexp.training.trainer import Trainer

if TYPE_CHECKING:
    import numpy.typing as npt

Arrays: TypeAlias = "Mapping[str, npt.NDArray[Any]]"


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


def theta_of(network: Network, arrays: Arrays, dtype: npt.DTypeLike) -> Array:
    """Return the parameters in a checkpoint's arrays as one vector."""
    theta: Array = np.empty(network.size, dtype)
    for name, array in named(network, theta).items():
        array[...] = arrays[name]
    return theta


def headers(config: Config, network: Network) -> dict[str, Header]:
    """Return the types and shapes of a checkpoint's arrays; needs no data."""
    theta: Array = np.zeros(network.size, config.dtype)
    slots = {SLOT + name: slot for name, slot in config.optimizer.start(theta).items()}
    arrays = named(network, theta) | slots
    known = {name: Header(array.dtype, array.shape) for name, array in arrays.items()}
    if config.data.standardize:
        known |= dict.fromkeys(FACTORS, Header(np.dtype(np.float64), (network.sizes[0],)))
    return known


FACTORS = ("input_mean", "input_deviation")
"""The names of a checkpoint's arrays that standardize features."""


def factors_of(arrays: Arrays) -> Factors | None:
    """Return how a checkpoint's network standardizes features; None if it does not."""
    if FACTORS[0] not in arrays:
        return None
    return Factors(*(arrays[name] for name in FACTORS))


class Assembly:
    """The parts that train and evaluate one config on its data.

    Args:
        config: the config.
        dataset: loaded from ``config.data``.
        backend: the backend that trains and evaluates it.

    Raises:
        SettingError: the network is too large to be trained.
    """

    def __init__(self, config: Config, dataset: Dataset, backend: BackendName = "numpy") -> None:
        self._config = config
        self.examples, features = dataset.train.features.shape
        """Training examples in an epoch."""
        sizes = (features, *config.hidden, dataset.classes)
        itemsize = np.dtype(config.dtype).itemsize
        if too_large := memory.why_not(sizes, config.optimizer, config.batch_size, itemsize):
            raise SettingError("hidden", too_large)
        weights = config.class_weights
        if weights == "balanced":
            weights = balanced(dataset.train.labels, dataset.classes)
        self.network = Network(sizes, config.activation, config.output, config.cost, weights)
        self._dataset, self._factors = dataset, dataset.factors
        self._labels = {name: split.labels for name, split in dataset.splits.items()}
        batch_size = self.examples
        if config.batch_size != "all":
            batch_size = min(config.batch_size, self.examples)
        dropout = Dropout(config.dropout, config.hidden, config.seed, config.dtype)
        running = None
        if "running_cost" in config.monitor:
            running = RunningCosts(self.examples, batch_size)
        strength = per_example(config, self.examples)
        parts = (config, self.network, dataset.splits, dataset.scale, strength)
        self._backend: Backend
        self.trainer: Trainer | FullBatchTrainer
        if isinstance(config.optimizer, FullBatchOptimizer):
            self._backend = numpy = backends.create_numpy(*parts)
            self.trainer = FullBatchTrainer(config.optimizer, numpy, dropout, running)
        else:
            self._backend = backends.create(backend, *parts)
            orders = config.rng.orders(config.seed, self.examples)
            self.trainer = Trainer(
                config.optimizer, self._backend, orders, batch_size, dropout, running
            )

    def set_heartbeat(self, heartbeat: Callable[[], None]) -> None:
        """Set the callback for every loop over many examples; it may raise."""
        self._backend.heartbeat.callback = heartbeat

    def initial(self, weights: Arrays | None = None) -> TrainingState:
        """Return the state before the first epoch, drawn or with the weights of another run."""
        if weights is not None:
            return self.trainer.start(self._from(weights))
        return self.trainer.start(next(draws(self._config, self.network)))

    def has_too_large_features(self) -> bool:
        """Return whether the arithmetic cannot hold a feature, so that costs cannot be finite."""
        return data_warnings.exceeds(self._dataset, self._config.dtype).size > 0

    def has(self, split: str) -> bool:
        """Return whether the data has a split."""
        return split in self._labels

    def labels(self, split: str) -> npt.NDArray[np.int64]:
        """Return a split's labels."""
        return self._labels[split]

    def evaluate(self, parameters: Array, split: str) -> Evaluation:
        """Evaluate parameters, in the backend's layout, on a split."""
        return self._backend.evaluate(parameters, split)

    def outputs(self, parameters: Array, split: str) -> Array:
        """Return the outputs of parameters for each example of a split, (examples, classes)."""
        return self._backend.outputs(parameters, split)

    def monitored(self, parameters: Array, entry: str) -> dict[str, Any]:
        """Return the fields of a row for one entry of the config's monitor."""
        if entry == "saturation":
            return {"saturation": self._backend.saturation(parameters)}
        if entry == "norms":
            gradient = self._backend.gradient(parameters)
            return {
                "weight_norms": evaluation.norms(self.theta(parameters), self.network),
                "gradient_norms": evaluation.norms(self.theta(gradient), self.network),
            }
        if entry == "running_cost":
            return {"running_costs": self.trainer.running_costs}
        measures = self.evaluate(parameters, entry)
        return {f"{entry}_cost": measures.cost, f"{entry}_accuracy": measures.accuracy}

    def arrays(self, state: TrainingState) -> dict[str, npt.NDArray[Any]]:
        """Return a state as the named arrays of a checkpoint, as views where possible."""
        slots = {
            SLOT + name: self.theta(slot) if _is_like(slot, state) else slot
            for name, slot in state.slots.items()
        }
        factors = self._factors
        inputs = () if factors is None else (factors.mean, factors.deviation)
        standardizing = dict(zip(FACTORS, inputs, strict=False))
        return named(self.network, self.theta(state.parameters)) | slots | standardizing

    def headers(self, state: TrainingState) -> dict[str, Header]:
        """Return the types and shapes of a checkpoint's arrays."""
        arrays = self.arrays(state)
        return {name: Header(array.dtype, array.shape) for name, array in arrays.items()}

    def restore(self, state: TrainingState, arrays: Arrays) -> None:
        """Load a checkpoint's arrays into a state.

        Raises: MismatchError if its features were standardized by other numbers.
        """
        factors = factors_of(arrays)
        if factors is not None and (self._factors is None or not factors.equals(self._factors)):
            raise MismatchError(
                "the means or standard deviations of the features differ from those that the run "
                "was trained with; train again under another --name"
            )
        state.parameters[...] = self.parameters(arrays)
        for name, slot in state.slots.items():
            stored = arrays[SLOT + name]
            slot[...] = self._backend.pack(stored) if _is_like(slot, state) else stored

    def theta(self, parameters: Array) -> Array:
        """Return parameters, or a vector like them, in theta's layout."""
        return self._backend.unpack(parameters)

    def parameters(self, arrays: Arrays) -> Array:
        """Return the parameters in a checkpoint's arrays, in the backend's layout."""
        return self._backend.pack(self._from(arrays))

    def _from(self, arrays: Arrays) -> Array:
        """Return theta with a checkpoint's arrays."""
        return theta_of(self.network, arrays, self._config.dtype)


def _is_like(slot: Array, state: TrainingState) -> bool:
    """Return whether a slot has an element for each parameter, in the backend's layout."""
    return slot.shape == state.parameters.shape


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
