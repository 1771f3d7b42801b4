"""Every optimizer descends, resumes and repeats exactly, and follows its formula."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from scipy.optimize import minimize

from nnexp.config import dump, load
from nnexp.datasets.npz import Header
from nnexp.errors import ConfigError, UsageError
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.optim.adam import Adam
from nnexp.optim.conjugate_gradient import ConjugateGradient
from nnexp.optim.convergence import check_memory
from nnexp.optim.newton import Newton
from nnexp.optim.objective import CachedObjective
from nnexp.optim.optimizers import FullBatchOptimizer, MiniBatchOptimizer, Optimizer
from nnexp.optim.quasi_newton import Bfgs, LBfgs
from nnexp.optim.sgd import Momentum, Nesterov
from nnexp.store import checkpoint
from nnexp.store.meta import Meta

if TYPE_CHECKING:
    from nnexp.nn.arrays import Array
    from nnexp.optim.objective import Objective, Slots

OPTIMIZERS: tuple[Any, ...] = get_args(Optimizer)
FULL_BATCH = [optimizer for optimizer in OPTIMIZERS if optimizer.full_batch]
SEARCHING = [optimizer for optimizer in OPTIMIZERS if optimizer.default_learning_rate is None]


def name(optimizer: Any) -> str:  # noqa: ANN401 - a class of the union
    return str(optimizer.__struct_config__.tag)


every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name)
every_full_batch = pytest.mark.parametrize("optimizer", FULL_BATCH, ids=name)


class Bowl:
    """Half of (theta - centre)ᵀ H (theta - centre); its gradient is a buffer, as agreed."""

    def __init__(self, hessian: Array, centre: Array) -> None:
        self._hessian, self._centre = hessian, centre
        self._buffer = np.empty_like(centre)

    def value(self, theta: Array) -> float:
        away = theta - self._centre
        return 0.5 * float(away @ self._hessian @ away)

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        np.dot(self._hessian, theta - self._centre, self._buffer)
        self._buffer *= scale
        return self._buffer

    def descend(self, theta: Array, learning_rate: float) -> None:
        theta -= self.gradient(theta, learning_rate)

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        del theta, gauss_newton
        product: Array = v @ self._hessian
        return product

    def input_scales(self, theta: Array) -> Array:
        return np.ones_like(theta)

    def rough_curvatures(self, theta: Array) -> Array:
        return np.ones_like(theta)


def bowl(condition: float, seed: int = 5) -> Bowl:
    """Return a bowl of six dimensions, turned, whose curvatures lie between 1 and condition."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    return Bowl(turn @ np.diag(np.geomspace(1.0, condition, 6)) @ turn.T, rng.standard_normal(6))


def descended(
    optimizer: Any,  # noqa: ANN401 - see name
    objective: Objective,
    theta: Array,
    steps: int,
    learning_rate: float | None,
) -> Array:
    slots = optimizer.start(theta)
    for _ in range(steps):
        optimizer.step(theta, objective, slots, learning_rate)
    return theta


def rate(optimizer: Any, mini_batch: float) -> float | None:  # noqa: ANN401 - see name
    """Return the learning rate: the default of full-batch methods, mini_batch for others."""
    if optimizer.full_batch:
        default: float | None = optimizer.default_learning_rate
        return default
    return mini_batch


@every_optimizer
@pytest.mark.parametrize(("condition", "steps"), [(2.0, 100), (100.0, 600)])
def test_it_goes_down_a_bowl_to_its_bottom(optimizer: Any, condition: float, steps: int) -> None:  # noqa: ANN401
    objective, theta = bowl(condition), np.zeros(6)
    start = objective.value(theta)
    learning_rate = rate(optimizer, 0.05 if optimizer.scales_gradients else 1 / condition)
    descended(optimizer(), objective, theta, steps, learning_rate)
    assert objective.value(theta) < 1e-4 * start


@every_full_batch
def test_a_full_batch_method_finds_the_bottom_to_many_digits(optimizer: Any) -> None:  # noqa: ANN401
    """Of forty bowls: in which of them a method stalls depends on the last digits of sums."""
    for seed in range(40):
        objective = bowl(100.0, seed)
        theta = descended(optimizer(), objective, np.zeros(6), 60, rate(optimizer, 0))
        np.testing.assert_allclose(objective.gradient(theta), 0.0, atol=1e-8, err_msg=f"{seed}")


@every_optimizer
@pytest.mark.parametrize("where", ["start", "bottom"])
def test_its_state_is_arrays_and_nothing_but_arrays(optimizer: Any, where: str) -> None:  # noqa: ANN401
    theta = np.zeros(6)
    slots = optimizer().start(theta)
    if where == "bottom":
        slots = optimizer().start(theta)
        optimizer().step(theta, bowl(2.0), slots, rate(optimizer, 0.1))
    assert all(type(key) is str and key.isidentifier() for key in slots)
    assert all(type(slot) is np.ndarray and slot.dtype == np.float64 for slot in slots.values())
    assert all(np.isfinite(slot).all() for slot in slots.values())
    assert not any(slot is theta or slot.base is theta for slot in slots.values())


NETWORK = Network((4, 5, 3), "tanh")


def batches(dtype: str, count: int) -> list[Any]:
    """Return so many objectives of 6 examples each."""
    made, rng = [], np.random.default_rng(8)
    for _ in range(count):
        inputs = np.ones((6, 5), dtype)
        inputs[:, :-1] = rng.standard_normal((6, 4))
        targets = NETWORK.targets(rng.integers(0, 3, 6), dtype)
        batch = BatchObjective(NETWORK, Penalty(NETWORK, "l2", 0.1, dtype), dtype)
        batch.use(6, [(inputs, targets)].__iter__)
        made.append(batch)
    return made


def drawn(dtype: str) -> Array:
    return np.random.default_rng(2).standard_normal(NETWORK.size).astype(dtype)


def through_a_checkpoint(theta: Array, slots: Slots) -> tuple[Array, Slots]:
    arrays: dict[str, Any] = {"theta": theta} | slots
    headers = {key: Header(array.dtype, array.shape) for key, array in arrays.items()}
    meta = Meta(
        epoch=1,
        config_sha256="",
        metrics_length=0,
        metrics_sha256="",
        arrays_sha256=checkpoint.digest(arrays),
    )
    _, read = checkpoint.decode("c.npz", checkpoint.encode(meta, arrays), headers)
    return read.pop("theta").copy(), {key: array.copy() for key, array in read.items()}


DTYPES = [(each, "float64") for each in OPTIMIZERS] + [
    (each, "float32") for each in OPTIMIZERS if not each.full_batch
]


@pytest.mark.parametrize(("optimizer", "dtype"), DTYPES)
def test_a_checkpoint_after_every_step_changes_no_bit(optimizer: Any, dtype: str) -> None:  # noqa: ANN401
    count = 1 if optimizer.full_batch else 3
    straight, broken = drawn(dtype), drawn(dtype)
    slots, saved = optimizer().start(straight), optimizer().start(broken)
    whole = [CachedObjective(each) for each in batches(dtype, 1)]
    objectives: list[Any] = whole if optimizer.full_batch else batches(dtype, count)
    for step in range(12):
        optimizer().step(straight, objectives[step % count], slots, rate(optimizer, 0.1))
        objective = batches(dtype, count)[step % count]
        fresh: Any = CachedObjective(objective) if optimizer.full_batch else objective
        optimizer().step(broken, fresh, saved, rate(optimizer, 0.1))
        broken, saved = through_a_checkpoint(broken, saved)
        assert straight.tobytes() == broken.tobytes(), step
        assert {key: slot.tobytes() for key, slot in slots.items()} == {
            key: slot.tobytes() for key, slot in saved.items()
        }
    assert straight.dtype == dtype
    assert not np.array_equal(straight, drawn(dtype))


@every_optimizer
def test_the_same_twice_comes_to_the_same_bits(optimizer: Any) -> None:  # noqa: ANN401
    ends = []
    for _ in range(2):
        (objective,) = batches("float64", 1)
        theta = descended(optimizer(), objective, drawn("float64"), 10, rate(optimizer, 0.1))
        ends.append(theta.tobytes())
    assert ends[0] == ends[1]


@every_optimizer
def test_an_objective_that_remembers_is_the_same_objective(optimizer: Any) -> None:  # noqa: ANN401
    (objective,), learning_rate = batches("float64", 1), rate(optimizer, 0.1)
    plain = descended(optimizer(), objective, drawn("float64"), 10, learning_rate)
    remembered = CachedObjective(objective)
    theta = descended(optimizer(), remembered, drawn("float64"), 10, learning_rate)
    if optimizer.full_batch:
        np.testing.assert_array_equal(theta, plain)
    else:  # which scale the gradient elsewhere: the last bits differ
        np.testing.assert_allclose(theta, plain, rtol=1e-12)


# What the config says of them


def text(optimizer: Any, *lines: str) -> str:  # noqa: ANN401 - see name
    return "\n".join([f"optimizer: {name(optimizer)}", *lines])


def problems(source: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load.parse(source, "a.yaml")
    return caught.value.problems


@every_full_batch
def test_a_full_batch_method_refuses_a_batch_size_and_float32(optimizer: Any) -> None:  # noqa: ANN401
    called = name(optimizer)
    assert problems(text(optimizer, "batch_size: 10", "dtype: float32")) == [
        (
            f"a.yaml:2:13: batch_size: {called} uses all examples in each step; "
            "leave it out, or set it to all, got 10"
        ),
        f"a.yaml:3:8: dtype: {called} needs dtype: float64, got float32",
    ]
    assert problems(text(optimizer)) == [
        f"a.yaml:1:12: optimizer: {called} needs dtype: float64, got float32"
    ]


@pytest.mark.parametrize("optimizer", SEARCHING, ids=name)
def test_a_method_with_a_line_search_refuses_a_learning_rate(optimizer: Any) -> None:  # noqa: ANN401
    called = name(optimizer)
    assert problems(text(optimizer, "dtype: float64", "learning_rate: 1")) == [
        (
            f"a.yaml:3:16: learning_rate: {called} chooses its step size by a line search; "
            "leave it out, or set it to null"
        )
    ]
    for schedule in ("cosine", "{name: piecewise, rates: {1: 0.5}}"):
        assert problems(text(optimizer, "dtype: float64", f"schedule: {schedule}")) == [
            (
                f"a.yaml:3:11: schedule: {called} has no learning rate for a schedule to change; "
                "leave it out"
            )
        ]


def test_these_search_along_a_line_and_these_do_not() -> None:
    assert sorted(map(name, SEARCHING)) == ["bfgs", "conjugate-gradient", "l-bfgs"]
    assert sorted(map(name, FULL_BATCH)) == sorted(
        ["bfgs", "conjugate-gradient", "hessian-free", "l-bfgs", "newton"]
    )


@pytest.mark.parametrize(
    ("called", "learning_rate"),
    [
        *[("sgd", 0.5), ("momentum", 0.5), ("nesterov", 0.5), ("adam", 0.001)],
        *[("newton", 1.0), ("hessian-free", 1.0)],
        *[("bfgs", None), ("l-bfgs", None), ("conjugate-gradient", None)],
    ],
)
def test_the_learning_rate_follows_from_the_optimizer(
    called: str, learning_rate: float | None
) -> None:
    config = load.parse(f"optimizer: {called}\ndtype: float64", "a.yaml")
    assert config.learning_rate == learning_rate
    assert config.batch_size == ("all" if type(config.optimizer) in FULL_BATCH else 10)


@every_optimizer
def test_a_dumped_config_loads_as_the_same(optimizer: Any) -> None:  # noqa: ANN401
    config = load.parse(text(optimizer, "dtype: float64"), "a.yaml")
    assert load.parse(dump.to_yaml(config), "config.yaml") == config
    assert type(config.optimizer) is optimizer


@every_optimizer
def test_settings_of_its_own_load_and_are_dumped(optimizer: Any) -> None:  # noqa: ANN401
    fields = zip(optimizer.__struct_fields__, optimizer.__struct_defaults__, strict=True)
    own: dict[str, Any] = {key: value / 2 for key, value in fields if isinstance(value, float)}
    if "curvature" in optimizer.__struct_fields__:
        own["curvature"] = "hessian"
    assert own or not optimizer.__struct_fields__
    component = ", ".join(
        f"{key}: {value}" for key, value in {"name": name(optimizer), **own}.items()
    )
    config = load.parse(f"optimizer: {{{component}}}\ndtype: float64", "a.yaml")
    assert config.optimizer == optimizer(**own)
    assert load.parse(dump.to_yaml(config), "config.yaml") == config


# One update of each, worked out by hand


def on_a_line(curvature: float) -> Bowl:
    """Return curvature/2 theta², whose slope is curvature · theta."""
    return Bowl(np.array([[curvature]]), np.zeros(1))


def test_two_steps_of_momentum() -> None:
    # The slope is 2 theta, mu = 1/2, eta = 1/10, theta = 1:
    # v = -0.1 · 2 = -0.2, theta = 0.8; v = -0.1 - 0.1 · 1.6 = -0.26, theta = 0.54.
    theta = np.ones(1)
    slots = Momentum(0.5).start(theta)
    for expected_v, expected in ((-0.2, 0.8), (-0.26, 0.54)):
        Momentum(0.5).step(theta, on_a_line(2.0), slots, 0.1)
        assert (slots["velocity"][0], theta[0]) == pytest.approx((expected_v, expected), rel=1e-15)


def test_two_steps_of_nesterov() -> None:
    # As above, but the slope is taken at theta + mu v:
    # v = -0.2, theta = 0.8; at 0.8 - 0.1 it is 1.4: v = -0.1 - 0.14 = -0.24, theta = 0.56.
    theta = np.ones(1)
    slots = Nesterov(0.5).start(theta)
    for expected_v, expected in ((-0.2, 0.8), (-0.24, 0.56)):
        Nesterov(0.5).step(theta, on_a_line(2.0), slots, 0.1)
        assert (slots["velocity"][0], theta[0]) == pytest.approx((expected_v, expected), rel=1e-14)


def test_two_steps_of_adam() -> None:
    # The slope is 2 theta; beta1 = 1/2, beta2 = 3/4, epsilon = 1/2, eta = 1/10, theta = 1:
    # g = 2:    m = 1, v = 1; corrected 1 / (1/2) = 2 and 1 / (1/4) = 4;
    #           theta = 1 - 0.1 · 2 / (2 + 0.5) = 0.92.
    # g = 1.84: m = 0.5 + 0.92 = 1.42, corrected 1.42 / 0.75 = 1.893333;
    #           v = 0.75 + 0.8464 = 1.5964, corrected 1.5964 / 0.4375 = 3.648914, root 1.910213;
    #           theta = 0.92 - 0.1 · 1.893333 / 2.410213 = 0.8414454.
    theta, adam = np.ones(1), Adam(0.5, 0.75, 0.5)
    slots = adam.start(theta)
    adam.step(theta, on_a_line(2.0), slots, 0.1)
    assert (slots["mean"][0], slots["square"][0], theta[0]) == pytest.approx((1, 1, 0.92))
    adam.step(theta, on_a_line(2.0), slots, 0.1)
    assert (slots["mean"][0], slots["square"][0]) == pytest.approx((1.42, 1.5964))
    assert theta[0] == pytest.approx(0.8414454, abs=1e-7)


@pytest.mark.parametrize(
    ("gradient", "direction"),
    [
        # The last gradient was (2, 0) and the last direction d = (-2, 0); y = g - (2, 0), and
        # beta = y · g / (d · y) - (y · y / (d · y)) (g · d / (d · y)), D = I.
        ((1.0, 2.0), (-9.0, -2.0)),  # y = (-1, 2): 3/2 - 5/2 · (-2/2) = 4: -g + 4 (-2, 0)
        ((1.0, 0.0), (-1.0, 0.0)),  # y = (-1, 0): -1/2 - 1/2 · (-2/2) = 0: -g
        ((-1.0, -1.0), (0.5, 1.0)),  # y = (-3, -1): 1/9, less than 1/2 · 2/4: -g + 1/4 (-2, 0)
        ((3.0, 1.0), (-3.0, -1.0)),  # d · y = -2, so the last step is useless: -g
    ],
)
def test_the_direction_of_conjugate_gradients(
    gradient: tuple[float, float], direction: tuple[float, float]
) -> None:
    theta = np.array(gradient)  # where the slope of half |theta|² is theta
    slots = ConjugateGradient().start(theta)
    slots["direction"][...], slots["gradient_before"][...] = (-2.0, 0.0), (2.0, 0.0)
    slots["pairs_of_estimate"][0] = 1
    ConjugateGradient().step(theta, Bowl(np.eye(2), np.zeros(2)), slots, None)
    np.testing.assert_allclose(slots["direction"], direction, rtol=1e-15)
    np.testing.assert_array_equal(slots["gradient_before"], gradient)
    moved = theta - np.array(gradient)
    assert moved[0] * direction[1] == pytest.approx(moved[1] * direction[0])
    assert moved @ np.array(direction) > 0


class Watched(Bowl):
    """Notes where it was asked for its value."""

    def __init__(self) -> None:
        super().__init__(np.eye(2), np.zeros(2))
        self.asked: list[list[float]] = []

    def value(self, theta: Array) -> float:
        self.asked.append(theta.tolist())
        return super().value(theta)


def test_conjugate_gradients_first_try_to_fall_as_far_as_in_the_last_step() -> None:
    # At (1, 0) the slope along -g is -1; a last fall of 1/4 makes the first trial's length 1/4.
    objective, theta = Watched(), np.array([1.0, 0.0])
    slots = ConjugateGradient().start(theta)
    slots["fall_before"][0], slots["pairs_of_estimate"][0] = -0.25, 1
    ConjugateGradient().step(theta, objective, slots, None)
    assert next(point for point in objective.asked if point != [1.0, 0.0]) == [0.75, 0.0]
    assert slots["fall_before"][0] == theta[0] - 1.0


@pytest.mark.parametrize("condition", [10.0, 100.0, pytest.param(1000.0, marks=pytest.mark.slow)])
def test_conjugate_gradients_need_no_more_evaluations_than_scipy_s(condition: float) -> None:
    own, peer = [], []
    untyped: Any = minimize
    for seed in range(40):
        objective, theta = CachedObjective(bowl(condition, seed)), np.zeros(6)
        slots, norm = ConjugateGradient().start(theta), np.inf
        while norm > 1e-8:
            norm = ConjugateGradient().step(theta, objective, slots, None)["gradient_norm"]
        own.append(objective.evaluations)
        cost = bowl(condition, seed)
        options = {"gtol": 1e-8, "norm": 2}
        found = untyped(cost.value, np.zeros(6), jac=cost.gradient, method="CG", options=options)
        peer.append(found.nfev)
    assert np.median(own) <= np.median(peer) + 2


class Quartic(Bowl):
    """A quarter of Σ theta⁴."""

    def value(self, theta: Array) -> float:
        return 0.25 * float(np.sum(theta**4))

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        cubes: Array = scale * theta**3
        return cubes


def test_the_preconditioner_is_kept_while_the_cost_is_quadratic_along_the_steps() -> None:
    def diagonals(objective: Bowl, steps: int) -> list[list[float]]:
        theta, optimizer = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), ConjugateGradient()
        slots, result = optimizer.start(theta), []
        for _ in range(steps):
            optimizer.step(theta, objective, slots, None)
            result.append(slots["diagonal"].tolist())
        return result

    quadratic = diagonals(bowl(1e4), 13)
    assert quadratic[:12] == [[1.0] * 6] * 12  # 12 is twice the number of parameters
    assert quadratic[12] != quadratic[11]
    quartic = diagonals(Quartic(np.eye(6), np.zeros(6)), 6)
    assert all(now != before for before, now in pairwise(quartic))


def learned(h: Array, step: Array, change: Array) -> Array:
    """Return (I - r s yᵀ) H (I - r y sᵀ) + r s sᵀ, Nocedal and Wright's eq. 6.17 as it stands."""
    r = 1 / (change @ step)
    left = np.eye(len(step)) - r * np.outer(step, change)
    made: Array = left @ h @ left.T + r * np.outer(step, step)
    return made


def diagonal_of(pairs: list[tuple[Array, Array]], first: Array) -> Array:
    """Return D: of B = D⁻¹, scaled so that y · B⁻¹ y = s · y, the BFGS update's diagonal.

    The first pair only scales.
    """
    d = first.copy()
    for step, change in pairs[:1]:
        d *= (step @ change) / (change @ np.diag(d) @ change)
    for step, change in pairs[1:]:
        scaled = np.diag(1 / d) * (change @ np.diag(d) @ change) / (step @ change)
        b = scaled + np.outer(change, change) / (step @ change)
        b -= np.outer(scaled @ step, scaled @ step) / (step @ scaled @ step)
        d = 1 / np.diag(b)
    return d


@pytest.mark.parametrize(("optimizer", "kept"), [(Bfgs(), 7), (LBfgs(memory=3), 3)])
def test_bfgs_steps_along_the_matrix_of_its_steps(optimizer: Bfgs | LBfgs, kept: int) -> None:
    (objective,), theta = batches("float64", 1), drawn("float64")
    slots, first = optimizer.start(theta), objective.rough_curvatures(theta) ** -0.5
    pairs: list[tuple[Array, Array]] = []
    for _ in range(7):
        before, slope = theta.copy(), objective.gradient(theta).copy()
        optimizer.step(theta, objective, slots, None)
        h = np.diag(diagonal_of(pairs, first))
        for pair in pairs[-kept:]:
            h = learned(h, *pair)
        step = theta - before
        expected = -h @ slope / np.linalg.norm(h @ slope)
        np.testing.assert_allclose(step / np.linalg.norm(step), expected, atol=1e-9)
        pairs.append((step, objective.gradient(theta) - slope))
    np.testing.assert_allclose(slots["diagonal"], diagonal_of(pairs, first), rtol=1e-9)
    if isinstance(optimizer, LBfgs):
        assert slots["remembered"][0] == 3
        np.testing.assert_allclose(slots["steps"], [step for step, _ in pairs[:-4:-1]], atol=1e-13)


def test_newton_comes_to_the_bottom_of_a_bowl_in_one_step() -> None:
    objective, theta = bowl(1000.0), np.zeros(6)
    start = objective.value(theta)
    said = Newton().step(theta, objective, Newton().start(theta), 1.0)
    assert objective.value(theta) < 1e-20 * start
    assert said["damping"] == 0
    assert said["predicted_decrease"] == pytest.approx(start)
    assert said["actual_decrease"] == pytest.approx(start)
    assert said["step_norm"] == pytest.approx(float(np.linalg.norm(theta)))


def test_newton_goes_a_part_of_the_way_at_a_smaller_learning_rate() -> None:
    objective, theta = bowl(1000.0), np.zeros(6)
    start = objective.value(theta)
    Newton().step(theta, objective, Newton().start(theta), 0.5)
    assert objective.value(theta) == pytest.approx(start / 4)


def test_newton_leaves_a_saddle_whose_hessian_has_nothing_on_the_diagonal() -> None:
    # The cost is xy. At (1, 0) its slope is (0, 1), and with damping d the step solves
    # [[d, 1], [1, d]] s = -(0, 1): s = (1, -d) / (d² - 1), for d > 1 down from 0 to
    # -d (d² / (d² - 1)) / (d² - 1).
    saddle, theta = Bowl(np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2)), np.array([1.0, 0.0])
    said = Newton().step(theta, saddle, Newton().start(theta), 1.0)
    d = said["damping"]
    assert d > 1
    np.testing.assert_allclose(theta, [1 + 1 / (d * d - 1), -d / (d * d - 1)], rtol=1e-10)
    assert said["actual_decrease"] == pytest.approx(-saddle.value(theta))
    assert said["actual_decrease"] > 0


class Lying(Bowl):
    """Says that up is down."""

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        return super().gradient(theta, -scale)


@every_full_batch
def test_where_no_step_helps_theta_stays_and_that_is_said(optimizer: Any) -> None:  # noqa: ANN401
    theta = np.ones(3)
    said = optimizer().step(
        theta, Lying(np.eye(3), np.zeros(3)), optimizer().start(theta), rate(optimizer, 0)
    )
    np.testing.assert_array_equal(theta, 1.0)
    assert said["step_norm"] == 0
    assert said["gradient_norm"] == pytest.approx(3**0.5)


def test_a_matrix_of_1_gib_is_allowed_and_no_more() -> None:
    check_memory(11585, "newton")  # 11585² · 8 = 1073697800 <= 2³⁰ = 1073741824 < 11586² · 8
    with pytest.raises(UsageError, match=r"need 1\.0 GiB for a matrix of 11586 x 11586"):
        check_memory(11586, "newton")


def test_two_matrices_of_bfgs_are_1_gib_together_and_no_more() -> None:
    check_memory(8192, "bfgs", matrices=2)  # 2 · 8192² · 8 = 2³⁰
    with pytest.raises(UsageError, match=r"bfgs would need 1\.0 GiB for 2 matrices of 8193 x 8193"):
        Bfgs().start(np.zeros(8193))


def test_bfgs_forgets_in_place_what_no_longer_helps() -> None:
    objective, theta = bowl(100.0), np.zeros(6)
    slots = Bfgs().start(theta)
    arrays = dict(slots)
    for _ in range(3):
        Bfgs().step(theta, objective, slots, None)
    assert slots["updates"][0] > 0
    Bfgs().step(theta, Lying(np.eye(6), np.ones(6)), slots, None)
    for name, slot in Bfgs().start(theta).items():
        np.testing.assert_array_equal(slots[name], slot)
        assert slots[name] is arrays[name]


class Stretched(Bowl):
    """Half of theta_1² + theta_2²; guesses its curvatures to be 4 and 1/4."""

    def rough_curvatures(self, theta: Array) -> Array:
        return np.array([4.0, 0.25]) * np.ones_like(theta)


@pytest.mark.parametrize("optimizer", [ConjugateGradient(), Bfgs(), LBfgs()])
@pytest.mark.parametrize("is_reset", [False, True])
def test_it_begins_along_the_gradient_over_the_roots_of_rough_curvatures(
    optimizer: Any,  # noqa: ANN401 - see name
    is_reset: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    objective, theta = Stretched(np.eye(2), np.zeros(2)), np.array([3.0, 1.0])
    slots = optimizer.start(theta)
    if is_reset:  # no step is found with what it has learned
        optimizer.step(theta, objective, slots, None)
        for name in ("diagonal", "estimate"):  # conjugate gradients have both
            slots.get(name, np.empty(0))[...] = np.nan
        theta[...] = 3.0, 1.0
    optimizer.step(theta, objective, slots, None)
    moved = theta - np.array([3.0, 1.0])
    # The gradient is (3, 1), the roots are 2 and 1/2.
    assert moved[0] < 0
    assert moved[1] / moved[0] == pytest.approx((1 * 2) / (3 / 2))


def test_the_unions_are_of_mini_batch_and_of_full_batch_optimizers() -> None:
    assert all(optimizer.full_batch for optimizer in get_args(FullBatchOptimizer))
    assert not any(optimizer.full_batch for optimizer in get_args(MiniBatchOptimizer))
