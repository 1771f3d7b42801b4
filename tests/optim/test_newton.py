"""Newton's trust region: known answers, SciPy as oracle, units of features, saddle points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.optimize import minimize as scipys_minimize

from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.optim.convergence import negative_curvature
from nnexp.optim.newton import FIRST_RADIUS, Newton, hessian, minimize
from nnexp.optim.objective import CachedObjective

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnexp.nn.arrays import Array


class Quadratic:
    """Half of thetaᵀ H theta, with inputs of any scale."""

    def __init__(self, matrix: Array, scales: Array | None = None) -> None:
        self._matrix = matrix
        self._scales = np.ones(len(matrix)) if scales is None else scales

    def value(self, theta: Array) -> float:
        return 0.5 * float(theta @ self._matrix @ theta)

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        gradient: Array = scale * self._matrix @ theta
        return gradient

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        del theta, gauss_newton
        product: Array = v @ self._matrix
        return product

    def input_scales(self, theta: Array) -> Array:
        del theta
        return self._scales

    def rough_curvatures(self, theta: Array) -> Array:
        return np.ones_like(theta)


def batch(
    inputs: Array,
    labels: npt.NDArray[np.int64],
    hidden: tuple[int, ...] = (),
    strength: float = 0.0,
    kind: type[BatchObjective] = BatchObjective,
) -> BatchObjective:
    """Return the cost of a network with these hidden layers on the examples."""
    network = Network((inputs.shape[1], *hidden, int(labels.max()) + 1))
    objective = kind(network, Penalty(network, "l2", strength, np.float64), np.float64)
    extended = np.hstack([inputs, np.ones((len(inputs), 1))])
    targets = network.targets(labels, np.float64)
    objective.use(len(inputs), [(extended, targets)].__iter__)
    return objective


def problem(seed: int, features: int = 5) -> tuple[Array, npt.NDArray[np.int64], Array]:
    """Return inputs, labels of three noisy classes, and a factor for each feature's unit."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((120, features))
    scores = inputs @ rng.standard_normal((features, 3)) + rng.standard_normal((120, 3))
    units = np.exp(rng.uniform(np.log(1e-3), np.log(1e3), features))
    return inputs, scores.argmax(axis=1), units


def descend(
    objective: Any,  # noqa: ANN401 - an objective
    theta: Array,
    steps: int,
) -> list[float]:
    """Return the costs after each of Newton's steps, until it converges."""
    optimizer, costs = Newton(), []
    slots = optimizer.start(theta)
    for _ in range(steps):
        norm = optimizer.step(theta, objective, slots, 1.0)["gradient_norm"]
        costs.append(objective.value(theta))
        if norm < optimizer.tolerance:
            break
    return costs


def scipys(
    value: Callable[[Array], float],
    gradient: Callable[[Array], Array],
    matrix: Callable[[Array], Array],
    start: Array,
    steps: int,
) -> float:
    """Return the lowest cost that scipy's trust-region method finds."""
    options: Any = {"gtol": 1e-8, "maxiter": steps}
    anything: Any = scipys_minimize
    found = anything(value, start, jac=gradient, hess=matrix, method="trust-exact", options=options)
    return float(found.fun)


# The subproblem


def test_a_step_that_is_short_enough_is_newton_s() -> None:
    x, damping = minimize(np.array([1.0, 4.0]), np.array([3.0, -8.0]), radius=4.0)
    np.testing.assert_array_equal(x, [-3.0, 2.0])
    assert damping == 0


def test_a_longer_one_ends_at_the_radius() -> None:
    # With damping 1: x = (-6 / 2, 20 / 5) = (-3, 4), of length 5.
    x, damping = minimize(np.array([1.0, 4.0]), np.array([6.0, -20.0]), radius=5.0)
    np.testing.assert_allclose(x, [-3.0, 4.0], rtol=1e-5)
    assert damping == pytest.approx(1.0, rel=1e-5)


def test_in_the_hard_case_the_rest_is_along_the_lowest_curvature() -> None:
    # At damping 1, x = (anything, -3 / (2 + 1)): its length is 2 if the first is the root of 3.
    x, damping = minimize(np.array([-1.0, 2.0]), np.array([0.0, 3.0]), radius=2.0)
    np.testing.assert_allclose(np.abs(x), [3**0.5, 1.0], rtol=1e-12)
    assert damping == pytest.approx(1.0)


numbers = st.floats(-100, 100, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-6)
tiny = st.builds(lambda x, exponent: x * 10.0**-exponent, numbers, st.integers(0, 12))


@given(
    arrays.arrays(np.float64, 4, elements=numbers.filter(bool)),
    arrays.arrays(np.float64, 4, elements=tiny),
    st.floats(1e-3, 1e3),
)
def test_a_solution_meets_the_conditions_of_more_and_sorensen(
    curvatures: Array, slopes: Array, radius: float
) -> None:
    curvatures = np.sort(curvatures)
    x, damping = minimize(curvatures, slopes, radius)
    length, shifted = float(np.linalg.norm(x)), curvatures + damping
    assert length <= radius * (1 + 1.01e-6)
    assert damping >= 0
    assert shifted[0] >= -1e-12 * np.abs(curvatures).max()
    assert damping == 0 or length == pytest.approx(radius, rel=1.01e-6)
    scale = np.abs(slopes).max() + np.abs(curvatures).max() * length
    np.testing.assert_allclose(shifted * x + slopes, 0, atol=1e-9 * scale)


def test_near_the_hard_case_a_step_is_as_long_as_the_radius() -> None:
    rng = np.random.default_rng(0)
    for _ in range(4000):
        curvatures = np.sort(rng.standard_normal(6))
        slopes = rng.standard_normal(6) * 10.0 ** rng.uniform(-16, 0, 6)
        radius = 10.0 ** rng.uniform(-2, 2)
        x, damping = minimize(curvatures, slopes, radius)
        assert damping == 0 or np.linalg.norm(x) == pytest.approx(radius, rel=1.01e-6)


# Steps


def test_a_quadratic_cost_of_any_condition_takes_one_step() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    objective = Quadratic(basis @ np.diag(np.geomspace(1e-3, 1e3, 6)) @ basis.T)
    theta = 100 * rng.standard_normal(6)
    before = objective.value(theta)
    assert descend(objective, theta, steps=1)[0] < 1e-18 * before


@pytest.mark.parametrize("seed", range(5))
def test_features_of_any_units_end_at_the_minimum_within_60_steps(seed: int) -> None:
    inputs, labels, units = problem(seed)
    objective = batch(inputs * units, labels, strength=1e-3)
    theta = np.random.default_rng(seed).standard_normal(3 * (inputs.shape[1] + 1))
    # The oracle works with weights in units of its own, in which the problem is well scaled.
    unit = np.tile(np.append(1 / units, 1.0), 3)
    found = scipys(
        lambda x: objective.value(x * unit),
        lambda x: objective.gradient(x * unit) * unit,
        lambda x: hessian(x * unit, objective) * np.outer(unit, unit),
        np.zeros_like(theta),
        steps=500,
    )
    costs = descend(objective, theta, steps=60)
    assert costs[-1] == pytest.approx(found, abs=1e-6)


def test_units_that_are_powers_of_2_change_no_cost_on_the_way() -> None:
    inputs, labels, _ = problem(1)
    units = 2.0 ** np.array([-8, 3, 0, 10, -1])
    theta = np.random.default_rng(1).standard_normal(4 * 6 + 3 * 5)
    scaled = theta.copy()
    scaled[:24].reshape(4, 6)[:, :5] /= units
    costs = descend(batch(inputs, labels, (4,)), theta, steps=8)
    again = descend(batch(inputs * units, labels, (4,)), scaled, steps=8)
    np.testing.assert_allclose(again, costs, rtol=1e-9)
    assert costs[-1] < costs[0]


def test_in_ten_steps_it_is_below_scipy_s_trust_region_where_units_differ() -> None:
    def is_lower(seed: int) -> bool:
        inputs, labels, units = problem(seed)
        objective = batch(inputs * units, labels, (4,), strength=1e-3)
        start = np.random.default_rng(seed).standard_normal(39)
        found = scipys(
            objective.value,
            lambda x: objective.gradient(x).copy(),
            lambda x: hessian(x, objective),
            start,
            steps=10,
        )
        return descend(objective, start.copy(), steps=10)[-1] < found

    assert sum(map(is_lower, range(5))) >= 4


def test_the_radius_is_carried_from_step_to_step() -> None:
    inputs, labels, _ = problem(3)
    objective, theta = batch(inputs, labels, (4,)), 4 * np.random.default_rng(3).standard_normal(39)
    optimizer = Newton()
    slots = optimizer.start(theta)
    assert slots["radius"][0] == 0
    for _ in range(6):
        before, radius = theta.copy(), float(slots["radius"][0]) or FIRST_RADIUS
        scales = objective.input_scales(theta)
        optimizer.step(theta, objective, slots, 1.0)
        assert np.linalg.norm(scales * (theta - before)) <= radius * (1 + 1e-5)
    assert slots["radius"][0] > FIRST_RADIUS


def test_input_scales_are_root_mean_squares() -> None:
    objective = batch(np.array([[3.0, 0.0], [4.0, 0.0]]), np.array([0, 1]), (1,))
    theta = np.zeros(3 + 2 * 2)  # the hidden neuron's output is 1/2
    expected = [12.5**0.5, 1, 1, 0.5, 1, 0.5, 1]
    np.testing.assert_allclose(objective.input_scales(theta), expected)


def test_rough_curvatures_are_a_quarter_of_the_mean_squares_and_the_penalty_s() -> None:
    objective = batch(np.array([[3.0, 0.0], [4.0, 0.0]]), np.array([0, 1]), (1,), strength=0.5)
    expected = [3.125 + 0.5, 0.25 + 0.5, 0.25, 0.0625 + 0.5, 0.25, 0.0625 + 0.5, 0.25]
    np.testing.assert_allclose(objective.rough_curvatures(np.zeros(7)), expected)


def test_without_finite_derivatives_it_stays() -> None:
    objective, theta = Quadratic(np.full((2, 2), np.nan)), np.ones(2)
    said = Newton().step(theta, objective, Newton().start(theta), 1.0)
    np.testing.assert_array_equal(theta, 1.0)
    assert said["step_norm"] == 0


# Saddle points


def test_it_leaves_a_saddle_point_without_a_slope() -> None:
    objective, theta = Quadratic(np.diag([1.0, -2.0])), np.zeros(2)
    said = Newton().step(theta, objective, Newton().start(theta), 1.0)
    np.testing.assert_allclose(np.abs(theta), [0.0, FIRST_RADIUS], atol=1e-12)
    assert said["actual_decrease"] == pytest.approx(FIRST_RADIUS**2)
    assert said["damping"] == pytest.approx(2.0)


@pytest.mark.parametrize("size", [2, 7, 80])
def test_negative_curvature_is_found(size: int) -> None:
    basis = np.linalg.qr(np.random.default_rng(4).standard_normal((size, size)))[0]
    curvatures = np.append(-0.5, np.linspace(1, 30, size - 1))
    objective = Quadratic(basis @ np.diag(curvatures) @ basis.T)
    found = negative_curvature(np.zeros(size), objective, 1e-8)
    assert found["negative_curvature"] == pytest.approx(-0.5, rel=1e-6)


@pytest.mark.parametrize(
    "curvatures", [[1.0, 2.0, 3.0], [0.0, 0.0, 1e6], [0.0, 0.0, 0.0], [-1e-5, 1.0, 2.0], [5.0]]
)
def test_a_minimum_is_no_saddle_point(curvatures: list[float]) -> None:
    size = len(curvatures)
    basis = np.linalg.qr(np.random.default_rng(5).standard_normal((size, size)))[0]
    objective = Quadratic(basis @ np.diag(curvatures) @ basis.T)
    assert negative_curvature(np.zeros(size), objective, 1e-8) == {}


# Evaluations


def test_a_point_counts_once_and_a_product_for_each_vector() -> None:
    objective = CachedObjective(Quadratic(np.eye(2)))
    a, b, c = np.zeros(2), np.ones(2), np.full(2, 2.0)
    objective.begin(a)
    for point in (a, b, b, a, c):
        objective.value(point)
        objective.gradient(point)
    assert objective.evaluations == 2  # b and c; the last step has counted a
    objective.hessian_product(c, b)
    objective.hessian_product(c, np.ones((5, 2)))
    assert objective.evaluations == 2 + 1 + 5
    objective.begin(c)
    objective.gradient(c)
    objective.gradient(b)
    assert objective.evaluations == 2 + 1 + 5 + 1


def test_a_count_is_that_of_the_passes_that_were_made() -> None:
    inputs, labels, _ = problem(6)
    made: list[bytes] = []
    products: list[int] = []

    class Counting(BatchObjective):
        def value(self, theta: Array) -> float:
            made.append(theta.tobytes())
            return super().value(theta)

        def gradient(self, theta: Array, scale: float = 1.0) -> Array:
            made.append(theta.tobytes())
            return super().gradient(theta, scale)

        def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
            products.append(len(np.atleast_2d(v)))
            return super().hessian_product(theta, v, gauss_newton=gauss_newton)

    plain = batch(inputs, labels, (4,), 1e-3, Counting)
    objective, theta = CachedObjective(plain), np.random.default_rng(6).standard_normal(39)
    slots = Newton().start(theta)
    for _ in range(8):
        objective.begin(theta)
        Newton().step(theta, objective, slots, 1.0)
    assert objective.evaluations == len(set(made)) - 1 + sum(products)
    assert sum(products) == 8 * 39
