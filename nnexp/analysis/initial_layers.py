"""A network's layers before training: the spread of z, saturation, and gradient norms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset
from nnexp.nn import moments
from nnexp.nn.arrays import Array
from nnexp.nn.initializers import VARIANCES, InitializerName
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Propagation, Propagations
from nnexp.runner.assembly import draws
from nnexp.training import evaluation
from nnexp.training.dropout import Dropout, by_layer
from nnexp.training.evaluation import ROWS
from nnexp.training.feed import CHUNK, Feed

if TYPE_CHECKING:
    import numpy.typing as npt

EXAMPLES, NETWORKS, BATCHES = 1000, 10, 20
"""Maximum number of examples, networks, and mini-batches of each network to measure."""

WORK = 1_000_000_000
"""Maximum of parameters * examples * networks, about a second; limits draws of large networks."""

BINS, REACH = 40, 4.0
"""Bins of a histogram, and its half-width in predicted standard deviations."""


class Histogram(NamedTuple):
    """The density of z."""

    edges: npt.NDArray[np.float64]
    density: npt.NDArray[np.float64]


class Layer(NamedTuple):
    """One layer under one initializer."""

    predicted: float
    """The standard deviation of z, predicted from variances (``nn.moments``)."""
    measured: float
    """The same, measured over examples, neurons and networks, about z's expected mean of 0."""
    saturated: float | None
    """The fraction of saturated (neuron, example) pairs; None for output neurons."""
    gradient_norm: float
    """The mean norm of a mini-batch's gradient with respect to the weights, without penalty."""
    weight_norm: float
    """The mean norm of the weights."""
    histogram: Histogram | None
    """None if z is always 0, or not finite."""


class Scope(msgspec.Struct, frozen=True):
    """How much was measured."""

    examples: int
    networks: int
    batches: int
    """Mini-batches of each network."""
    rows: int
    """Examples in a mini-batch."""


class Bench:
    """Measures a config's network on its data, for any initializer.

    Args:
        config: the config; its initializer is ignored.
        dataset: loaded from ``config.data``.
        network: the config's.
    """

    def __init__(self, config: Config, dataset: Dataset, network: Network) -> None:
        self._config, self._network = config, network
        self._feed = Feed(dataset.train, dataset.scale, network, config.dtype)
        self._propagations = Propagations(network, config.dtype)
        n = len(self._feed)
        none = Penalty(network, config.regularizer, 0.0, config.dtype)
        self._objective = BatchObjective(network, none, config.dtype)
        self.scope = _scope(config, network.size, n)
        # In training's shuffled order, since a file may be sorted by class.
        self._sample = config.rng.orders(config.seed, n)(1)[: self.scope.examples]
        known = [split for split in (dataset.train, dataset.validation) if split is not None]
        feeds = [Feed(split, dataset.scale, network, config.dtype) for split in known]
        self.known = sum(map(len, feeds))
        """Number of training and validation examples, which may be used before training."""
        self.square = sum(map(_square, feeds)) / self.known
        """The mean of Σ x_i² over these examples."""

    def layers(self, initializer: InitializerName) -> tuple[Layer, ...]:
        """Return predictions and measurements of each layer."""
        config = msgspec.structs.replace(self._config, initializer=initializer)
        biases = VARIANCES[config.bias_initializer](1, 1)
        predicted = moments.deviations(self._network, self.square, VARIANCES[initializer], biases)
        tallies = [_Tally(deviation) for deviation in predicted]
        gradients, weights = [], []
        for theta in islice(draws(config, self._network), self.scope.networks):
            for propagation in self._forward(theta):
                saturated = [*evaluation.count_saturated(propagation), None]
                for tally, z, count in zip(tallies, propagation.logits, saturated, strict=True):
                    tally.add(z, count)
            gradients += list(self._gradients(theta))
            weights.append(evaluation.norms(theta, self._network))
        norms = zip(np.mean(gradients, axis=0), np.mean(weights, axis=0), strict=True)
        return tuple(
            tally.layer(float(gradient), float(weight))
            for tally, (gradient, weight) in zip(tallies, norms, strict=True)
        )

    def _forward(self, theta: Array) -> Iterator[Propagation]:
        """Yield the forward passes of the sample."""
        for inputs, _ in self._feed.batches(self._sample, ROWS):
            propagation = self._propagations[len(inputs)]
            propagation.forward(theta, inputs)
            yield propagation

    def _gradients(self, theta: Array) -> Iterator[tuple[float, ...]]:
        """Yield the norms of the first mini-batches' gradients, with dropout, as in training."""
        config, rows = self._config, self.scope.rows
        dropout = Dropout(config.dropout, config.hidden, config.seed, config.dtype)
        batches = self._feed.batches(self._sample[: self.scope.batches * rows], rows)
        masks = by_layer(dropout.masks(1)(self.scope.batches), config.hidden)
        for batch, mask in zip(batches, masks, strict=False):
            self._objective.use(len(batch.inputs), (batch,).__iter__, mask)
            yield evaluation.norms(self._objective.gradient(theta), self._network)


class _Tally:
    """Sums over the z of one layer."""

    def __init__(self, predicted: float) -> None:
        self._predicted = predicted
        self._count, self._squares = 0, 0.0
        self._saturated: int | None = 0
        reach = REACH * predicted
        self._edges = np.linspace(-reach, reach, BINS + 1) if 0 < reach < math.inf else None
        self._bins = np.zeros(BINS)

    def add(self, z: Array, saturated: int | None) -> None:
        """Add the z of some examples, and the number of saturated ones among them."""
        self._count += z.size
        self._squares += float(np.einsum("ij,ij->", z, z, dtype=np.float64))
        self._saturated = None if saturated is None else (self._saturated or 0) + int(saturated)
        if self._edges is not None:
            self._bins += np.histogram(z, self._edges)[0]

    def layer(self, gradient_norm: float, weight_norm: float) -> Layer:
        """Return the layer's statistics."""
        histogram = None
        if self._edges is not None:
            width = float(self._edges[1] - self._edges[0])
            histogram = Histogram(self._edges, self._bins / (self._count * width))
        return Layer(
            predicted=self._predicted,
            measured=math.sqrt(self._squares / self._count),
            saturated=None if self._saturated is None else self._saturated / self._count,
            gradient_norm=gradient_norm,
            weight_norm=weight_norm,
            histogram=histogram,
        )


def _scope(config: Config, parameters: int, n: int) -> Scope:
    examples = min(n, EXAMPLES)
    networks = min(NETWORKS, max(1, WORK // (parameters * examples)))
    rows = examples if config.batch_size == "all" else min(config.batch_size, examples)
    return Scope(examples, networks, min(BATCHES, -(-examples // rows)), rows)


def _square(feed: Feed) -> float:
    """Return the sum over examples of Σ x_i²."""
    total = 0.0
    for inputs, _ in feed.batches(np.arange(len(feed)), CHUNK):
        features = inputs[:, :-1]  # the last column is the bias's
        total += float(np.einsum("ij,ij->", features, features, dtype=np.float64))
    return total
