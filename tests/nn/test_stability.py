"""Costs and outputs of extreme logits are finite and equal SciPy's, in both precisions."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from nnexp.nn.activations import ACTIVATIONS, ActivationName
from nnexp.nn.costs import COSTS, CostName
from nnexp.nn.outputs import OUTPUTS, OutputName, softmax

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnexp.nn.arrays import Array

LOGITS = [-1e4, -90.0, -17.0, -1.0, 0.0, 1e-3, 1.0, 17.0, 90.0, 1e4]
PAIRS = [(output, cost) for cost, outputs in COSTS.items() for output in outputs]


def identity(z: Array) -> Array:
    return z


def softmax_oracle(z: Array) -> Array:
    return np.asarray(special.softmax(z, axis=1))


def sigmoid_oracle(z: Array) -> Array:
    return np.asarray(special.expit(z))


def relu_oracle(z: Array) -> Array:
    return np.where(z > 0, z, 0.0)


OUTPUT_ORACLES: dict[OutputName, Callable[[Array], Array]] = {
    "sigmoid": sigmoid_oracle,
    "softmax": softmax_oracle,
    "tanh": np.tanh,
    "linear": identity,
}
ACTIVATION_ORACLES: dict[ActivationName, Callable[[Array], Array]] = {
    "sigmoid": sigmoid_oracle,
    "tanh": np.tanh,
    "relu": relu_oracle,
}


def bernoulli(z: Array, y: Array, _: OutputName) -> Array:
    return np.asarray(-(y * special.log_expit(z) + (1 - y) * special.log_expit(-z)).sum(axis=1))


def categorical(z: Array, y: Array, _: OutputName) -> Array:
    return np.asarray(-(y * special.log_softmax(z, axis=1)).sum(axis=1))


def half_squares(z: Array, y: Array, output: OutputName) -> Array:
    return np.asarray(((OUTPUT_ORACLES[output](z) - y) ** 2).sum(axis=1) / 2)


COST_ORACLES: dict[CostName, Callable[[Array, Array, OutputName], Array]] = {
    "cross-entropy": bernoulli,
    "log-likelihood": categorical,
    "quadratic": half_squares,
}


def every_row(dtype: str) -> Array:
    """Return all triples of the logits, a row each."""
    return np.array(list(product(LOGITS, repeat=3)), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_of_extreme_logits(name: OutputName, dtype: str) -> None:
    z = every_row(dtype)
    a = np.empty_like(z)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        OUTPUTS[name].apply(z, a)
    rounding = 4 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(a, OUTPUT_ORACLES[name](z.astype("float64")), rounding, rounding)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_extreme_logits(name: ActivationName, dtype: str) -> None:
    z = every_row(dtype)
    a, slope = np.empty_like(z), np.empty_like(z)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        ACTIVATIONS[name].apply(z, a)
        ACTIVATIONS[name].slope(a, slope)
    rounding = 4 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(a, ACTIVATION_ORACLES[name](z.astype("float64")), rounding, rounding)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "cost"), PAIRS)
def test_costs_of_extreme_logits(output: OutputName, cost: CostName, dtype: str) -> None:
    z = every_row(dtype)
    a, delta = np.empty_like(z), np.empty_like(z)
    other, own = OUTPUTS[output].targets
    rounding = 8 * float(np.finfo(dtype).eps)
    for label in range(3):
        y = np.full_like(z, other)
        y[:, label] = own
        wide = z.astype("float64"), y.astype("float64")
        expected = COST_ORACLES[cost](*wide, output)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            OUTPUTS[output].apply(z, a)
            got = [COSTS[cost][output].total(z[[i]], a[[i]], y[[i]]) for i in range(len(z))]
            COSTS[cost][output].delta(a, y, delta)
        np.testing.assert_allclose(got, expected, rounding, rounding)
        assert np.isfinite(delta).all()


@pytest.mark.parametrize(("output", "cost"), PAIRS)
def test_costs_are_summed_in_double_precision(output: OutputName, cost: CostName) -> None:
    """A sum of float32 costs that is itself float32 would be off in the eighth digit."""
    z = np.random.default_rng(0).normal(0, 3, (2000, 3)).astype("float32")
    a, y = np.empty_like(z), np.zeros_like(z)
    OUTPUTS[output].apply(z, a)
    y[:, 1] = 1
    total = COSTS[cost][output].total
    each = [total(z[i : i + 1], a[i : i + 1], y[i : i + 1]) for i in range(len(z))]
    assert total(z, a, y) == pytest.approx(math.fsum(each), rel=1e-12)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3),
    st.floats(-1e3, 1e3),
)
def test_softmax_ignores_a_shift_and_sums_to_one(logits: list[float], shift: float) -> None:
    z = np.array([logits])
    a, shifted = np.empty_like(z), np.empty_like(z)
    softmax(z, a)
    softmax(z + shift, shifted)
    np.testing.assert_allclose(shifted, a, rtol=1e-11, atol=1e-300)
    assert a.sum() == pytest.approx(1, rel=1e-15)
