"""A budget of epochs or seconds ends a tuning with the decisions made so far."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from nnexp.cli.quantities import Spending
from nnexp.config import load
from nnexp.study.job import Job, Outcome
from nnexp.training.history import Row
from nnexp.tune.trials import (
    Budget,
    BudgetSpentError,
    JobGroup,
    JobResult,
    Steps,
    StepSampler,
    Trials,
    finish,
    train_one,
)
from tests.tune.tunings import decisions, trials

if TYPE_CHECKING:
    from tests.conftest import Bench


def test_a_budget_keeps_room_for_the_runs_under_way(bench: Bench) -> None:
    """Two runs of 30 epochs, and a budget of 50: the second one fits once the first took 15."""

    class Short(Trials):
        def record(self, job: Job, *, is_new: bool) -> JobResult:
            del is_new
            rows = [Row(epoch=epoch, learning_rate=0.5) for epoch in range(1, 16)]
            return JobResult(job.config, job.run, rows, diverged=False, seconds=None)

    config = load.read("tiny.yaml", ["epochs=30"])

    def steps() -> Steps[str]:
        yield JobGroup([replace(config, seed=seed) for seed in (0, 1)])
        return "done"

    sampler = StepSampler(steps(), Short("tiny", bench.folder / "runs", Budget(epochs=50)))
    first = sampler.ask()
    assert first is not None
    assert sampler.ask() is None
    sampler.tell(first, Outcome())
    second = sampler.ask()
    assert second is not None
    assert (first.config.seed, second.config.seed) == (0, 1)
    sampler.tell(second, Outcome())
    assert sampler.ask() is None
    assert sampler.result == "done"


@pytest.mark.slow
def test_a_budget_ends_it_with_what_is_known(bench: Bench) -> None:
    found = decisions(bench("tune", "tiny.yaml", "--budget", "100", "-q", "--json"))
    assert found["epochs"] <= 100
    assert found["unfinished"][0].startswith(("2:", "3:"))
    assert found["notes"][0] == f"The budget was too small for stage {found['unfinished'][0]}."
    assert "The budget was too small for stage" in (
        bench.folder / "tiny-tuned" / "decisions.md"
    ).read_text("utf-8")
    load.read(bench.folder / "tiny-tuned" / "tuned.yaml")
    (bench.folder / "tiny-tuned" / "decision-9-final.svg").write_bytes(b"an earlier tuning's")
    (bench.folder / "tiny-tuned" / "mine.svg").write_bytes(b"mine")
    more = decisions(bench("tune", "tiny.yaml", "--only", "eta", "--budget", "60m", "-q", "--json"))
    drawn = {path.name for path in (bench.folder / "tiny-tuned").glob("*.svg")}
    assert drawn == {"decision-1-chance.svg", "mine.svg", "decision-2-eta.svg"}
    assert more["unfinished"] == []
    assert more["decisions"][0] == found["decisions"][0]


def test_values_of_the_quick_problem_alone_are_marked_as_such(bench: Bench) -> None:
    larger = ("--set", "hidden=[31]")
    assert bench("tune", "tiny.yaml", "-q", *larger, "--only", "eta", "--budget", "105").code == 0
    text = (bench.folder / "tiny-tuned" / "tuned.yaml").read_text("utf-8").replace("\n# ", " ")
    assert "was too small for stage 6: η again." in text
    assert "The values from the quick problem are not checked on the full one." in text


def test_a_longer_trial_counts_the_epochs_that_it_adds(bench: Bench) -> None:
    short = load.read(bench.folder / "tiny.yaml", ["epochs=4", "patience=null"])
    asked = Trials("tiny", bench.folder / "runs", budget=Budget(epochs=10))
    finish(train_one(short), asked)
    assert len(finish(train_one(replace(short, epochs=10)), asked).rows) == 10
    assert (asked.epochs, asked.examples) == (10, 10 * 200)
    with pytest.raises(BudgetSpentError):
        finish(train_one(replace(short, seed=1)), asked)


def test_a_budget_of_examples_counts_those_of_each_epoch(bench: Bench) -> None:
    """Four epochs of 200 examples leave room for four of 100, not for five."""
    whole = load.read(bench.folder / "tiny.yaml", ["epochs=4", "patience=null"])
    half = replace(whole, data=replace(whole.data, train=100))
    asked = Trials("tiny", bench.folder / "runs", budget=Budget(examples=1200))
    finish(train_one(whole), asked)
    with pytest.raises(BudgetSpentError):
        finish(train_one(replace(half, epochs=5)), asked)
    finish(train_one(half), asked)
    assert asked.examples == 1200


def test_examples_end_a_tuning_as_epochs_do(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "--examples", "100", "-q")
    assert (code, out) == (2, "")
    assert err.startswith("the budget is spent in stage 1: better than chance, before anything ")
    given = ("--only", "eta", "--examples", "21000", "-q", "--json", "--set", "hidden=[31]")
    found = decisions(bench("tune", "tiny.yaml", *given))
    assert found["unfinished"] == ["6: η again"]
    assert found["examples"] <= 21_000


def test_minutes_count_for_what_is_trained_once_more_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load.read(bench.folder / "tiny.yaml")
    finish(train_one(config), Trials("tiny", bench.folder / "runs"))
    again = Trials("tiny", bench.folder / "runs", budget=Budget(seconds=60.0))
    assert finish(train_one(config), again).seconds is None
    assert finish(train_one(config, timed=True), again).seconds is not None
    later = time.monotonic() + 61.0
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(BudgetSpentError):
        finish(train_one(replace(config, seed=1), timed=True), again)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_budget_for_one_final_training_decides_the_patience(bench: Bench, jobs: str) -> None:
    """Its two arms are trained together where there is room for both; here there is not."""
    given = ("--only", "final", "--budget", "150", "-j", jobs, "-q", "--json")
    found = decisions(bench("tune", "tiny.yaml", *given))
    assert "patience" in found["decisions"][-1]["chose"]
    assert len(found["unfinished"]) == 1


@pytest.mark.parametrize(
    "budget", ["0", "m", "-1", "10d", "ten", "0m", "0.0s", "2.5", "1e3s", "nan", "h", "٣m", "1.m"]
)
def test_what_is_no_budget(bench: Bench, budget: str) -> None:
    code, out, err = bench("tune", "tiny.yaml", f"--budget={budget}")
    assert (code, out) == (2, "")
    assert err.startswith("--budget must be a number of epochs, such as 200, or a time, such as ")


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("200", Budget(epochs=200)),
        ("90s", Budget(seconds=90)),
        ("2.5m", Budget(seconds=150)),
        ("1h", Budget(seconds=3600)),
    ],
)
def test_budgets(text: str, budget: Budget) -> None:
    assert Spending().convert(text, None, None) == budget


def test_a_budget_that_decides_nothing_writes_nothing_and_says_what_it_takes(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "--budget", "9", "-q")
    assert (code, out) == (2, "")
    assert err == (
        "the budget is spent in stage 1: better than chance, before anything is decided, so "
        "nothing is written: stage 1 takes 20 to 80 epochs of trials, of up to 200 examples each "
        "(--explain shows all stages)\n"
    )
    assert not (bench.folder / "runs").exists()
    code, out, err = bench("tune", "tiny.yaml", "--budget", "40", "-q")
    assert (code, out) == (1, "")
    assert "the budget is spent in stage 2: η" in err
    assert "stages 1 to 2 take 60 to 270 epochs of trials" in err
    assert err.endswith("repeat the command with a larger budget to resume\n")
    assert len(trials(bench)) == 4
    assert not (bench.folder / "tiny-tuned").exists()
