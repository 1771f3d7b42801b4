"""Evaluate a network on a split with NumPy: cost, accuracy, classes and monitored quantities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.penalties import Penalty
from nnexp.nn.propagation import Propagation, Propagations
from nnexp.training.backend import SATURATED, Evaluation
from nnexp.training.feed import Feed

if TYPE_CHECKING:
    import numpy.typing as npt

ROWS = 500
"""Examples per forward pass. Fixed, since the last bits of a product depend on its shape."""


def evaluate(theta: Array, feed: Feed, propagations: Propagations, penalty: Penalty) -> Evaluation:
    """Evaluate the parameters theta on all examples of a feed."""
    predicted = np.empty(len(feed), np.int64)
    cost = 0.0
    for rows, propagation, targets in _passes(theta, feed, propagations):
        cost += propagation.cost(targets)
        np.argmax(propagation.outputs, axis=1, out=predicted[rows])
    accuracy = int(np.count_nonzero(predicted == feed.labels)) / len(feed)
    return Evaluation(cost / len(feed) + penalty.total(theta), accuracy, predicted)


def outputs(theta: Array, feed: Feed, propagations: Propagations) -> Array:
    """Return the network's outputs for all examples of a feed, (examples, classes)."""
    passes = _passes(theta, feed, propagations)
    result: Array = np.concatenate([propagation.outputs.copy() for _, propagation, _ in passes])
    return result


def _passes(
    theta: Array, feed: Feed, propagations: Propagations
) -> Iterator[tuple[slice, Propagation, Array]]:
    """Yield, for each batch of examples, their rows, their forward pass and their targets."""
    done = 0
    for inputs, targets in feed.batches(np.arange(len(feed)), ROWS):
        propagation = propagations[len(inputs)]
        propagation.forward(theta, inputs)
        yield slice(done, done + len(inputs)), propagation, targets
        done += len(inputs)


def saturation(
    theta: Array, feed: Feed, network: Network, propagations: Propagations
) -> tuple[float, ...]:
    """Return the fraction of saturated (neuron, example) pairs of each hidden layer."""
    counts = np.zeros(len(network.sizes) - 2, np.int64)
    for inputs, _ in feed.batches(np.arange(len(feed)), ROWS):
        propagation = propagations[len(inputs)]
        propagation.forward(theta, inputs)
        counts += count_saturated(propagation)
    pairs = len(feed) * np.array(network.sizes[1:-1])
    return tuple(float(share) for share in counts / pairs)


def count_saturated(propagation: Propagation) -> npt.NDArray[np.int64]:
    """Count the saturated (neuron, example) pairs of each hidden layer after a forward pass."""
    return np.array([np.count_nonzero(s < SATURATED) for s in propagation.slopes()], np.int64)


def norms(vector: Array, network: Network) -> tuple[float, ...]:
    """Return the Euclidean norm of each layer's weights in a vector laid out like theta.

    The sums are NumPy's own, in float64: those of BLAS (``np.linalg.norm``) vary by processor.
    """
    squares = (np.square(weights, dtype=np.float64) for weights in network.weights(vector))
    return tuple(float(np.sqrt(square.sum())) for square in squares)
