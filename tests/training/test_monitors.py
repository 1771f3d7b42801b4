"""Monitors: saturation counted by hand, norms of each layer, and events within an epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from msgspec import UNSET

from nnexp.config import load
from nnexp.config.model import Config
from nnexp.datasets import loading
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.sources import Npz
from nnexp.nn.network import Network
from nnexp.nn.propagation import Propagations
from nnexp.optim.optimizers import Optimizer
from nnexp.runner import train
from nnexp.runner.assembly import Assembly
from nnexp.store.run import Run
from nnexp.training import evaluation
from nnexp.training.evaluation import ROWS
from nnexp.training.feed import Feed
from nnexp.training.running_cost import RunningCosts

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.nn.activations import ActivationName
    from nnexp.nn.arrays import Array
    from tests.conftest import Bench


def saturated(activation: ActivationName, weights: list[float], inputs: list[float]) -> float:
    """Return the saturation of one hidden layer whose neurons' z are weight times input."""
    network = Network((1, len(weights), 2), activation)
    theta: Array = np.zeros(network.size)
    network.weights(theta)[0][0] = weights
    split = Split(np.array(inputs)[:, None], np.zeros(len(inputs), np.int64))
    feed = Feed(split, 1.0, network, "float64")
    (share,) = evaluation.saturation(theta, feed, network, Propagations(network, "float64"))
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
    shares = evaluation.saturation(theta, feed, network, Propagations(network, "float64"))
    assert shares == (0.0, 0.5)


def test_a_network_without_hidden_layers_has_no_shares() -> None:
    network = Network((1, 2))
    feed = Feed(Split(np.ones((3, 1)), np.zeros(3, np.int64)), 1.0, network, "float64")
    theta: Array = np.zeros(network.size)
    assert evaluation.saturation(theta, feed, network, Propagations(network, "float64")) == ()


def test_norms_are_of_a_layer_s_weights_without_its_biases() -> None:
    network = Network((2, 1, 2))
    vector: Array = np.zeros(network.size)
    first, second = network.weights(vector)
    first[...], second[...] = [[3.0], [4.0]], [[5.0, 12.0]]
    for biases in network.biases(vector):
        biases[...] = 99.0
    assert evaluation.norms(vector, network) == pytest.approx((5.0, 13.0))


def test_the_gradient_s_norms_are_those_of_the_whole_cost_s_slope() -> None:
    """Beside central differences of the reported cost, along the gradient of each weight."""
    rng = np.random.default_rng(0)
    split = Split(rng.random((7, 3)), rng.integers(0, 2, 7))
    config = Config(hidden=(2,), lambda_=0.5, dropout=0.5, dtype="float64")
    assembly = Assembly(config, Dataset(split, None, None, 2, 1.0, {}))
    theta = assembly.initial().parameters
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


def running(examples: int, batch_size: int, costs: list[float]) -> tuple[float, ...]:
    found = RunningCosts(examples, batch_size)
    for cost in costs:
        found.add(np.array([cost]))
    return found.costs


def test_a_running_cost_is_the_mean_of_a_tenth_of_the_epoch() -> None:
    """Of 100 steps with the costs 0, 1, … 99 the first tenth has 0 … 9, whose mean is 4.5."""
    tenths = [4.5 + 10 * place for place in range(10)]
    assert running(1000, 10, [float(step) for step in range(100)]) == pytest.approx(tenths)


@pytest.mark.parametrize(
    ("examples", "batch_size", "costs", "expected"),
    [
        (50, 10, [5.0, 4.0, 3.0, 2.0, 1.0], [3.0]),  # under 100 examples: one part
        (250, 100, [3.0, 2.0, 1.0], [2.5, 1.0]),  # two of 100 at least
        (150, 100, [3.0, 0.0], [2.0]),  # the last batch has 50, and half the weight
        (5000, 5000, [7.0], [7.0]),  # one step is one part
        (5000, 2000, [7.0, 5.0, 3.0], [7.0, 5.0, 3.0]),  # as many parts as steps at most
    ],
)
def test_a_small_epoch_has_fewer_parts(
    examples: int, batch_size: int, costs: list[float], expected: list[float]
) -> None:
    assert running(examples, batch_size, costs) == pytest.approx(expected)


def test_each_epoch_is_measured_by_itself() -> None:
    found = RunningCosts(100, 50)
    found.add(np.array([9.0, 9.0]))
    found.begin()
    assert not found.costs
    found.add(np.array([2.0]))
    assert found.costs == (2.0,)


def settings(optimizer: str) -> list[str]:
    """Return what a config needs for an optimizer."""
    full = optimizer not in {"sgd", "momentum", "nesterov", "adam"}
    return [f"optimizer={optimizer}", *(["batch_size=all", "dtype=float64"] if full else [])]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(
    "optimizer", [kind.__struct_config__.tag for kind in get_args(Optimizer)], ids=str
)
def test_a_running_cost_changes_nothing_and_goes_on_after_a_stop(
    bench: Bench, optimizer: str, dropout: float
) -> None:
    """The checkpoints' bytes are those of the run that measures nothing on its way."""
    keys = [*settings(optimizer), f"dropout={dropout}", "epochs=3", "lambda=0.5", "patience=null"]
    options = [word for key in keys for word in ("--set", key)]
    watch = ("--set", "monitor=[train, running_cost]")
    for name, added in {"plain": ("--set", "monitor=[train]"), "watched": watch}.items():
        assert (
            bench("train", "tiny.yaml", "-q", *options, *added, "--runs", name, "--name", "a").code
            == 0
        )
    for until in (("--until", "1"), ()):
        said = bench(
            "train", "tiny.yaml", "-q", *options, *watch, "--runs", "again", "--name", "a", *until
        )
        assert said.code == 0
    assert bench.files("again/a-s0") == bench.files("watched/a-s0")
    assert bench("verify", "watched/a-s0").code == 0
    rows = {name: Run(bench.folder / name / "a-s0").history() for name in ("plain", "watched")}
    assert [row.train_cost for row in rows["plain"]] == [row.train_cost for row in rows["watched"]]
    assert final(bench, "plain") == final(bench, "watched")
    parts = 2 if "batch_size=all" not in keys else 1
    assert [len(row.running_costs or ()) for row in rows["watched"]] == [parts] * 3


def final(bench: Bench, runs: str) -> dict[str, bytes]:
    """Return what a run's last checkpoint holds, but for what it says of the config."""
    with np.load(bench.folder / runs / "a-s0" / "checkpoints" / "epoch-000003.npz") as arrays:
        found = {name: arrays[name].tobytes() for name in arrays if name != "meta"}
    assert found
    return found


@pytest.mark.parametrize("optimizer", ["newton", "l-bfgs"])
def test_a_full_batch_s_running_cost_is_the_cost_before_its_step(
    bench: Bench, optimizer: str
) -> None:
    config = load.read(
        bench.folder / "tiny.yaml",
        [*settings(optimizer), "monitor=[train, running_cost]", "lambda=0.5", "patience=null"],
    )
    assembly = Assembly(config, loading.load(config.data))
    start = assembly.evaluate(assembly.initial().parameters, "train").cost
    rows = train.train(config, bench.folder / "runs").history()
    found = [cost for row in rows for cost in row.running_costs or ()]
    assert found == pytest.approx([start, *(row.train_cost for row in rows[:-1])], rel=1e-9)


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
        history = train.train(config, tmp_path).history()
        costs.append([row.train_cost for row in history])
    assert costs[0] == costs[1]
    assert [len(row.saturation or ()) for row in history] == [2] * 3
    assert [len(row.weight_norms or ()) for row in history] == [3] * 3
    assert [len(row.gradient_norms or ()) for row in history] == [3] * 3
    assert history[0].validation_accuracy is UNSET
