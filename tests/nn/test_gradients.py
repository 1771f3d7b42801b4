"""Gradients against central differences, for all combinations that the tables allow."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.nn.activations import ACTIVATIONS, ActivationName
from nnexp.nn.costs import COSTS, CostName
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective, Piece
from nnexp.nn.penalties import REGULARIZERS, Penalty, RegularizerName

if TYPE_CHECKING:
    from nnexp.nn.arrays import Array
    from nnexp.nn.outputs import OutputName

EXAMPLES = 6
PAIRS = [(output, cost) for cost, outputs in COSTS.items() for output in outputs]
DEPTHS: list[tuple[int, ...]] = [(4, 3), (4, 5, 3), (4, 5, 6, 3)]
STEP = 1e-5
"""The central difference's error: about STEP^2 from the curve, 1e-16 / STEP from rounding."""

every_network = pytest.mark.parametrize(
    ("sizes", "activation", "output", "cost"),
    [(sizes, name, *pair) for sizes, name, pair in product(DEPTHS, ACTIVATIONS, PAIRS)],
)
every_penalty = pytest.mark.parametrize(
    ("regularizer", "strength"), list(product(REGULARIZERS, [0.0, 0.3]))
)


def drawn(network: Network) -> tuple[Array, Array, Array]:
    """Return a random theta, biases included, and a batch's inputs and targets.

    With biases of 0 a dead ReLU layer would put the next one on its kink, where a
    difference is half the slope.
    """
    rng = np.random.default_rng(3)
    inputs = np.ones((EXAMPLES, network.sizes[0] + 1))
    inputs[:, :-1] = rng.standard_normal((EXAMPLES, network.sizes[0]))
    labels = rng.integers(0, network.sizes[-1], EXAMPLES)
    return rng.standard_normal(network.size), inputs, network.targets(labels, np.float64)


def objective(
    network: Network, regularizer: RegularizerName, strength: float, *pieces: Piece
) -> BatchObjective:
    """Return the objective of a batch that comes in these pieces."""
    whole = BatchObjective(network, Penalty(network, regularizer, strength, np.float64), np.float64)
    whole.use(sum(len(inputs) for inputs, _ in pieces), lambda: pieces)
    return whole


@every_network
@every_penalty
def test_gradient_is_the_slope_of_value(
    sizes: tuple[int, ...],
    activation: ActivationName,
    output: OutputName,
    cost: CostName,
    regularizer: RegularizerName,
    strength: float,
) -> None:
    network = Network(sizes, activation, output, cost)
    theta, inputs, targets = drawn(network)
    batch = objective(network, regularizer, strength, (inputs, targets))
    slopes = []
    for direction in np.eye(network.size) * STEP:
        rise = batch.value(theta + direction) - batch.value(theta - direction)
        slopes.append(rise / (2 * STEP))
    np.testing.assert_allclose(batch.gradient(theta), slopes, rtol=1e-6, atol=1e-8)


@every_network
@every_penalty
def test_descend_steps_down_the_gradient(
    sizes: tuple[int, ...],
    activation: ActivationName,
    output: OutputName,
    cost: CostName,
    regularizer: RegularizerName,
    strength: float,
) -> None:
    network = Network(sizes, activation, output, cost)
    theta, inputs, targets = drawn(network)
    batch = objective(network, regularizer, strength, (inputs, targets))
    expected = theta - 0.7 * batch.gradient(theta)
    batch.descend(theta, 0.7)
    np.testing.assert_allclose(theta, expected, rtol=1e-13, atol=1e-14)


@every_network
def test_a_batch_in_pieces_is_the_same_batch(
    sizes: tuple[int, ...], activation: ActivationName, output: OutputName, cost: CostName
) -> None:
    network = Network(sizes, activation, output, cost)
    theta, inputs, targets = drawn(network)
    whole = objective(network, "l2", 0.3, (inputs, targets))
    cuts = [slice(0, 2), slice(2, 4), slice(4, 5), slice(5, 6)]
    pieces = objective(network, "l2", 0.3, *[(inputs[cut], targets[cut]) for cut in cuts])
    assert pieces.value(theta) == pytest.approx(whole.value(theta), rel=1e-14)
    np.testing.assert_allclose(pieces.gradient(theta), whole.gradient(theta), 1e-12, 1e-14)
    np.testing.assert_allclose(pieces.gradient(theta, 0.2), whole.gradient(theta, 0.2), 1e-12)


@every_penalty
def test_a_scale_multiplies_the_gradient_at_this_call_only(
    regularizer: RegularizerName, strength: float
) -> None:
    network = Network((4, 5, 3), "tanh")
    theta, inputs, targets = drawn(network)
    batch = objective(network, regularizer, strength, (inputs, targets))
    plain = batch.gradient(theta).copy()
    for scale in (0.25, 3.0, 0.0, 1.0):
        np.testing.assert_allclose(batch.gradient(theta, scale), scale * plain, rtol=1e-13)


def test_the_gradient_is_a_buffer_that_may_be_overwritten() -> None:
    network = Network((4, 5, 3))
    theta, inputs, targets = drawn(network)
    batch = objective(network, "l2", 0.3, (inputs, targets))
    gradient = batch.gradient(theta)
    expected = gradient.copy()
    gradient *= -1.0
    np.testing.assert_array_equal(batch.gradient(theta), expected)


def test_theta_changed_in_place_is_seen_at_the_next_pass() -> None:
    network = Network((4, 5, 3))
    theta, inputs, targets = drawn(network)
    batch, fresh = (objective(network, "l2", 0.3, (inputs, targets)) for _ in range(2))
    batch.gradient(theta)
    theta += 0.1
    np.testing.assert_array_equal(batch.gradient(theta), fresh.gradient(theta.copy()))
