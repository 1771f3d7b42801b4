"""``initializer: {name: run}``: training that starts from another run's weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.config import load
from nnexp.runner import initial_weights
from nnexp.runner.naming import RunNames
from nnexp.store.run import Run

if TYPE_CHECKING:
    from nnexp.config.model import FromRun
    from tests.conftest import Bench, Once, Said

SOURCE = "runs/source-s0"
LIST = "; nnexp runs lists the runs"
WARM: dict[str, Any] = {"initializer": {"name": "run", "path": SOURCE}}


@pytest.fixture
def warm(once: Once) -> Bench:
    """A trained run, and a config that starts from its weights."""
    return once(train_source)


def train_source(bench: Bench) -> None:
    """Train the run and write the config."""
    bench("train", "tiny.yaml", "-q", "--name", "source", "--set", "epochs=4")
    bench.config("warm.yaml", epochs=2, **WARM)


def train(bench: Bench, *words: str, config: str = "warm.yaml") -> Said:
    return bench("train", config, "-q", *words)


def weights(run: str, epoch: int) -> dict[str, Any]:
    with np.load(Run(run).checkpoint_path(epoch)) as arrays:
        return {name: arrays[name] for name in arrays if name != "meta"}


# What training starts from


@pytest.mark.parametrize(("epoch", "expected"), [("best", None), ("last", 4), ("4", 4), ("3", 3)])
def test_training_starts_from_the_weights_of_an_epoch(
    warm: Bench, epoch: str, expected: int | None
) -> None:
    """With a learning rate near 0, they stay what they were."""
    result = Run(SOURCE).result
    assert result is not None
    assert result.best is not None
    expected = expected or result.best.epoch
    still = ("--set", "learning_rate=1e-30", "--set", f"initializer.epoch={epoch}")
    said = train(warm, *still)
    assert said.code == 0, said.err
    before, after = weights(SOURCE, expected), weights(said.out.strip(), 1)
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


def test_the_optimizers_state_starts_afresh(warm: Bench) -> None:
    warm("train", "tiny.yaml", "-q", "--name", "adam", "--set", "optimizer=adam")
    source = ("--set", "initializer.path=runs/adam-s0", "--set", "initializer.epoch=last")
    still = ("--set", "optimizer=adam", "--set", "learning_rate=1e-30", "--set", "epochs=1")
    run = train(warm, *still, *source).out.strip()
    last = weights("runs/adam-s0", 3)
    fresh = weights(run, 1)
    np.testing.assert_array_equal(fresh["weights_1"], last["weights_1"])
    moments = [name for name in last if name.startswith("slot_")]
    assert moments
    assert not any(np.array_equal(fresh[name], last[name]) for name in moments)


def test_float64_weights_are_rounded_to_the_configs_precision(warm: Bench) -> None:
    warm("train", "tiny.yaml", "-q", "--name", "wide", "--set", "dtype=float64")
    still = ("--set", "learning_rate=1e-30", "--set", "initializer.epoch=last")
    run = train(warm, *still, "--set", "initializer.path=runs/wide-s0").out.strip()
    np.testing.assert_array_equal(
        weights(run, 1)["weights_1"], weights("runs/wide-s0", 3)["weights_1"].astype(np.float32)
    )


def test_a_killed_run_resumes_and_a_longer_one_grows(warm: Bench) -> None:
    train(warm, "--name", "parts", "--until", "1")
    train(warm, "--name", "parts")
    train(warm, "--name", "parts", "--runs", "straight")
    assert warm.files("runs/parts-s0") == warm.files("straight/parts-s0")
    grown = train(warm, "--set", "epochs=4")
    scratch = train(warm, "--set", "epochs=4", "--runs", "straight")
    assert warm.files(grown.out.strip()) == warm.files(scratch.out.strip())
    assert warm("verify", grown.out.strip(), "-q").code == 0


# The identity


def test_other_weights_are_another_experiment(warm: Bench) -> None:
    first = train(warm).out
    assert train(warm).out == first
    shutil.rmtree(warm.folder / SOURCE)
    warm("train", "tiny.yaml", "-q", "--name", "source", "--set", "epochs=4", "--set", "lambda=1")
    second = train(warm).out
    assert first != second
    assert len(json.loads(warm("runs", "warm-*", "--json").out)) == 2


def test_a_name_of_other_weights_is_taken(warm: Bench) -> None:
    train(warm, "--name", "x")
    shutil.rmtree(warm.folder / SOURCE)
    warm("train", "tiny.yaml", "-q", "--name", "source", "--set", "epochs=4", "--set", "lambda=1")
    told = "runs/x-s0: the initial weights changed since this run was trained (initializer)"
    assert train(warm, "--name", "x") == (6, "", f"{told}; choose another name\n")
    said = warm("verify", "runs/x-s0", "-q")
    assert (said.code, said.err) == (6, f"{told}\n")


def test_a_name_of_a_run_with_drawn_weights_is_one_of_another_config(warm: Bench) -> None:
    warm("train", "tiny.yaml", "-q", "--name", "x", "--set", "epochs=2")
    code, _, err = train(warm, "--name", "x")
    assert code == 4
    assert "runs/x-s0: belongs to another config (it differs in initializer" in err


@pytest.mark.usefixtures("warm")
def test_the_source_is_read_once_for_all_seeds_before_they_are_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[object] = []
    original = initial_weights.InitialWeights

    def counted(source: FromRun) -> initial_weights.InitialWeights:
        read.append(source)
        return original(source)

    monkeypatch.setattr(initial_weights, "InitialWeights", counted)
    names = RunNames(Path("runs"), "warm")
    config = load.read("warm.yaml")
    contents = [names.content(load.changed(config, seed=seed)) for seed in (3, 2, 1, 0)]
    assert all(content == contents[0] for content in contents)
    assert len(read) == 1


def test_runs_on_the_same_data_are_compared(warm: Bench) -> None:
    train(warm, "--name", "warm", "--seeds", "3")
    warm("train", "tiny.yaml", "-q", "--name", "cold", "--seeds", "3")
    said = warm("compare", "runs/warm", "runs/cold")
    assert said.code == 0
    assert "different data" not in said.out


def test_other_weights_are_a_difference_that_is_shown(warm: Bench) -> None:
    first = train(warm).out.strip()
    shutil.rmtree(warm.folder / SOURCE)
    warm("train", "tiny.yaml", "-q", "--name", "source", "--set", "epochs=4", "--set", "lambda=1")
    second = train(warm).out.strip()
    assert "\ninitializer.sha256  " in warm("compare", first, second).out
    assert "  initializer.sha256  " in warm("runs", "warm-*").out
    listed = json.loads(warm("runs", "warm-*", "--json").out)
    assert len({row["weights_sha256"] for row in listed}) == 2


def test_a_sweep_judges_initial_weights_on_the_same_data(warm: Bench) -> None:
    initializers = f"initializer={{name: run, path: {SOURCE}}},zeros"
    said = warm("sweep", "tiny.yaml", "-q", "--grid", initializers, "--seeds", "3", "--json")
    assert said.code == 0
    assert "different data" not in said.err
    assert json.loads(said.out)["ranking"][1]["against_best"] is not None


def test_its_results_can_be_read_without_the_source(warm: Bench) -> None:
    run = train(warm).out.strip()
    shutil.rmtree(warm.folder / SOURCE)
    for command in ("show", "evaluate", "replay"):
        assert warm(command, run).code == 0
    code, _, err = train(warm)
    assert (code, err) == (
        2,
        f"warm.yaml:4:38: initializer.path: {SOURCE}: there is no such run{LIST}\n",
    )


# Errors, with their places


def written(bench: Bench, *lines: str) -> str:
    text = "data: {name: npz, file: tiny.npz}\nhidden: [5]\n" + "\n".join(lines) + "\n"
    (bench.folder / "bad.yaml").write_text(text)
    return "bad.yaml"


@pytest.mark.parametrize(
    ("lines", "words", "told"),
    [
        (
            ("initializer:", "  name: run", f"  path: {SOURCE}"),
            ("--set", "hidden=[6]"),
            (
                "bad.yaml:4:3: initializer: the network has 10-6-3 neurons, but that of "
                f"{SOURCE} has 10-5-3\n"
            ),
        ),
        (
            (f"initializer: {{name: run, path: {SOURCE}}}",),
            ("--set", "data.classes=[0, 1]"),
            (
                "bad.yaml:3:14: initializer: the network has 10-5-2 neurons, but that of "
                f"{SOURCE} has 10-5-3\n"
            ),
        ),
        (
            ("initializer: {name: run, path: runs/other}",),
            (),
            f"bad.yaml:3:32: initializer.path: runs/other: there is no such run{LIST}\n",
        ),
        (
            (f"initializer: {{name: run, path: {SOURCE}, epoch: 2}}",),
            (),
            (
                f"bad.yaml:3:55: initializer.epoch: {SOURCE}: has no checkpoint of epoch 2; it has "
                "those of 3, 4\n"
            ),
        ),
        (
            (),
            ("--set", "initializer=run"),
            "--set initializer=run: initializer: run needs 'path' (The other run's directory)\n",
        ),
        (
            (f"initializer: {{name: run, path: {SOURCE}}}", "bias_initializer: zeros"),
            (),
            (
                "bad.yaml:4:19: bias_initializer: a run's biases are taken with its weights; "
                "leave it out\n"
            ),
        ),
        (
            ("initializer: {name: lecun-normal, epoch: best}",),
            (),
            "bad.yaml:3:35: initializer.epoch: unknown key 'epoch'; it is a setting of run\n",
        ),
    ],
)
def test_an_error_names_line_and_column(
    warm: Bench, lines: tuple[str, ...], words: tuple[str, ...], told: str
) -> None:
    assert train(warm, *words, config=written(warm, *lines)) == (2, "", told)


@pytest.mark.parametrize(
    "command",
    [
        ("train", "-q", "--seeds", "2"),
        ("sweep", "-q", "--grid", "learning_rate=0.1,1"),
        ("search", "-q", "--space", "learning_rate=uniform(0.1, 1)", "--trials", "2"),
        ("find-rate", "-q"),
        ("inspect",),
        ("tune", "-q", "--full", "--budget", "1s"),
    ],
)
def test_every_command_refuses_wrong_shapes_before_it_trains(
    warm: Bench, command: tuple[str, ...]
) -> None:
    name, *words = command
    config = written(warm, f"initializer: {{name: run, path: {SOURCE}}}", "hidden: [6]")
    Path(config).write_text(Path(config).read_text().replace("hidden: [5]\n", ""))
    code, _, err = warm(name, config, *words)
    assert code == 2
    assert "bad.yaml:2:14: initializer: the network has 10-6-3 neurons" in err
    assert [path.name for path in Path("runs").glob("[!.]*")] == ["source-s0"]


def test_a_short_name_in_a_mapping_is_the_name(warm: Bench) -> None:
    long = train(warm, config=written(warm, "initializer: {name: he-normal}")).out
    assert train(warm, config=written(warm, "initializer: he-normal")).out == long


def test_tune_refuses_weights_that_its_quick_problem_cannot_have(warm: Bench) -> None:
    code, _, err = warm("tune", "warm.yaml", "-q")
    assert code == 2
    assert "initializer: tune begins with a smaller network" in err


def test_inspect_says_that_there_is_no_distribution(warm: Bench) -> None:
    said = warm("inspect", "warm.yaml", "--json")
    found = json.loads(said.out)
    assert list(found["initializers"]) == ["standard-normal", "lecun-normal"]
    assert found["notes"][0].startswith(f"the weights come from {SOURCE}")
