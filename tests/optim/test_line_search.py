"""The line search meets the Wolfe conditions, saves evaluations, and survives rounding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.optim import line_search
from nnexp.optim.conjugate_gradient import ConjugateGradient
from nnexp.optim.objective import CachedObjective
from nnexp.optim.quasi_newton import Bfgs, LBfgs

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnexp.nn.arrays import Array


class Line:
    """A function of one number, which counts its evaluations at distinct points."""

    def __init__(self, function: Callable[[float], float], slope: Callable[[float], float]) -> None:
        self.function, self.slope = function, slope
        self.values, self.slopes = 0, 0

    def value(self, theta: Array) -> float:
        self.values += 1
        return self.function(float(theta[0]))

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        self.slopes += 1
        return np.array([scale * self.slope(float(theta[0]))])

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        raise NotImplementedError

    def input_scales(self, theta: Array) -> Array:
        raise NotImplementedError

    def rough_curvatures(self, theta: Array) -> Array:
        raise NotImplementedError


def searched(line: Line, guess: float, curvature: float, *, strong: bool = False) -> float | None:
    return line_search.wolfe(
        CachedObjective(line), np.zeros(1), np.ones(1), guess, curvature, strong=strong
    )


def parabola(bottom: float, scale: float = 1.0) -> Line:
    """Return scale (a - bottom)² / 2."""
    return Line(lambda a: scale * (a - bottom) ** 2 / 2, lambda a: scale * (a - bottom))


def wave(a: float) -> float:
    return -a / (a * a + 2)


def wave_slope(a: float) -> float:
    return (a * a - 2) / (a * a + 2) ** 2


@given(
    bottom=st.floats(1e-3, 1e3),
    scale=st.floats(1e-3, 1e3),
    guess=st.floats(1e-4, 1e4),
    curvature=st.sampled_from([0.2, 0.4, 0.9]),
    strong=st.booleans(),
)
def test_a_step_down_a_parabola_meets_the_conditions(
    bottom: float,
    scale: float,
    guess: float,
    curvature: float,
    strong: bool,  # noqa: FBT001 - passed by name
) -> None:
    line = parabola(bottom, scale)
    length = searched(line, guess, curvature, strong=strong)
    assert length is not None
    start, end = line.slope(0.0), line.slope(length)
    assert line.function(length) - line.function(0.0) <= 0.1 * length * start * (1 - 1e-9)
    assert end >= curvature * start
    assert not strong or abs(end) <= -curvature * start


# More and Thuente's function -a / (a² + 2): its minimum is at sqrt(2).
@pytest.mark.parametrize("guess", [1e-3, 1e-1, 1e1, 1e3])
@pytest.mark.parametrize("curvature", [0.11, 0.9])
def test_it_finds_steps_along_the_thuente_s_function(guess: float, curvature: float) -> None:
    line = Line(wave, wave_slope)
    length = searched(line, guess, curvature, strong=True)
    assert length is not None
    assert wave(length) <= 0.1 * length * wave_slope(0.0)
    assert abs(wave_slope(length)) <= -curvature * wave_slope(0.0)
    assert line.values <= 12


def test_a_step_that_is_too_long_costs_no_gradient() -> None:
    # Down (a - 1)² / 2 from 0 with guess 4: the cost rises there, and the parabola through the
    # values and the slope has its minimum at 1.
    line = parabola(1.0)
    assert searched(line, 4.0, 0.9) == pytest.approx(1.0)
    assert (line.values, line.slopes) == (3, 2)  # at 0, 4 and 1; at 0 and 1


def test_the_first_trial_is_kept_if_it_is_good() -> None:
    line = parabola(1.0)
    assert searched(line, 0.7, 0.9) == 0.7
    assert (line.values, line.slopes) == (2, 2)


def test_no_step_goes_up_or_nowhere() -> None:
    assert searched(Line(lambda a: a, lambda _: 1.0), 1.0, 0.9) is None
    assert searched(Line(lambda _: 3.0, lambda _: 0.0), 1.0, 0.9) is None
    assert searched(Line(lambda _: math.nan, lambda _: math.nan), 1.0, 0.9) is None
    # The slope is wrong; no length makes the cost fall:
    assert searched(Line(lambda a: 1 + a, lambda _: -1.0), 1.0, 0.9) is None


def test_it_returns_from_where_the_cost_is_infinite() -> None:
    line = Line(lambda a: math.inf if a > 2 else (a - 1) ** 2 / 2, lambda a: a - 1)
    length = searched(line, 100.0, 0.9)
    assert length is not None
    assert abs(length - 1) < 1


@pytest.mark.parametrize("offset", [1.0, 1e3])
def test_the_slopes_decide_where_the_cost_s_differences_are_rounding(offset: float) -> None:
    # From 0 to the bottom at 1e-9, the cost falls by 5e-19, which is nothing beside the offset.
    line = Line(lambda a: offset + (a - 1e-9) ** 2 / 2, lambda a: a - 1e-9)
    length = searched(line, 3e-9, 0.1 + 1e-3, strong=True)
    assert length is not None
    assert abs(line.slope(length)) <= 0.101e-9


# Methods that use it, near the minimum and far from it


def network_cost(scales: float) -> tuple[BatchObjective, Array]:
    """Return a small network's cost, features scaled by factors from 1 / scales to scales."""
    network, rng = Network((5, 3, 2)), np.random.default_rng(3)
    inputs = np.ones((60, 6))
    inputs[:, :-1] = rng.standard_normal((60, 5)) * np.geomspace(1 / scales, scales, 5)
    targets = network.targets(rng.integers(0, 2, 60), np.float64)
    objective = BatchObjective(network, Penalty(network, "l2", 0.01, np.float64), np.float64)
    objective.use(60, lambda: [(inputs, targets)])
    return objective, rng.standard_normal(network.size)


def counting(objective: BatchObjective) -> tuple[CachedObjective, list[str]]:
    calls: list[str] = []

    class Recorder:
        def value(self, theta: Array) -> float:
            calls.append("value")
            return objective.value(theta)

        def gradient(self, theta: Array, scale: float = 1.0) -> Array:
            calls.append("gradient")
            return objective.gradient(theta, scale)

        def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
            return objective.hessian_product(theta, v, gauss_newton=gauss_newton)

        def input_scales(self, theta: Array) -> Array:
            return objective.input_scales(theta)

        def rough_curvatures(self, theta: Array) -> Array:
            return objective.rough_curvatures(theta)

    return CachedObjective(Recorder()), calls


class Descent(NamedTuple):
    """A minimization, to a gradient norm of 1e-8."""

    calls: int
    steps: int
    cost: float


def own(optimizer: Any, cost: BatchObjective, start: Array) -> Descent:  # noqa: ANN401 - a union
    objective, calls = counting(cost)
    theta, slots, steps = start.copy(), optimizer.start(start), 0
    norm = math.inf
    while norm >= 1e-8:
        norm = optimizer.step(theta, objective, slots, None)["gradient_norm"]
        steps += 1
        assert steps < 3000
    return Descent(len(calls), steps, cost.value(theta))


def scipys(optimizer: Any, cost: BatchObjective, start: Array) -> Descent:  # noqa: ANN401 - a union
    objective, calls = counting(cost)
    method = {"conjugate-gradient": "CG", "bfgs": "BFGS", "l-bfgs": "L-BFGS-B"}
    untyped: Any = minimize
    found = untyped(
        objective.value,
        start,
        jac=objective.gradient,
        method=method[optimizer.__struct_config__.tag],
        options={"gtol": 1e-9, "maxiter": 10_000},
    )
    return Descent(len(calls), found.nit, found.fun)


@pytest.mark.parametrize("optimizer", [ConjugateGradient(), Bfgs(), LBfgs()])
@pytest.mark.parametrize("scales", [1.0, 30.0])
def test_it_converges_to_1e_8_and_costs_no_more_than_scipy(optimizer: Any, scales: float) -> None:  # noqa: ANN401
    """Over eight starts: which minimum is found from one depends on the last digits."""
    cost, start = network_cost(scales)
    rng = np.random.default_rng(0)
    starts = [start, *rng.standard_normal((7, start.size))]
    ours = [own(optimizer, cost, point) for point in starts]
    theirs = [scipys(optimizer, cost, point) for point in starts]
    calls, steps, costs = map(sum, zip(*ours, strict=True))
    their_calls, their_steps, their_costs = map(sum, zip(*theirs, strict=True))
    assert calls / steps <= 1.1 * their_calls / their_steps
    assert calls <= 1.1 * their_calls
    # All are in minima, although not always in the same:
    assert costs <= their_costs * 1.2
