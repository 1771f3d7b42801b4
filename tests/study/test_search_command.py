"""nnexp search trains its trials, ranks them, draws them, and prints the documented output."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import textwrap
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import tuning
from nnexp.report import renderer, study_figures
from nnexp.report.document import Table, markdown_table
from nnexp.study import search as searches
from nnexp.study import search_definition
from tests.study.searches import UNCONFIRMED, names, search, tree
from tests.study.spaces import RATE
from tests.study.studies import without_race

if TYPE_CHECKING:
    from tests.conftest import Bench

ROOT = Path(__file__).parents[2]


def test_trials_are_ordinary_runs(bench: Bench) -> None:
    said = search(bench, "--trials", "3", "--json", "-q")
    assert (said.code, said.err) == (0, "")
    trial = json.loads(said.out)["trials"][0]
    rate = trial["values"]["learning_rate"]
    again = bench("train", "tiny.yaml", "--set", f"learning_rate={rate}")
    assert again.out.strip() == trial["runs"][0]
    assert "already done" in again.err
    assert bench("runs", "--each", "-q").out.count("\n") == 4  # three, and the config as given


@pytest.mark.slow
def test_the_table_ranks_by_validation_and_ends_as_compare_does(bench: Bench) -> None:
    said = search(bench, "--trials", "4", "--seeds", "3")
    lines = said.out.split("\n\n")[0].splitlines()
    header, *rows = (re.split("  +", line.strip()) for line in lines)
    assert header[0].endswith("trial")
    validation = [float(row[-2].split()[0]) for row in rows]
    assert len(rows) == 5
    assert "as given" in [row[0] for row in rows]
    assert validation == sorted(validation, reverse=True)
    paths = [line.split()[1] for line in said.out.splitlines() if line[:3] in {"A  ", "B  ", "C  "}]
    assert len(paths) == 3
    (note,) = (line for line in said.out.splitlines() if line.startswith("note: B and C: "))
    assert note.endswith("are optimistic, those on test data as well")
    alone = f"\n\n{note}\n\n"  # or the last of several
    rest = (
        said.out.replace(alone, "\n\n") if alone in said.out else said.out.replace(f"{note}\n", "")
    )
    assert rest.endswith(f"\n\n{without_race(bench('compare', *paths).out)}")


def test_the_best_of_several_is_marked_as_optimistic(bench: Bench) -> None:
    """Its test accuracy, too: networks that are lucky on validation data are lucky there."""
    said = search(bench, "--trials", "4", "--seeds", "2")
    table, legend, *_ = said.out.split("\n\n")
    rows = table.splitlines()[1:]
    marked = [row.count(" *") for row in rows]
    given = next(index for index, row in enumerate(rows) if row.startswith("as given"))
    assert sorted(marked) == [0, 0, 0, 2, 2]
    assert marked[given] == 0
    assert legend.startswith("*: optimistic: chosen from 4 trials by these runs")
    found = json.loads(search(bench, "--trials", "4", "--seeds", "2", "--json").out)
    assert [trial["optimistic"] for trial in found["trials"]] == [True, True, False, False]
    assert not found["baseline"]["optimistic"]
    single = search(bench, "--trials", "1").out  # nothing was chosen
    assert "optimistic" not in single


def test_the_first_side_is_the_config_as_given_then_the_best_two(bench: Bench) -> None:
    found = json.loads(search(bench, "--trials", "4", "--seeds", "2", "--json").out)
    sides = found["comparison"]["experiments"]
    ranked = [found["baseline"], *found["trials"]]
    assert [sides[letter]["runs"] for letter in "ABC"] == [each["runs"] for each in ranked[:3]]
    assert sides["A"]["seeds"] == [0, 1]
    assert found["best"] == found["trials"][0]["trial"]


def test_a_config_asked_for_twice_counts_once(bench: Bench) -> None:
    arguments = (*UNCONFIRMED, "--space", "hidden=[[5], [6]]", "--trials", "6", "--json")
    found = json.loads(bench(*arguments).out)
    assert len(found["trials"]) == 6
    assert len(names(bench)) == 2
    assert found["examples"] == 2 * 3 * 200
    assert len(found["comparison"]["experiments"]) == 2


def test_with_nothing_to_compare_the_table_stands_alone(bench: Bench) -> None:
    bench.config(hidden=[5])
    said = bench(*UNCONFIRMED, "--space", "hidden=[[5]]", "--trials", "1")
    assert said.code == 0
    assert "verdict" not in said.out
    assert "1 trial (random, seed 0), 600 training examples seen" in said.out


@pytest.mark.slow
def test_progress_is_a_line_a_trial_with_the_best_so_far(bench: Bench) -> None:
    said = search(bench, "--trials", "2", "-j", "1")
    given, first, second = said.err.splitlines()
    assert given.startswith("config as given  validation ")
    assert first.startswith("trial 1/2  learning_rate=")
    accuracies = [float(re.findall(r"validation (\S+) %", line)[0]) for line in (first, second)]
    assert not given.endswith("best so far")
    assert first.endswith(" %  best so far")
    assert second.endswith("best so far") is (accuracies[1] > accuracies[0])
    shown = bench.on_a_terminal(*UNCONFIRMED, "--space", RATE, "--runs", "r", "-q")
    assert "waiting" not in shown
    shown = bench.on_a_terminal(*UNCONFIRMED, "--space", RATE, "--runs", "r2")
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
    said = bench(*UNCONFIRMED, "--space", space_, "--method", "grid", "--seeds", "2", "-q")
    assert said.code == 0
    worst = said.out.split("\n\n")[0].splitlines()[-1].split("  ")
    assert (worst[0].strip(), worst[-2].strip()) == ("1", "diverged") or "diverged" in worst
    found = json.loads(
        bench(
            *(*UNCONFIRMED, "--space", space_, "--method", "grid", "--seeds", "2"),
            *("--json", "-q"),
        ).out
    )
    assert [each["trial"] for each in found["trials"]] == [2, 1]
    assert [len(each["runs"]) for each in found["trials"]] == [2, 1]
    assert len(names(bench)) == 2 + 2 + 1  # the config as given has two of its own
    assert [each["status"] for each in found["trials"]] == ["finished", "diverged"]
    none = {"mean": None, "sd": None, "count": 0, "values": [None]}
    assert found["trials"][1]["best_validation_accuracy"] == none
    reached = found["trials"][0]["best_validation_accuracy"]
    assert (reached["count"], reached["sd"]) == (2, pytest.approx(stdev(reached["values"])))
    assert found["trials"][1]["examples"] == [200]


LONG = ("--space", "epochs=[1000000, 2]", "--set", "patience=null", "--method", "grid")


@pytest.mark.slow
def test_a_trial_that_takes_too_long_fails_alone(bench: Bench) -> None:
    """It is the worst, its other seeds are spared, and the others go on; as in a sweep."""
    limited = (*LONG, "--seeds", "2", "--timeout", "4", "-j", "1")
    said = bench(*UNCONFIRMED, *limited)
    assert said.code == 143
    rows = [re.split("  +", row.strip()) for row in said.out.split("\n\n")[0].splitlines()[1:]]
    assert [(row[0], row[3]) for row in rows[-1:]] == [("1", "failed")]
    (failed,) = [line for line in said.err.splitlines() if "(exit" in line]
    assert re.fullmatch(
        r"failed \(exit 143\): runs/tiny-\S+-s0: took more than 4 s; committed epochs are safe",
        failed,
    )
    assert "trial 1/2  epochs=1000000  failed\n" in said.err
    found = json.loads(bench(*UNCONFIRMED, *limited, "--json", "-q").out)
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


def test_where_all_diverge_it_exits_3(bench: Bench) -> None:
    bench.config(learning_rate=1e30)
    said = bench(*UNCONFIRMED, "--space", "learning_rate=[1e30, 1e31]", "--method", "grid", "-q")
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


@pytest.mark.slow
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
    known = tuning.problems(Path(), "")
    assert {row.split(" | ")[0] for row in rows.split("\n| ")[1:]} <= set(known)
    assert {row.count("|") for row in rows.splitlines()[1:]} == {len(tuning.HEADER) + 1}
