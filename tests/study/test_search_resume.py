"""A search that was killed or stopped resumes and ends with the same runs."""

from __future__ import annotations

import fcntl
import functools
import json
import re
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.study.searches import UNCONFIRMED, names, search, tree
from tests.study.spaces import RATE, needs_optuna
from tests.study.studies import timeless
from tests.waiting import is_over, until

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import Bench

ATTEMPTS = 10
"""Starts of a search, one of which must be slow enough to be killed."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "kills"),
    [
        (["--method", "random", "--trials", "3"], (1, 2, 3)),
        (["--method", "grid", "--trials", "3"], (1, 2, 3)),
        pytest.param(["--method", "tpe", "--trials", "12"], (1, 2, 3), marks=needs_optuna),
        (["--trials", "3", "--halving"], (1, 2, 3)),
        (["--trials", "2", "--confirm", "3"], (2, 4, 6, 8)),
        (["--trials", "3", "--halving", "--confirm", "2"], (3, 5, 7)),
    ],
    ids=["random", "grid", "tpe", "halving", "confirmed", "halving-confirmed"],
)
def test_killed_anywhere_it_goes_on_to_the_same_runs(
    bench: Bench, how: list[str], kills: tuple[int, ...]
) -> None:
    """It is killed as soon as so many runs have begun."""
    arguments = (*how, "--epochs", "20", "--set", "patience=null")
    whole = search(bench, *arguments, runs="whole")
    command = (*UNCONFIRMED, "--space", RATE, "--runs", "again", *arguments)
    for wanted in kills:
        kill_once_begun(bench, command, wanted)
    end = search(bench, *arguments, runs="again")
    assert end.code == 0
    assert timeless(re.sub(r"\bagain\b(?!:)", "whole", end.out)) == timeless(whole.out)
    assert tree(bench, "again") == tree(bench, "whole")


def kill_once_begun(bench: Bench, command: tuple[str, ...], runs: int) -> None:
    """Kill a search when so many runs have begun; repeat what ended first from where it began."""
    folder, before = bench.folder / "again", bench.folder / f"before-{runs}"
    folder.mkdir(exist_ok=True)
    shutil.copytree(folder, before)

    def is_ended_or_begun(process: subprocess.Popen[str]) -> bool:
        return process.poll() is not None or len(list(folder.glob("[!.]*/metrics.jsonl"))) >= runs

    for _ in range(ATTEMPTS):
        process = bench.start(*command, start_new_session=True)
        until(functools.partial(is_ended_or_begun, process))
        process.kill()
        _, err = process.communicate()
        until(functools.partial(is_over, process.pid))  # its trials end a moment later
        if process.returncode == -signal.SIGKILL:
            return
        assert process.returncode == 0, err
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
    pytest.fail("it ended before it was killed, each time")


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
    until(lambda: list(bench.folder.glob("runs/[!.]*/metrics.jsonl")), process=process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert err.endswith(
        "stopped in config as given; committed epochs are safe; repeat the command to resume\n"
    )


@pytest.mark.slow
def test_a_trial_that_another_process_trains_is_waited_for_and_taken_over(bench: Bench) -> None:
    search(bench, "--trials", "2", "--halving", "--factor", "2", "--epochs", "9", "-q")
    run = next(each for each in bench.folder.glob("runs/*") if not (each / "result.json").exists())
    arguments = (*UNCONFIRMED, "--space", RATE, "--trials", "2", "--epochs", "9")
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
