"""Sweeps in real processes: their options, runs and subprocesses, and patched commands."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.conftest import Bench

only_linux = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "prctl"),
    reason="only Linux forks trials, and kills them with their sweep",
)
LONG = ("--set", "epochs=100000", "--set", "patience=null")
GRID = ("--grid", "learning_rate=0.1,1", "--grid", "lambda=0,1")
TRIAL = """
import os, signal, sys, time
from nnexp.study.local import child, fresh, starting
real = child.train
def train(job, *rest):
    if job.config.lambda_ == 1:
        {act}
    return real(job, *rest)
child.train = train
"""
"""A process whose trials may do something else than train."""


def patched_script(act: str) -> str:
    """Return the command as a script whose trials with λ = 1 act, forked or new Pythons."""
    trial = TRIAL.format(act=act)
    command = ("-P", "-c", f"{trial}fresh.main()")
    return f"{trial}starting.COMMAND = {command!r}\nfrom nnexp.cli import main\nmain()"


def epochs(bench: Bench) -> int:
    return sum(len(list(each.iterdir())) for each in bench.folder.glob("runs/[!.]*/checkpoints"))


class Ended(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


def patched(bench: Bench, act: str, *arguments: str) -> Ended:
    command = [sys.executable, "-c", patched_script(act), "sweep", "tiny.yaml", *GRID, *arguments]
    done = subprocess.run(
        command, cwd=bench.folder, capture_output=True, text=True, timeout=60, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def runs_of(table: str) -> list[str]:
    return table.splitlines()[1:]
