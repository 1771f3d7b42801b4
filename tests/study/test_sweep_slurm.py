"""nnexp sweep --emit prints shell commands or a SLURM script that trains the same runs."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nnexp.study import job_script, sweep_file
from nnexp.study.plan import plan
from tests.study.sweeps import GRID, LONG, epochs
from tests.waiting import until

if TYPE_CHECKING:
    from tests.conftest import Bench


def test_options_that_only_training_has_a_use_for_do_not_go_with_emit(bench: Bench) -> None:
    given = {
        "--dry-run": (), "--json": (), "--plot": ("p.png",), "--timeout": ("3",), "--jobs": ("2",),
        "--max-memory": ("1G",), "--fail-fast": (), "--engine": ("dask",),
    }  # fmt: skip
    for option, values in given.items():
        found = bench("sweep", "tiny.yaml", *GRID, "--emit", "commands", option, *values)
        said = f"--emit only prints commands: remove {option}\n"
        assert found == (2, "", said)
    assert bench("sweep", "tiny.yaml", *GRID, "--emit", "commands", "-q").code == 0


@pytest.mark.parametrize("how", ["commands", "slurm"])
def test_a_path_of_two_lines_makes_no_command_of_one(bench: Bench, how: str) -> None:
    words = ("sweep", "tiny.yaml", *GRID, "--emit", how)
    code, out, err = bench(*words, "--runs", "a\nb")
    assert (code, out) == (2, "")
    assert err == "--emit: a path contains a line break, so the command does not fit on one line\n"
    (bench.folder / "a\nb").mkdir()
    assert bench("sweep", bench.config("a\nb/tiny.yaml"), *words[2:]).code == 2


REQUEUE = """flock --nonblock runs/*/LOCK true || echo 'it still runs' >> asked
echo "$@" >> asked"""
"""SLURM's scontrol, which looks at whether the trial is over."""


def shell_command(bench: Bench) -> dict[str, str]:
    """Put nnexp into a folder of commands and return an environment that finds it."""
    binaries = bench.folder / "bin"
    binaries.mkdir()
    scripts = {"nnexp": f'exec "{sys.executable}" -m nnexp "$@"', "scontrol": REQUEUE}
    for name, line in scripts.items():
        (binaries / name).write_text(f"#!/bin/sh\n{line}\n")
        (binaries / name).chmod(stat.S_IRWXU)
    return {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}


def test_the_slurm_script_trains_the_trial_of_its_task(bench: Bench) -> None:
    environment = shell_command(bench)
    code, out, err = bench("sweep", "tiny.yaml", *GRID, "--emit", "slurm")
    assert (code, err) == (0, "")
    (bench.folder / "array.sh").write_text(out)
    subprocess.run(["bash", "-n", "array.sh"], cwd=bench.folder, check=True)
    jobs = plan(sweep_file.read("tiny.yaml", (), GRID[1::2])).jobs(bench.folder / "runs")
    names = [job.run.name for job in jobs]
    done = subprocess.run(
        ["bash", "array.sh"],
        cwd=bench.folder,
        env={**environment, "SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_JOB_ID": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"runs/{names[2]}\n", "")
    assert [path.name for path in (bench.folder / "runs").iterdir()] == [names[2]]


@pytest.mark.slow
def test_the_slurm_script_s_tasks_take_several_trials_where_there_are_too_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_script, "MOST_TASKS", 3)
    environment = shell_command(bench)
    (bench.folder / "array.sh").write_text(
        bench("sweep", "tiny.yaml", *GRID, "--emit", "slurm").out
    )
    for task in range(3):
        subprocess.run(
            ["bash", "array.sh"],
            cwd=bench.folder,
            env={**environment, "SLURM_ARRAY_TASK_ID": str(task)},
            check=True,
            capture_output=True,
        )
    assert len(list((bench.folder / "runs").glob("[!.]*"))) == 4


def test_the_slurm_script_passes_the_warning_on_and_goes_back_into_the_queue(bench: Bench) -> None:
    environment = shell_command(bench)
    script = bench("sweep", "tiny.yaml", *GRID, *LONG, "--emit", "slurm").out
    (bench.folder / "array.sh").write_text(script)
    process = subprocess.Popen(
        ["bash", "array.sh"],
        cwd=bench.folder,
        env={**environment, "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_JOB_ID": "7"},
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: epochs(bench) > 1, process=process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "stopped; committed epochs are safe" in err
    assert (bench.folder / "asked").read_text() == "requeue 7_1\n"
    assert bench("runs").out.count("interrupted") == 1


def test_the_slurm_script_passes_a_warning_on_that_came_before_the_trial_was_known(
    bench: Bench,
) -> None:
    environment = shell_command(bench)
    script = bench("sweep", "tiny.yaml", *GRID, *LONG, "--emit", "slurm").out
    assert script.count("  child=$!\n") == 1
    script = script.replace("  child=$!\n", "  kill -TERM $$\n  child=$!\n")
    (bench.folder / "array.sh").write_text(script)
    done = subprocess.run(
        ["bash", "array.sh"],
        cwd=bench.folder,
        env={**environment, "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_JOB_ID": "7"},
        timeout=20,
        check=False,
    )
    assert done.returncode == 143
    assert (bench.folder / "asked").read_text().endswith("requeue 7_1\n")
