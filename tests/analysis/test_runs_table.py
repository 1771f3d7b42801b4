"""nnexp runs lists experiments over their seeds, and a column for each key that differs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from nnexp.config.messages import ranges
from tests.analysis.listings import make, seeds

if TYPE_CHECKING:
    from tests.conftest import Bench, Said


def test_runs_that_differ_in_the_seed_alone_are_one_line(bench: Bench) -> None:
    # By hand: the deviations of 0.90, 0.92, 0.94 are -2, 0, 2 points; sqrt(8 / 2) = 2.
    seeds("wide", {0: 0.90, 1: 0.92, 2: 0.94, 7: 0.92}, "learning_rate=0.1")
    make("slow-s3", "learning_rate=0.01", "seed=3", validation=0.5, test=0.25)
    (bench.folder / "runs/wide-s7/result.json").unlink()
    assert bench("runs") == (
        0,
        (
            "experiment  status                     seeds  epochs  learning_rate"
            "      validation            test\n"
            "slow-s3     finished                       3       2           0.01"
            "         50.00 %         25.00 %\n"
            "wide        3 finished, 1 interrupted  0-2,7       2            0.1"
            "  92.00 ± 2.00 %  80.00 ± 0.00 %\n"
        ),
        "",
    )


def test_once_a_run_is_finished_only_finished_ones_count(bench: Bench) -> None:
    make("a-s0", validation=0.9)
    make("a-s1", "seed=1", validation=0.1, ended=False)
    assert "  90.00 %  " in bench("runs").out
    (bench.folder / "runs/a-s0/result.json").unlink()
    assert "  50.00 ± 56.57 %  " in bench("runs").out


def test_a_seed_that_was_run_twice_counts_once(bench: Bench) -> None:
    seeds("a", {0: 0.90, 1: 0.94})
    make("again-s1", "seed=1", validation=0.94)
    (found,) = json.loads(bench("runs", "--json").out)
    spread = found["best_validation_accuracy"]
    assert spread["count"] == 2
    assert spread["mean"] == pytest.approx(0.92)
    assert spread["sd"] == pytest.approx(0.02 * 2**0.5)


def test_runs_of_one_experiment_under_unrelated_names_are_one_line(bench: Bench) -> None:
    seeds("main", {0: 0.9, 1: 0.9})
    make("first", "seed=2")
    code, out, _ = bench("runs")
    assert (code, out.splitlines()[1][:21]) == (0, "main (+ first)  3 fin")
    assert bench("runs", "-q") == (
        0,
        "runs/main\n",
        (
            "runs/main: first has the same config except for the seed, but another name: it is "
            "not included\n"
        ),
    )
    make("second", "seed=3")
    assert "main (+ first, second)" in bench("runs").out


def test_a_name_given_by_hand_is_never_hidden(bench: Bench) -> None:
    seeds("quickstart-0123456789ab", {0: 0.9, 1: 0.9, 2: 0.9})
    for seed, name in enumerate(("mine", "x-0123456789ab-s4", "y-0123456789cd-s5", "z"), 3):
        make(name, f"seed={seed}")
    listed = bench("runs").out.splitlines()[1]
    assert listed.startswith("quickstart-0123456789ab (+ mine, z, 2 derived names)  ")


def test_experiments_that_differ_in_data_alone_show_it(bench: Bench) -> None:
    make("old-s0", "data={name: npz, file: a.npz}", content={"x": "1"})
    make("new-s0", "data={name: npz, file: a.npz}", content={"x": "2"})
    rows = [line.split() for line in bench("runs").out.splitlines()]
    assert rows[0][3] == "data.sha256"
    shown = [row[3] for row in rows[1:]]
    assert len(set(shown)) == 2
    told = {row["name"]: row["data_sha256"] for row in json.loads(bench("runs", "--json").out)}
    assert shown == [told["new-s0"][:8], told["old-s0"][:8]]


def test_experiments_that_differ_in_another_key_do_not(bench: Bench) -> None:
    make("old-s0", "data={name: npz, file: a.npz}", content={"x": "1"})
    make("new-s0", "data={name: npz, file: b.npz}", content={"x": "2"})
    assert "data.sha256" not in bench("runs").out


def test_a_pattern_of_another_folder_is_refused(bench: Bench) -> None:
    make("a")
    assert "a  " in bench("runs", "runs/a").out
    told = "runs/.trash/a: is not in runs; give its folder with --runs\n"
    assert bench("runs", "runs/.trash/a") == (2, "", told)


@pytest.mark.parametrize("name", ["my run", "été", "a,b", "_u", "lr=0.1", "n" * 120])
def test_a_run_is_listed_whatever_its_name(bench: Bench, name: str) -> None:
    make("a").path.rename(bench.folder / "runs" / name)
    assert [row["name"] for row in json.loads(bench("runs", "--json").out)] == [name]
    assert bench("runs").out.splitlines()[1].startswith(name)
    assert bench("runs", "-q").out == f"runs/{name}\n"


def test_experiments_as_json(bench: Bench) -> None:
    seeds("wide", {0: 0.90, 1: 0.94}, "learning_rate=0.1")
    (found,) = json.loads(bench("runs", "--json").out)
    runs, config = found.pop("runs"), found.pop("config")
    assert [run["run"] for run in runs] == ["runs/wide-s0", "runs/wide-s1"]
    assert [run["seed"] for run in runs] == [0, 1]
    assert (config["learning_rate"], config["data"], "seed" in config) == (0.1, "mnist", False)
    assert found == {
        "name": "wide",
        "run": "runs/wide",
        "other_names": [],
        "data_sha256": found["data_sha256"],
        "weights_sha256": None,
        "seeds": [0, 1],
        "statuses": {"finished": 2},
        "best_validation_accuracy": {
            "mean": pytest.approx(0.92),
            "sd": pytest.approx(0.02 * 2**0.5),
            "count": 2,
            "values": [0.90, 0.94],
        },
        "test_accuracy": {"mean": 0.8, "sd": 0.0, "count": 2, "values": [0.8, 0.8]},
    }


def test_seeds_are_told_as_they_are_given() -> None:
    assert ranges([]) == ""
    assert ranges([3]) == "3"
    assert ranges([0, 1, 2, 4, 5, 9]) == "0-2,4-5,9"


# Columns


def header(said: Said) -> list[str]:
    assert (said.code, said.err) == (0, "")
    return re.split("  +", said.out.splitlines()[0])


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        (["learning_rate=0.1", "learning_rate=0.1"], []),
        (["learning_rate=0.1", "seed=4"], ["learning_rate"]),
        (["optimizer=sgd", "optimizer=momentum"], ["optimizer"]),
        (
            ["optimizer={name: momentum, mu: 0.5}", "optimizer={name: momentum, mu: 0.7}"],
            ["optimizer.mu"],
        ),
        (["data.train=10", "data=mnist"], ["data.train"]),
        (["lambda=1", "lambda={per_example: 0.1}"], ["lambda"]),
        (["epochs=3", "epochs=4"], ["config.epochs"]),
    ],
)
def test_keys_that_differ_have_columns(
    bench: Bench, settings: list[str], columns: list[str]
) -> None:
    for number, setting in enumerate(settings):
        make(f"n{number}", setting)
    plain = {"run", "experiment", "seeds", "status", "epochs", "validation", "at", "test"}
    assert [name for name in header(bench("runs")) if name not in plain] == columns


def test_a_key_that_an_older_nnexp_did_not_know_is_no_difference(bench: Bench) -> None:
    make("new", "learning_rate=0.1")
    make("old", without=("dropout", "rng"))
    found = header(bench("runs"))
    assert "learning_rate" in found
    assert not {"dropout", "rng"} & set(found)


def test_a_mapping_is_shown_where_another_run_has_a_number(bench: Bench) -> None:
    make("a", "lambda=1")
    make("b", "lambda={per_example: 0.1}")
    assert '  {"per_example": 0.1}  ' in bench("runs").out


def test_each_run_shows_its_seed_where_seeds_differ(bench: Bench) -> None:
    seeds("a", {0: 0.9, 1: 0.8})
    assert header(bench("runs", "--each")) == [
        *("run", "status", "epochs", "seed", "validation", "at", "test")
    ]


def test_a_terminal_s_width_is_for_what_tells_most(bench: Bench) -> None:
    for number, (rate, drop) in enumerate([(0.1, 0.0), (0.2, 0.0), (0.3, 0.5)]):
        make(f"n{number}", f"dropout={drop}", f"learning_rate={rate}")
    wide = bench.on_a_terminal("runs", columns=120, NO_COLOR="1").splitlines()
    assert wide[0].split() == [
        *("run", "status", "epochs", "learning_rate", "dropout", "validation", "at", "test")
    ]
    assert len(wide) == 4
    narrow = bench.on_a_terminal("runs", columns=50, NO_COLOR="1").splitlines()
    assert narrow[0].split() == ["run", "status", "learning_rate", "validation", "test"]
    assert max(map(len, narrow[:4])) <= 50
    assert narrow[4] == (
        "not enough room for epochs, dropout, at; use a wider terminal, a pipe or --json"
    )
