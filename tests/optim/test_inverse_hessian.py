"""Estimates of the inverse Hessian keep its scales, and Hessian-free's model is the cost's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.optim import inverse_hessian
from nnexp.optim.conjugate_gradient import ConjugateGradient
from nnexp.optim.hessian_free import HessianFree
from nnexp.optim.inverse_hessian import update_diagonal
from nnexp.optim.quasi_newton import Bfgs, LBfgs

if TYPE_CHECKING:
    from nnexp.nn.arrays import Array


@given(seed=st.integers(0, 1000), exponent=st.integers(-20, 20))
def test_the_diagonal_scales_with_the_parameters(seed: int, exponent: int) -> None:
    """With theta in other units, s becomes u s and y becomes y / u; D is then u² D."""
    rng = np.random.default_rng(seed)
    step, diagonal = rng.standard_normal(5), rng.uniform(0.5, 2.0, 5)
    change = step * rng.uniform(0.1, 10.0, 5)
    units = np.array([1.0, 1.0, 2.0**exponent, 1.0, 2.0**-exponent])
    scaled = diagonal * units**2
    update_diagonal(diagonal, step, change, is_first=False)
    update_diagonal(scaled, step * units, change / units, is_first=False)
    np.testing.assert_allclose(scaled, diagonal * units**2, rtol=1e-9)


def test_only_the_first_pair_leaves_the_ratios_of_the_diagonal() -> None:
    # s · y / (y · y) = (1 + 8) / (1 + 16).
    first, later = np.ones(2), np.ones(2)
    step, change = np.array([1.0, 2.0]), np.array([1.0, 2.0]) * np.array([1.0, 2.0])
    update_diagonal(first, step, change, is_first=True)
    update_diagonal(later, step, change, is_first=False)
    np.testing.assert_allclose(first, 9 / 17, rtol=1e-14)
    # D⁻¹ = 17/9 + (1, 16)/9 - 17/9 (1, 4)/5 = (18 - 3.4, 33 - 13.6) / 9.
    np.testing.assert_allclose(later, [9 / 14.6, 9 / 19.4], rtol=1e-14)


def test_the_diagonal_of_a_diagonal_hessian_is_found() -> None:
    curvatures = np.geomspace(1e-4, 1e4, 6)
    diagonal, rng = np.ones(6), np.random.default_rng(0)
    for pair in range(60):
        step = rng.standard_normal(6) * np.sqrt(diagonal)
        update_diagonal(diagonal, step, curvatures * step, is_first=pair == 0)
    np.testing.assert_allclose(np.log10(diagonal), -np.log10(curvatures), atol=0.5)


def test_the_diagonal_stays_bounded_after_a_step_along_one_parameter() -> None:
    # D is first (2, 3) · 1e-9 / 3. D⁻¹ - (D⁻¹ s)² / (s · D⁻¹ s) is then 0 along the step but
    # for rounding, and y² / (s · y) only 1e-9: D would grow by a factor of 1e18.
    diagonal = np.array([2.0, 3.0])
    update_diagonal(diagonal, np.array([1.0, 0.0]), np.array([1e-9, 1.0]), is_first=False)
    assert 0 < diagonal[0] <= 1e8 * 2e-9 / 3 * (1 + 1e-6)
    assert diagonal[1] > 0


def test_a_pair_without_curvature_is_not_remembered() -> None:
    slots = inverse_hessian.limited_memory(2, 3)
    inverse_hessian.remember(slots, np.array([1.0, 0.0]), np.array([-1.0, 0.0]))
    inverse_hessian.remember(slots, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(inverse_hessian.product(slots, np.array([3.0, 4.0])), [3.0, 4.0])
    assert slots["remembered"][0] == 0


def test_the_product_maps_the_last_change_to_the_last_step_until_all_is_forgotten() -> None:
    slots, rng = inverse_hessian.limited_memory(6, 2), np.random.default_rng(0)
    for _ in range(5):
        step = rng.standard_normal(6)
        change = step * np.arange(1.0, 7.0)
        inverse_hessian.remember(slots, step, change)
    np.testing.assert_allclose(inverse_hessian.product(slots, change), step, rtol=1e-10)
    inverse_hessian.forget(slots)
    np.testing.assert_array_equal(inverse_hessian.product(slots, change), change)


class Valley:
    """Half of theta · H theta with curvatures from 1 to 1000; counts the products."""

    curvatures = np.geomspace(1.0, 1000.0, 8)
    products = 0

    def value(self, theta: Array) -> float:
        return 0.5 * float(theta @ (self.curvatures * theta))

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        return scale * self.curvatures * theta

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        del theta, gauss_newton
        self.products += 1
        return self.curvatures * v

    def input_scales(self, theta: Array) -> Array:
        return np.ones_like(theta)

    def rough_curvatures(self, theta: Array) -> Array:
        return np.ones_like(theta)


@pytest.mark.parametrize("learning_rate", [1.0, 0.5])
def test_hessian_free_predicts_the_decrease_of_a_parabola(learning_rate: float) -> None:
    valley, theta, optimizer = Valley(), np.ones(8), HessianFree()
    slots = optimizer.start(theta)
    for _ in range(10):
        before = valley.value(theta)
        measures = optimizer.step(theta, valley, slots, learning_rate)
        assert measures["predicted_decrease"] == pytest.approx(measures["actual_decrease"])
        assert measures["actual_decrease"] == pytest.approx(before - valley.value(theta))
    assert slots["damping"][0] == pytest.approx(0.1 / 3**10)  # every prediction was accurate


def test_hessian_free_needs_fewer_products_with_those_of_its_last_steps() -> None:
    def products(*, forget: bool) -> int:
        valley, theta, optimizer = Valley(), np.ones(8), HessianFree()
        slots = optimizer.start(theta)
        while np.linalg.norm(valley.gradient(theta)) > 1e-6:
            optimizer.step(theta, valley, slots, 1.0)
            if forget:
                inverse_hessian.forget(slots)
        return valley.products

    assert 2 * products(forget=False) < products(forget=True)


class Rising(Valley):
    """Has guesses of its curvatures; notes where it was asked for its value."""

    def __init__(self) -> None:
        self.asked: list[Array] = []

    def value(self, theta: Array) -> float:
        self.asked.append(theta.copy())
        return super().value(theta)

    def rough_curvatures(self, theta: Array) -> Array:
        del theta
        return 16.0 * self.curvatures


@pytest.mark.parametrize("optimizer", [ConjugateGradient(), Bfgs(), LBfgs()])
@pytest.mark.parametrize(("height", "is_cut"), [(1e-3, False), (10.0, True)])
def test_the_first_trial_is_no_longer_than_1(
    optimizer: ConjugateGradient | Bfgs | LBfgs,
    height: float,
    is_cut: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    objective, theta = Rising(), np.full(8, height)
    start = theta.copy()
    optimizer.step(theta, objective, optimizer.start(theta), None)
    trial = next(point for point in objective.asked if (point != start).any()) - start
    inverse = 4 * np.sqrt(objective.curvatures)  # D⁻¹
    whole = -objective.curvatures * start / inverse
    norm = float(np.sqrt(whole @ (inverse * whole)))
    assert (norm > 1) == is_cut
    np.testing.assert_allclose(trial, whole / max(norm, 1.0))
