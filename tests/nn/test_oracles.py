"""One epoch against scikit-learn's and PyTorch's, on the same examples in the same order."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.datasets.dataset import Split
from nnexp.nn.activations import ACTIVATIONS, ActivationName
from nnexp.nn.costs import COSTS, CostName
from nnexp.nn.network import Network
from nnexp.nn.penalties import Penalty
from nnexp.optim.sgd import Sgd
from nnexp.training.dropout import Dropout
from nnexp.training.numpy_backend import NumpyBackend
from nnexp.training.trainer import Trainer

if TYPE_CHECKING:
    from nnexp.nn.arrays import Array
    from nnexp.nn.outputs import OutputName

EXAMPLES, BATCH, RATE, DECAY = 200, 10, 0.3, 0.02
SIZES = (6, 5, 4, 3)
PAIRS = [(output, cost) for cost, outputs in COSTS.items() for output in outputs]


def examples(count: int = EXAMPLES) -> Split:
    rng = np.random.default_rng(4)
    return Split(rng.standard_normal((count, SIZES[0])), rng.integers(0, SIZES[-1], count))


def drawn(network: Network) -> Array:
    return np.random.default_rng(5).normal(0, 0.7, network.size)


def after_an_epoch(network: Network, data: Split, decay: float) -> Array:
    """Return theta after one epoch in the order of the data."""
    theta = drawn(network)
    penalty = Penalty(network, "l2", decay, "float64")
    trainer = Trainer(
        Sgd(),
        NumpyBackend(network, penalty, {"train": data}, 1.0, "float64"),
        lambda _: np.arange(len(data.labels)),
        BATCH,
        Dropout(0.0, SIZES[1:-1], 0, "float64"),
    )
    for _ in trainer.epoch(trainer.start(theta), 1, RATE):
        pass
    return theta


PEERS: dict[ActivationName, str] = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
"""The activations that scikit-learn has, by its names for them."""


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("activation", PEERS)
@pytest.mark.parametrize(
    ("output", "cost"), [("softmax", "log-likelihood"), ("sigmoid", "cross-entropy")]
)
def test_an_epoch_equals_scikit_learn_s(
    activation: ActivationName, output: OutputName, cost: CostName
) -> None:
    """Its alpha is divided by the batch's size; labels mean softmax, indicators sigmoids."""
    peers: Any = pytest.importorskip("sklearn.neural_network")
    network, data = Network(SIZES, activation, output, cost), examples()
    targets = data.labels if output == "softmax" else np.eye(SIZES[-1])[data.labels]
    peer = peers.MLPClassifier(
        SIZES[1:-1],
        activation=PEERS[activation],
        solver="sgd",
        alpha=DECAY * BATCH,
        batch_size=BATCH,
        learning_rate_init=RATE,
        momentum=0,
        nesterovs_momentum=False,
        shuffle=False,
        max_iter=1,
        warm_start=True,
    ).fit(data.features, targets)
    theta = drawn(network)
    peer.coefs_ = [weights.copy() for weights in network.weights(theta)]
    peer.intercepts_ = [biases.copy() for biases in network.biases(theta)]
    peer.fit(data.features, targets)
    trained = after_an_epoch(network, data, DECAY)
    assert peer.n_iter_ == 1
    for own, other in zip(network.weights(trained), peer.coefs_, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-9, atol=1e-11)
    for own, other in zip(network.biases(trained), peer.intercepts_, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("activation", "output", "cost"), [(name, *pair) for name, pair in product(ACTIVATIONS, PAIRS)]
)
def test_an_epoch_equals_pytorch_s(
    activation: ActivationName, output: OutputName, cost: CostName
) -> None:
    """A last batch of 7 included; its weight decay adds the same λ/n times w to gradients."""
    torch: Any = pytest.importorskip("torch")
    functional = torch.nn.functional
    network, data = Network(SIZES, activation, output, cost), examples(EXAMPLES + 7)
    theta = drawn(network)
    weights = [torch.tensor(w, requires_grad=True) for w in network.weights(theta)]
    biases = [torch.tensor(b, requires_grad=True) for b in network.biases(theta)]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": DECAY}, {"params": biases}], lr=RATE
    )
    hidden = getattr(torch if hasattr(torch, activation) else functional, activation)
    costs = {
        "cross-entropy": lambda z, y: functional.binary_cross_entropy_with_logits(
            z, y, reduction="sum"
        ),
        "log-likelihood": lambda z, y: functional.cross_entropy(z, y, reduction="sum"),
        "quadratic": lambda z, y: (
            functional.mse_loss(
                z if output == "linear" else getattr(torch, output)(z), y, reduction="sum"
            )
            / 2
        ),
    }
    inputs = torch.tensor(data.features)
    targets = torch.tensor(network.targets(data.labels, "float64"))
    for x, y in zip(inputs.split(BATCH), targets.split(BATCH), strict=True):
        signal = x
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            signal = hidden(signal @ w + b)
        loss = costs[cost](signal @ weights[-1] + biases[-1], y) / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trained = after_an_epoch(network, data, DECAY)
    for own, other in zip(network.weights(trained), weights, strict=True):
        np.testing.assert_allclose(own, other.detach(), rtol=1e-9, atol=1e-11)
    for own, other in zip(network.biases(trained), biases, strict=True):
        np.testing.assert_allclose(own, other.detach(), rtol=1e-9, atol=1e-11)
