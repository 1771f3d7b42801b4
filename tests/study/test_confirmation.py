"""A winner is confirmed on seeds that no trial used, and only these runs speak of test accuracy."""

from __future__ import annotations

import json
import re
import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats

from nnexp.datasets.loading import Data
from nnexp.errors import UsageError
from nnexp.names import DIGITS, NAME_LENGTH
from nnexp.report import search_ranking
from nnexp.report.document import as_text
from nnexp.seeds import Spread, spread
from nnexp.study import search_definition, sweep_file
from nnexp.study.confirmation import SweepConfirmation, fresh_seeds
from nnexp.study.execution import train
from nnexp.study.in_process import InProcess
from nnexp.study.job import Job, Outcome
from nnexp.study.plan import plan
from nnexp.study.ranking import Ranking, Standing
from nnexp.study.search import Search, is_fatal, search
from tests.study.searches import names, tree
from tests.study.spaces import RATE, file, needs_optuna
from tests.study.studies import timeless, without_race

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.conftest import Bench

SEARCH = ("search", "tiny.yaml", "--space", RATE, "--trials", "3")
NOTHING = "nothing to confirm: "


def found(bench: Bench, *command: str) -> Any:  # noqa: ANN401 - JSON
    """Run a command that must succeed, and return its JSON."""
    said = bench(*command, "--json", "-q")
    assert (said.code, said.err) == (0, "")
    return json.loads(said.out)


def accuracies(bench: Bench, runs: Sequence[str]) -> list[float]:
    """Return the test accuracies that runs recorded."""
    texts = [(bench.folder / run / "result.json").read_text() for run in runs]
    return [json.loads(text)["test_accuracy"] for text in texts]


def seeds_of(runs: Sequence[str]) -> list[int]:
    return [int(run.rpartition("-s")[2]) for run in runs]


def stems(runs: Sequence[str]) -> set[str]:
    return {run.rpartition("-s")[0] for run in runs}


@pytest.mark.parametrize(
    ("used", "number", "fresh"),
    [
        ({0}, 5, (1, 2, 3, 4, 5)),
        ({0, 1, 2, 3, 4, 7}, 4, (5, 6, 8, 9)),
        ({7}, 3, (0, 1, 2)),
        ({1, 0}, 0, ()),
    ],
)
def test_fresh_seeds_are_the_smallest_that_are_not_used(
    used: set[int], number: int, fresh: tuple[int, ...]
) -> None:
    assert fresh_seeds(used, number) == fresh


# A search.


def test_a_search_confirms_its_winner_with_five_fresh_seeds(bench: Bench) -> None:
    told = found(bench, *SEARCH)
    confirmed, compared = told["confirmation"], told["confirmation"]["comparison"]
    assert confirmed["seeds"] == [1, 2, 3, 4, 5]
    for runs, trial in (("given", told["baseline"]), ("winner", told["trials"][0])):
        assert seeds_of(confirmed[runs]) == confirmed["seeds"]
        assert stems(confirmed[runs]) == stems(trial["runs"])
    sides = compared["experiments"]
    assert [sides[letter]["runs"] for letter in "AB"] == [confirmed["given"], confirmed["winner"]]
    given, winner = (accuracies(bench, confirmed[side]) for side in ("given", "winner"))
    measured = compared["metrics"]["test_accuracy"]["B"]
    assert measured["difference"] == pytest.approx((sum(winner) - sum(given)) / 5)
    assert measured["p"] == pytest.approx(stats.ttest_rel(winner, given).pvalue)
    assert len(names(bench)) == 4 + 10


def test_only_confirming_runs_have_test_accuracies_and_a_verdict(bench: Bench) -> None:
    told = found(bench, *SEARCH)
    assert [each["test_accuracy"] for each in (told["baseline"], *told["trials"])] == [None] * 4
    assert told["comparison"] is None
    text = bench(*SEARCH, "-q").out
    table, legend, _, sentence, *rest = text.split("\n\n")
    assert table.splitlines()[0].split() == ["trial", "learning_rate", "epochs", "validation"]
    assert [row.count(" *") for row in table.splitlines()[1:]].count(1) == 1
    assert legend == "*: optimistic: chosen from 3 trials by these runs, which were partly lucky"
    assert sentence == (
        "confirmation with seeds 1-5, which no trial used: A is the config as given, B the best "
        "trial; these runs had no part in the choice, so that their accuracies are not optimistic"
    )
    runs = [run for side in ("given", "winner") for run in told["confirmation"][side]]
    assert "\n\n".join(rest) == without_race(bench("compare", *runs).out)


def test_without_confirmation_the_trials_are_compared(bench: Bench) -> None:
    told = found(bench, *SEARCH, "--confirm", "0")
    assert told["confirmation"] is None
    assert told["comparison"]["verdicts"].keys() == {"B", "C"}
    assert told["baseline"]["test_accuracy"]["mean"] is not None
    assert len(names(bench)) == 4


@pytest.mark.slow
def test_seeds_of_trials_are_left_out_and_those_of_an_earlier_confirmation_kept(
    bench: Bench,
) -> None:
    seeds = ("--seeds", "0-1,3", "--confirm")
    assert found(bench, *SEARCH, *seeds, "2")["confirmation"]["seeds"] == [2, 4]
    count = len(names(bench))
    assert found(bench, *SEARCH, *seeds, "3")["confirmation"]["seeds"] == [2, 4, 5]
    assert len(names(bench)) == count + 2
    bench.config(seed=1)
    assert found(bench, *SEARCH, "--confirm", "2")["confirmation"]["seeds"] == [0, 2]


def test_a_confirmed_search_says_what_it_trains_and_when_it_is_done(bench: Bench) -> None:
    command = (*SEARCH, "--confirm", "2", "-j", "1")
    first = bench(*command)
    assert [re.sub(r"\S+ %$", "", line) for line in first.err.splitlines()[4:]] == [
        f"confirm {which}, seed {seed}  test " for seed in (1, 2) for which in ("given", "best")
    ]
    assert bench(*command) == (0, first.out, "already done\n")


def test_curves_are_those_of_the_confirming_runs_and_pictures_are_drawn(bench: Bench) -> None:
    said = bench(*SEARCH, "--confirm", "2", "--curves", "--plot", "a.svg", "-q")
    assert (said.code, said.err) == (0, "")
    assert "      training cost\n" in said.out.split("confirmation with seeds 1-2")[1]
    assert (bench.folder / "a.svg").stat().st_size > 1000


def test_too_few_seeds_are_not_made_up_for_by_those_that_chose(bench: Bench) -> None:
    """The commands that compare advises would train and compare these, too."""
    for number in ("1", "2"):
        said = bench(*SEARCH, "--confirm", number, "-q")
        assert said.code == 0
        assert "nnexp train" not in said.out
        assert re.search(r"\n\nto know, repeat the command with --confirm \d+\n$", said.out)


def test_a_winner_that_equals_the_config_as_given_needs_no_confirmation(bench: Bench) -> None:
    command = ("search", "tiny.yaml", "--space", "hidden=[[5]]", "--trials", "1")
    said = bench(*command)
    assert said.out.endswith(f"\n\n{NOTHING}the best trial equals the config as given\n")
    assert "verdict" not in said.out
    confirmed = found(bench, *command)["confirmation"]
    assert confirmed["given"] == confirmed["winner"]
    assert confirmed["comparison"] is None
    assert len(names(bench)) == 1


def test_a_config_as_given_that_diverges_leaves_accuracies_and_no_verdict(bench: Bench) -> None:
    bench.config(learning_rate=1e30)
    space = ("--space", "learning_rate=[0.1]", "--trials", "1", "--confirm", "3")
    said = bench("search", "tiny.yaml", *space, "-q")
    assert said.code == 0
    assert "no verdict on any experiment: 3 of 3 runs of A diverged" in said.out
    told = found(bench, "search", "tiny.yaml", *space)["confirmation"]["comparison"]
    assert told["metrics"]["test_accuracy"]["B"]["count"] == 3
    assert told["verdicts"] == {}


def test_where_all_diverge_nothing_is_confirmed(bench: Bench) -> None:
    space = ("--space", "learning_rate=[1e30, 1e31]", "--method", "grid")
    said = bench("search", "tiny.yaml", *space, "-q")
    assert said.code == 3
    assert f"{NOTHING}no trial was trained to its end with every seed" in said.out
    assert len(names(bench)) == 3


class FailingEngine(InProcess):
    """Fails some jobs as a limit of time does."""

    def __init__(self, fails: Callable[[Job], bool]) -> None:
        super().__init__()
        self._fails = fails

    def submit(self, job: Job) -> Future[Outcome]:
        if not self._fails(job):
            return super().submit(job)
        future: Future[Outcome] = Future()
        future.set_result(Outcome(code=143, reason="took more than 4 s", is_over_limit=True))
        return future


def test_a_confirming_run_that_exceeds_a_limit_leaves_no_verdict(bench: Bench) -> None:
    defined = search_definition.define(bench.config(), [RATE], trials=2, confirm=3)
    sampler = Search(defined, Path("runs"))
    assert sampler.steps == 3 + 6
    train(sampler, FailingEngine(lambda job: job.config.seed == 2), is_fatal=is_fatal)
    result = sampler.result
    assert [(path.name[-3:], outcome.code) for path, outcome in result.failures] == [
        ("-s2", 143),
        ("-s2", 143),
    ]
    assert result.compare() is None
    text = as_text(search_ranking.document(result, None))
    assert text.endswith("no verdict: 2 of the 6 runs with seeds 1-3, which confirm it, failed")


@pytest.mark.slow
def test_only_a_trial_of_the_last_rung_is_confirmed_and_in_full(bench: Bench) -> None:
    bench.config(epochs=4, patience=None)
    halving = ("--halving", "--factor", "2", "--confirm", "2", "--trials", "4")
    told = found(bench, "search", "tiny.yaml", "--space", RATE, *halving)
    confirmed = told["confirmation"]
    assert told["trials"][0]["epochs"] == [4]
    assert stems(confirmed["winner"]) == stems(told["trials"][0]["runs"])
    epochs = confirmed["comparison"]["metrics"]["epochs"]
    assert [epochs[letter]["values"] for letter in "AB"] == [[4, 4], [4, 4]]


def test_a_trial_that_was_left_behind_is_not_confirmed(bench: Bench) -> None:
    """Where all that came to the last rung failed."""
    defined = search_definition.define(bench.config(), [RATE], trials=3, factor=3, confirm=5)
    sampler = Search(defined, Path("runs"))
    train(sampler, FailingEngine(lambda job: job.until == 3), is_fatal=is_fatal)
    result = sampler.result
    assert result.best is not None
    assert result.best.epoch == 1
    assert result.confirmation is None
    text = as_text(search_ranking.document(result, result.compare()))
    assert text.endswith(f"{NOTHING}no trial was trained to its end with every seed")


def test_a_name_that_is_too_long_for_a_fresh_seed_is_refused(bench: Bench) -> None:
    stem = "x" * (NAME_LENGTH - len(f"-{'0' * DIGITS}-s0"))
    config = bench.config(f"{stem}.yaml")
    search_definition.define(config, [RATE], confirm=9)
    with pytest.raises(UsageError, match="cannot begin a run's name"):
        search_definition.define(config, [RATE], confirm=10)
    arguments = ("sweep", config, "--grid", "lambda=0,1", "--dry-run", "--confirm")
    assert [bench(*arguments, number).code for number in ("9", "10")] == [0, 2]


@pytest.mark.slow
def test_a_budget_does_not_count_the_confirmation(bench: Bench) -> None:
    told = found(bench, "search", "tiny.yaml", "--space", RATE, "--examples", "1500")
    assert (len(told["trials"]), told["examples"]) == (3, 1800)
    assert told["confirmation"]["seeds"] == [1, 2, 3, 4, 5]


@pytest.mark.slow
@needs_optuna
def test_tpe_is_confirmed_when_it_has_ended(bench: Bench) -> None:
    defined = search_definition.define(
        bench.config(epochs=1), [RATE], method="tpe", trials=12, confirm=1
    )
    result = search(defined, Path("runs"))
    assert result.confirmation is not None
    assert result.best is not None
    assert result.confirmation.winner[0].config.learning_rate == result.best.trial.values[0]
    assert len(names(bench)) == 1 + 12 + 2


# A sweep.

SWEEP = ("sweep", "tiny.yaml", "--grid", "learning_rate=0.01,0.5", "--grid", "lambda=0,1")


def test_a_sweep_compares_its_best_point_with_the_config_as_given(bench: Bench) -> None:
    settings: dict[str, Any] = {"learning_rate": 0.1, "lambda": 3}
    bench.config(**settings)
    command = (*SWEEP, "--set", "batch_size=20", "--seeds", "1-2", "--confirm", "3")
    told = found(bench, *command)
    confirmed = told["confirmation"]
    assert confirmed["seeds"] == [0, 3, 4]
    assert stems(confirmed["winner"]) == stems(told["ranking"][0]["runs"])
    values = told["ranking"][0]["values"]
    assert confirmed["comparison"]["config"] == {
        "learning_rate": {"A": 0.1, "B": values["learning_rate"]},
        "lambda": {"A": 3.0, "B": float(values["lambda"])},
    }
    given = bench("train", "tiny.yaml", "--set", "batch_size=20", "--set", "seed=3")
    assert given.out.strip() == confirmed["given"][1]
    assert "already done" in given.err
    assert {(p["test_accuracy"], p["against_best"]) for p in told["ranking"]} == {(None, None)}
    first, *rest = bench(*command, "-q").out.split("\n\n")
    assert first.splitlines()[0].split() == [
        *("rank", "learning_rate", "lambda", "validation", "runs")
    ]
    assert rest[0].startswith("confirmation with seeds 0,3-4, which no point used: ")
    runs = [run for side in ("given", "winner") for run in confirmed[side]]
    assert "\n\n".join(rest[1:]) == without_race(bench("compare", *runs).out)


@pytest.mark.slow
def test_a_sweep_resumes_its_confirmation_and_does_not_depend_on_the_jobs(bench: Bench) -> None:
    bench.config(learning_rate=0.1)
    command = (*SWEEP, "--confirm", "2")
    first = bench(*command, "-j", "1")
    confirming = [line for line in first.err.splitlines() if line.startswith("confirm ")]
    assert len(confirming) == 4
    before = tree(bench, "runs")
    for name in names(bench)[::3]:
        shutil.rmtree(bench.folder / "runs" / name)
    again = bench(*command, "-j", "2")
    assert (again.code, timeless(again.out)) == (0, timeless(first.out))
    assert tree(bench, "runs") == before


def test_a_sweep_confirms_nothing_unless_it_is_asked_to(bench: Bench) -> None:
    told = found(bench, *SWEEP)
    assert told["confirmation"] is None
    assert None not in {point["test_accuracy"] and 1 for point in told["ranking"]}
    assert len(names(bench)) == 4


def test_seeds_that_only_some_points_have_are_not_fresh(bench: Bench) -> None:
    sections = "zip: {hidden: [[5], [7]], lambda: [1, 2]}\nseeds: [0, 2]\n"
    exclude = "exclude: [{lambda: 1, seed: 2}]\n"
    path = file(f"config: tiny.yaml\n{sections}{exclude}")
    assert found(bench, "sweep", path, "--confirm", "2")["confirmation"]["seeds"] == [1, 3]


def test_a_best_point_that_equals_the_config_as_given_needs_no_confirmation(bench: Bench) -> None:
    said = bench("sweep", "tiny.yaml", "--grid", "epochs=3", "--confirm", "2", "-q")
    assert said.out.endswith(f"\n\n{NOTHING}the best point equals the config as given\n")
    assert len(names(bench)) == 1


@pytest.mark.parametrize("rates", ["1e30", "1e30,0.1"])
def test_a_sweep_confirms_the_best_of_what_did_not_diverge(bench: Bench, rates: str) -> None:
    said = bench("sweep", "tiny.yaml", "--grid", f"learning_rate={rates}", "--confirm", "1", "-q")
    assert said.code == 3
    is_alone = rates == "1e30"
    assert ("no point was trained to its end with every seed" in said.out) is is_alone
    assert ("A is the config as given" in said.out) is not is_alone


@pytest.mark.parametrize(
    ("missing", "diverged", "accuracy"),
    [(1, 0, spread([0.9])), (1, 1, spread([0.9])), (0, 0, spread([0.9, 0.8])), (2, 0, None)],
)
def test_a_point_without_a_result_for_each_seed_is_no_winner(
    bench: Bench, missing: int, diverged: int, accuracy: Spread | None
) -> None:
    """If no other has, it ranks first."""
    planned = plan(sweep_file.read(bench.config(), (), ["lambda=1"], [0, 1]))
    standing = Standing((1,), [0, 1][missing:], missing, accuracy, None, diverged)
    confirming = SweepConfirmation(planned, 2, Path("runs"), Data())
    confirmed = confirming.of(Ranking("validation", [standing]))
    assert (confirmed is not None) is (missing == 0)


def test_a_sweep_that_stops_at_a_failure_confirms_nothing(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "x", "-q")
    command = (*SWEEP, "--confirm", "2", "--fail-fast", "-j", "1", "-q")
    taken = bench(*SWEEP, "--dry-run", "--json").out
    name = json.loads(taken)["runs"][0]["name"]
    (bench.folder / "runs" / "x-s0").rename(bench.folder / "runs" / name)
    said = bench(*command)
    assert said.code == 4
    assert said.out.splitlines()[0] == "no trial has a result"
    assert said.out.endswith(f"\n{NOTHING}no point was trained to its end with every seed\n")
    assert names(bench) == [name]


def test_a_dry_run_announces_the_confirmation(bench: Bench) -> None:
    said = bench(*SWEEP, "--seeds", "2", "--confirm", "3", "--dry-run")
    assert said.out.splitlines()[-2:] == [
        "8 runs: 8 new",
        "then 6 more to confirm the best point: it and the config as given, with seeds 2-4",
    ]
    assert not (bench.folder / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--emit", "slurm"], "--emit only prints commands: remove --confirm"),
        (
            ["--set", "monitor=[test]", "--set", "patience=null"],
            "--confirm: the best point is chosen by validation accuracy; add validation to monitor",
        ),
        (["--set", "cost=log-likelihood", "--grid", "output=softmax"], "; --confirm trains the "),
    ],
)
def test_what_cannot_be_confirmed_is_refused_before_training(
    bench: Bench, arguments: list[str], message: str
) -> None:
    assert bench(*SWEEP, *arguments, "--emit", "commands").code == 0
    said = bench(*SWEEP, *arguments, "--confirm", "2")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert message in said.err
    assert not (bench.folder / "runs").exists()
