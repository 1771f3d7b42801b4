"""Monitors: saturation counted by hand, and norms of each layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec import UNSET

from nnexp import experiment
from nnexp.assembly import Assembly
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.sources import Npz
from nnexp.nn.network import Network
from nnexp.nn.propagation import Propagations
from nnexp.training import monitors
from nnexp.training.evaluation import ROWS
from nnexp.training.feed import Feed

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.nn.activations import ActivationName
    from nnexp.nn.arrays import Array


def saturated(activation: ActivationName, weights: list[float], inputs: list[float]) -> float:
    """Return the saturation of one hidden layer whose neurons' z are weight times input."""
    network = Network((1, len(weights), 2), activation)
    theta: Array = np.zeros(network.size)
    network.weights(theta)[0][0] = weights
    split = Split(np.array(inputs)[:, None], np.zeros(len(inputs), np.int64))
    feed = Feed(split, 1.0, network, "float64")
    (share,) = monitors.saturation(theta, feed, network, Propagations(network, "float64"))
    return share


def test_a_sigmoid_is_saturated_where_its_slope_is_below_a_twentieth() -> None:
    """a(1 - a) = 0.05 where a = (1 + √0.8)/2, z = ln(a / (1 - a)) = 2.887; so of 2 x 3 pairs
    z = 0, 2.88, 2.89 and 0, -5.76, -5.78 three are saturated.
    """
    a = (1 + math.sqrt(0.8)) / 2
    assert math.log(a / (1 - a)) == pytest.approx(2.887, abs=1e-3)
    assert saturated("sigmoid", [1.0, -2.0], [0.0, 2.88, 2.89]) == 3 / 6


def test_a_tanh_is_so_where_1_minus_a_squared_is() -> None:
    """1 - a² = 0.05 where z = artanh √0.95 = 2.178."""
    assert math.atanh(math.sqrt(0.95)) == pytest.approx(2.178, abs=1e-3)
    assert saturated("tanh", [1.0], [2.17, 2.18, -2.17, -2.18]) == 2 / 4


def test_a_rectified_linear_neuron_is_so_where_it_puts_out_0() -> None:
    assert saturated("relu", [1.0], [-1.0, 0.0, 1e-9, 5.0]) == 2 / 4


def test_each_hidden_layer_has_its_own_share_over_all_examples() -> None:
    """The first layer's z are 0; the second's are 10 x 0.5 x 2 = 10 in one neuron of two."""
    network = Network((1, 2, 2, 2))
    theta: Array = np.zeros(network.size)
    network.weights(theta)[1][...] = [[10.0, 0.0], [10.0, 0.0]]
    n = 2 * ROWS + 1
    feed = Feed(Split(np.ones((n, 1)), np.zeros(n, np.int64)), 1.0, network, "float64")
    shares = monitors.saturation(theta, feed, network, Propagations(network, "float64"))
    assert shares == (0.0, 0.5)


def test_a_network_without_hidden_layers_has_no_shares() -> None:
    network = Network((1, 2))
    feed = Feed(Split(np.ones((3, 1)), np.zeros(3, np.int64)), 1.0, network, "float64")
    theta: Array = np.zeros(network.size)
    assert monitors.saturation(theta, feed, network, Propagations(network, "float64")) == ()


def test_norms_are_of_a_layer_s_weights_without_its_biases() -> None:
    network = Network((2, 1, 2))
    vector: Array = np.zeros(network.size)
    first, second = network.weights(vector)
    first[...], second[...] = [[3.0], [4.0]], [[5.0, 12.0]]
    for biases in network.biases(vector):
        biases[...] = 99.0
    assert monitors.norms(vector, network) == pytest.approx((5.0, 13.0))


def test_the_gradient_s_norms_are_those_of_the_whole_cost_s_slope() -> None:
    """Beside central differences of the reported cost, along the gradient of each weight."""
    rng = np.random.default_rng(0)
    split = Split(rng.random((7, 3)), rng.integers(0, 2, 7))
    config = Config(hidden=(2,), lambda_=0.5, dropout=0.5, dtype="float64")
    assembly = Assembly(config, Dataset(split, None, None, 2, 1.0, {}))
    theta = assembly.initial().theta
    slope = np.empty_like(theta)
    for place in range(theta.size):
        step = np.zeros_like(theta)
        step[place] = 1e-6
        up, down = (assembly.evaluate(theta + sign * step, "train").cost for sign in (1, -1))
        slope[place] = (up - down) / 2e-6
    row = assembly.monitored(theta, "norms")
    assert row["gradient_norms"] == pytest.approx(
        [float(np.linalg.norm(part)) for part in assembly.network.weights(slope)], rel=1e-6
    )
    assert row["weight_norms"] == pytest.approx(
        [float(np.linalg.norm(part)) for part in assembly.network.weights(theta)]
    )


def test_the_rows_have_what_monitor_names_and_the_training_is_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((50, 4)), rng.integers(0, 3, 50)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y)
    costs = []
    for monitor in (("train",), ("train", "saturation", "norms")):
        config = Config(
            data=Npz(file=str(tmp_path / "a.npz"), scale=1),
            hidden=(5, 4),
            epochs=3,
            patience=None,
            monitor=monitor,
        )
        history = experiment.train(config, tmp_path).history()
        costs.append([row.train_cost for row in history])
    assert costs[0] == costs[1]
    assert [len(row.saturation or ()) for row in history] == [2] * 3
    assert [len(row.weight_norms or ()) for row in history] == [3] * 3
    assert [len(row.gradient_norms or ()) for row in history] == [3] * 3
    assert history[0].validation_accuracy is UNSET
