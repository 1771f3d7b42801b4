"""nnexp sweep --plot draws accuracy over the swept keys."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.errors import DiskError
from nnexp.report import renderer, study_figures
from nnexp.study import sweep_file
from nnexp.study.job import Outcome
from nnexp.study.plan import PlannedRun, plan
from nnexp.study.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Bench


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grids", "name"),
    [
        (["learning_rate=0.01,0.1,1"], "line.png"),
        (["lambda=0,0.01,1"], "zero.svg"),
        (["activation=sigmoid,tanh"], "words.png"),
        (["learning_rate=0.1,1", "hidden=[3],[5],[]"], "map.pdf"),
        (["learning_rate=0.1,1", "lambda=0,1", "activation=sigmoid,tanh"], "best.png"),
    ],
)
def test_a_picture_of_what_was_swept(bench: Bench, grids: list[str], name: str) -> None:
    words = [word for grid in grids for word in ("--grid", grid)]
    code, _, err = bench.process(
        "sweep", "tiny.yaml", *words, "--set", "epochs=1", "--seeds", "2", "--plot", name
    )
    assert (code, err.splitlines()[-1]) == (0, f"{name}: validation accuracy")
    assert (bench.folder / name).stat().st_size > 4000


RATES_AND_LAMBDAS = "grid: {learning_rate: [0.1, 1, 2, 3, 4], lambda: [0, 1]}"
DRAWN_RATES_AND_LAMBDAS = """
random:
  draws: 60
  from: {learning_rate: {choice: [0.1, 1, 2, 3, 4]}, lambda: {uniform: [0, 1]}}
"""


def drawn(bench: Bench, text: str, lacks: Callable[[PlannedRun], Outcome | None]) -> str:
    """Return the words in the picture of a sweep of which some trials are without a result."""
    (bench.folder / "sweep.yaml").write_text(text)
    trials = plan(sweep_file.read("sweep.yaml"))
    done = Outcome(epochs=1, accuracies={"validation": 0.9})
    outcomes = [lacks(trial) if trial.values[0] > 1 else done for trial in trials.trials]
    renderer.save(study_figures.sweep(trials, rank(trials, outcomes)), bench.folder / "a.svg")
    return " ".join(re.findall("<!-- (.*?) -->", (bench.folder / "a.svg").read_text()))


@pytest.mark.parametrize(
    ("axes", "extra"),
    [
        ("grid: {learning_rate: [0.1, 1, 2, 3, 4]}", ""),
        (f"{RATES_AND_LAMBDAS}\nexclude: [{{learning_rate: 0.1, lambda: 0}}]", "not in the sweep"),
        (DRAWN_RATES_AND_LAMBDAS, ""),
    ],
)
def test_a_picture_says_what_diverged_and_what_has_no_result(
    bench: Bench, axes: str, extra: str
) -> None:
    diverged = Outcome(code=3, reason="diverged")
    text = f"config: tiny.yaml\n{axes}\nseeds: 2\n"

    def lacks(trial: PlannedRun) -> Outcome | None:
        """With 2 both seeds diverge, with 3 one does, with 4 there is nothing."""
        done = Outcome(epochs=1, accuracies={"validation": 0.8})
        return {2: diverged, 3: done if trial.config.seed else diverged}.get(trial.values[0])

    words = drawn(bench, text, lacks)
    for each in ("diverged with some of its seeds", "diverged no result", extra):
        assert each in words.replace("no result diverged", "diverged no result")
    whole = drawn(bench, text, lambda _: Outcome(epochs=1, accuracies={"validation": 0.8}))
    assert not re.search("diverged|result", whole)


@pytest.mark.parametrize("command", ["sweep", "inspect", "find-rate", "search"])
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_trained(
    bench: Bench, command: str
) -> None:
    more = {"sweep": ("--grid", "lambda=1,2"), "search": ("--space", "lambda=uniform(0,1)")}
    words = (command, "tiny.yaml", *more.get(command, ()), "--plot", "gone/p.png")
    assert bench(*words) == (
        74,
        "",
        "gone/p.png: there is no folder gone; mkdir -p gone makes it\n",
    )
    assert not (bench.folder / "runs").exists()


def test_a_picture_s_folder_must_be_one_that_may_be_written_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    writable = os.W_OK | os.X_OK
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != Path() or mode != writable
    )  # root may write anywhere
    code, _, err = bench("sweep", "tiny.yaml", "--grid", "lambda=1,2", "--plot", "p.png")
    assert (code, err) == (74, "p.png: may not be written\n")
    (bench.folder / "p.png").touch()  # a picture is replaced, which changes its folder
    assert bench("sweep", "tiny.yaml", "--grid", "epochs=1,2", "--plot", "p.png", "-q").code == 74


@pytest.mark.slow
def test_where_trials_failed_a_picture_that_cannot_be_changes_no_exit_code(bench: Bench) -> None:
    words = ("sweep", "tiny.yaml", "--grid", "learning_rate=1e30,1e29", "--plot", "p.png")
    code, _, err = bench.process(*words)
    assert (code, err.splitlines()[-1]) == (3, "p.png: no trial has a result to draw")
    words = ("sweep", "tiny.yaml", "--grid", "learning_rate=1e30,0.1", "--plot", "p.png")
    code, _, err = bench.process(*words)
    assert (code, (bench.folder / "p.png").exists()) == (3, True)  # what diverged is a sign in it


def test_a_picture_that_cannot_be_is_refused(bench: Bench) -> None:
    assert bench("sweep", "tiny.yaml", "--plot", "a.gif", "--grid", "lambda=1,2").code == 2
    assert not (bench.folder / "runs").exists()
    code, _, err = bench.process("sweep", "tiny.yaml", "--plot", "a.png", "--seeds", "2", "-q")
    assert code == 2
    assert "none has two values here" in err


def test_the_ranking_is_printed_before_its_picture_cannot_be_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskError("p.png: no space left on device")

    monkeypatch.setattr(renderer, "save", full)
    words = ("sweep", "tiny.yaml", "--grid", "lambda=1,2", "-q", "-j", "1")
    ranking = bench(*words).out
    assert bench(*words, "--plot", "p.png") == (74, ranking, "p.png: no space left on device\n")
