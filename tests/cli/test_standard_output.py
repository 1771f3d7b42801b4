"""Standard streams that are closed or full, and paths too long to exist, end in an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nnexp

if TYPE_CHECKING:
    from tests.conftest import Bench

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(nnexp.__file__).parents[1])}


def shell(bench: Bench, arguments: str) -> tuple[int, str, str]:
    """Run nnexp with redirections of a shell."""
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m nnexp {arguments}"],
        cwd=bench.folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


COMMANDS = ("--version", "--help", "train --help", "runs", "schema", "train tiny.yaml -q")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [(">/dev/full", "no space left on device"), (">&-", "bad file descriptor")],
)
def test_an_output_that_cannot_be_written_exits_74(
    bench: Bench, command: str, redirection: str, reason: str
) -> None:
    bench("train", "tiny.yaml", "-q")
    said = shell(bench, f"{command} {redirection}")
    assert said == (74, "", f"standard output: {reason}\n")


def test_with_all_streams_closed_a_sweep_trains_as_well(bench: Bench) -> None:
    """No run's file gets the number of a closed stream, which children replace by their log."""
    command = "sweep tiny.yaml --grid learning_rate=0.1,0.2 -j 2"
    assert shell(bench, f"{command} <&- >&- 2>&-") == (74, "", "")
    assert shell(bench, f"{command} <&- 2>&-")[0] == 0
    assert bench("runs", "--status", "finished", "--each", "-q").out.count("tiny-") == 2
    bench("sweep", "tiny.yaml", "--grid", "learning_rate=0.1,0.2", "--runs", "other", "-q")
    for path in (bench.folder / "other").glob("[!.]*"):
        assert bench.files(f"runs/{path.name}") == bench.files(f"other/{path.name}")


LONG = "1" * 300


@pytest.mark.parametrize(
    "command",
    [
        ("train", "tiny.yaml", "-q"),
        ("train", "tiny.yaml", "-q", "--seeds", "2"),
        ("sweep", "tiny.yaml", "--grid", "learning_rate=1", "-q"),
        ("find-rate", "tiny.yaml", "-q"),
        ("tune", "tiny.yaml", "-q"),
        ("search", "tiny.yaml", "--space", "lambda=[0,1]", "--trials", "1", "-q"),
    ],
    ids=lambda command: command[0],
)
def test_a_folder_of_runs_whose_name_is_too_long_exits_74(
    bench: Bench, command: tuple[str, ...]
) -> None:
    said = bench(*command, "--runs", LONG)
    assert said.code == 74, said
    assert "file name too long" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "command",
    [
        ("train", LONG),
        ("show", LONG),
        ("compare", LONG, "runs/a"),
        ("report", "runs/a-s0", "-o", f"{LONG}.html"),
        ("init", LONG),
        ("compare", "runs/a-s0", "runs/b-s0", "--plot", f"{LONG}.png"),
        ("export", "runs/a-s0", "--to", "csv", "-o", f"{LONG}.csv"),
        ("sweep", "tiny.yaml", "--grid", "lambda=1", "--dry-run", "--runs", f"{LONG}/runs"),
    ],
    ids=lambda command: command[0],
)
def test_a_path_that_is_too_long_is_one_line(bench: Bench, command: tuple[str, ...]) -> None:
    for name in "ab":
        bench("train", "tiny.yaml", "-q", "--name", name, "--set", f"lambda={ord(name)}")
    said = bench(*command)
    assert said.code in ({0} if "--dry-run" in command else {2, 74}), said
    assert len(said.err.splitlines()) == (0 if "--dry-run" in command else 1)
