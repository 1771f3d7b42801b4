"""The runs of an experiment that is named by hand: ``--name X`` makes X-s<seed>."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nnexp

if TYPE_CHECKING:
    from tests.conftest import Bench


LONGER = ("--set", "epochs=4")


def train(bench: Bench, *words: str) -> list[str]:
    """Train the small config and return the names of its runs."""
    said = bench("train", "tiny.yaml", "-q", *words)
    assert said.code == 0, said.err
    return said.out.split()


@pytest.fixture
def older(bench: Bench) -> Bench:
    """A run x of seed 1 beside its folder's others, as nnexp 0.1.0 named it."""
    train(bench, "--name", "x", "--set", "seed=1")
    (bench.folder / "runs/x-s1").rename(bench.folder / "runs/x")
    return bench


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (("--name", "x"), ["x-s0"]),
        (("--name", "x", "--set", "seed=7"), ["x-s7"]),
        (("--name", "x", "--seeds", "2"), ["x-s0", "x-s1"]),
        (("--name", "x-s0"), ["x-s0"]),
        (("--name", "x-s1"), ["x-s1-s0"]),
        (("--name", "x-s1", "--seeds", "2"), ["x-s1-s0", "x-s1-s1"]),
    ],
)
def test_a_name_is_the_experiments(bench: Bench, words: tuple[str, ...], runs: list[str]) -> None:
    assert train(bench, *words) == [f"runs/{name}" for name in runs]
    assert train(bench, *words) == [f"runs/{name}" for name in runs]


def test_one_seed_and_several_share_their_runs(bench: Bench) -> None:
    train(bench, "--name", "x")
    assert bench("train", "tiny.yaml", "--name", "x", "--seeds", "2").err.startswith(
        "runs/x-s0: already done\n"
    )


def test_a_run_of_just_this_name_is_found_if_it_has_the_seed(older: Bench) -> None:
    assert train(older, "--name", "x", "--seeds", "3") == ["runs/x-s0", "runs/x", "runs/x-s2"]
    assert train(older, "--name", "x", "--set", "seed=1") == ["runs/x"]
    assert train(older, "--name", "x") == ["runs/x-s0"]


def test_a_damaged_run_of_just_this_name_is_not_passed_over(older: Bench) -> None:
    (older.folder / "runs/x/run.json").write_text("{}")
    said = older("train", "tiny.yaml", "-q", "--name", "x")
    assert (said.code, said.out) == (5, "")
    assert "runs/x/run.json: is damaged" in said.err


def test_a_folder_that_is_no_run_does_not_take_the_name(bench: Bench) -> None:
    (bench.folder / "runs/x").mkdir(parents=True)
    assert train(bench, "--name", "x") == ["runs/x-s0"]


@pytest.mark.usefixtures("older")
def test_python_names_runs_likewise() -> None:
    config = nnexp.load_config("tiny.yaml")
    assert str(nnexp.train(config, name="y").path) == "runs/y-s0"
    seeded = nnexp.load_config("tiny.yaml", {"seed": 1})
    assert str(nnexp.train(seeded, name="x").path) == "runs/x"


def test_data_of_another_content_is_refused_before_any_seed_is_trained(bench: Bench) -> None:
    train(bench, "--name", "x", "--seeds", "2")
    bench.data(seed=1)
    said = bench("train", "tiny.yaml", "--name", "x", "--seeds", "2-4")
    assert (said.code, said.out) == (6, "")
    assert said.err.startswith("runs/x-s0: the data changed since this run was trained (x_test, ")
    assert said.err.endswith("; choose another name\n")
    assert sorted(path.name for path in Path("runs").glob("x*")) == ["x-s0", "x-s1"]


def test_seeds_that_are_left_behind_are_named(bench: Bench) -> None:
    train(bench, "--name", "x", "--seeds", "3")
    err = bench("train", "tiny.yaml", "-q", "--name", "x", "--set", "epochs=4").err
    assert err.startswith("warning: x-s1, x-s2 of the same name have another config; ")
    assert bench("train", "tiny.yaml", "-q", "--name", "x", "--seeds", "3").code == 4
    assert bench("train", "tiny.yaml", "-q", "--name", "x", "--seeds", "3", *LONGER).err == ""


def test_a_run_is_resumed_under_its_own_name(bench: Bench) -> None:
    train(bench, "--name", "x", "--until", "1")
    assert bench("train", "runs/x-s0", "-q").out == "runs/x-s0\n"
    assert bench("train", "runs/x-s0").err == "runs/x-s0: already done\n"
    changed = bench("train", "runs/x-s0", "-q", *LONGER).out
    assert changed.startswith("runs/x-")
    assert changed != "runs/x-s0\n"
    assert bench("train", "runs/x-s0/config.yaml", "-q", *LONGER).out == changed


def test_a_run_of_data_that_was_replaced_is_not_resumed(bench: Bench) -> None:
    train(bench, "--name", "x", "--until", "1")
    bench.data(seed=1)
    assert bench("train", "runs/x-s0", "-q").out != "runs/x-s0\n"


# Compared


def test_a_run_is_compared_with_the_other_seeds_of_its_name(older: Bench) -> None:
    train(older, "--name", "x", "--seeds", "3")
    train(older, "--name", "y", "--seeds", "3", "--set", "learning_rate=0.1")
    sides = json.loads(older("compare", "runs/x", "runs/y", "--json").out)["experiments"]
    assert sides["A"]["runs"] == ["runs/x-s0", "runs/x", "runs/x-s2"]
    assert sides["A"]["run"] == "runs/x"


def test_seeds_that_are_named_themselves_are_compared(older: Bench) -> None:
    train(older, "--name", "x")
    sides = json.loads(older("compare", "runs/x", "runs/x-s0", "--json").out)["experiments"]
    assert [side["runs"] for side in sides.values()] == [["runs/x"], ["runs/x-s0"]]


def test_a_seed_that_is_there_twice_counts_once(older: Bench) -> None:
    shutil.copytree(older.folder / "runs/x", older.folder / "runs/x-s1")
    train(older, "--name", "y", "--set", "learning_rate=0.1")
    sides = json.loads(older("compare", "runs/x", "runs/y-s0", "--json").out)["experiments"]
    assert sides["A"]["runs"] == ["runs/x"]


def test_runs_of_another_experiment_are_not_drawn_in(older: Bench) -> None:
    train(older, "--name", "y", "--set", "learning_rate=0.1")
    (older.folder / "runs/y-s0").rename(older.folder / "runs/x-s0")
    train(older, "--name", "z", "--set", "learning_rate=0.2")
    sides = json.loads(older("compare", "runs/x", "runs/z-s0", "--json").out)["experiments"]
    assert sides["A"]["runs"] == ["runs/x"]
