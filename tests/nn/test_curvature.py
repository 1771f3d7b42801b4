"""Hessian products against differences of gradients, for all activations, outputs and costs."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.nn.activations import ACTIVATIONS, ActivationName
from nnexp.nn.costs import COSTS, CostName
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import REGULARIZERS, Penalty, RegularizerName
from nnexp.optim.newton import DIRECTIONS, hessian

if TYPE_CHECKING:
    from nnexp.nn.arrays import Array
    from nnexp.nn.outputs import OutputName

EXAMPLES = 7
STEP = 1e-5
PAIRS = [(output, cost) for cost, outputs in COSTS.items() for output in outputs]
MATCHING = [("sigmoid", "cross-entropy"), ("softmax", "log-likelihood"), ("linear", "quadratic")]
DEPTHS: list[tuple[int, ...]] = [(3, 3), (3, 4, 3), (3, 4, 3, 3)]

every_network = pytest.mark.parametrize(
    ("sizes", "activation", "output", "cost"),
    [(sizes, name, *pair) for sizes, name, pair in product(DEPTHS, ACTIVATIONS, PAIRS)],
)
every_penalty = pytest.mark.parametrize(
    ("regularizer", "strength"), [*product(REGULARIZERS, [0.1]), ("l2", 0.0)]
)
with_and_without_dropout = pytest.mark.parametrize("dropout", [False, True])


def drawn(
    network: Network,
    regularizer: RegularizerName = "l2",
    strength: float = 0.1,
    *,
    dropout: bool = False,
    cut: int = EXAMPLES,
) -> tuple[Array, BatchObjective]:
    """Return a random theta and an objective, whose batch comes in pieces of cut examples."""
    rng = np.random.default_rng(4)
    theta = rng.standard_normal(network.size)
    inputs = np.ones((EXAMPLES, network.sizes[0] + 1))
    inputs[:, :-1] = rng.standard_normal((EXAMPLES, network.sizes[0]))
    targets = network.targets(rng.integers(0, network.sizes[-1], EXAMPLES), np.float64)
    masks = [np.array([2.0, 0.0, 2.0, 2.0, 0.0][:size]) for size in network.sizes[1:-1]]
    batch = BatchObjective(network, Penalty(network, regularizer, strength, np.float64), np.float64)
    starts = range(0, EXAMPLES, cut)
    pieces = [(inputs[start : start + cut], targets[start : start + cut]) for start in starts]
    batch.use(EXAMPLES, pieces.__iter__, masks if dropout else None)
    return theta, batch


@every_network
@every_penalty
@with_and_without_dropout
def test_a_product_is_the_slope_of_the_gradient(
    sizes: tuple[int, ...],
    activation: ActivationName,
    output: OutputName,
    cost: CostName,
    regularizer: RegularizerName,
    strength: float,
    dropout: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    network = Network(sizes, activation, output, cost)
    theta, batch = drawn(network, regularizer, strength, dropout=dropout)
    v = np.random.default_rng(5).standard_normal(network.size)
    ahead = batch.gradient(theta + STEP * v).copy()
    slope = (ahead - batch.gradient(theta - STEP * v)) / (2 * STEP)
    np.testing.assert_allclose(batch.hessian_product(theta, v), slope, rtol=1e-6, atol=1e-7)


@every_network
@with_and_without_dropout
def test_the_hessian_is_symmetric(
    sizes: tuple[int, ...],
    activation: ActivationName,
    output: OutputName,
    cost: CostName,
    dropout: bool,  # noqa: FBT001 - see above
) -> None:
    network = Network(sizes, activation, output, cost)
    theta, batch = drawn(network, dropout=dropout)
    matrix = batch.hessian_product(theta, np.eye(network.size))
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(hessian(theta, batch), matrix, rtol=1e-12, atol=1e-14)


@every_network
@with_and_without_dropout
@pytest.mark.parametrize("gauss_newton", [False, True])
def test_products_together_are_the_products_one_by_one_and_in_pieces(
    sizes: tuple[int, ...],
    activation: ActivationName,
    output: OutputName,
    cost: CostName,
    dropout: bool,  # noqa: FBT001 - see above
    gauss_newton: bool,  # noqa: FBT001 - see above
) -> None:
    network = Network(sizes, activation, output, cost)
    theta, batch = drawn(network, dropout=dropout)
    vectors = np.random.default_rng(6).standard_normal((5, network.size))
    single = [batch.hessian_product(theta, v, gauss_newton=gauss_newton) for v in vectors]
    _, pieces = drawn(network, dropout=dropout, cut=3)
    for each in (batch, pieces):
        together = each.hessian_product(theta, vectors, gauss_newton=gauss_newton)
        np.testing.assert_allclose(together, single, rtol=1e-11, atol=1e-13)


@every_network
@with_and_without_dropout
def test_gauss_newton_never_goes_down(
    sizes: tuple[int, ...],
    activation: ActivationName,
    output: OutputName,
    cost: CostName,
    dropout: bool,  # noqa: FBT001 - see above
) -> None:
    network = Network(sizes, activation, output, cost)
    theta, batch = drawn(network, strength=0.0, dropout=dropout)
    matrix = batch.hessian_product(theta, np.eye(network.size), gauss_newton=True)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-14)
    curvatures = np.linalg.eigvalsh(matrix)
    assert curvatures[0] > -1e-13 * curvatures[-1]
    assert curvatures[-1] > 0.01


@pytest.mark.parametrize(("output", "cost"), MATCHING)
def test_gauss_newton_is_the_hessian_where_nothing_else_bends(
    output: OutputName, cost: CostName
) -> None:
    network = Network((3, 3), output=output, cost=cost)
    theta, batch = drawn(network)
    part = batch.hessian_product(theta, np.eye(network.size), gauss_newton=True)
    np.testing.assert_allclose(part, hessian(theta, batch), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("output", ["sigmoid", "tanh"])
def test_gauss_newton_is_another_matrix_where_outputs_or_neurons_bend(output: OutputName) -> None:
    for network in (Network((3, 3), output=output, cost="quadratic"), Network((3, 4, 3))):
        theta, batch = drawn(network)
        part = batch.hessian_product(theta, np.eye(network.size), gauss_newton=True)
        assert np.abs(part - hessian(theta, batch)).max() > 0.01


def test_a_hessian_of_more_parameters_than_directions_at_once() -> None:
    network = Network((3, 5, 4, 3))
    assert DIRECTIONS < network.size < 2 * DIRECTIONS
    theta, batch = drawn(network)
    rows = [batch.hessian_product(theta, unit) for unit in np.eye(network.size)]
    np.testing.assert_allclose(hessian(theta, batch), rows, rtol=1e-11, atol=1e-13)


def test_one_neuron_by_hand() -> None:
    # One sigmoid neuron with cross-entropy, x = 2, y = 0, w = 0, b = 0: a = 1/2, a (1 - a) = 1/4,
    # and the Hessian in (w, b) is 1/4 [[x², x], [x, 1]], plus λ/n = 1/10 at the weight alone.
    network = Network((1, 1))
    batch = BatchObjective(network, Penalty(network, "l2", 0.1, np.float64), np.float64)
    batch.use(1, [(np.array([[2.0, 1.0]]), np.array([[0.0]]))].__iter__)
    np.testing.assert_allclose(hessian(np.zeros(2), batch), [[1.1, 0.5], [0.5, 0.25]], rtol=1e-15)


def test_a_hidden_neuron_by_hand() -> None:
    # x = 1 into a tanh neuron (w, b) into a linear one (u, c), quadratic cost, y = 1. With
    # w = b = c = 0 and u = 2: a = tanh(0) = 0, slope 1, bend 0, output 0, error e = -1.
    # The output's derivatives by (w, b, u, c) are J = (u, u, a, 1) = (2, 2, 0, 1); its second
    # derivatives are those by u with w or b alone, the slope 1. So H = J Jᵀ + e times these.
    network = Network((1, 1, 1), "tanh", "linear", "quadratic")
    batch = BatchObjective(network, Penalty(network, "l2", 0.0, np.float64), np.float64)
    batch.use(1, [(np.array([[1.0, 1.0]]), np.array([[1.0]]))].__iter__)
    theta = np.array([0.0, 0.0, 2.0, 0.0])
    gauss_newton = np.array([[4, 4, 0, 2], [4, 4, 0, 2], [0, 0, 0, 0], [2, 2, 0, 1]])
    bent = np.array([[0, 0, -1, 0], [0, 0, -1, 0], [-1, -1, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(hessian(theta, batch), gauss_newton + bent, atol=1e-15)
    part = batch.hessian_product(theta, np.eye(4), gauss_newton=True)
    np.testing.assert_allclose(part, gauss_newton, atol=1e-15)
