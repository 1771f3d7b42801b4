"""What an epoch's row can say of the network beyond costs and accuracies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.propagation import Propagation, Propagations
from nnexp.training.evaluation import ROWS
from nnexp.training.feed import Feed

SATURATED = 0.05
"""A neuron is saturated where its slope is below this; the sigmoid's is 0.25 at most."""


def saturation(
    theta: Array, feed: Feed, network: Network, propagations: Propagations
) -> tuple[float, ...]:
    """Return the share of saturated (neuron, example) pairs of each hidden layer."""
    counts = np.zeros(len(network.sizes) - 2, np.int64)
    for inputs, _ in feed.batches(np.arange(len(feed)), ROWS):
        propagation = propagations[len(inputs)]
        propagation.forward(theta, inputs)
        counts += saturated(propagation)
    pairs = len(feed) * np.array(network.sizes[1:-1])
    return tuple(float(share) for share in counts / pairs)


def saturated(propagation: Propagation) -> npt.NDArray[np.int64]:
    """Return the saturated (neuron, example) pairs of each hidden layer after a forward pass."""
    return np.array([np.count_nonzero(s < SATURATED) for s in propagation.slopes()], np.int64)


def norms(vector: Array, network: Network) -> tuple[float, ...]:
    """Return the Euclidean norm of each layer's weights in a vector like theta."""
    return tuple(float(np.linalg.norm(weights)) for weights in network.weights(vector))
