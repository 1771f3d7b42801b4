"""Make a child process exit when its parent dies. Imports nothing slow."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

STOP_SIGNAL = signal.SIGUSR1
"""The signal that asks a job to stop, as TERM would; the user may have had TERM ignored."""

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, STOP_SIGNAL}
"""Signals that stay blocked in a job's process until it can handle them."""

PR_SET_PDEATHSIG = 1
OOM_SCORE = b"500"
"""When memory runs out, the kernel should kill a job and not the process that started it."""


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies; exit if it is dead already.

    To the kernel, the parent is the thread that started this process.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux has it; elsewhere, jobs look
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_bytes(OOM_SCORE)
    exit_if_orphaned(parent)


def exit_if_orphaned(parent: int) -> None:
    """Exit, at once, if this process's parent is dead."""
    if os.getppid() != parent:
        os._exit(1)
