"""NaN, infinity and subnormal numbers go through the kernels as through NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.native.problems import KINDS, SCALE, Kind, NativeExamples, Problem

TINY = float(np.finfo(np.float32).smallest_subnormal)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_parameter_that_is_not_finite_is_not_lost(
    kind: Kind, density: float, value: float
) -> None:
    """Training finds out that it diverged: some parameter is not finite after the step."""
    problem = Problem((37, 17, 10), kind, density)
    problem.theta[5] = value
    parameters = problem.native.pack(problem.theta)
    problem.native.descend(parameters, problem.examples, problem.order(20), 10, 0.1)
    assert not np.isfinite(problem.native.unpack(parameters)).all()


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_nan_in_an_output_neuron_is_in_cost_and_prediction(kind: Kind) -> None:
    problem = Problem((37, 17, 10), kind)
    problem.network.biases(problem.theta)[-1][3] = np.nan
    parameters = problem.native.pack(problem.theta)
    cost, predicted = problem.native.evaluate(parameters, problem.examples)
    outputs = problem.native.outputs(parameters, problem.examples)
    assert np.isnan(cost)
    assert np.isnan(outputs[:, 3]).all()
    np.testing.assert_array_equal(predicted, outputs.argmax(axis=1))


def test_the_class_is_the_first_on_a_tie_and_the_first_nan() -> None:
    """Linear outputs are the biases, since all inputs are 0."""
    problem = Problem((4, 6), Kind("relu", "linear", "quadratic"), count=1)
    examples = NativeExamples(np.zeros((1, 4), np.uint8), 1.0, np.zeros(1, np.int64))
    for biases in (
        [1, 2, 2, 0, 2, 1],
        [0, 0, 0, 0, 0, 0],
        [-0.0, 0.0, -0.0, 0.0, 0, 0],
        [1, np.nan, 5, np.nan, 9, np.inf],
        [np.nan, 9, 9, 9, 9, 9],
        [0, 1, 2, 3, 4, np.nan],
        [-np.inf, -np.inf, -np.inf, -np.inf, -1, -np.inf],
    ):
        problem.network.biases(problem.theta)[0][:] = biases
        parameters = problem.native.pack(problem.theta)
        predicted = problem.native.evaluate(parameters, examples)[1]
        assert predicted[0] == np.argmax(np.array(biases, np.float32))


@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_reach_the_outputs(density: float, value: float) -> None:
    problem = Problem((37, 10), density=density, dtype=np.float32)
    problem.features[7, 3] = value
    examples = NativeExamples(problem.features, SCALE, problem.labels)
    outputs = problem.native.outputs(problem.parameters, examples)
    logits = problem.theta.reshape(10, 38)[:, 3] * np.float32(value)
    expected = np.where(np.isnan(logits), np.nan, logits > 0)
    np.testing.assert_allclose(outputs[7], expected, atol=1e-30)
    assert np.isfinite(np.delete(outputs, 7, axis=0)).all()


@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
def test_subnormal_numbers_are_not_flushed_to_zero(density: float) -> None:
    """A linear network without biases whose weights are k times the smallest float."""
    problem = Problem((8, 5), Kind("relu", "linear", "quadratic"), density, dtype=np.float32)
    examples = NativeExamples(np.sign(problem.features), 1.0, problem.labels)
    layer = problem.network.layers(problem.theta)[0]
    layer[:] = 0
    layer[:, :-1] = np.arange(40).reshape(5, 8) * TINY
    outputs = problem.native.outputs(problem.native.pack(problem.theta), examples)
    exact = np.sign(problem.features).astype(np.float64) @ layer[:, :-1].T.astype(np.float64)
    np.testing.assert_array_equal(outputs, exact)
    assert (outputs > 0).any()


def test_a_step_leaves_subnormal_weights_as_they_are() -> None:
    problem = Problem((8, 5))
    examples = NativeExamples(np.zeros((4, 8), np.uint8), 1.0, np.zeros(4, np.int64))
    weights = problem.network.weights(problem.theta)[0]
    weights[:] = TINY
    parameters = problem.native.pack(problem.theta)
    problem.native.descend(parameters, examples, np.arange(4), 2, 0.1)
    theta = problem.native.unpack(parameters)
    np.testing.assert_array_equal(problem.network.weights(theta)[0], weights)
