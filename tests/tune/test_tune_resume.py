"""A tuning that was stopped resumes with the same decisions, and measures times of one session."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from nnexp.config import load
from nnexp.config.model import CheckedConfig, Config
from nnexp.tune.trials import JobGroup, Steps, Trials, finish
from tests.tune.tunings import decisions, trials

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.mark.slow
@pytest.mark.parametrize("last", ["λ = 1, 10 epochs", r"λ = \S+, 30 epochs"])
def test_a_tune_that_is_stopped_goes_on_and_decides_the_same(bench: Bench, last: str) -> None:
    """It is stopped in the search for λ, and while the best are trained on.

    The classes overlap, so that accuracies differ by λ and seed.
    """
    with np.load("tiny.npz") as stored:
        arrays = dict(stored)
    rng = np.random.default_rng(0)
    for split in ("train", "validation"):
        noise = rng.integers(0, 256, arrays[f"x_{split}"].shape)
        arrays[f"x_{split}"] = ((arrays[f"x_{split}"] + noise) // 2).astype(np.uint8)
    np.savez("tiny.npz", **arrays)
    arguments = ("tune", "tiny.yaml", "--only", "eta,lambda", "--json")
    with bench.start(*arguments) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if re.match(last, line):
                process.send_signal(signal.SIGTERM)
                break
        err = process.stderr.read()
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert err.endswith("stopped; committed epochs are safe; repeat the command to resume\n")
    assert not (bench.folder / "tiny-tuned").exists()
    halfway = trials(bench)
    resumed = decisions(bench(*arguments))
    assert halfway < trials(bench)
    other = decisions(bench(*arguments, "--runs", "others"))
    assert resumed == other
    assert resumed["decisions"][1]["chose"] == {
        "learning_rate": resumed["decisions"][1]["chose"]["learning_rate"]
    }


@pytest.mark.slow
def test_parallel_runs_change_neither_decisions_nor_costs(bench: Bench) -> None:
    arguments = ("tune", "tiny.yaml", "--only", "eta,lambda,final", "-q", "--json")
    one = decisions(bench(*arguments, "-j", "1"))
    assert decisions(bench(*arguments, "-j", "2", "--runs", "others")) == one


@pytest.mark.slow
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
    assert all(len(again["seconds"][name]) == 10 for name in kept["seconds"])
    assert set(kept["seconds"]) < runs


@pytest.mark.slow
def test_a_run_that_is_gone_is_trained_once_with_the_others_times(bench: Bench) -> None:
    only = ("tune", "tiny.yaml", "--only", "batch-size", "--json", "-q")
    first = decisions(bench(*only))
    kept = json.loads((bench.folder / "tiny-tuned" / "times.json").read_text())["seconds"]
    shutil.rmtree(bench.folder / "runs" / min(kept))
    second = decisions(bench(*only))
    again = json.loads((bench.folder / "tiny-tuned" / "times.json").read_text())["seconds"]
    assert all(again[name] != kept[name] for name in kept)
    assert second["epochs"] == first["epochs"] + 10 * (len(kept) - 1)


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


@pytest.mark.slow
@pytest.mark.parametrize("damage", ['{"seconds": 3}', "{", '{"seconds": {"a": [-1]}}', "\0"])
def test_damaged_times_are_measured_again_and_that_is_said(bench: Bench, damage: str) -> None:
    (bench.folder / "tiny-tuned").mkdir()
    (bench.folder / "tiny-tuned" / "times.json").write_text(damage)
    code, _, err = bench("tune", "tiny.yaml", "--only", "batch-size", "-q")
    assert code == 0
    assert err.startswith("tiny-tuned/times.json: is damaged: ")
    assert err.endswith("; times are measured again\n")
    assert json.loads((bench.folder / "tiny-tuned" / "times.json").read_text())["seconds"]


@pytest.mark.slow
def test_times_of_other_epochs_are_measured_again(bench: Bench) -> None:
    only = ("tune", "tiny.yaml", "--only", "batch-size", "-q")
    assert bench(*only).code == 0
    path = bench.folder / "tiny-tuned" / "times.json"
    kept = json.loads(path.read_text())
    kept["seconds"] = {name: seconds[:-1] for name, seconds in kept["seconds"].items()}
    path.write_text(json.dumps(kept))
    assert bench(*only).code == 0
    again = json.loads(path.read_text())["seconds"]
    assert {len(seconds) for seconds in again.values()} == {10}


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
