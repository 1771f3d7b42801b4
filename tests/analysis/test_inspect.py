"""nnexp inspect: the chapter's numbers, and predictions against random draws and real steps."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import integrate, stats

from nnexp.analysis import initial_layers, inspection
from nnexp.analysis.inspection import Inspection
from nnexp.config import load
from nnexp.config.model import Config, PerExample
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.sources import Npz
from nnexp.nn import moments
from nnexp.nn.activations import ACTIVATIONS, ActivationName
from nnexp.nn.initializers import (
    BIAS_INITIALIZERS,
    INITIALIZERS,
    VARIANCES,
    BiasInitializerName,
    InitializerName,
)
from nnexp.nn.network import Network
from nnexp.optim.adam import Adam
from nnexp.optim.quasi_newton import LBfgs
from nnexp.optim.schedules import Cosine, Piecewise
from nnexp.optim.sgd import Momentum, Nesterov, Sgd
from nnexp.report import distributions, renderer
from nnexp.runner import preconditions
from nnexp.runner.assembly import Assembly

if TYPE_CHECKING:
    from nnexp.analysis.initial_layers import Layer
    from tests.conftest import Bench

ROOT = Path(__file__).resolve().parents[2]


def first(found: Inspection, initializer: InitializerName) -> Layer:
    """Return the first layer under an initializer."""
    (layers,) = [each.layers for each in found.initialized if each.initializer == initializer]
    return layers[0]


def test_the_chapter_s_example_spreads_to_22_4_and_to_1_22(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,000 inputs 500 are 1: √(500 · 1 + 1) and √(500/1000 + 1)."""
    monkeypatch.chdir(ROOT)
    found = inspection.inspect(load.read("docs/examples/thousand-inputs.yaml"))
    old, new = first(found, "standard-normal"), first(found, "lecun-normal")
    assert old.predicted == pytest.approx(math.sqrt(501), rel=1e-12)
    assert new.predicted == pytest.approx(math.sqrt(3 / 2), rel=1e-12)
    assert (round(old.predicted, 2), round(new.predicted, 4)) == (22.38, 1.2247)
    # 2,000 pairs of a neuron and an example: their deviation is known to about 1.6 %.
    assert old.measured == pytest.approx(22.38, rel=0.05)
    assert new.measured == pytest.approx(1.2247, rel=0.05)
    # 1 - P(|z| < 2.887): erf(2.887 / √2 / 22.38) = 0.103, and P(|z| > 2.36 deviations) = 0.018.
    assert old.saturated == pytest.approx(1 - 0.103, abs=0.02)
    assert new.saturated == pytest.approx(0.018, abs=0.012)


@pytest.mark.docs
def test_the_documentation_shows_what_is_printed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "tuning.md").read_text("utf-8")
    shown = text.split("<!-- output: inspect -->\n")[1].split("<!-- end -->")[0]
    monkeypatch.chdir(ROOT)
    printed = bench("inspect", "docs/examples/thousand-inputs.yaml").out
    assert textwrap.dedent(shown).strip() == printed.strip()


def test_the_variances_501_and_3_2_are_printed_beside_their_roots(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    lines = bench("inspect", "docs/examples/thousand-inputs.yaml").out.splitlines()
    start = next(k for k, line in enumerate(lines) if "variance   root" in line)
    old, new = lines[start + 1].split(), lines[start + 2].split()
    assert old[1:4] == ["standard-normal", "501", "22.38"]
    assert new[:3] == ["lecun-normal", "1.5", "1.22"]


def test_mnist_spreads_to_9_42_and_to_1_05() -> None:
    """On the 60,000 images that are not for testing, which the chapter's figures are of."""
    found = inspection.inspect(load.check(Config(hidden=(100,))))
    assert (found.examples, found.known) == (50_000, 60_000)
    old, new = first(found, "standard-normal"), first(found, "lecun-normal")
    assert f"{old.predicted:.2f} {new.predicted:.2f}" == "9.42 1.05"
    assert old.measured == pytest.approx(9.42, rel=0.05)
    assert new.measured == pytest.approx(1.05, rel=0.05)
    # 2.887 is 0.306 and 2.74 deviations from 0.
    assert old.saturated == pytest.approx(0.76, abs=0.05)
    assert new.saturated == pytest.approx(0.006, abs=0.01)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("deviation", [0.01, 1.0, 22.4, 1e4])
def test_the_second_moment_of_what_comes_out_is_the_integral(
    activation: ActivationName, deviation: float
) -> None:
    """Beside scipy's quadrature, split at the step of a steep sigmoid; ReLU's is sd²/2."""
    functions: dict[ActivationName, Callable[[float], float]] = {
        "sigmoid": stats.logistic.cdf,
        "tanh": np.tanh,
        "relu": lambda z: max(z, 0.0),
    }

    def integrand(t: float) -> float:
        return float(functions[activation](t * deviation) ** 2 * stats.norm.pdf(t))

    edges = [-9, -10 / deviation, 0, 10 / deviation, 9] if deviation > 10 else [-9, 0, 9]
    pieces = pairwise(edges)
    expected = sum(integrate.quad(integrand, *piece, limit=200)[0] for piece in pieces)
    found = moments.second_moment(ACTIVATIONS[activation], deviation)
    assert found == pytest.approx(expected, rel=1e-4)
    if activation == "relu":
        assert found == pytest.approx(deviation**2 / 2, rel=1e-6)


@pytest.mark.parametrize("initializer", INITIALIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_predictions_are_what_many_networks_come_to(
    initializer: InitializerName, activation: ActivationName
) -> None:
    """Three layers, drawn 400 times; all examples have one length, as the theory supposes."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(20, 40))
    x *= 3 / np.linalg.norm(x, axis=1, keepdims=True)
    network = Network((40, 30, 20, 10), activation)
    squares = np.zeros(3)
    for _ in range(400):
        theta = network.initial(
            rng, INITIALIZERS[initializer], BIAS_INITIALIZERS["standard-normal"], "float64"
        )
        a = x
        for layer, (w, b) in enumerate(
            zip(network.weights(theta), network.biases(theta), strict=True)
        ):
            z = a @ w + b
            squares[layer] += (z**2).mean() / 400
            network.activation.apply(z, a := np.empty_like(z))
    predicted = moments.deviations(network, 9.0, VARIANCES[initializer], 1.0)
    assert np.sqrt(squares) == pytest.approx(predicted, rel=0.03)


@pytest.mark.parametrize("biases", BIAS_INITIALIZERS)
def test_the_tables_of_variances_are_those_of_the_draws(biases: BiasInitializerName) -> None:
    rng = np.random.default_rng(0)
    for name, draw in INITIALIZERS.items():
        assert draw(rng, 300, 200).var() == pytest.approx(VARIANCES[name](300, 200), rel=0.03)
    drawn = BIAS_INITIALIZERS[biases](rng, 1, 50_000)
    assert drawn.var() == pytest.approx(VARIANCES[biases](1, 1), rel=0.03)


def dataset(n: int = 60, width: int = 8, classes: int = 3) -> Dataset:
    rng = np.random.default_rng(1)
    split = Split(rng.normal(size=(n, width)), rng.integers(0, classes, n))
    return Dataset(split, None, None, classes, 1.0, {})


def looked_at(config: Config, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> Inspection:
    monkeypatch.setattr(inspection, "load", lambda _: data)
    return inspection.inspect(load.check(config))


def test_what_is_measured_first_is_the_network_that_training_starts_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With one draw: the saturation, the weights' norm and, at full batch, the gradient's."""

    data = dataset()
    config = Config(
        hidden=(6, 4), batch_size="all", monitor=("train",), patience=None, dtype="float64", seed=3
    )
    monkeypatch.setattr(initial_layers, "NETWORKS", 1)
    own = looked_at(config, data, monkeypatch).initialized[0].layers
    assembly = Assembly(config, data)
    theta = assembly.initial().parameters
    row = assembly.monitored(theta, "norms") | assembly.monitored(theta, "saturation")
    assert [layer.saturated for layer in own] == [*row["saturation"], None]
    assert [layer.weight_norm for layer in own] == pytest.approx(row["weight_norms"])
    assert [layer.gradient_norm for layer in own] == pytest.approx(row["gradient_norms"])
    z = data.train.features @ assembly.network.weights(theta)[0] + assembly.network.biases(theta)[0]
    assert own[0].measured == pytest.approx(math.sqrt((z**2).mean()))
    assert own[0].histogram is not None
    edges, density = own[0].histogram
    inside = np.count_nonzero(abs(z) <= edges[-1]) / z.size
    assert float(density.sum() * (edges[1] - edges[0])) == pytest.approx(inside)


def test_gradients_are_those_of_the_steps_that_training_makes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first step, with dropout, moves each layer's weights by η times the gradient."""

    data = dataset()
    config = Config(
        hidden=(6, 4),
        dropout=0.5,
        batch_size="all",
        monitor=("train",),
        patience=None,
        dtype="float64",
    )
    monkeypatch.setattr(initial_layers, "NETWORKS", 1)
    own = looked_at(config, data, monkeypatch).initialized[0].layers
    assembly = Assembly(config, data)
    state = assembly.initial()
    before = [weights.copy() for weights in assembly.network.weights(state.parameters)]
    assert list(assembly.trainer.epoch(state, 1, 0.1)) == [60]
    pairs = zip(assembly.network.weights(state.parameters), before, strict=True)
    moved = [float(np.linalg.norm(after - weights)) for after, weights in pairs]
    assert [0.1 * layer.gradient_norm for layer in own] == pytest.approx(moved)


def test_other_rules_stand_beside_the_config_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def names(own: InitializerName) -> list[str]:
        config = Config(initializer=own, hidden=(4,), monitor=("train",), patience=None)
        found = looked_at(config, dataset(), monkeypatch)
        return [each.initializer for each in found.initialized]

    assert names("standard-normal") == ["standard-normal", "lecun-normal"]
    assert names("lecun-normal") == ["lecun-normal", "standard-normal"]
    assert names("he-uniform") == ["he-uniform", "standard-normal", "lecun-normal"]


@pytest.mark.parametrize(
    "keys",
    [
        *({"activation": name, "hidden": (7, 6, 5)} for name in ACTIVATIONS),
        {"hidden": ()},
        {"dropout": 0.5},
        {"batch_size": 1},
        {"batch_size": 7, "dtype": "float64"},
        {"output": "softmax", "cost": "log-likelihood"},
        {"optimizer": LBfgs(), "batch_size": "all", "dtype": "float64", "learning_rate": None},
        {"hidden": (3,) * 12},
    ],
)
def test_any_network_can_be_looked_at_and_drawn(
    keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = Config(**({"monitor": ("train",), "patience": None} | keys))
    found = looked_at(config, dataset(), monkeypatch)
    own = found.initialized[0].layers
    assert len(own) == len(config.hidden) + 1
    assert sum(found.parameters) == Network((8, *config.hidden, 3)).size
    for layer in own:
        assert math.isfinite(layer.predicted)
        assert layer.measured == pytest.approx(layer.predicted, rel=0.7)
        assert layer.gradient_norm > 0
    renderer.save(distributions.figure(found, config.activation), tmp_path / "z.png")
    assert (tmp_path / "z.png").stat().st_size > 10_000


def test_a_picture_of_a_deep_network_shows_its_first_and_last_layers() -> None:
    assert distributions.layers(1) == [0]
    assert distributions.layers(4) == [0, 1, 2, 3]
    assert distributions.layers(101) == [0, 20, 40, 60, 80, 100]


def step_of(optimizer: Sgd | Momentum | Nesterov, share: float) -> float:
    """Return what the 1,000th step multiplies a weight by whose only gradient is the penalty's."""

    class Penalty:
        def gradient(self, theta: Any, scale: float = 1.0) -> Any:  # noqa: ANN401 - arrays
            return theta * (share / 0.5) * scale

        def descend(self, theta: Any, learning_rate: float) -> None:  # noqa: ANN401 - likewise
            theta -= self.gradient(theta, learning_rate)

    theta = np.ones(1)
    slots, objective = optimizer.start(theta), Penalty()
    for _ in range(1000):
        before = float(theta[0])
        optimizer.step(theta, objective, slots, 0.5)  # type: ignore[arg-type]
    return float(theta[0]) / before


@pytest.mark.parametrize("optimizer", [Sgd(), Momentum(mu=0.9), Nesterov(mu=0.8)])
def test_the_decay_is_what_the_optimizer_s_own_steps_do(
    optimizer: Sgd | Momentum | Nesterov,
) -> None:
    """λ/n = 0.002 and η = 0.5: a step of SGD takes a thousandth off."""
    config = Config(optimizer=optimizer, learning_rate=0.5, lambda_=0.4, batch_size=10)
    found = inspection.weight_decay(config, 200)
    assert found is not None
    assert (found.step, found.steps, found.algebra) == (0.999, 20, "1 - 0.5·0.4/200")
    assert found.lasting == pytest.approx(step_of(optimizer, 0.001), rel=1e-9)
    assert found.epoch == pytest.approx(found.lasting**20)
    assert found.halving is not None
    assert found.epoch**found.halving == pytest.approx(0.5)


def test_an_epoch_s_decay_is_about_e_to_the_minus_eta_lambda_over_m() -> None:
    """The chapter's own: η = 0.1, λ = 5, mini-batches of 10: exp(-0.05) = 0.9512."""
    found = inspection.weight_decay(Config(learning_rate=0.1, lambda_=5.0), 50_000)
    assert found is not None
    assert found.epoch == pytest.approx(math.exp(-0.05), rel=1e-6)


def test_where_no_factor_decays_there_is_none_and_a_note_says_why() -> None:
    for config, said in (
        (Config(), "lambda is 0"),
        (Config(lambda_=1.0, optimizer=Adam()), "adam scales"),
        (Config(lambda_=4.0, regularizer="l1"), "l1 reduces each weight's size by ηλ/n = 0.02"),
        (Config(lambda_=1.0, optimizer=LBfgs(), learning_rate=None), "l-bfgs uses a line search"),
    ):
        assert inspection.weight_decay(config, 100) is None
        assert inspection.step_notes(config, 100)[0].startswith(said)
    flipping = inspection.weight_decay(Config(learning_rate=1e9, lambda_=PerExample(1e-4)), 10**6)
    assert flipping is not None
    assert (abs(flipping.epoch), flipping.halving) == (math.inf, None)
    free = inspection.weight_decay(Config(lambda_=1.0, optimizer=Momentum(mu=1.0)), 100)
    assert free is not None
    assert free.epoch == pytest.approx(1.0)
    notes = inspection.step_notes(Config(lambda_=1.0, schedule=Cosine(), dropout=0.5), 100)
    assert [note.split()[0] for note in notes] == ["learning", "dropout"]
    config = Config(lambda_=2.0, schedule=Piecewise({1: 0.5, 16: 0.1}), learning_rate=None)
    assert inspection.step_notes(config, 100) == [
        "the learning rate is 0.5 from epoch 1 on, 0.1 from epoch 16 on"
    ]
    assert inspection.weight_decay(config, 100) == inspection.weight_decay(
        Config(lambda_=2.0, learning_rate=0.5), 100
    )


def test_the_command_creates_nothing_but_the_picture_and_fits_80_columns(bench: Bench) -> None:
    before = set(bench.folder.iterdir())
    code, out, err = bench("inspect", "tiny.yaml", "--set", "lambda=2", "--plot", "z.svg")
    assert (code, err) == (0, "")
    assert set(bench.folder.iterdir()) - before == {bench.folder / "z.svg"}
    lines = out.splitlines()
    assert lines[0] == "tiny.yaml"
    assert lines[1].startswith(
        "200 training examples, 260 including validation; mean square of an "
    )
    assert lines[3:7] == [
        "layer  inputs  neurons  parameters",
        "1          10        5          55",
        "2           5        3          18",
        "all                             73",
    ]
    assert max(map(len, lines)) <= 80
    assert "1 - ηλ/n = 1 - 0.5·2/200 = 0.995, 20 steps an epoch by 0.9046" in " ".join(out.split())
    svg = (bench.folder / "z.svg").read_text()
    for words in ("layer 2, output: standard-normal", "saturated: slope of sigmoid below 0.05"):
        assert f"<!-- {words} -->" in svg
    assert svg.count("<!-- density -->") == svg.count("<!-- z -->") == 4


def test_json_has_all_numbers_and_no_infinite_ones(bench: Bench) -> None:
    _, out, err = bench("inspect", "tiny.yaml", "--json")
    said = json.loads(out)
    assert err == ""
    assert said["sizes"] == [10, 5, 3]
    assert said["parameters"] == {"layers": [55, 18], "all": 73}
    assert said["measured_on"] == {"examples": 200, "networks": 10, "batches": 20, "rows": 10}
    assert list(said["initializers"]) == ["lecun-normal", "standard-normal"]
    own = said["initializers"]["lecun-normal"]
    assert set(own[0]) == {"predicted", "measured", "saturated", "gradient_norm", "weight_norm"}
    assert own[1]["saturated"] is None
    assert (said["decay"], said["notes"]) == (None, ["lambda is 0: weights do not decay"])
    code, out, _ = bench("inspect", "tiny.yaml", "--json", "--set", "data.scale=1e-320")
    assert code == 0
    assert json.loads(out)["initializers"]["lecun-normal"][0]["predicted"] is None
    assert bench("inspect", "tiny.yaml", "--set", "data.scale=1e-320", "--plot", "z.png").code == 0


def test_what_could_not_be_trained_is_refused_as_train_does(bench: Bench) -> None:
    np.savez(bench.folder / "part.npz", x_train=np.ones((4, 2)), y_train=[0, 1, 0, 1])
    bench.config("part.yaml", data={"name": "npz", "file": "part.npz"})
    bench.config("gone.yaml", data={"name": "npz", "file": "gone.npz"})
    for arguments in (
        ["part.yaml"],
        ["gone.yaml"],
        ["none.yaml"],
        ["tiny.yaml", "--set", "hiden=3"],
        ["tiny.yaml", "--set", "hidden=[1000000,1000000]"],
    ):
        inspected, trained = bench("inspect", *arguments), bench("train", *arguments)
        assert (inspected.code, inspected.out) == (2, "")
        assert inspected.err == trained.err
    wrong = bench("inspect", "tiny.yaml", "--plot", "z.txt")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err == "z.txt: a picture's name ends in .png, .svg, .pdf\n"
    assert bench("inspect", "tiny.yaml", "--plot", "no/z.png").code == 74
    assert not (bench.folder / "runs").exists()


def test_it_warns_as_train_does(bench: Bench) -> None:
    code, out, err = bench("inspect", "tiny.yaml", "--set", "batch_size=500", "--json")
    warning = (
        "batch_size 500 is more than the 200 training examples: every epoch is one batch, one step"
    )
    assert (code, err) == (0, f"warning: {warning}\n")
    assert json.loads(out)["warnings"] == [warning]


def test_a_sorted_file_is_looked_at_in_training_s_own_order(tmp_path: Path) -> None:
    """3,000 examples, the first 1,500 zeros: of a sample in order only zeros would be seen."""
    x = np.repeat([[0.0], [1.0]], 1500, axis=0)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=x[:, 0].astype(int))
    config = Config(
        data=Npz(file=str(tmp_path / "a.npz"), scale=1),
        hidden=(200,),
        bias_initializer="zeros",
        monitor=("train",),
        patience=None,
    )
    layer = inspection.inspect(load.check(config)).initialized[0].layers[0]
    assert layer.predicted == pytest.approx(math.sqrt(0.5))
    assert layer.measured == pytest.approx(math.sqrt(0.5), rel=0.1)
    assert not preconditions.warnings(config, dataset())
