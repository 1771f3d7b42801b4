"""Runs of nnexp 0.1.0, kept in version-0.1.0 beside this file, are used like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Bench

KEPT = Path(__file__).with_name("version-0.1.0")
FINISHED, INTERRUPTED = "runs/iris-3a3965fb5555-s0", "runs/iris-e7f5496d167f-s0"


@pytest.fixture
def old(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The kept folder, on a machine with the arithmetic that it was made with."""
    shutil.copytree(KEPT, bench.folder, dirs_exist_ok=True)
    numerics = json.loads((KEPT / FINISHED / "run.json").read_text())["numerics"]
    monkeypatch.setattr("nnexp.runner.backends.fingerprint", lambda _: numerics)
    return bench


def other_data(bench: Bench) -> None:
    """Replace the training data."""
    rows = (bench.folder / "train.csv").read_text().splitlines()
    (bench.folder / "train.csv").write_text("\n".join(rows[:-1]) + "\n")


def test_a_finished_run_is_done_under_its_name(old: Bench) -> None:
    said = old("train", "iris.yaml")
    assert (said.code, said.out) == (0, f"{FINISHED}\n")
    assert said.err == f"{FINISHED}: already done\n"


def test_an_interrupted_run_is_resumed(old: Bench) -> None:
    said = old("train", "iris.yaml", "--set", "epochs=6")
    assert (said.code, said.out) == (0, f"{INTERRUPTED}\n")
    assert f"{INTERRUPTED}: resuming after epoch 2\n" in said.err


def test_a_run_grows_from_it(old: Bench) -> None:
    said = old("train", "iris.yaml", "--set", "epochs=5")
    assert f"epochs 1 to 4 are taken from {FINISHED}\n" in said.err
    shutil.rmtree(old.folder / "runs")
    scratch = old("train", "iris.yaml", "--set", "epochs=5", "-q")
    assert (scratch.code, scratch.out) == (0, said.out)


def test_it_is_listed_compared_and_ranked(old: Bench) -> None:
    listed = json.loads(old("runs", "--json").out)
    assert [row["name"] for row in listed] == [
        "by-hand",
        *(Path(r).name for r in (FINISHED, INTERRUPTED)),
    ]
    assert old("compare", "runs/by-hand", FINISHED).code == 0
    said = old("sweep", "iris.yaml", "--grid", "learning_rate=0.5,0.25", "--json", "-q")
    ranked = [run for row in json.loads(said.out)["ranking"] for run in row["runs"]]
    assert FINISHED in ranked


def test_of_other_data_it_is_not_the_run(old: Bench) -> None:
    other_data(old)
    said = old("train", "iris.yaml", "-q")
    assert said.code == 0
    assert said.out != f"{FINISHED}\n"
    assert (
        old("train", "iris.yaml", "-q", "--name", "by-hand", "--set", "learning_rate=0.25").code
        == 6
    )
