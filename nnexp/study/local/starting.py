"""Start a job's subprocess as a new Python, as workers do, and pools where a fork is not safe."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nnexp
from nnexp.store import disk
from nnexp.study.local.lifeline import STOP_SIGNALS
from nnexp.study.local.process import Process

COMMAND = ("-P", "-m", "nnexp.study.local.fresh")
"""The working directory may contain anything: -P keeps it from being imported from."""

CAN_FORK = sys.platform == "linux" and hasattr(os, "fork")
"""Elsewhere, a fork may not use what its parent used: macOS's Accelerate, NumPy's BLAS there."""


def spawn(request: Mapping[str, object]) -> Process:
    """Start a new Python for a job, with signals blocked until it can handle them.

    Args:
        request: what ``fresh.main`` reads, but for the parent.

    Raises:
        DiskError: no temporary file can be written.
        OSError: no pipe or process can be made.
    """
    with contextlib.ExitStack() as opened, contextlib.ExitStack() as finally_closed:
        with disk.errors(Path(tempfile.gettempdir())):
            stdin = finally_closed.enter_context(tempfile.TemporaryFile())
            output = opened.enter_context(tempfile.TemporaryFile())
            stdin.write(json.dumps({**request, "parent": os.getpid()}).encode())
            stdin.seek(0)
        ours, theirs = os.pipe()
        opened.callback(os.close, ours)
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, *COMMAND],
                _environment(),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, descriptor, stream)
                    for stream, descriptor in enumerate((stdin.fileno(), theirs, output.fileno()))
                ],
                setsigmask=STOP_SIGNALS,
            )
        finally:
            os.close(theirs)
        opened.pop_all()  # Process closes them
    return Process(pid, ours, output)


def _environment() -> dict[str, str]:
    """Return the environment in which a new Python imports this nnexp.

    Relative entries of PYTHONPATH name places below the working directory, an empty one that
    itself. They are left out. A checkout that one of them led to is named instead.
    """
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [entry for entry in given if Path(entry).is_absolute()]
    here = str(Path(nnexp.__file__).resolve().parents[1])
    if here not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *paths}:
        paths.insert(0, here)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
