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
PATCHED = """
import os, signal, sys, time
from nnexp.study.local import child
real = child.train
def train(job, *rest):
    if job.config.lambda_ == 1:
        {act}
    return real(job, *rest)
child.train = train
from nnexp.cli import main
main()
"""
"""The command with a trial that does something else than train."""


def epochs(bench: Bench) -> int:
    return sum(len(list(each.iterdir())) for each in bench.folder.glob("runs/*/checkpoints"))


class Ended(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


def patched(bench: Bench, act: str, *arguments: str) -> Ended:
    script = PATCHED.format(act=act)
    command = [sys.executable, "-c", script, "sweep", "tiny.yaml", *GRID, *arguments]
    done = subprocess.run(
        command, cwd=bench.folder, capture_output=True, text=True, timeout=60, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def runs_of(table: str) -> list[str]:
    return table.splitlines()[1:]
