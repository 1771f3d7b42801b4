"""nnexp tune as a user has it: what it leaves behind, again and after a stop, and wrong starts."""

from __future__ import annotations

import fcntl
import html
import json
import re
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec.structs import replace

from nnexp.cli.quantities import Spending
from nnexp.config import load
from nnexp.config.model import CheckedConfig, Config
from nnexp.study.job import Job, Outcome
from nnexp.training.history import Row
from nnexp.tune import batch_size, choice, ladder, learning_rate
from nnexp.tune.ladder import Rung
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

if TYPE_CHECKING:
    from tests.conftest import Bench, Said

OUTPUTS = ("tuned.yaml", "decisions.md", "decisions.html", "times.json")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def trials(bench: Bench) -> set[str]:
    return {path.parent.name for path in bench.folder.glob("runs/*/metrics.jsonl")}


def decisions(said: Said) -> dict[str, Any]:
    assert said.code == 0, said.err
    tree: dict[str, Any] = json.loads(said.out)
    return tree


@pytest.mark.slow
def test_tune_decides_everything_and_a_second_one_trains_nothing(bench: Bench) -> None:
    first = bench("tune", "tiny.yaml")
    assert first.code == 0, first.err
    folder = bench.folder / "tiny-tuned"
    left, runs = contents(folder), trials(bench)
    assert set(OUTPUTS) <= left.keys()
    assert [line[0] for line in first.out.splitlines()[:-3]] == list("123456666")
    assert first.out.splitlines()[-3:] == [
        "tiny-tuned/tuned.yaml",
        "tiny-tuned/decisions.md",
        "tiny-tuned/decisions.html",
    ]
    times = {path: path.stat().st_mtime_ns for path in bench.folder.glob("runs/*/metrics.jsonl")}
    assert bench("tune", "tiny.yaml").out == first.out
    assert trials(bench) == runs
    assert times == {path: path.stat().st_mtime_ns for path in times}
    assert contents(folder) == left
    listed = json.loads(bench("runs", "--each", "--json").out)
    assert {each["name"] for each in listed} == runs
    check_outputs(bench, left)


def check_outputs(bench: Bench, left: dict[str, bytes]) -> None:
    """Check that the tuned config trains, and that the page is whole, and loads nothing."""
    config = load.read(bench.folder / "tiny-tuned" / "tuned.yaml")
    text = left["tuned.yaml"].decode()
    assert f"learning_rate: {config.learning_rate}" in text
    for key in ("learning_rate", "lambda", "batch_size", "epochs"):
        assert re.search(rf"^# .+\n{key}: ", text, re.MULTILINE), key
    assert config.hidden == (5,)
    assert bench("train", "tiny-tuned/tuned.yaml", "-q", "--set", "epochs=2").code == 0
    page = html.unescape(left["decisions.html"].decode())
    plain = left["decisions.md"].decode()
    sections = page.count("<section")
    assert sections == plain.count("\n## ") == page.count('class="drawing"')
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "http" not in re.sub(r"http-equiv|base64,[\w+/=]+", "", page)
    for name in re.findall(r"!\[.*?\]\((.*?)\)", plain):
        assert left[name].startswith(b"<?xml")
    assert "The chapter's argument, on 100 images" in plain


def test_a_tune_that_is_stopped_goes_on_and_decides_the_same(bench: Bench) -> None:
    arguments = ("tune", "tiny.yaml", "--only", "eta,lambda", "--json")
    with bench.start(*arguments) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "λ = 1," in line:
                process.send_signal(signal.SIGTERM)
                break
        err = process.stderr.read()
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert err.endswith("stopped; what is committed is safe; the same command goes on from there\n")
    assert not (bench.folder / "tiny-tuned").exists()
    halfway = trials(bench)
    resumed = decisions(bench(*arguments))
    assert halfway < trials(bench)
    other = decisions(bench(*arguments, "--runs", "others"))
    assert resumed == other
    assert resumed["decisions"][1]["chose"] == {
        "learning_rate": resumed["decisions"][1]["chose"]["learning_rate"]
    }


def test_times_are_of_one_sitting_and_trials_of_an_earlier_one_are_measured_again(
    bench: Bench,
) -> None:
    only = ("tune", "tiny.yaml", "--only", "batch-size", "--json")
    said = bench(*only)
    assert re.search(r"\nbatch_size = 5, η = 0\.25, seed 1: .* % in .* m?s; best .* %\n", said.err)
    first = decisions(said)
    runs = trials(bench)
    kept = json.loads((bench.folder / "tiny-tuned" / "times.json").read_text())
    assert decisions(bench(*only)) == first
    assert json.loads((bench.folder / "tiny-tuned" / "times.json").read_text()) == kept
    (bench.folder / "tiny-tuned" / "times.json").unlink()
    decisions(bench(*only))
    again = json.loads((bench.folder / "tiny-tuned" / "times.json").read_text())
    assert trials(bench) == runs
    assert again["seconds"].keys() == kept["seconds"].keys()
    assert all(again["seconds"][name] != kept["seconds"][name] for name in kept["seconds"])
    assert all(len(again["seconds"][name]) == 20 for name in kept["seconds"])
    assert set(kept["seconds"]) < runs


def test_a_run_that_is_gone_is_trained_once_with_the_others_times(bench: Bench) -> None:
    only = ("tune", "tiny.yaml", "--only", "batch-size", "--json", "-q")
    first = decisions(bench(*only))
    kept = json.loads((bench.folder / "tiny-tuned" / "times.json").read_text())["seconds"]
    shutil.rmtree(bench.folder / "runs" / min(kept))
    second = decisions(bench(*only))
    again = json.loads((bench.folder / "tiny-tuned" / "times.json").read_text())["seconds"]
    assert all(again[name] != kept[name] for name in kept)
    assert second["epochs"] == first["epochs"] + 20 * (len(kept) - 1)


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


def test_a_config_is_checked_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[int] = []
    check = load.check

    def counted(config: Config, source: str = "config") -> CheckedConfig:
        checked.append(config.seed)
        return check(config, source)

    monkeypatch.setattr(load, "check", counted)
    asked = Trials("tiny", bench.folder / "runs")
    config = load.read("tiny.yaml")
    several = [replace(config, seed=seed) for seed in (0, 1)]

    def steps() -> Steps[bool]:
        yield JobGroup(several)
        yield JobGroup(several, timed=True)
        return asked.has_run(several[0])

    assert finish(steps(), asked)
    assert checked == [0, 1]


@pytest.mark.parametrize("damage", ['{"seconds": 3}', "{", '{"seconds": {"a": [-1]}}', "\0"])
def test_damaged_times_are_measured_again_and_that_is_said(bench: Bench, damage: str) -> None:
    (bench.folder / "tiny-tuned").mkdir()
    (bench.folder / "tiny-tuned" / "times.json").write_text(damage)
    code, _, err = bench("tune", "tiny.yaml", "--only", "batch-size", "-q")
    assert code == 0
    assert err.startswith("tiny-tuned/times.json: is damaged: ")
    assert err.endswith("; times are measured again\n")
    assert json.loads((bench.folder / "tiny-tuned" / "times.json").read_text())["seconds"]


def test_times_of_other_epochs_are_measured_again(bench: Bench) -> None:
    only = ("tune", "tiny.yaml", "--only", "batch-size", "-q")
    assert bench(*only).code == 0
    path = bench.folder / "tiny-tuned" / "times.json"
    kept = json.loads(path.read_text())
    kept["seconds"] = {name: seconds[:-1] for name, seconds in kept["seconds"].items()}
    path.write_text(json.dumps(kept))
    assert bench(*only).code == 0
    again = json.loads(path.read_text())["seconds"]
    assert {len(seconds) for seconds in again.values()} == {20}


def test_a_lambda_of_nothing_is_looked_for_nowhere_else() -> None:
    scores = {0.0: {0: 0.9}}
    assert choice.next_strengths(scores, 0.0, 100, (0.0, 0.0)) == []


def test_a_budget_ends_it_with_what_is_known(bench: Bench) -> None:
    found = decisions(bench("tune", "tiny.yaml", "--budget", "100", "-q", "--json"))
    assert found["epochs"] <= 100
    assert found["unfinished"][0].startswith(("2:", "3:"))
    assert "The budget was too small for stage" in (
        bench.folder / "tiny-tuned" / "decisions.md"
    ).read_text("utf-8")
    load.read(bench.folder / "tiny-tuned" / "tuned.yaml")
    (bench.folder / "tiny-tuned" / "decision-9-final.svg").write_bytes(b"an earlier tuning's")
    (bench.folder / "tiny-tuned" / "mine.svg").write_bytes(b"mine")
    more = decisions(bench("tune", "tiny.yaml", "--only", "eta", "--budget", "60m", "-q", "--json"))
    drawn = {path.name for path in (bench.folder / "tiny-tuned").glob("*.svg")}
    etas = {"decision-2-eta.svg", "decision-3-eta.svg"}
    assert drawn == {"decision-1-chance.svg", "mine.svg", *etas}
    assert more["unfinished"] == []
    assert more["decisions"][0] == found["decisions"][0]


def test_a_rate_that_stays_must_learn_on_all_classes(bench: Bench) -> None:
    """Two classes without a hidden layer do not: the later stages could mend nothing."""
    far = ("--set", "learning_rate=1e6", "--set", "lambda=1")
    code, out, err = bench("tune", "tiny.yaml", "--only", "lambda", *far)
    assert (code, out) == (1, "")
    assert "η = 1e+06, λ = 1: diverged, no better than chance (" in err
    assert "η is not changed unless eta is tuned as well" in err


def test_a_lambda_that_stays_must_learn_something(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "-q", "--only", "eta", "--set", "lambda=1e5")
    assert (code, out) == (1, "")
    assert "λ is not changed unless lambda is tuned as well" in err


def test_values_of_the_quick_problem_alone_are_marked_as_such(bench: Bench) -> None:
    assert bench("tune", "tiny.yaml", "-q", "--only", "eta", "--budget", "105").code == 0
    text = (bench.folder / "tiny-tuned" / "tuned.yaml").read_text("utf-8").replace("\n# ", " ")
    assert "was too small for stage 6: η again." in text
    assert "The values from the quick problem are not checked on the full one." in text


def test_what_train_would_warn_of_is_said_of_the_tuned_config(bench: Bench) -> None:
    given = ("--set", "hidden=[]", "--set", "dropout=0.5", "--only", "eta")
    err = bench("tune", "tiny.yaml", "-q", *given).err
    assert "warning: tiny-tuned/tuned.yaml: dropout has no effect: there are no hidden" in err


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_trained(bench: Bench) -> None:
    (bench.folder / "file").touch()
    code, out, err = bench("tune", "tiny.yaml", "--out", "file/below")
    assert (code, out, err) == (74, "", "file: is not a folder\n")
    assert not (bench.folder / "runs").exists()


def test_a_run_over_a_limit_ends_it_and_says_which_run_and_what_to_do(bench: Bench) -> None:
    said = bench("tune", "tiny.yaml", "-q", "--max-memory", "1M")
    assert (said.code, said.out) == (137, "")
    assert re.fullmatch(
        r"runs/tiny-\w+-s0: took [\d.]+ MB of memory, more than 1 MB; later steps depend on "
        r"this run; repeat the command with a higher --timeout or --max-memory to resume it\n",
        said.err,
    )


@pytest.mark.parametrize("command", ["tune", "find-rate"])
def test_a_damaged_run_ends_it_and_says_which_run_and_what_to_do(
    bench: Bench, command: str
) -> None:
    only = ("--only", "eta") if command == "tune" else ()
    assert bench(command, "tiny.yaml", *only, "-q").code == 0
    (metrics, *_) = sorted(bench.folder.glob("runs/*/metrics.jsonl"))
    metrics.write_bytes(metrics.read_bytes().replace(b"1", b"2"))
    said = bench(command, "tiny.yaml", *only, "-q")
    assert (said.code, said.out) == (5, "")
    assert f"runs/{metrics.parent.name}/metrics.jsonl: is damaged" in said.err
    assert said.err.endswith("; nnexp train --restart trains a damaged run again from scratch\n")


def test_a_run_that_another_process_trains_is_waited_for(bench: Bench) -> None:
    assert bench("find-rate", "tiny.yaml", "-q").code == 0
    run = next(bench.folder.glob("runs/tiny-*"))
    (run / "result.json").unlink()
    with (run / "LOCK").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = bench.start("find-rate", "tiny.yaml")
        assert process.stderr is not None
        told = iter(process.stderr.readline, "")
        assert f"{run.name}: another process trains it\n" in told
        assert process.poll() is None
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert (run / "result.json").exists()


def test_one_example_is_too_few(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "--set", "data.train=1")
    assert (code, out) == (2, "")
    assert err.startswith("data: all training examples (1) are of one class")


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
    assert "is no budget; 200 is 200 epochs; 90s, 2.5m and 1h are times" in err


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
        "nothing is written: stage 1 takes 20 to 80 epochs of trials (--explain shows all stages)\n"
    )
    assert not (bench.folder / "runs").exists()
    code, out, err = bench("tune", "tiny.yaml", "--budget", "40", "-q")
    assert (code, out) == (1, "")
    assert "the budget is spent in stage 2: η" in err
    assert "stages 1 to 2 take 50 to 270 epochs of trials" in err
    assert err.endswith("the same command with a larger budget goes on from there\n")
    assert len(trials(bench)) == 4
    assert not (bench.folder / "tiny-tuned").exists()


def test_settings_that_trials_have_their_own_of_are_warned_of(bench: Bench) -> None:
    own = ("--set", "epochs=9", "--set", "schedule.name=step", "--set", "evaluate_every=2")
    err = bench("tune", "tiny.yaml", "--explain", *own, "--set", "learning_rate=1").err
    told = "--set epochs, schedule, evaluate_every play no part: tune's trials have their own\n"
    assert err == told
    err = bench("tune", "tiny.yaml", "--explain", "--set", "patience=3").err
    assert err == "--set patience plays no part: tune's trials have their own\n"
    assert bench("tune", "tiny.yaml", "--explain", "--set", "epochs=200").err == ""


def test_the_config_s_own_end_changes_no_decision(bench: Bench) -> None:
    arguments = ("--only", "eta,lambda", "-q", "--json")
    plain = decisions(bench("tune", "tiny.yaml", *arguments))
    runs = trials(bench)
    bench.config(epochs=1, patience=None, evaluate_every=1, schedule={"name": "step"})
    assert decisions(bench("tune", "tiny.yaml", *arguments))["decisions"] == plain["decisions"]
    assert trials(bench) == runs


def test_what_is_no_part(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "--only", "eta,momentum")
    assert (code, out) == (2, "")
    assert "'momentum' is none of eta, lambda, batch-size, final" in err


def test_explain_trains_nothing(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "--explain")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line[:2] for line in lines[1:9]] == ["1:", "2:", "3:", "4:", "5:", "6:", "6:", "6:"]
    together = re.split("  +", lines[9])
    assert together[:3] == ["together", "25 to 164", "590 to 4,210"]
    assert "--budget counts epochs" in lines[11]
    assert not (bench.folder / "runs").exists()
    assert not (bench.folder / "tiny-tuned").exists()
    stages = json.loads(bench("tune", "tiny.yaml", "--explain", "--json", "--only", "eta").out)
    assert [stage["stage"][0] for stage in stages] == ["1", "2", "6"]
    assert all(stage["trials_least"] <= stage["trials_most"] for stage in stages)
    assert [stage["epochs_least"] for stage in stages] == [20, 30, 20]
    longer = ("--set", "epochs=400", "--only", "final")
    stages = json.loads(bench("tune", "tiny.yaml", "--explain", "--json", *longer).out)
    assert stages[-1]["epochs"] == 400
    assert stages[0]["trials_most"] == 2  # with the config's own η and λ alone


def test_a_name_that_is_markup_is_text(bench: Bench) -> None:
    name = bench.config("<b>&.yaml")
    out = bench("tune", name, "--only", "eta", "-q", "--out", "o", "--set", "hidden=[]")
    assert out.code == 2  # no run may be called so
    (bench.folder / "sub <i>").mkdir()
    (bench.folder / "sub <i>" / "c.yaml").write_bytes((bench.folder / "tiny.yaml").read_bytes())
    assert bench("tune", "sub <i>/c.yaml", "--only", "eta", "-q", "--out", "o").code == 0
    page = (bench.folder / "o" / "decisions.html").read_text("utf-8")
    assert "sub &lt;i&gt;/c.yaml" in page
    assert "<i>" not in page
    assert r"sub \<i\>/c.yaml" in (bench.folder / "o" / "decisions.md").read_text("utf-8")


@pytest.mark.parametrize("wrong", ["learning_rate=1e-6", "learning_rate=1e6", "lambda=1e5"])
def test_a_wrong_start_does_not_matter(bench: Bench, wrong: str) -> None:
    arguments = ("tune", "tiny.yaml", "--only", "eta,lambda", "-q", "--json")
    found = decisions(bench(*arguments, "--set", wrong))
    chance = found["decisions"][0]
    if wrong != "learning_rate=1e6":  # saturated neurons can be right here and there
        assert chance["alternatives"][0]["better"] == "no"
    assert 1e-3 < found["decisions"][4]["chose"]["learning_rate"] < 100
    assert found["decisions"][2]["chose"]["lambda"] <= 100


@pytest.mark.parametrize("only", ["batch-size", "final", "lambda", "batch-size,lambda"])
def test_a_rate_that_learns_nothing_and_is_not_to_be_decided_ends_with_a_sentence(
    bench: Bench, only: str
) -> None:
    name = bench.config(activation="relu", hidden=[5], learning_rate=1e6)
    code, out, err = bench("tune", name, "--full", "--only", only, "-q")
    assert (code, out) == (1, "")
    assert err.startswith("no trial was better than chance")
    assert "η is not changed unless eta is tuned as well" in err
    assert "η = 0.1," not in err


def test_a_lambda_that_learns_nothing_is_decided_with_the_config_s_own_rate(bench: Bench) -> None:
    settings = ("--set", "lambda=1e5", "--set", "learning_rate=0.2")
    arguments = ("tune", "tiny.yaml", *settings, "--only", "lambda", "--full", "-q", "--json")
    found = decisions(bench(*arguments))
    tried = found["decisions"][0]["alternatives"]
    assert [each["learning_rate"] for each in tried] == ["0.2", "0.2"]
    assert [each["better"] for each in tried] == ["no", "yes"]


def test_where_no_mini_batch_size_can_be_trained_with_it_ends_with_a_sentence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object, size: int, __: object) -> batch_size.TimedSize:
        return batch_size.TimedSize(size, 1.0, (), ())

    monkeypatch.setattr(batch_size, "_timed", broken)
    code, out, err = bench("tune", "tiny.yaml", "--only", "batch-size", "-q")
    assert (code, out) == (1, "")
    assert err.startswith("with η = 0.5 for mini-batches of 10, and in proportion for others,")
    text = failed(bench, err, "tiny-tuned")
    assert "## Stage 1: Better than chance" in text
    assert "## Stage 5: Mini-batch size" in text
    assert "| 10 | 1 | diverged |" in text


def failed(bench: Bench, err: str, folder: str) -> str:
    """Check what a stage that finds nothing leaves behind; return the decisions."""
    assert err.endswith(f"; {folder}/decisions.md shows what was tried\n")
    assert err.count("\n") == 1
    left = contents(bench.folder / folder)
    assert "tuned.yaml" not in left
    text = left["decisions.md"].decode()
    assert "failed, so there is no tuned config." in text
    for name in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert left[name].startswith(b"<?xml")
    assert left["decisions.html"].count(b"<section") == text.count("\n## ")
    return text


def test_where_no_rate_is_steady_the_rungs_can_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "threshold", lambda _: None)
    (bench.folder / "tiny-tuned").mkdir()
    assert bench("tune", "tiny.yaml", "--only", "eta", "-q").code == 1
    code, out, err = bench("tune", "tiny.yaml", "--only", "eta", "-q")
    assert (code, out) == (1, "")
    assert err.startswith("the training cost falls steadily with no learning rate from 0.01 to")
    text = failed(bench, err, "tiny-tuned")
    assert "**No η: the training cost falls steadily with no learning rate" in text
    assert "| 10 | too large |" in text
    (bench.folder / "tiny-tuned" / "tuned.yaml").write_text("{}")
    assert bench("tune", "tiny.yaml", "--only", "eta", "-q").code == 1
    text = (bench.folder / "tiny-tuned" / "decisions.md").read_text("utf-8")
    assert r"The file tuned.yaml in this folder is from an earlier tuning." in text


def test_a_lambda_per_example_is_tuned_on_the_full_problem_too(bench: Bench) -> None:
    arguments = ("tune", "tiny.yaml", "--set", "lambda={per_example: 1e-4}", "--only", "eta")
    found = decisions(bench(*arguments, "--full", "-q", "--json"))
    assert found["decisions"][0]["alternatives"][0]["lambda"] == "0.02"  # 1e-4 · 200


def test_a_rate_that_is_looked_at_again_in_vain_stays_and_that_is_a_decision(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rungs = [Rung(rate, [2.0, 1.0] * 5) for rate in (0.1, 0.2)]

    def again(*_: object, **__: object) -> Steps[list[Rung]]:
        yield from ()
        return rungs

    monkeypatch.setattr(learning_rate, "again", again)
    found = decisions(bench("tune", "tiny.yaml", "--only", "eta,lambda,final", "-q", "--json"))
    first, *others = [each for each in found["decisions"] if each["name"] == "eta"]
    rate = first["chose"]["learning_rate"]
    assert [(each["stage"], each["chose"]) for each in others] == [(4, {}), (6, {})]
    for each in others:
        assert each["answer"].startswith(f"η stays {rate:g}: the training cost falls steadily with")
        assert len(each["alternatives"]) == len(rungs)
    text = (bench.folder / "tiny-tuned" / "tuned.yaml").read_text()
    assert f"\nlearning_rate: {rate}\n" in text


@pytest.mark.parametrize("expand", [None, "shift"])
def test_the_chapter_s_argument_is_of_as_many_updates_as_it_says(
    bench: Bench, expand: str | None
) -> None:
    labels = list(range(2)) * 20
    rng = np.random.default_rng(0)
    images: dict[str, Any] = {
        f"x_{split}": rng.integers(0, 99, (40, 4, 4), dtype=np.uint8)
        + 150 * np.array(labels, np.uint8)[:, None, None]
        for split in ("train", "validation")
    }
    np.savez(bench.folder / "few.npz", y_train=labels, y_validation=labels, **images)
    data = {"name": "npz", "file": "few.npz", "expand": expand}
    name = bench.config("few.yaml", data=data, learning_rate=0.1)
    found = decisions(bench("tune", name, "--only", "batch-size", "--full", "-q", "--json"))
    note = found["decisions"][-1]["notes"][0]
    assert "on 40 images in 20 epochs: 40 updates with one example" in note
    records = bench.folder.glob("runs/*/run.json")
    argument = [json.loads(path.read_text())["data"]["train"] for path in records]
    assert argument.count(40) >= 2


def pairs(bench: Bench, name: str, labels: list[int], seen: list[int]) -> str:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "x_train": rng.integers(0, 255, (len(labels), 6), dtype=np.uint8),
        "y_train": np.array(labels),
        "x_validation": rng.integers(0, 255, (len(seen), 6), dtype=np.uint8),
        "y_validation": np.array(seen),
    }
    np.savez(bench.folder / f"{name}.npz", **arrays)
    return bench.config(f"{name}.yaml", data={"name": "npz", "file": f"{name}.npz"})


def test_one_image_of_each_class_is_too_few(bench: Bench) -> None:
    name = pairs(bench, "one", [0, 1, 2], list(range(3)) * 40)
    code, out, err = bench("tune", name, "-q")
    assert (code, out) == (1, "")
    warning, err = err.split("\n", 1)
    assert warning.startswith("warning: of 3 training examples, one class has only 1")
    assert err.startswith("no trial was better than chance, so nothing is tuned")
    assert "several training examples of each class" in err
    text = failed(bench, err, "one-tuned")
    assert text.count("| a quick problem with all classes |") == 4
    assert "**No trial was better than chance" in text


def test_labels_that_say_nothing_end_with_a_sentence(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    labels, seen = (rng.integers(0, 3, count).tolist() for count in (100, 200))
    code, out, err = bench("tune", pairs(bench, "random", labels, seen), "-q")
    assert (code, out) == (1, "")
    assert "labels match the examples" in err


def test_constant_labels_are_one_class(bench: Bench) -> None:
    for command in ("tune", "find-rate"):
        code, out, err = bench(command, pairs(bench, "constant", [0] * 20, [0] * 9), "-q")
        assert (code, out) == (2, "")
        assert err == "constant.npz: y_train: only one class; a classifier needs at least two\n"
        code, out, err = bench(command, "tiny.yaml", "--set", "data.classes=[1]")
        assert (code, out) == (2, "")
        assert "must name at least 2 classes, got 1" in err


def test_a_line_search_has_no_rate_to_tune(bench: Bench) -> None:
    """Where η alone is asked for that is an error; else the rest is decided, and it is said."""
    name = bench.config("l.yaml", optimizer="l-bfgs", batch_size="all", dtype="float64")
    code, _, err = bench("tune", name, "--only", "eta")
    assert code == 2
    assert err.startswith("optimizer l-bfgs chooses its step by a line search")
    assert not (bench.folder / "runs").exists()
    planned = json.loads(bench("tune", name, "--explain", "--json").out)
    none = [stage["stage"][0] for stage in planned if not stage["trials_most"]]
    assert none == ["2", "4", "5", "6"]
    found = decisions(bench("tune", name, "-q", "--json"))
    skipped = [each for each in found["decisions"] if each["answer"].startswith("Skipped: ")]
    assert [each["heading"] for each in skipped] == [
        "Learning rate η",
        "η again, with that λ",
        "Mini-batch size",
        "η on the full problem",
        "Schedule",
    ]
    line = "Skipped: optimizer l-bfgs chooses its step by a line search: it has no learning rate"
    assert all(line in each["answer"] for each in skipped if each["name"] != "batch-size")
    config = load.read(bench.folder / "l-tuned" / "tuned.yaml")
    assert (config.learning_rate, config.batch_size) == (None, "all")
    assert config.patience in {10, 20, 30}
    plain = (bench.folder / "l-tuned" / "decisions.md").read_text("utf-8")
    page = (bench.folder / "l-tuned" / "decisions.html").read_text("utf-8")
    assert plain.count("\n## ") == page.count("<section") == len(found["decisions"])


def test_all_examples_at_once_leave_no_size_to_choose(bench: Bench) -> None:
    given = ("--set", "batch_size=all", "--only", "eta,batch-size", "-q", "--json")
    found = decisions(bench("tune", "tiny.yaml", *given))
    (skipped,) = [each for each in found["decisions"] if each["name"] == "batch-size"]
    assert skipped["answer"].startswith("Skipped: batch_size is all, so every step")
    assert skipped["chose"] == {}
    assert load.read(bench.folder / "tiny-tuned" / "tuned.yaml").batch_size == "all"


DOCS = (Path(__file__).parents[2] / "docs" / "tuning.md").read_text("utf-8")


def shown(name: str) -> list[str]:
    """Return the lines of an output that the docs show."""
    found = re.search(rf"<!-- output: {name} -->\n(.*?)<!-- end -->", DOCS, re.DOTALL)
    assert found is not None
    return [line[4:] for line in found[1].splitlines() if line]


def form(line: str) -> str:
    """Return a line with a sign in place of each number."""
    return re.sub(r"[\d.]*\d(?:e[-+]\d+)?", "#", line)


STEADY = r"half of the threshold #: up to there the training cost falls steadily.*\."
HIGHEST = r"(the highest validation accuracy|inside the noise of|all reach the same).*\."
ANSWERS = (
    r"#  Better than chance: # % on a quick problem with all classes, where guessing gives # %.*",
    rf"#  Learning rate η: η = #, {STEADY}",
    rf"#  Regularization λ: λ = #: {HIGHEST}",
    rf"#  η again, with that λ: η = #, {STEADY}",
    (
        r"#  Mini-batch size: Mini-batches of #, with η = #: they reach # % validation accuracy "
        r"after # m?s .*"
    ),
    rf"#  η on the full problem: (η = #, {STEADY}|η stays #: .*)",
    rf"#  λ on the full problem: λ = #: {HIGHEST}",
    (
        r"#  Early stopping: A patience of #: it would end in epoch # with # %; "
        r"the longest reaches # %."
    ),
    r"#  Schedule: (constant|halve-on-plateau): # % validation accuracy.* with a patience of #.*\.",
    r"\w+-tuned/tuned\.yaml",
    r"\w+-tuned/decisions\.md",
    r"\w+-tuned/decisions\.html",
)
"""The lines that tune prints, without their numbers: times and ties make them others each day."""


@pytest.mark.docs
def test_the_docs_show_what_tune_prints(bench: Bench) -> None:
    printed = bench("tune", "tiny.yaml", "-q").out.splitlines()
    for lines in (shown("tune"), printed):
        assert len(lines) == len(ANSWERS)
        for line, answer in zip(lines, ANSWERS, strict=True):
            assert re.fullmatch(answer, form(line)), line


@pytest.mark.docs
@pytest.mark.slow
def test_on_mnist_with_30_hidden_neurons_the_rate_is_the_book_s(bench: Bench) -> None:
    """To a factor of two for mini-batches of 10: beyond that last digits do not go (see find-rate).

    The stages that no clock decides answer as in the docs, but for their numbers.
    """
    config = str(Path(__file__).parents[2] / "configs" / "quickstart.yaml")
    found = decisions(bench("tune", config, "-q", "--json"))
    assert found["unfinished"] == []
    tuned = load.read(bench.folder / "quickstart-tuned" / "tuned.yaml")
    assert tuned.learning_rate is not None
    assert isinstance(tuned.batch_size, int)
    assert 0.125 <= tuned.learning_rate * 10 / tuned.batch_size <= 0.5
    for each, answer in zip(found["decisions"][:4], ANSWERS, strict=False):
        line = f"{each['stage']}  {each['heading']}: {each['answer']}"
        assert re.fullmatch(answer, form(line)), line
