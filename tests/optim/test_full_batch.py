"""Full-batch methods against SciPy's and PyTorch's optima, and resumed runs."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.optimize import minimize

from nnexp.errors import UsageError
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.penalties import Penalty
from nnexp.optim.adam import Adam
from nnexp.optim.conjugate_gradient import ConjugateGradient
from nnexp.optim.hessian_free import HessianFree
from nnexp.optim.newton import Newton
from nnexp.optim.objective import CachedObjective
from nnexp.optim.quasi_newton import Bfgs, LBfgs
from nnexp.optim.sgd import Momentum, Nesterov
from nnexp.runner.recording import describe_saddle

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.nn.arrays import Array
    from tests.conftest import Bench

NAMES = ["newton", "hessian-free", "conjugate-gradient", "bfgs", "l-bfgs"]
UNCOMMITTED = {"log.txt", "timing.jsonl", "LOCK"}


def logistic(strength: float = 0.1) -> tuple[BatchObjective, Array, Array]:
    """Return a strictly convex cost, no hidden layer and λ > 0, with its inputs and targets."""
    network, rng = Network((6, 3)), np.random.default_rng(1)
    inputs = np.ones((60, 7))
    inputs[:, :-1] = rng.standard_normal((60, 6)) * np.geomspace(0.3, 3.0, 6)
    targets = network.targets(rng.integers(0, 3, 60), np.float64)
    batch = BatchObjective(network, Penalty(network, "l2", strength, np.float64), np.float64)
    batch.use(60, [(inputs, targets)].__iter__)
    return batch, inputs, targets


def scipys(inputs: Array, targets: Array, strength: float) -> tuple[float, Array]:
    """Return scipy's minimum of the cost, written down once more, and where it is, as theta."""

    def cost(theta: Array) -> float:
        layer = theta.reshape(targets.shape[1], -1)
        z = inputs @ layer.T
        data = np.mean(np.sum(np.logaddexp(0, z) - targets * z, axis=1))
        return float(data + strength / 2 * np.sum(layer[:, :-1] ** 2))

    def slope(theta: Array) -> Array:
        layer = theta.reshape(targets.shape[1], -1).copy()
        error = 1 / (1 + np.exp(-inputs @ layer.T)) - targets
        layer[:, -1] = 0
        gradient: Array = error.T @ inputs / len(inputs) + strength * layer
        return gradient.ravel()

    start = np.zeros(inputs.shape[1] * targets.shape[1])
    options: Any = {"gtol": 1e-9, "maxiter": 2000}
    found: Any = minimize(cost, start, jac=slope, method="BFGS", options=options)
    assert np.abs(slope(found.x)).max() < 1e-8
    return float(found.fun), found.x


@pytest.mark.parametrize(
    "optimizer",
    [
        *[Newton(), HessianFree(), HessianFree(curvature="hessian")],
        *[ConjugateGradient(), Bfgs(), LBfgs(), LBfgs(memory=3)],
    ],
)
@pytest.mark.parametrize("strength", [0.01, 1.0])
@pytest.mark.parametrize("remembered", [False, True])
def test_it_comes_to_scipy_s_optimum(
    optimizer: Any,  # noqa: ANN401 - one of the union
    strength: float,
    remembered: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    batch, inputs, targets = logistic(strength)
    objective = CachedObjective(batch) if remembered else batch
    theta = np.random.default_rng(0).standard_normal(inputs.shape[1] * targets.shape[1])
    slots = optimizer.start(theta)
    for _ in range(500):
        said = optimizer.step(theta, objective, slots, optimizer.default_learning_rate)
        if said["gradient_norm"] < optimizer.tolerance:
            break
    assert said["gradient_norm"] < optimizer.tolerance
    cost, there = scipys(inputs, targets, strength)
    assert batch.value(theta) == pytest.approx(cost, abs=1e-10)
    np.testing.assert_allclose(theta, there, atol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_goes_pytorch_s_way(nesterov: bool) -> None:  # noqa: FBT001 - pytest passes it
    torch = pytest.importorskip("torch")
    batch, *_ = logistic()
    theta = np.random.default_rng(0).standard_normal(21)
    parameter = torch.nn.Parameter(torch.tensor(theta))
    theirs = torch.optim.SGD([parameter], lr=0.05, momentum=0.8, nesterov=nesterov)
    ours = Nesterov(0.8) if nesterov else Momentum(0.8)
    slots = ours.start(theta)
    for _ in range(50):
        parameter.grad = torch.tensor(batch.gradient(parameter.detach().numpy()).copy())
        theirs.step()
        ours.step(theta, batch, slots, 0.05)
        # PyTorch's parameters under Nesterov's momentum are where the next slope is taken.
        there = theta + 0.8 * slots["velocity"] if nesterov else theta
        np.testing.assert_allclose(there, parameter.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_adam_goes_pytorch_s_way() -> None:
    torch = pytest.importorskip("torch")
    batch, *_ = logistic()
    theta, ours = np.random.default_rng(0).standard_normal(21), Adam(0.8, 0.95, 1e-3)
    parameter = torch.nn.Parameter(torch.tensor(theta))
    theirs = torch.optim.Adam([parameter], lr=0.05, betas=(0.8, 0.95), eps=1e-3)
    slots = ours.start(theta)
    for _ in range(50):
        parameter.grad = torch.tensor(batch.gradient(parameter.detach().numpy()).copy())
        theirs.step()
        ours.step(theta, batch, slots, 0.05)
        np.testing.assert_allclose(theta, parameter.detach().numpy(), rtol=1e-10, atol=1e-12)


# Through the command line


def settings(optimizer: object, **keys: object) -> dict[str, object]:
    return {"optimizer": optimizer, "dtype": "float64", "patience": None, "lambda": 2.0} | keys


def trained(bench: Bench, *arguments: str) -> Path:
    said = bench("train", *arguments, "-q")
    assert said.code == 0, said.err
    return bench.folder / said.out.strip()


def rows(run: Path) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def result(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "result.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("optimizer", NAMES)
def test_a_run_converges_at_scipy_s_optimum(bench: Bench, optimizer: str) -> None:
    bench.config("c.yaml", **settings(optimizer, hidden=[], epochs=400))
    said = bench("train", "c.yaml")
    run = bench.folder / said.out.strip()
    assert result(run)["reason"] == "converged"
    assert f"done after epoch {len(rows(run))} (converged); " in said.err
    norms = [row["gradient_norm"] for row in rows(run)]
    assert norms[-1] < 1e-8 <= min(norms[:-1])
    with np.load(bench.folder / "tiny.npz") as data:
        pixels, labels = data["x_train"] / 255, data["y_train"]
    cost, there = scipys(np.hstack([pixels, np.ones((200, 1))]), np.eye(3)[labels], 2.0 / 200)
    assert rows(run)[-1]["train_cost"] == pytest.approx(cost, abs=1e-10)
    last = max((run / "checkpoints").iterdir())
    with np.load(last, allow_pickle=False) as held:
        layer = np.hstack([held["weights_1"].T, held["biases_1"][:, np.newaxis]])
    np.testing.assert_allclose(layer.ravel(), there, atol=1e-6)


def test_newton_records_damping_and_what_it_predicted(bench: Bench) -> None:
    bench.config("c.yaml", **settings("newton", hidden=[3], initializer="standard-normal"))
    found = rows(trained(bench, "c.yaml", "--set", "epochs=40"))
    assert found[0]["damping"] > 0  # far from the minimum the Hessian is indefinite
    assert found[-1]["damping"] == 0
    assert all(row["predicted_decrease"] > 0 for row in found)
    assert all(row["learning_rate"] == 1.0 for row in found)
    falls = -np.diff([row["train_cost"] for row in found])
    np.testing.assert_allclose([row["actual_decrease"] for row in found[1:]], falls, atol=1e-13)
    # Near the minimum the cost is the quadratic model:
    near = next(row for row in reversed(found) if row["actual_decrease"] > 1e-10)
    assert near["actual_decrease"] == pytest.approx(near["predicted_decrease"], rel=0.2)


@pytest.mark.parametrize("optimizer", NAMES)
def test_evaluations_are_counted_from_the_first_step_on(bench: Bench, optimizer: str) -> None:
    bench.config("c.yaml", **settings(optimizer, hidden=[], epochs=6))
    run = trained(bench, "c.yaml")
    counts = np.array([row["evaluations"] for row in rows(run)])
    assert counts[0] >= 2  # the start, and where the step ends
    assert (np.diff(counts) >= 1).all()
    shown = bench("show", str(run)).out.splitlines()
    (line,) = [line for line in shown if line.startswith("evaluations")]
    assert line.split()[-1] == str(counts[-1])
    rarely = trained(bench, "c.yaml", "--set", "evaluate_every=3")
    assert [row["evaluations"] for row in rows(rarely)] == counts[[2, 5]].tolist()


def test_newton_s_evaluations_include_a_product_for_each_parameter(bench: Bench) -> None:
    bench.config("c.yaml", **settings("newton", hidden=[], epochs=8))
    found = rows(trained(bench, "c.yaml"))
    with np.load(bench.folder / "tiny.npz") as data:
        parameters = 3 * (data["x_train"].shape[1] + 1)
    # The cost is convex: no step is rejected, and each needs one new point.
    expected = 1 + (parameters + 1) * np.arange(1, len(found) + 1)
    np.testing.assert_array_equal([row["evaluations"] for row in found], expected)


@pytest.mark.parametrize("optimizer", ["conjugate-gradient", "bfgs", "l-bfgs", "hessian-free"])
def test_a_saddle_point_is_named(bench: Bench, optimizer: str) -> None:
    zeros = {"initializer": "zeros", "bias_initializer": "zeros"}
    component = {"name": optimizer, "tolerance": 1e-5}
    bench.config("c.yaml", **settings(component, hidden=[3], epochs=800), **zeros)
    said = bench("train", "c.yaml", "--name", "a")
    assert said.code == 0
    run = bench.folder / "runs/a-s0"
    told = "the gradient vanishes at a saddle point, not at a minimum; start from other weights"
    assert f"warning: runs/a-s0: {told}" in said.err
    assert "or use optimizer: newton, which follows negative curvature" in said.err
    assert "(a saddle point, not a minimum)" in said.err
    assert told in " ".join(bench("show", str(run)).out.split())
    assert result(run)["reason"] == "saddle"
    found = rows(run)
    assert found[-1]["negative_curvature"] < -1e-3
    assert not any("negative_curvature" in row for row in found[:-1])


def test_newton_s_own_saddle_point_does_not_suggest_newton() -> None:
    told = "the gradient vanishes at a saddle point, not at a minimum; start from other weights"
    assert describe_saddle(Newton()) == f"{told} (initializer)"


def test_newton_goes_on_to_a_minimum_below_the_saddle_point(bench: Bench) -> None:
    zeros = {"initializer": "zeros", "bias_initializer": "zeros"}
    bench.config("c.yaml", **settings("newton", hidden=[3], epochs=100), **zeros)
    bench.config("saddle.yaml", **settings("l-bfgs", hidden=[3], epochs=300), **zeros)
    minimum, saddle = trained(bench, "c.yaml"), trained(bench, "saddle.yaml")
    assert result(minimum)["reason"] == "converged"
    assert rows(minimum)[-1]["train_cost"] < rows(saddle)[-1]["train_cost"] - 0.01


@pytest.mark.parametrize(
    ("optimizer", "matrices"),
    [("newton", "4.2 GiB for a matrix"), ("bfgs", "8.5 GiB for 2 matrices")],
)
def test_more_than_1_gib_is_refused_and_nothing_created(
    bench: Bench, optimizer: str, matrices: str
) -> None:
    (bench.folder / "m.yaml").write_text(f"optimizer: {optimizer}\ndtype: float64\n", "utf-8")
    before = sorted(bench.folder.iterdir())
    said = bench("train", "m.yaml")
    assert (said.code, said.out) == (2, "")
    # 784 · 30 + 30 + 30 · 10 + 10 = 23860; 23860² · 8 bytes are 4.24 · 2³⁰.
    assert said.err == (
        f"optimizer: {optimizer} would need {matrices} of 23860 x 23860 "
        "(the limit is 1 GiB); use l-bfgs or hessian-free, or a smaller network\n"
    )
    assert sorted(bench.folder.iterdir()) == before


@pytest.mark.parametrize("optimizer", [Newton(), Bfgs()])
def test_it_is_refused_before_anything_is_allocated(optimizer: Newton | Bfgs) -> None:
    theta = np.zeros(23860)
    tracemalloc.start()
    with pytest.raises(UsageError):
        optimizer.start(theta)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("optimizer", ["conjugate-gradient", "bfgs", "l-bfgs"])
def test_a_run_that_no_step_helps_any_more_has_stalled(bench: Bench, optimizer: str) -> None:
    component = {"name": optimizer, "tolerance": 0}
    bench.config("c.yaml", **settings(component, hidden=[], epochs=2000))
    run = trained(bench, "c.yaml")
    found = rows(run)
    assert result(run)["reason"] == "stalled"
    assert found[-1]["step_norm"] == 0
    assert all(row["step_norm"] > 0 for row in found[:-1])
    assert found[-1]["gradient_norm"] < 1e-8  # it had come as far as float64 goes


def test_a_run_of_newton_is_over_once_the_norm_is_below_its_own_tolerance(bench: Bench) -> None:
    bench.config("c.yaml", **settings({"name": "newton", "tolerance": 0.01}, hidden=[], epochs=50))
    run = trained(bench, "c.yaml")
    norms = [row["gradient_norm"] for row in rows(run)]
    assert norms[-1] < 0.01 <= min(norms[:-1])
    assert result(run)["reason"] == "converged"


def files(run: Path) -> dict[str, bytes]:
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.name not in UNCOMMITTED
    }


@pytest.mark.parametrize("optimizer", NAMES)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_stopped_after_every_epoch_a_run_comes_to_the_same_bytes(
    bench: Bench, optimizer: str, dropout: float
) -> None:
    bench.config("c.yaml", **settings(optimizer, hidden=[4], epochs=6, dropout=dropout))
    straight = trained(bench, "c.yaml", "--runs", "straight")
    for epoch in ("1", "2", "3", "4"):
        broken = trained(bench, "c.yaml", "--runs", "broken", "--until", epoch)
        assert len(rows(broken)) == int(epoch)
    assert trained(bench, "c.yaml", "--runs", "broken") == broken
    assert len(rows(straight)) == 6
    assert rows(straight)[-1]["train_cost"] < rows(straight)[0]["train_cost"]
    assert files(broken) == files(straight)
