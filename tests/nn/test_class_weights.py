"""Weights of the classes in the cost: values, gradients and curvature, with both backends."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from nnexp.config import load
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset, Split
from nnexp.errors import SettingError
from nnexp.native import availability
from nnexp.nn.costs import COSTS, balanced
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.optim.newton import hessian
from nnexp.runner import preconditions
from nnexp.runner.assembly import Assembly

if TYPE_CHECKING:
    from nnexp.nn.arrays import Array

WEIGHTS = (0.5, 2.0, 3.0)
KINDS = [(cost, output) for cost, outputs in COSTS.items() for output in outputs]


def split(count: int, seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, count, p=[0.7, 0.2, 0.1])
    return Split(rng.random((count, 5)) + 0.3 * labels[:, None], labels)


def objective(network: Network, data: Split, rows: Any = slice(None)) -> BatchObjective:  # noqa: ANN401 - an index
    inputs = np.hstack([data.features, np.ones((len(data.labels), 1))])[rows]
    targets = network.targets(data.labels[rows], "float64")
    result = BatchObjective(network, Penalty(network, "l2", 0.0, "float64"), "float64")
    result.use(len(inputs), lambda: iter([(inputs, targets)]))
    return result


@pytest.mark.parametrize(("cost", "output"), KINDS)
def test_the_cost_is_the_weighted_mean_of_the_examples_costs(cost: Any, output: Any) -> None:  # noqa: ANN401 - names
    data = split(30)
    plain = Network((5, 4, 3), output=output, cost=cost)
    network = Network((5, 4, 3), output=output, cost=cost, class_weights=WEIGHTS)
    theta = np.random.default_rng(1).standard_normal(network.size)
    each = [
        WEIGHTS[label] * objective(plain, data, [row]).value(theta)
        for row, label in enumerate(data.labels)
    ]
    assert objective(network, data).value(theta) == pytest.approx(np.mean(each), rel=1e-12)


@pytest.mark.parametrize(("cost", "output"), KINDS)
def test_gradients_and_curvature_are_the_slopes_of_value_and_gradient(
    cost: Any,  # noqa: ANN401 - a name
    output: Any,  # noqa: ANN401 - likewise
) -> None:
    network = Network((5, 4, 3), "tanh", output, cost, WEIGHTS)
    whole, size = objective(network, split(30)), network.size
    theta = np.random.default_rng(1).normal(0, 0.5, size)
    gradient, matrix = whole.gradient(theta).copy(), hessian(theta, whole)
    steps = 1e-5 * np.eye(size)
    slopes = [(whole.value(theta + s) - whole.value(theta - s)) / 2e-5 for s in steps]
    assert gradient == pytest.approx(np.array(slopes), abs=1e-8)
    bends = [(whole.gradient(theta + s).copy() - whole.gradient(theta - s)) / 2e-5 for s in steps]
    assert matrix == pytest.approx(np.array(bends), abs=1e-7)
    v = np.random.default_rng(2).standard_normal(size)
    assert v @ whole.hessian_product(theta, v, gauss_newton=True) >= 0


def test_balanced_weights_are_scikit_learns() -> None:
    labels = split(200).labels
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced(labels, 3) == pytest.approx(expected.tolist(), rel=1e-15)
    assert balanced(np.array([0, 0, 2]), 4) == (0.75, 1.0, 1.5, 1.0), "no example, no effect"


@pytest.mark.skipif(availability.why_unavailable() is not None, reason="there are no kernels")
@pytest.mark.parametrize(
    ("kind", "optimizer"), list(product(KINDS, ["sgd", "momentum"])), ids="-".join
)
def test_both_backends_train_with_them(kind: tuple[Any, Any], optimizer: str) -> None:
    cost, output = kind
    text = (
        f"hidden: [6]\ncost: {cost}\noutput: {output}\noptimizer: {optimizer}\n"
        "learning_rate: 0.05\nclass_weights: balanced\n"
        "monitor: [train, validation, norms, running_cost]\n"
    )
    config = load.parse(text, "c.yaml")
    data = Dataset(split(200), split(60, 1), None, 3, 1.0, {})
    found: list[tuple[Array, dict[str, Any]]] = []
    for backend in ("native", "numpy"):
        assembly = Assembly(config, data, backend)
        state = assembly.initial()
        list(assembly.trainer.epoch(state, 1, 0.05))
        row: dict[str, Any] = {}
        for entry in config.monitor:
            row |= assembly.monitored(state.parameters, entry)
        found.append((assembly.theta(state.parameters), row))
    (theta, row), (expected, expected_row) = found
    assert np.abs(theta - expected).max() < 1e-5
    for name, value in row.items():
        assert value == pytest.approx(expected_row[name], rel=1e-4), name
    plain = Assembly(load.changed(config, class_weights=None), data)
    state = plain.initial()
    list(plain.trainer.epoch(state, 1, 0.05))
    assert np.abs(state.parameters - expected).max() > 1e-3, "weights have an effect"


def test_equal_weights_of_one_change_nothing() -> None:
    data, ends = Dataset(split(200), None, None, 3, 1.0, {}), []
    for weights in (None, (1.0, 1.0, 1.0)):
        assembly = Assembly(Config(hidden=(6,), class_weights=weights), data)
        state = assembly.initial()
        list(assembly.trainer.epoch(state, 1, 0.05))
        ends.append(assembly.theta(state.parameters).tobytes())
    assert ends[0] == ends[1]


def test_there_must_be_a_weight_for_every_class() -> None:
    names = ("a", "b", "c")
    data = Dataset(split(200), None, None, 3, 1.0, {}, class_names=names)
    config = Config(class_weights=(1.0, 2.0), monitor=("train",))
    with pytest.raises(
        SettingError, match=r"a weight for each of the 3 classes \(a, b, c\), got 2"
    ):
        preconditions.check(config, data)
