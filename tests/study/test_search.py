"""Search: what is tried, in which order, and that a kill anywhere changes nothing."""

from __future__ import annotations

import fcntl
import json
import re
import shlex
import shutil
import signal
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import tuning
from nnexp.config.model import PerExample
from nnexp.optim import sgd
from nnexp.report import renderer, search_ranking, study_figures
from nnexp.report.document import Table, markdown_table
from nnexp.store.records import Fault
from nnexp.study import samplers, search_definition, space, sweep_file, trials
from nnexp.study import search as searches
from nnexp.study.job import Job, Outcome, Performance
from tests.known import ACTIVATIONS

if TYPE_CHECKING:
    from tests.conftest import Bench, Said

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="Optuna is not installed")
TPE = pytest.param("tpe", marks=needs_optuna)

ROOT = Path(__file__).parents[2]
RATE = "learning_rate=log-uniform(0.01, 10)"
LAMBDA = "lambda=uniform(0, 2)"
KINDS = "uniform, log-uniform, integers, log-integers, choice"


def read(sources: list[str]) -> space.Space:
    found, problems = sweep_file.read_space(sources)
    assert problems == []
    return found


def search(bench: Bench, *arguments: str, runs: str = "runs") -> Said:
    return bench("search", "tiny.yaml", "--space", RATE, "--runs", runs, *arguments)


def tree(bench: Bench, runs: str) -> dict[str, bytes]:
    """Return all files of all runs that must be the same, by path."""
    return {
        f"{name}/{path}": content
        for name in names(bench, runs)
        for path, content in bench.files(f"{runs}/{name}").items()
    }


def names(bench: Bench, runs: str = "runs") -> list[str]:
    return sorted(run.name for run in (bench.folder / runs).iterdir())


def points(method: str, count: int, scores: list[float] | None = None) -> list[space.Values]:
    """Return what a method asks for when the points come to these scores."""
    found = read([RATE, "hidden=[[5], [7]]", "batch_size=integers(5, 20)"])
    asked: samplers.Method = samplers.method(method, found, count, seed=3)  # type: ignore[arg-type]
    told = iter(scores or [0.5] * count)
    made = []
    while (values := asked.ask()) is not None:
        made.append(values)
        asked.tell(next(told))
    return made


# What is tried.


@pytest.mark.parametrize("method", ["random", "grid", TPE])
def test_points_follow_from_the_seed_and_the_scores_alone(method: str) -> None:
    scores = [place * 0.37 % 1 for place in range(16)]
    assert points(method, 16, scores) == points(method, 16, scores)
    assert len({str(values) for values in points(method, 16, scores)}) > 10


@pytest.mark.parametrize("method", ["random", TPE])
def test_more_trials_begin_with_the_same_ones(method: str) -> None:
    assert points(method, 16)[:12] == points(method, 12)


@pytest.mark.usefixtures("bench")
def test_random_draws_what_a_sweep_s_random_section_draws() -> None:
    Path("sweep.yaml").write_text(
        "config: tiny.yaml\nrandom: {draws: 5, seed: 7, from: {"
        "learning_rate: {log-uniform: [0.01, 10]}, lambda: {uniform: [0, 2]}}}\n"
    )
    (drawn,) = sweep_file.read("sweep.yaml").space.dimensions
    found = samplers.random_points(read([RATE, LAMBDA]), 5, 7)
    assert found == [tuple(choice.value for choice in row) for row in drawn.rows]
    assert all(0.01 <= rate <= 10 and 0 <= decay <= 2 for rate, decay in found)


@needs_optuna
def test_tpe_goes_by_the_scores_once_it_has_ten() -> None:
    rising, falling = ([0.05 * s for s in order] for order in (range(16), range(16, 0, -1)))
    one, other = points("tpe", 16, rising), points("tpe", 16, falling)
    assert one[:10] == other[:10]
    assert one[10:] != other[10:]


@needs_optuna
def test_tpe_takes_a_key_with_one_value() -> None:
    asked = samplers.method("tpe", read(["hidden=[[5]]", LAMBDA]), 12, 0)
    while (values := asked.ask()) is not None:
        assert values[0] == [5]
        asked.tell(values[1])


@needs_optuna
def test_tpe_takes_what_diverged_for_the_worst() -> None:
    asked = samplers.method("tpe", read([RATE]), 40, 0)
    rates = []
    while (values := asked.ask()) is not None:
        rates.append(values[0])
        asked.tell(None if values[0] > 0.1 else 0.0)  # 0.0 is the worst accuracy there is
    assert sum(rate > 0.1 for rate in rates[:10]) > 3
    assert sum(rate <= 0.1 for rate in rates[20:]) > 15


def test_a_grid_has_the_ends_and_equal_steps_in_between() -> None:
    found = read(["learning_rate=log-uniform(0.01, 1)", "batch_size=integers(5, 9)"])
    rates, sizes = [0.01, 0.1, 1.0], [5, 7, 9]
    assert samplers.grid(found, 9) == [(rate, size) for rate in rates for size in sizes]
    assert samplers.grid(found, 11) == samplers.grid(found, 9)
    assert samplers.grid(found, 4) == [(rate, size) for rate in (0.01, 1.0) for size in (5, 9)]


def test_a_grid_has_every_choice_and_no_more_levels_than_there_are_integers() -> None:
    found = read(["hidden=[[5], [7, 3]]", "batch_size=integers(5, 6)"])
    assert samplers.grid(found, 1000) == [([5], 5), ([5], 6), ([7, 3], 5), ([7, 3], 6)]


@pytest.mark.parametrize(
    ("count", "epochs", "factor", "expected"),
    [
        (27, 27, 3, [(27, 1), (9, 3), (3, 9), (1, 27)]),
        (20, 30, 3, [(20, 4), (6, 10), (2, 30)]),
        (8, 3, 2, [(8, 2), (4, 3)]),
        (1, 30, 3, [(1, 30)]),
        (9, 1, 3, [(9, 1)]),
    ],
)
def test_rungs(count: int, epochs: int, factor: int, expected: list[tuple[int, int]]) -> None:
    assert samplers.rungs(count, epochs, factor) == expected


def test_a_range_on_the_command_line_is_one_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(
        "learning_rate: {log-uniform: [1e-3, 10]}\noptimizer.mu: {uniform: [0, 0.9]}\n"
        "batch_size: {integers: [5, 50]}\nactivation: [tanh, relu]\nhidden: {choice: [[5], []]}\n"
    )
    settings = [
        "learning_rate = log-uniform(1e-3, 10)",
        "optimizer.mu=uniform( 0, 0.9 )",
        "batch_size={integers: [5, 50]}",
        "activation=[tanh, relu]",
        "hidden=choice([5], [])",
    ]
    found = [
        [(each.key, each.kind, each.bounds) for each in read(sources).dimensions]
        for sources in ([str(file)], settings)
    ]
    assert found[0] == found[1]
    assert found[0][0] == ("learning_rate", "log-uniform", [0.001, 10])


def test_a_grid_has_a_value_that_is_named_twice_once() -> None:
    found = read(["dropout=[0.5, 0.1, 0.5]", "batch_size=integers(5, 9)"])
    sizes = [5, 7, 9]
    assert samplers.grid(found, 6) == [(each, size) for each in (0.5, 0.1) for size in sizes]


def test_a_component_s_settings_are_put_into_it_wherever_they_stand(bench: Bench) -> None:
    sources = ["optimizer.mu=[0.1, 0.2]", "optimizer=[nesterov, {name: momentum}]"]
    defined = search_definition.define(bench.config(), sources, method="grid")
    made = [defined.configs(values)[0].optimizer for values in samplers.grid(defined.space, 4)]
    assert made == [sgd.Nesterov(0.1), sgd.Momentum(0.1), sgd.Nesterov(0.2), sgd.Momentum(0.2)]


def test_a_setting_of_a_searched_key_is_of_the_config_as_given(bench: Bench) -> None:
    for key in ("lambda", "lambda.per_example"):
        defined = search_definition.define(bench.config(), [f"{key}=[1, 2]"], ["lambda=3"])
        found = [defined.configs(values)[0].lambda_ for values in ((1,), None)]
        assert found == [1 if key == "lambda" else PerExample(1), 3]


# What comes of it.


def test_trials_are_ordinary_runs(bench: Bench) -> None:
    said = search(bench, "--trials", "3", "--json", "-q")
    assert (said.code, said.err) == (0, "")
    trial = json.loads(said.out)["trials"][0]
    rate = trial["values"]["learning_rate"]
    again = bench("train", "tiny.yaml", "--set", f"learning_rate={rate}")
    assert again.out.strip() == trial["runs"][0]
    assert "already done" in again.err
    assert bench("runs", "--each", "-q").out.count("\n") == 4  # three, and the config as given


def test_the_table_ranks_by_validation_and_ends_as_compare_does(bench: Bench) -> None:
    said = search(bench, "--trials", "4", "--seeds", "3")
    header, *rows = (line.split("  ") for line in said.out.split("\n\n")[0].splitlines())
    assert header[0].startswith("trial")
    validation = [float(row[-2].split()[0]) for row in rows]
    assert len(rows) == 5
    assert "as given" in [row[0] for row in rows]
    assert validation == sorted(validation, reverse=True)
    paths = [line.split()[1] for line in said.out.splitlines() if line[:3] in {"A  ", "B  ", "C  "}]
    assert len(paths) == 3
    assert said.out.endswith(f"\n\n{bench('compare', *paths).out}")


def test_the_first_side_is_the_config_as_given_then_the_best_two(bench: Bench) -> None:
    found = json.loads(search(bench, "--trials", "4", "--seeds", "2", "--json").out)
    sides = found["comparison"]["experiments"]
    ranked = [found["baseline"], *found["trials"]]
    assert [sides[letter]["runs"] for letter in "ABC"] == [each["runs"] for each in ranked[:3]]
    assert sides["A"]["seeds"] == [0, 1]
    assert found["best"] == found["trials"][0]["trial"]


def test_a_config_asked_for_twice_counts_once(bench: Bench) -> None:
    arguments = ("search", "tiny.yaml", "--space", "hidden=[[5], [6]]", "--trials", "6", "--json")
    found = json.loads(bench(*arguments).out)
    assert len(found["trials"]) == 6
    assert len(names(bench)) == 2
    assert found["examples"] == 2 * 3 * 200
    assert len(found["comparison"]["experiments"]) == 2


def test_with_nothing_to_compare_the_table_stands_alone(bench: Bench) -> None:
    bench.config(hidden=[5])
    said = bench("search", "tiny.yaml", "--space", "hidden=[[5]]", "--trials", "1")
    assert said.code == 0
    assert "verdict" not in said.out
    assert "1 trial (random, seed 0), 600 training examples seen" in said.out


def test_progress_is_a_line_a_trial_with_the_best_so_far(bench: Bench) -> None:
    said = search(bench, "--trials", "2", "-j", "1")
    given, first, second = said.err.splitlines()
    assert given.startswith("config as given  validation ")
    assert first.startswith("trial 1/2  learning_rate=")
    accuracies = [float(re.findall(r"validation (\S+) %", line)[0]) for line in (first, second)]
    assert not given.endswith("best so far")
    assert first.endswith(" %  best so far")
    assert second.endswith("best so far") is (accuracies[1] > accuracies[0])
    shown = bench.on_a_terminal("search", "tiny.yaml", "--space", RATE, "--runs", "r", "-q")
    assert "waiting" not in shown
    shown = bench.on_a_terminal("search", "tiny.yaml", "--space", RATE, "--runs", "r2")
    assert re.search(r"21 runs: \d+ done, \d running, \d+ waiting", shown)
    assert re.search(r"best so far: validation \d\d\.\d\d %, tiny-", shown)


def test_a_finished_search_says_so_and_changes_nothing(bench: Bench) -> None:
    arguments = ("--trials", "3", "--halving", "--epochs", "9")
    first = search(bench, *arguments)
    before = tree(bench, "runs"), (bench.folder / "runs").stat().st_mtime_ns
    again = search(bench, *arguments)
    assert (again.code, again.out, again.err) == (0, first.out, "already done\n")
    assert before == (tree(bench, "runs"), (bench.folder / "runs").stat().st_mtime_ns)


def test_what_diverges_is_the_worst_and_its_other_seeds_are_spared(bench: Bench) -> None:
    space_ = "learning_rate=[1e30, 0.1]"
    said = bench("search", "tiny.yaml", "--space", space_, "--method", "grid", "--seeds", "2", "-q")
    assert said.code == 0
    worst = said.out.split("\n\n")[0].splitlines()[-1].split("  ")
    assert (worst[0].strip(), worst[-2].strip()) == ("1", "diverged") or "diverged" in worst
    found = json.loads(
        bench(
            *("search", "tiny.yaml", "--space", space_, "--method", "grid", "--seeds", "2"),
            *("--json", "-q"),
        ).out
    )
    assert [each["trial"] for each in found["trials"]] == [2, 1]
    assert [len(each["runs"]) for each in found["trials"]] == [2, 1]
    assert len(names(bench)) == 2 + 2 + 1  # the config as given has two of its own
    assert found["trials"][1]["validation_accuracy"] == {"mean": None, "values": [None]}
    assert found["trials"][1]["examples"] == [200]


LONG = ("--space", "epochs=[1000000, 2]", "--set", "patience=null", "--method", "grid")


def test_a_trial_that_takes_too_long_fails_alone(bench: Bench) -> None:
    """It is the worst, its other seeds are spared, and the others go on; as in a sweep."""
    limited = (*LONG, "--seeds", "2", "--timeout", "4", "-j", "1")
    said = bench("search", "tiny.yaml", *limited)
    assert said.code == 143
    rows = [re.split("  +", row.strip()) for row in said.out.split("\n\n")[0].splitlines()[1:]]
    assert [(row[0], row[3]) for row in rows[-1:]] == [("1", "failed")]
    (failed,) = [line for line in said.err.splitlines() if "(exit" in line]
    assert re.fullmatch(
        r"failed \(exit 143\): runs/tiny-\S+-s0: took more than 4 s; what is committed is safe",
        failed,
    )
    assert "trial 1/2  epochs=1000000  failed\n" in said.err
    found = json.loads(bench("search", "tiny.yaml", *limited, "--json", "-q").out)
    assert [(each["trial"], len(each["runs"])) for each in found["trials"]] == [(2, 2), (1, 1)]
    (failure,) = found["failures"]
    assert (failure["exit"], failure["run"]) == (143, found["trials"][1]["runs"][0])
    assert found["trials"][1]["epochs"][0] > 0


def test_where_all_take_too_much_memory_it_exits_as_the_first(bench: Bench) -> None:
    bench.config(epochs=1_000_000, patience=None)
    said = search(bench, "--trials", "2", "--max-memory", "1M", "-j", "1", "-q", "--plot", "a.png")
    assert said.code == 137
    assert said.err.count("failed (exit 137)") == 3
    assert "of memory, more than 1 MB" in said.err
    assert "diverged" not in said.out + said.err


def test_a_method_learns_that_a_trial_failed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    method = Lagging(6)
    defined = search_definition.define(bench.config(), [RATE], trials=6, has_baseline=False)
    monkeypatch.setattr(search_definition.Definition, "new_method", lambda _: method)
    asked = searches.Search(defined, bench.folder / "runs")
    killed = Outcome(code=137, reason="took 2 MB of memory, more than 1 MB", is_over_limit=True)
    assert not searches.is_fatal(killed)
    while (job := asked.ask()) is not None:
        asked.tell(job, killed)
    assert method.scores == [None] * 3  # those before the last four that it might ask for
    assert asked.result.failures == [(each.trial.paths[0], killed) for each in asked.result.results]


def test_where_all_diverge_it_exits_3(bench: Bench) -> None:
    bench.config(learning_rate=1e30)
    said = bench(
        "search", "tiny.yaml", "--space", "learning_rate=[1e30, 1e31]", "--method", "grid", "-q"
    )
    assert said.code == 3
    assert said.err.endswith("every trial diverged; search smaller learning rates\n")
    assert "the config as given diverged" in said.out


def test_no_more_trials_once_the_examples_are_seen(bench: Bench) -> None:
    found = json.loads(search(bench, "--examples", "1500", "--json", "-q").out)
    assert len(found["trials"]) == 3  # of 600 examples each
    assert found["examples"] == 1800


def test_the_library_searches_without_the_config_as_given(bench: Bench) -> None:
    defined = search_definition.define("tiny.yaml", [RATE], trials=2, has_baseline=False)
    found = searches.search(defined, Path("runs"))
    assert found.baseline is None
    assert len(names(bench)) == 2
    assert [each.trial.number for each in found.compared] == [e.trial.number for e in found.results]


# Halving.


def test_halving_needs_something_to_halve(bench: Bench) -> None:
    """What is asked for may be fewer configs than --trials says."""
    for how in (["--method", "grid"], ["--trials", "9"]):
        said = bench("search", "tiny.yaml", "--space", "hidden=[[5], [7], [5]]", "--halving", *how)
        assert (said.code, said.out) == (2, "")
        assert (
            "--halving: 2 trials of 3 epochs are too few to halve; --factor 3 needs at least 3"
            in said.err
        )


def test_where_the_last_rung_diverged_it_is_said_that_no_trial_is_whole(bench: Bench) -> None:
    defined = search_definition.define(bench.config(), [RATE], trials=3, factor=3)
    left = trials.TrialResult(
        defined.trial(1, (0.1,), Path("runs")), 1, (standing(1, {"validation": 0.6}),)
    )
    fault = Fault(epoch=2, batch=1, found="cost inf")
    further = trials.TrialResult(
        defined.trial(2, (9.0,), Path("runs")), 3, (Performance([], 2, 400, fault, {}),)
    )
    given = trials.TrialResult(
        defined.trial(0, None, Path("runs")), 3, (standing(3, {"validation": 0.7}),)
    )
    told = search_ranking.text(
        searches.SearchResult(defined, given, [left, further]), None, curves=False
    )
    lines = told.split("\n\n")[1].splitlines()[1:]
    assert lines[0].startswith("best: learning_rate=0.1, as in runs/")
    assert len(lines) == 2
    assert lines[1].startswith("no trial was trained to its end: this one was left behind after")
    assert lines[1].endswith("epoch 1, and all that went further diverged")


def test_halving_trains_no_epoch_twice(bench: Bench) -> None:
    found = json.loads(
        search(bench, "--trials", "9", "--epochs", "9", "--halving", "--json", "-q").out
    )
    assert [each["epochs"] for each in found["trials"]] == [[9], [3], [3], *[[1]] * 6]
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


def test_what_stops_before_a_rung_needs_no_further_training(bench: Bench) -> None:
    bench.config(patience=1, learning_rate=1e-9, epochs=9)
    found = json.loads(
        bench(
            *("search", "tiny.yaml", "--space", "learning_rate=log-uniform(1e-9, 1e-8)"),
            *("--trials", "9", "--halving", "--json", "-q"),
        ).out
    )
    assert found["trials"][0]["epochs"] == [2]
    assert found["trials"][0]["test_accuracy"]["mean"] is not None


def standing(epochs: int, accuracies: dict[str, float]) -> Performance:
    return Performance([], epochs, 200 * epochs, None, accuracies)


def test_one_config_asked_for_twice_is_one(bench: Bench) -> None:
    """One point of the space is the config as given; what was asked for again takes no rung."""
    command = ("search", "tiny.yaml", "--space", "batch_size=[10, 20]", "--trials", "6", "-q")
    whole = bench(*command).out
    assert [line.split()[:2] for line in whole.splitlines()[1:4]] == [
        ["as", "given"],
        ["1", "20"],
        [],
    ]
    assert "6 trials (random, seed 0, 2 of them different)" in whole
    assert ("that is the config as given" in whole) == ("best: batch_size=10," in whole)
    halved = bench(*command, "--halving", "--factor", "2", "--epochs", "2", "--json").out
    assert [each["epochs"] for each in json.loads(halved)["trials"]] == [[2], [1]]


def test_the_config_as_given_is_not_held_against_what_was_left_behind(bench: Bench) -> None:
    """Where all that came to the last rung diverged, no trial was trained to its end."""
    defined = search_definition.define("tiny.yaml", [RATE], trials=3, factor=3)
    given = trials.TrialResult(
        defined.trial(0, None, Path("runs")), 3, (standing(3, {"validation": 0.5}),)
    )
    left = trials.TrialResult(
        defined.trial(1, (0.1,), Path("runs")), 1, (standing(1, {"validation": 0.6}),)
    )
    assert searches.SearchResult(defined, given, [left]).compared == [given]
    assert not (bench.folder / "runs").exists()


def test_what_was_trained_further_ranks_first_under_halving(bench: Bench) -> None:
    """The config as given may have been passed by a trial that was then left behind."""
    defined = search_definition.define("tiny.yaml", [RATE], trials=3, factor=3)
    given = trials.TrialResult(
        defined.trial(0, None, Path("runs")), 3, (standing(3, {"validation": 0.5, "test": 0.5}),)
    )
    left = trials.TrialResult(
        defined.trial(1, (0.1,), Path("runs")), 1, (standing(1, {"validation": 0.6}),)
    )
    assert searches.SearchResult(defined, given, [left]).ranked == [given, left]
    assert searches.SearchResult(defined._replace(factor=None), given, [left]).ranked == [
        left,
        given,
    ]
    assert not (bench.folder / "runs").exists()


# A kill anywhere.


@pytest.mark.parametrize(
    "how",
    [
        ["--method", "random", "--trials", "3"],
        ["--method", "grid", "--trials", "3"],
        pytest.param(["--method", "tpe", "--trials", "12"], marks=needs_optuna),
        ["--trials", "3", "--halving"],
    ],
    ids=["random", "grid", "tpe", "halving"],
)
def test_killed_anywhere_it_goes_on_to_the_same_runs(bench: Bench, how: list[str]) -> None:
    arguments = (*how, "--epochs", "20", "--set", "patience=null")
    whole = search(bench, *arguments, runs="whole")
    command = ("search", "tiny.yaml", "--space", RATE, "--runs", "again", *arguments)
    for wanted in (1, 2, 3):
        process = bench.start(*command)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            found = list((bench.folder / "again").glob("*/metrics.jsonl"))
            if len(found) >= wanted:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    end = search(bench, *arguments, runs="again")
    assert end.code == 0
    assert untimed(end.out.replace("again", "whole")) == untimed(whole.out)
    assert tree(bench, "again") == tree(bench, "whole")


def untimed(out: str) -> list[str]:
    """Return a comparison's lines but for the time that training took, as it is never the same."""
    return [line for line in out.splitlines() if not line.startswith("seconds")]


def test_a_kill_between_the_last_epoch_and_the_result_is_made_good(bench: Bench) -> None:
    search(bench, "--trials", "2", "-q")
    before = tree(bench, "runs")
    for name in names(bench):
        (bench.folder / "runs" / name / "result.json").unlink()
    said = search(bench, "--trials", "2")
    assert "already done" not in said.err
    assert tree(bench, "runs") == before


def test_a_signal_says_where_it_stopped(bench: Bench) -> None:
    command = ("search", "tiny.yaml", "--space", RATE, "--epochs", "100000")
    process = bench.start(*command, "--set", "patience=null", "--trials", "7")
    deadline = time.monotonic() + 60
    while not list(bench.folder.glob("runs/*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert err.endswith(
        "stopped in config as given; what is committed is safe; "
        "the same command goes on from there\n"
    )


def test_a_trial_that_another_process_trains_is_waited_for_and_taken_over(bench: Bench) -> None:
    search(bench, "--trials", "2", "--halving", "--factor", "2", "--epochs", "9", "-q")
    run = next(each for each in bench.folder.glob("runs/*") if not (each / "result.json").exists())
    arguments = ("search", "tiny.yaml", "--space", RATE, "--trials", "2", "--epochs", "9")
    with (run / "LOCK").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = bench.start(*arguments)
        assert process.stderr is not None
        assert process.stderr.readline() == f"{run.name}: another process trains it\n"
        assert process.poll() is None
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert (run / "result.json").exists()


def test_a_damaged_trial_is_not_trained_over(bench: Bench) -> None:
    found = json.loads(search(bench, "--trials", "2", "--json", "-q").out)
    metrics = bench.folder / found["trials"][0]["runs"][0] / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes().replace(b"1", b"2"))
    said = search(bench, "--trials", "2", "-q")
    assert (said.code, said.out) == (5, "")
    assert f"{metrics.parent.name}/metrics.jsonl: is damaged" in said.err
    assert said.err.endswith("; nnexp train --restart trains a damaged run again from scratch\n")


# The picture.


def test_the_picture_has_a_panel_a_key_and_marks_the_best(bench: Bench) -> None:
    sources = [RATE, "hidden=[[5], [7]]", "batch_size=integers(5, 20)", "dropout=uniform(0, 0.5)"]
    config = bench.config(epochs=3)
    found = searches.search(
        search_definition.define(config, sources, trials=9, factor=3), Path("runs")
    )
    figure = renderer.drawing(study_figures.search(found))
    panels = [each for each in figure.axes if each.get_visible()]
    assert [each.get_xlabel() for each in panels] == [
        *("learning_rate", "hidden", "batch_size", "dropout")
    ]
    assert [each.get_xscale() for each in panels] == ["log", "linear", "linear", "linear"]
    assert [each.get_text() for each in panels[1].get_xticklabels()] == ["[5]", "[7]"]
    assert found.best is not None
    assert found.best.score is not None
    for place, panel in enumerate(panels):
        series: dict[Any, Any] = {each.get_label(): each for each in panel.containers}
        assert set(series) == {"trial", "left behind", "best"}
        (x,), (y,) = series["best"].lines[0].get_data()
        value = found.best.trial.values[place]
        assert x == ([[5], [7]].index(value) if place == 1 else value)
        assert y == 100 * found.best.score
        assert len(series["left behind"].lines[0].get_xdata()) == 6
        assert len(series["trial"].lines[0].get_xdata()) == 2
    legend = figure.legends[0]
    told = {each.get_text() for each in legend.get_texts()}
    assert told == {"trial", "left behind", "best", "as given"}


def test_a_component_s_label_has_its_name_and_its_settings() -> None:
    assert study_figures.label({"name": "momentum", "mu": 0.5}, 18) == "momentum, mu 0.5"
    assert study_figures.label({"name": "momentum", "mu": 0.5}, 12) == "momentum,\nmu 0.5"
    assert study_figures.label("sgd", 18) == "sgd"
    assert study_figures.label([30, 10], 18) == "[30, 10]"
    assert study_figures.label({"per_example": 0.1}, 18) == "per_example 0.1"
    several = {"name": "halve-on-plateau", "patience": 5, "factor": 128}
    assert study_figures.label(several, 18) == "halve-on-plateau,\npatience 5,\nfactor 128"
    long = "[100, 100, 100,\n100, 100, 100,\n100, 100, 100, …"
    assert study_figures.label([100] * 20, 18) == long


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_picture_goes_where_it_is_asked_for(bench: Bench, ending: str) -> None:
    said = search(bench, "--trials", "3", "--plot", f"a.{ending}")
    assert said.code == 0
    assert said.err.endswith(f"a.{ending}: drawn\n")
    assert (bench.folder / f"a.{ending}").stat().st_size > 1000


def test_curves_are_drawn_as_compare_draws_them(bench: Bench) -> None:
    said = search(bench, "--trials", "2", "--curves", "-q")
    assert "      training cost\n" in said.out


# The documentation.


def section() -> str:
    text = (ROOT / "docs" / "tuning.md").read_text("utf-8")
    return text.split("## Automated search\n")[1].split("\n## ")[0]


def ranked(out: str) -> set[tuple[str, ...]]:
    """Return what a table says on any machine: the trials, without the accuracies they came to."""
    rows = [line.split() for line in textwrap.dedent(out).strip().split("\n\n")[0].splitlines()]
    return {tuple(row[:3]) for row in rows}


@pytest.mark.docs
def test_the_documented_search_prints_what_is_shown(bench: Bench) -> None:
    command, shown = section().split("<!-- output: search -->\n")
    shown = shown.split("<!-- end -->")[0]
    shutil.copytree(ROOT / "configs", bench.folder / "configs")
    words = shlex.split(command[command.index("    nnexp") :].replace("\\\n", " "))
    assert words[0] == "nnexp"
    said = bench(*words[1:], "-q")
    assert said.code == 0
    assert (bench.folder / "search.png").exists()
    assert ranked(said.out) == ranked(shown)
    assert len(ranked(shown)) == 11
    for line in ("9 trials (random, seed 0), 105,000 training examples seen", "A  runs/", "B is "):
        assert (line in said.out, line in shown) == (True, True)


def test_the_documented_table_of_what_tuning_is_worth_is_the_benchmark_s() -> None:
    head = markdown_table(Table(list(tuning.HEADER), [], tuning.LEFT))
    rows = (ROOT / "docs" / "tuning.md").read_text("utf-8").split(head)[1].split("\n\n")[0]
    assert [row.split(" | ")[0] for row in rows.split("\n| ")[1:]] == list(tuning.problems(""))
    assert [row.count("|") for row in rows.splitlines()[1:]] == [10] * 3


# What cannot be done.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "lambda=log(1, 2)"], "--space lambda=log(1, 2): lambda: unknown range 'log'"),
        (["--space", "lambda=log_uniform(1, 2)"], "'log_uniform'; did you mean 'log-uniform'?"),
        (["--space", "lambda=log-uniform(1, 2"], "got 'log-uniform(1, 2'; the closing ')' is miss"),
        (["--space", "lambda=loguniform(1"], "got 'loguniform(1'; the closing ')' is missing\n"),
        (
            ["--space", "lambda=uniform(1, 2), 3"],
            "got 'uniform(1, 2), 3'; a range stands alone, as in log-uniform(0.01, 1)\n",
        ),
        (["--space", "lambda=uniform(2, 1)"], "must be two numbers, the smaller first"),
        (["--space", "lambda=log-uniform(0, 1)"], "must be two numbers > 0"),
        (["--space", "lambda=[1, 2"], "the closing ']' is missing"),
        (["--space", "=uniform(1, 2)"], "a key must be a name"),
        (["--space", RATE], f"--space {RATE}: learning_rate: is searched twice"),
        (["--space", f"lambda=log({'1, ' * 500}2)"], "…: lambda: unknown range 'log'"),
        (["--space", "seed=[1, 2]"], "seed: cannot be searched; give the seeds"),
        (["--space", "no.yaml"], "no.yaml: there is no such file"),
        (
            ["--space", "lambda"],
            "--space lambda: this is a key without a range; write lambda=RANGE",
        ),
        (["--space", "lamda=[1, 2]"], "unknown key 'lamda'; did you mean 'lambda'?"),
        (["--space", "dropout=uniform(0, 2)"], "dropout: must be a number ≥ 0 and < 1, got 2"),
        (["--set", "epochs=2", "--epochs", "2"], "--set epochs and --epochs: give one of them"),
        (["--factor", "2"], "--factor says how --halving goes; give both"),
        (["--halving", "--examples", "9"], "--halving and --examples both limit the search"),
        (
            ["--halving", "--epochs", "2"],
            "are too few to halve; --factor 3 needs at least 3 of both",
        ),
        (["--halving", "--space", "epochs=[2, 3]"], "all trials need the same epochs"),
        (["--halving", "--space", "evaluate_every=[1, 4]"], "evaluate_every cannot be searched"),
        (["--epochs", "2", "--space", "epochs=[2, 3]"], "--epochs and --space epochs: give one"),
        (
            ["--space", LAMBDA, "--space", "lambda.per_example=uniform(0, 1)"],
            "lambda.per_example: would replace values of lambda, which is also searched",
        ),
        (
            ["--space", "optimizer.mu=[0.5]", "--space", "optimizer=[{name: momentum, mu: 0.9}]"],
            "optimizer.mu: would replace values of optimizer, which is",
        ),
        (
            ["--space", "optimizer.name=[sgd, adam]", "--space", "optimizer=[momentum]"],
            "optimizer.name: would replace values of optimizer, which is",
        ),
        (
            ["--space", "optimizer=[momentum, sgd]", "--space", "optimizer.mu=[0.5]"],
            "optimizer.mu: unknown key 'mu'; it is a setting of momentum",
        ),
        (
            ["--space", "optimizer=[momentum]", "--set", "optimizer.mu=0.5"],
            "--set optimizer.mu=0.5: optimizer.mu: optimizer is searched and replaces this",
        ),
        (
            ["--space", "hidden=[10, [30, 20]]"],
            "hidden: must be a list of lists, such as hidden=[[10], [30, 20]], got 10\n",
        ),
        (
            ["--space", "hidden=integers(10, 50)"],
            "hidden: must be a list of lists, such as hidden=[[10], [50]], got 10\n",
        ),
        (["--space", "data.train=[30, 9999]"], "data.train asks for 9999 examples"),
        (
            ["--space", "monitor=[[train, validation], [train]]", "--set", "patience=null"],
            "--space monitor=[[train, validation], [train]]: monitor: a search ranks by",
        ),
        (["--set", "monitor=[train]", "--set", "patience=null"], "monitor: a search ranks by"),
        (["--method", "grid", "--trials", "1"], "the smallest grid has 2 points"),
        (["--plot", "a.txt"], "a picture's name ends in"),
        (["--trials", "0"], "0 is not in the range"),
        (["--seeds", "x"], "'x' is neither a seed nor a range of seeds"),
        pytest.param(["--method", "tpe", "--halving"], "--halving needs --method random or grid"),
    ],
)
def test_usage_errors_create_nothing(bench: Bench, arguments: list[str], message: str) -> None:
    said = search(bench, *arguments)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert not (bench.folder / "runs").exists()


def test_a_space_file_s_problems_are_told_together_with_their_places(bench: Bench) -> None:
    (bench.folder / "s.yaml").write_text(
        "learning_rate: {log: [1, 2]}\nlambda: 5\nhidden: []\nmonitor: [train]\nseed: [1, 2]\n"
    )
    said = bench("search", "tiny.yaml", "--space", "s.yaml")
    assert said.code == 2
    assert said.err.splitlines() == [
        f"s.yaml:1:16: learning_rate: unknown range 'log' (known: {KINDS})",
        f"s.yaml:2:9: lambda: must be a list of values, or a range of {KINDS}, got 5",
        "s.yaml:3:9: hidden: must be a list of values, got an empty list",
        "s.yaml:4:10: monitor: must be a list of lists, such as monitor: [[train]], got 'train'",
        "s.yaml:5:7: seed: cannot be searched; give the seeds of each trial by --seeds",
    ]


def test_a_value_that_no_config_has_is_told_where_the_space_says_it(bench: Bench) -> None:
    (bench.folder / "s.yaml").write_text("activation: [tanh,\n  foo]\ndropout: {uniform: [0, 1]}\n")
    said = bench("search", "tiny.yaml", "--space", "s.yaml")
    assert (said.code, said.err.splitlines()) == (
        2,
        [
            f"s.yaml:1:13: activation: unknown activation 'foo' (known: {ACTIVATIONS})",
            "s.yaml:3:10: dropout: must be a number ≥ 0 and < 1, got 1",
        ],
    )


def test_unknown_keys_and_what_is_no_range_are_told_at_once(bench: Bench) -> None:
    (bench.folder / "s.yaml").write_text(
        "lamda: [1, 2]\nlearning_rate: {log: [1, 2]}\nrate: {log: [1, 2]}\ndropout: [2]\n"
        "optimizer.name: [sgd]\n"
    )
    place = "--space hiden=uniform(2, 1)"
    settings = ["hiden=uniform(2, 1)", "dropout=[0]", "batch_size=[-1]"]
    remove = "remove one of the two"
    said = bench("search", "tiny.yaml", *(f"--space={each}" for each in ["s.yaml", *settings]))
    assert (said.code, said.out) == (2, "")
    assert [line.partition(" (known")[0] for line in said.err.splitlines()] == [
        "s.yaml:1:1: lamda: unknown key 'lamda'; did you mean 'lambda'?",
        "s.yaml:2:16: learning_rate: unknown range 'log'",
        "s.yaml:3:1: rate: unknown key 'rate'",
        "s.yaml:3:7: rate: unknown range 'log'",
        f"{place}: hiden: unknown key 'hiden'; did you mean 'hidden'?",
        f"{place}: hiden.uniform: must be two numbers, the smaller first, got [2, 1]",
        f"--space dropout=[0]: dropout: is searched twice, here and at s.yaml:4:11; {remove}",
        "s.yaml:4:10: dropout: must be a number ≥ 0 and < 1, got 2",
        "--space batch_size=[-1]: batch_size: must be a whole number ≥ 1 or all, got -1",
    ]


def test_what_could_not_be_read_is_told_once(bench: Bench) -> None:
    (bench.folder / "s.yaml").write_text("lambda: [*a, 2]\nhidden: *b\ndropout: {log: [1, 2]}\n")
    said = bench("search", "tiny.yaml", "--space", "s.yaml")
    assert [line.split(": ")[0] for line in said.err.splitlines()] == [
        "s.yaml:1:10",
        "s.yaml:2:9",
        "s.yaml:3:10",
    ]


@needs_optuna
def test_the_ends_of_tpe_s_ranges_are_held_against_the_data(bench: Bench) -> None:
    space_ = "data.train=integers(30, 9999)"
    said = bench("search", "tiny.yaml", "--space", space_, "--method", "tpe", "-q")
    assert (said.code, said.out) == (2, "")
    assert "data.train asks for 9999 examples" in said.err
    assert not (bench.folder / "runs").exists()


def test_data_that_the_config_as_given_has_not_is_no_matter_where_it_is_not_trained(
    bench: Bench,
) -> None:
    bench.config(data={"name": "npz", "file": "tiny.npz", "train": 9999})
    defined = search_definition.define(
        "tiny.yaml", ["data.train=[30, 40]"], method="grid", has_baseline=False
    )
    found = searches.search(defined, Path("runs"))
    assert [each.trial.config.data.train for each in found.results] != []


def test_a_finished_search_does_without_its_data(bench: Bench) -> None:
    command = ("search", "tiny.yaml", "--space", "data.train=[30, 40]", "--method", "grid")
    first = bench(*command)
    (bench.folder / "tiny.npz").unlink()
    assert (bench(*command).out, first.code) == (first.out, 0)


def test_values_that_are_bad_alike_are_told_once(bench: Bench) -> None:
    bench.config("tiny.yaml")
    said = bench("search", "tiny.yaml", "--space", "batch_size=uniform(1, 4)")
    assert (said.code, said.err.count("must be a whole number"), len(said.err.splitlines())) == (
        2,
        1,
        1,
    )


@pytest.mark.parametrize(("rates", "is_told"), [("[1e-9, 1e-8]", True), ("[0.1, 0.5]", False)])
def test_a_config_that_beats_every_trial_is_told(
    bench: Bench, rates: str, *, is_told: bool
) -> None:
    space = f"learning_rate={rates}"
    said = bench("search", "tiny.yaml", "--space", space, "--epochs", "3", "--method", "grid")
    assert ("the config as given did better than every trial" in said.out) is is_told


def test_without_optuna_tpe_says_how_to_get_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = search(bench, "--method", "tpe")
    assert (said.code, said.err) == (
        2,
        "--method tpe needs Optuna: pip install 'nnexp[optuna]'; random and grid do not\n",
    )
    assert not (bench.folder / "runs").exists()


class Lagging:
    """A method that notes how many scores it knows whenever it is asked for a point."""

    lag = 4.0

    def __init__(self, count: int) -> None:
        self.known: list[int] = []
        self.scores: list[float | None] = []
        self._left = count

    def ask(self) -> space.Values | None:
        if not self._left:
            return None
        self._left -= 1
        self.known.append(len(self.scores))
        return (0.1 + len(self.known),)

    def tell(self, score: float | None) -> None:
        self.scores.append(score)


@pytest.mark.parametrize("last_first", [False, True])
def test_a_trial_is_asked_for_once_those_four_before_it_have_scores_and_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, last_first: bool
) -> None:
    """Whichever of four trials ends first; and at most four are under way."""
    method = Lagging(9)
    defined = search_definition.define(bench.config(), [RATE], trials=9, has_baseline=False)
    monkeypatch.setattr(search_definition.Definition, "new_method", lambda _: method)
    asked = searches.Search(defined, bench.folder / "runs")

    def reached(job: Job, _: int) -> Performance:
        assert isinstance(job.config.learning_rate, float)
        return Performance([], 3, 600, None, {"validation": job.config.learning_rate / 100})

    monkeypatch.setattr(trials, "performance", reached)
    running: list[Job] = []
    while True:
        while (job := asked.ask()) is not None:
            running.append(job)
        assert len(running) <= 4
        if not running:
            break
        asked.tell(running.pop(-1 if last_first else 0), Outcome())
    assert method.known == [0, 0, 0, 0, 1, 2, 3, 4, 5]
    assert samplers.Tpe.lag == method.lag
    assert method.scores[:5] == pytest.approx([0.011, 0.021, 0.031, 0.041, 0.051])
