"""Successive halving trains the better half of the trials further, and no epoch twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.report import search_ranking
from nnexp.report.document import as_text
from nnexp.runner.naming import RunNames
from nnexp.store.records import Fault
from nnexp.study import search as searches
from nnexp.study import search_definition, trials
from nnexp.study.job import Performance
from tests.study.searches import UNCONFIRMED, names, search
from tests.study.spaces import RATE

if TYPE_CHECKING:
    from tests.conftest import Bench

NAMES = RunNames(Path("runs"))


def test_halving_needs_something_to_halve(bench: Bench) -> None:
    """What is asked for may be fewer configs than --trials says."""
    for how in (["--method", "grid"], ["--trials", "9"]):
        said = bench(*UNCONFIRMED, "--space", "hidden=[[5], [7], [5]]", "--halving", *how)
        assert (said.code, said.out) == (2, "")
        assert (
            "--halving: 2 trials of 3 epochs are too few to halve; --factor 3 needs at least 3"
            in said.err
        )


def test_where_the_last_rung_diverged_it_is_said_that_no_trial_is_whole(bench: Bench) -> None:
    defined = search_definition.define(bench.config(), [RATE], trials=3, factor=3)
    left = trials.TrialResult(
        defined.trial(1, (0.1,), NAMES), 1, (standing(1, {"validation": 0.6}),)
    )
    fault = Fault(epoch=2, batch=1, found="cost inf")
    further = trials.TrialResult(
        defined.trial(2, (9.0,), NAMES), 3, (Performance([], 2, 400, fault, {}),)
    )
    given = trials.TrialResult(
        defined.trial(0, None, NAMES), 3, (standing(3, {"validation": 0.7}),)
    )
    result = searches.SearchResult(defined, given, [left, further])
    told = as_text(search_ranking.document(result, None))
    lines = told.split("\n\n")[1].splitlines()[1:]
    assert lines[0].startswith("best: learning_rate=0.1, as in runs/")
    assert len(lines) == 2
    assert lines[1].startswith("the best trial was dropped after")
    assert lines[1].endswith("epoch 1: all trials that were trained further diverged")


@pytest.mark.slow
def test_halving_trains_no_epoch_twice(bench: Bench) -> None:
    found = json.loads(
        search(bench, "--trials", "9", "--epochs", "9", "--halving", "--json", "-q").out
    )
    assert [each["epochs"] for each in found["trials"]] == [[9], [3], [3], *[[1]] * 6]
    statuses = [each["status"] for each in found["trials"]]
    assert statuses == ["finished", *["interrupted"] * 8]
    assert found["examples"] == (9 + 2 * 3 + 6) * 200
    for each in found["trials"]:
        run = bench.folder / each["runs"][0]
        epochs = [
            json.loads(line)["epoch"] for line in (run / "timing.jsonl").read_text().splitlines()
        ]
        assert epochs == list(range(1, each["epochs"][0] + 1))
        log = (run / "log.txt").read_text().splitlines()
        begun = [line.split()[-1] for line in log if "from epoch" in line]
        assert begun == ["1", "2", "4"][: {9: 3, 3: 2, 1: 1}[each["epochs"][0]]]
        assert (run / "result.json").exists() == (each["epochs"] == [9])


@pytest.mark.slow
def test_a_survivor_is_the_run_that_train_makes(bench: Bench) -> None:
    search(bench, "--trials", "9", "--epochs", "9", "--halving", "--factor", "2", "-q")
    whole = [
        name for name in names(bench) if (bench.folder / "runs" / name / "result.json").exists()
    ]
    assert len(whole) == 2  # one of nine halved three times, and the config as given
    for name in whole:
        config = f"runs/{name}/config.yaml"
        bench("train", config, "--name", name, "--runs", "straight", "-q")
        assert bench.files(f"runs/{name}") == bench.files(f"straight/{name}")


def test_runs_trained_further_before_change_no_choice(bench: Bench) -> None:
    arguments = ("--trials", "9", "--epochs", "9", "--halving", "--json", "-q")
    fresh = json.loads(search(bench, *arguments).out)
    last = fresh["trials"][-1]
    run = Path(last["runs"][0])
    bench("train", str(run / "config.yaml"), "--name", run.name, "-q")
    assert (bench.folder / run / "result.json").exists()
    again = json.loads(search(bench, *arguments).out)
    assert again["trials"] == fresh["trials"]


@pytest.mark.slow
def test_what_stops_before_a_rung_needs_no_further_training(bench: Bench) -> None:
    bench.config(patience=1, learning_rate=1e-9, epochs=9)
    found = json.loads(
        bench(
            *(*UNCONFIRMED, "--space", "learning_rate=log-uniform(1e-9, 1e-8)"),
            *("--trials", "9", "--halving", "--json", "-q"),
        ).out
    )
    assert found["trials"][0]["epochs"] == [2]
    assert found["trials"][0]["test_accuracy"]["mean"] is not None


def standing(epochs: int, accuracies: dict[str, float]) -> Performance:
    return Performance([], epochs, 200 * epochs, None, accuracies)


def test_one_config_asked_for_twice_is_one(bench: Bench) -> None:
    """One point of the space is the config as given; what was asked for again takes no rung."""
    command = (*UNCONFIRMED, "--space", "batch_size=[10, 20]", "--trials", "6", "-q")
    whole = bench(*command).out
    assert [line.split()[:2] for line in whole.splitlines()[1:4]] == [
        ["as", "given"],
        ["1", "20"],
        [],
    ]
    assert "6 trials (random, seed 0, 2 of them different)" in whole
    assert ("the best trial equals the config as given" in whole) == (
        "best: batch_size=10," in whole
    )
    halved = bench(*command, "--halving", "--factor", "2", "--epochs", "2", "--json").out
    assert [each["epochs"] for each in json.loads(halved)["trials"]] == [[2], [1]]


def test_the_config_as_given_is_not_held_against_what_was_left_behind(bench: Bench) -> None:
    """Where all that came to the last rung diverged, no trial was trained to its end."""
    defined = search_definition.define("tiny.yaml", [RATE], trials=3, factor=3)
    given = trials.TrialResult(
        defined.trial(0, None, NAMES), 3, (standing(3, {"validation": 0.5}),)
    )
    left = trials.TrialResult(
        defined.trial(1, (0.1,), NAMES), 1, (standing(1, {"validation": 0.6}),)
    )
    assert searches.SearchResult(defined, given, [left]).compared == [given]
    assert not (bench.folder / "runs").exists()


def test_what_was_trained_further_ranks_first_under_halving(bench: Bench) -> None:
    """The config as given may have been passed by a trial that was then left behind."""
    defined = search_definition.define("tiny.yaml", [RATE], trials=3, factor=3)
    given = trials.TrialResult(
        defined.trial(0, None, NAMES),
        3,
        (standing(3, {"validation": 0.5, "test": 0.5}),),
    )
    left = trials.TrialResult(
        defined.trial(1, (0.1,), NAMES), 1, (standing(1, {"validation": 0.6}),)
    )
    assert searches.SearchResult(defined, given, [left]).ranked == [given, left]
    assert searches.SearchResult(defined._replace(factor=None), given, [left]).ranked == [
        left,
        given,
    ]
    assert not (bench.folder / "runs").exists()
