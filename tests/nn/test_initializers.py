"""Initial weights: their distributions against the papers' formulas, and the seeds behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.nn.initializers import (
    BIAS_INITIALIZERS,
    INITIALIZERS,
    BiasInitializerName,
    InitializerName,
)
from nnexp.nn.network import Network

if TYPE_CHECKING:
    from nnexp.nn.arrays import Array

FAN_IN, FAN_OUT = 400, 150
NORMAL_KURTOSIS, UNIFORM_KURTOSIS = 3.0, 1.8

VARIANCES: dict[InitializerName, float] = {
    "standard-normal": 1,
    "lecun-normal": 1 / 400,
    "glorot-normal": 2 / 550,
    "glorot-uniform": 2 / 550,
    "he-normal": 2 / 400,
    "he-uniform": 2 / 400,
    "zeros": 0,
}
BIAS_VARIANCES: dict[BiasInitializerName, float] = {"standard-normal": 1, "zeros": 0}


def moments(values: Array) -> tuple[float, float, float]:
    """Return mean, variance and kurtosis."""
    mean = float(values.mean())
    central = values - mean
    variance = float((central**2).mean())
    return mean, variance, float((central**4).mean()) / variance**2


@pytest.mark.parametrize("name", [name for name in INITIALIZERS if name != "zeros"])
def test_weights_have_the_formula_s_distribution(name: InitializerName) -> None:
    weights = INITIALIZERS[name](np.random.default_rng(11), FAN_IN, FAN_OUT)
    assert weights.shape == (FAN_IN, FAN_OUT)
    mean, variance, kurtosis = moments(weights)
    expected = VARIANCES[name]
    shape = UNIFORM_KURTOSIS if name.endswith("uniform") else NORMAL_KURTOSIS
    # Four standard errors of 60,000 draws: √(variance/N), √((kurtosis - 1)/N) relative; a
    # normal sample's kurtosis has √(24/N) = 0.02, a uniform one's is narrower.
    assert abs(mean) < 4 * np.sqrt(expected / weights.size)
    assert variance == pytest.approx(expected, rel=4 * np.sqrt((shape - 1) / weights.size))
    assert kurtosis == pytest.approx(shape, abs=0.08)


@pytest.mark.parametrize(
    ("name", "bound"), [("glorot-uniform", np.sqrt(6 / 550)), ("he-uniform", np.sqrt(6 / 400))]
)
def test_uniform_weights_fill_their_bounds(name: InitializerName, bound: float) -> None:
    weights = INITIALIZERS[name](np.random.default_rng(11), FAN_IN, FAN_OUT)
    assert weights.min() == pytest.approx(-bound, rel=1e-3)
    assert weights.max() == pytest.approx(bound, rel=1e-3)
    assert np.abs(weights).max() <= bound


def test_every_initializer_has_its_variance_tested() -> None:
    assert set(VARIANCES) == set(INITIALIZERS)
    assert set(BIAS_VARIANCES) == set(BIAS_INITIALIZERS)


@pytest.mark.parametrize("name", BIAS_INITIALIZERS)
def test_biases_have_a_variance_that_no_fan_changes(name: BiasInitializerName) -> None:
    network = Network((2, 20_000, 2))
    theta = network.initial(
        np.random.default_rng(11), INITIALIZERS["zeros"], BIAS_INITIALIZERS[name], "float64"
    )
    biases = network.biases(theta)[0]
    assert biases.shape == (20_000,)
    assert biases.mean() == pytest.approx(0, abs=4 / np.sqrt(20_000))
    assert biases.var() == pytest.approx(BIAS_VARIANCES[name], rel=4 * np.sqrt(2 / 20_000))
    assert not any(weights.any() for weights in network.weights(theta))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_each_layer_is_scaled_by_its_own_fans(name: InitializerName) -> None:
    network = Network((900, 100, 400, 10))
    theta = network.initial(
        np.random.default_rng(5), INITIALIZERS[name], BIAS_INITIALIZERS["zeros"], "float64"
    )
    drawn = INITIALIZERS[name]
    rng = np.random.default_rng(5)
    for weights, shape in zip(
        network.weights(theta), [(900, 100), (100, 400), (400, 10)], strict=True
    ):
        assert weights.shape == shape
        np.testing.assert_array_equal(weights, drawn(rng, *shape))
    assert not any(biases.any() for biases in network.biases(theta))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_draws_do_not_depend_on_the_precision(name: InitializerName) -> None:
    network = Network((7, 5, 3))
    narrow, wide = (
        network.initial(
            np.random.default_rng(2),
            INITIALIZERS[name],
            BIAS_INITIALIZERS["standard-normal"],
            dtype,
        )
        for dtype in ("float32", "float64")
    )
    assert narrow.dtype == np.float32
    assert wide.dtype == np.float64
    np.testing.assert_array_equal(narrow, wide.astype("float32"))
