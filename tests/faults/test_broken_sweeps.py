"""Sweeps that are killed at random or run concurrently produce the same runs."""

from __future__ import annotations

import functools
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.faults.trees import epochs_trained, runs
from tests.waiting import is_over, members, until

if TYPE_CHECKING:
    from tests.conftest import Bench

pytestmark = pytest.mark.slow

GRID = ("--grid", "learning_rate=0.1,0.3,1,3", "--grid", "lambda=0,1", "--seeds", "2")
KILLS = 30
LOOP = 'nnexp sweep tiny.yaml --emit commands {grid} | xargs -P 8 -d "\\n" -I {{}} sh -c {{}}'


def test_killed_with_its_whole_group_at_30_random_times_it_ends_byte_equal(
    bench: Bench, count: Callable[[str, int], None]
) -> None:
    """A sweep that is done before its kills are is followed by another, in a new folder."""
    bench.config(epochs=150, patience=None)
    arguments = ("sweep", "tiny.yaml", *GRID, "-q")
    whole = bench.process(*arguments, "-j", "1", "--runs", "whole")
    assert whole.code == 0
    moments, kills, folders = random.Random(7), 0, 0  # noqa: S311 - which moments does not matter
    beside_trials = 0
    while kills < KILLS:
        folder, before, code = f"runs{folders}", kills, -signal.SIGKILL
        while code == -signal.SIGKILL:
            process = bench.start(*arguments, "-j", "2", "--runs", folder, start_new_session=True)
            if kills % 2:
                wait_for_jobs(process)
            try:
                process.wait(moments.uniform(0.1, 0.9) if kills < KILLS else 60)
            except subprocess.TimeoutExpired:
                beside_trials += len(members(process.pid)) > 1
                os.killpg(process.pid, signal.SIGKILL)
            out = process.communicate()[0]
            code = process.returncode
            kills += code == -signal.SIGKILL
        assert (code, out) == (0, whole.out)
        assert runs(bench, folder) == runs(bench, "whole")
        # A kill costs a trial the epoch under way at most, and there are two trials at a time.
        most = epochs_trained(bench, "whole") + 2 * (kills - before)
        assert epochs_trained(bench, folder) <= most
        folders += 1
    assert kills == KILLS
    assert beside_trials > KILLS / 4  # the others came while it was starting
    count("kills of a sweep's whole group:", kills)
    count("kills of a sweep's whole group, those beside trials:", beside_trials)


def test_64_trials_by_xargs_by_a_sweep_and_by_both_at_once_are_the_same_bytes(bench: Bench) -> None:
    grid = "--grid learning_rate=0.1,0.3,1,3 --grid lambda=0,1 --seeds 8"
    binaries = bench.folder / "bin"
    binaries.mkdir()
    (binaries / "nnexp").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nnexp "$@"\n')
    (binaries / "nnexp").chmod(stat.S_IRWXU)
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"

    def shell(script: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", "-c", script],
            cwd=bench.folder,
            env={**os.environ, "PATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    assert shell(LOOP.format(grid=f"{grid} --runs loop")).wait(300) == 0
    assert bench.process("sweep", "tiny.yaml", *grid.split(), "-j", "2", "-q").code == 0
    both = [shell(f"nnexp sweep tiny.yaml {grid} -q -j 2 --runs both") for _ in range(3)]
    assert [process.wait(300) for process in both] == [0, 0, 0]
    assert len(runs(bench, "loop")) == 64
    assert runs(bench, "loop") == runs(bench, "runs") == runs(bench, "both")
    assert epochs_trained(bench, "both") == epochs_trained(bench, "runs")


def test_killed_again_and_again_it_leaves_no_orphan(bench: Bench) -> None:
    moments = random.Random(3)  # noqa: S311 - which moments does not matter
    arguments = ("sweep", "tiny.yaml", *GRID, "--set", "epochs=100000", "--set", "patience=null")
    for number in range(10):
        process = bench.start(*arguments, "-j", "4", start_new_session=True)
        if number % 2:
            wait_for_jobs(process)
        time.sleep(moments.uniform(0.3, 1.0))
        process.kill()  # the sweep alone; its trials are still in its group
        process.communicate()
        until(functools.partial(is_over, process.pid))


def wait_for_jobs(process: subprocess.Popen[str]) -> None:
    """Wait until a process has children or is over: a busy machine takes long to start them."""
    until(lambda: process.poll() is not None or len(members(process.pid)) > 1)
