"""The kernels compute what NumPy computes, within the rounding of float32.

NumPy's float64 results on the same float32 parameters are the reference, so that the bounds hold
for the kernels alone.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.datasets.dataset import Split
from nnexp.nn.propagation import Propagations
from nnexp.training import evaluation
from nnexp.training.feed import Feed
from tests.native.problems import (
    ACTIVATIONS,
    KINDS,
    PAIRS,
    SCALE,
    Kind,
    NativeExamples,
    NativePenalty,
    Problem,
    distance,
)

GRADIENT_BOUND = 1e-5  # of the largest component
COST_BOUND = 1e-6  # relative, and absolute for costs near 0
STEP_BOUND = 2e-6  # of the largest parameter
OUTPUT_BOUND = 1e-5

SIZES = (
    (7, 3),
    (37, 17, 10),
    (50, 70, 33, 10),
    (33, 64, 20, 16, 5),
    (1, 1, 1),
    (20, 161, 2),
    (300, 9, 4),
)
PENALTIES = (NativePenalty("l2", 0.0), NativePenalty("l2", 1e-2), NativePenalty("l1", 1e-2))


def check_batch(
    problem: Problem, rows: int, penalty: NativePenalty, *, dropout: bool, rate: float = 0.7
) -> None:
    """Compare cost, gradient and a step of descent on one batch."""
    order = problem.order(rows)
    masks = problem.masks() if dropout else []
    flat = np.concatenate(masks) if masks else None
    objective = problem.objective(order, masks, penalty)
    theta = problem.theta.astype(np.float64)
    native, parameters, examples = problem.native, problem.parameters, problem.examples

    expected = objective.gradient(theta, rate).copy()
    actual = np.full_like(parameters, np.nan)
    native.gradient(parameters, examples, order, actual, scale=rate, penalty=penalty, masks=flat)
    assert distance(native.unpack(actual), expected) < GRADIENT_BOUND

    cost = native.cost(parameters, examples, order, flat) / rows
    value = cost + native.penalty(parameters, penalty)
    assert value == pytest.approx(objective.value(theta), rel=COST_BOUND, abs=COST_BOUND)

    moved, costs = parameters.copy(), np.empty(1)
    native.descend(moved, examples, order, rows, rate, penalty=penalty, masks=flat, costs=costs)
    objective.descend(theta, rate)
    assert distance(native.unpack(moved), theta) < STEP_BOUND
    assert costs[0] == cost + native.penalty(parameters, penalty)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
def test_every_kind_of_network(kind: Kind, density: float) -> None:
    for index, sizes in enumerate(SIZES):
        problem = Problem(sizes, kind, density, seed=index)
        assert problem.examples.is_sparse == (density < 1)
        for penalty in PENALTIES:
            for dropout in (False, True):
                check_batch(problem, 10, penalty, dropout=dropout)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 12, 13, 63, 64, 65, 200, 1000])
@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("sizes", [(30, 30, 10), (50, 70, 33, 10)], ids=str)
def test_every_size_of_batch(rows: int, density: float, sizes: tuple[int, ...]) -> None:
    problem = Problem(sizes, KINDS[0], density, count=1000)
    for penalty in PENALTIES:
        check_batch(problem, rows, penalty, dropout=True)


@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("rows", [1025, 2500])
def test_batches_larger_than_the_workspace(rows: int, density: float) -> None:
    problem = Problem((40, 80, 10), Kind("tanh", "softmax", "log-likelihood"), density, count=2500)
    for penalty in PENALTIES:
        check_batch(problem, rows, penalty, dropout=True)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 90), min_size=2, max_size=5).map(tuple),
    kind=st.builds(
        lambda activation, pair: Kind(activation, *pair),
        st.sampled_from(ACTIVATIONS),
        st.sampled_from(PAIRS),
    ),
    density=st.floats(0.0, 1.0),
    rows=st.integers(1, 150),
    penalty=st.sampled_from(PENALTIES),
    dropout=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_any_problem(
    sizes: tuple[int, ...],
    kind: Kind,
    density: float,
    rows: int,
    penalty: NativePenalty,
    dropout: bool,  # noqa: FBT001 - hypothesis passes by name
    seed: int,
) -> None:
    problem = Problem(sizes, kind, density, seed=seed)
    check_batch(problem, rows, penalty, dropout=dropout, rate=0.1)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
def test_evaluation_agrees_with_numpys(kind: Kind, density: float) -> None:
    problem = Problem((37, 17, 10), kind, density, count=1100)
    feed = Feed(Split(problem.features, problem.labels), SCALE, problem.network, np.float32)
    propagations = Propagations(problem.network, np.float32)
    outputs = evaluation.outputs(problem.theta, feed, propagations)
    actual = problem.native.outputs(problem.parameters, problem.examples)
    np.testing.assert_allclose(actual, outputs, rtol=OUTPUT_BOUND, atol=OUTPUT_BOUND)
    cost, predicted = problem.native.evaluate(problem.parameters, problem.examples)
    np.testing.assert_array_equal(predicted, actual.argmax(axis=1))
    order = np.arange(1100)
    expected = problem.objective(order).value(problem.theta.astype(np.float64))
    assert cost / 1100 == pytest.approx(expected, rel=COST_BOUND, abs=COST_BOUND)
    assert cost == problem.native.cost(problem.parameters, problem.examples, order)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.uint16], ids=str)
@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
def test_features_of_every_type_are_scaled_as_the_feed_does(dtype: type, density: float) -> None:
    problem = Problem((12, 3), density=density, dtype=dtype)
    features = problem.features
    feed = Feed(Split(features, problem.labels), SCALE, problem.network, np.float32)
    inputs = next(iter(feed.batches(np.arange(200), 200))).inputs[:, :-1]
    scaled = NativeExamples(inputs, 1.0, problem.labels, 1.0 if density < 1 else 0.0)
    np.testing.assert_array_equal(
        problem.native.outputs(problem.parameters, problem.examples),
        problem.native.outputs(problem.parameters, scaled),
    )


def test_the_gradient_is_the_slope_of_the_cost() -> None:
    """Central differences of the kernels' own cost, whose sum is in float64."""
    problem = Problem((9, 6, 4), Kind("tanh", "softmax", "log-likelihood"))
    native, order, width = problem.native, problem.order(50), 2.0**-7
    gradient = np.empty_like(problem.parameters)
    native.gradient(problem.parameters, problem.examples, order, gradient)
    slopes = []
    for index in range(problem.theta.size):
        costs = []
        for sign in (1, -1):
            theta = problem.theta.copy()
            theta[index] += sign * width
            costs.append(native.cost(native.pack(theta), problem.examples, order) / len(order))
        slopes.append((costs[0] - costs[1]) / (2 * width))
    np.testing.assert_allclose(native.unpack(gradient), slopes, atol=2e-5)


@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_many_steps_agree_with_numpys(density: float, penalty: NativePenalty) -> None:
    """205 examples by 10: the last step has 5."""
    problem = Problem((37, 17, 10), density=density, count=205)
    order = problem.rng.permutation(205)
    steps = np.split(order, range(10, 205, 10))
    masks = [problem.masks() for _ in steps]
    theta, costs = problem.theta.astype(np.float64), np.empty(len(steps))
    expected = []
    for step, step_masks in zip(steps, masks, strict=True):
        objective = problem.objective(step, step_masks, penalty)
        expected.append(objective.value(theta))
        objective.descend(theta, 0.5)
    problem.native.descend(
        problem.parameters,
        problem.examples,
        order,
        10,
        0.5,
        penalty=penalty,
        masks=np.array([np.concatenate(row) for row in masks]),
        costs=costs,
    )
    assert distance(problem.native.unpack(problem.parameters), theta) < 10 * STEP_BOUND
    np.testing.assert_allclose(costs, expected, rtol=10 * COST_BOUND)


@pytest.mark.parametrize("strength", [0.5, 1.0, 1.5, 3.0])
def test_a_weight_decay_of_any_strength(strength: float) -> None:
    """A factor of 0 or below cannot be postponed: its inverse would scale the gradient."""
    problem = Problem((37, 17, 10))
    penalty = NativePenalty("l2", strength)
    theta, order = problem.theta.astype(np.float64), problem.order(40)
    for step in np.split(order, 4):
        problem.objective(step, None, penalty).descend(theta, 1.0)
    problem.native.descend(problem.parameters, problem.examples, order, 10, 1.0, penalty=penalty)
    assert distance(problem.native.unpack(problem.parameters), theta) < 10 * STEP_BOUND


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_packing_keeps_every_parameter(sizes: tuple[int, ...]) -> None:
    problem = Problem(sizes)
    np.testing.assert_array_equal(problem.native.unpack(problem.parameters), problem.theta)


def test_the_layout_has_a_row_for_each_input_and_one_for_biases() -> None:
    """Neurons 1 and 2 have weights 3, 4 and 6, 7, and biases 5 and 8."""
    problem = Problem((2, 2))
    parameters = problem.native.pack(np.array([3, 4, 5, 6, 7, 8], np.float32)).reshape(3, 16)
    np.testing.assert_array_equal(parameters[:, :2], [[3, 6], [4, 7], [5, 8]])
    assert not parameters[:, 2:].any()


@pytest.mark.parametrize("rows", [1, 10])
def test_padding_stays_zero(rows: int) -> None:
    """With two hidden layers, buffers of one layer's padding hold numbers of another's."""
    problem = Problem((37, 33, 17, 10), count=300)
    penalty = NativePenalty("l2", 1e-2)
    problem.native.descend(
        problem.parameters, problem.examples, problem.order(300), rows, 0.5, penalty=penalty
    )
    repacked = problem.native.pack(problem.native.unpack(problem.parameters))
    np.testing.assert_array_equal(problem.parameters, repacked)
