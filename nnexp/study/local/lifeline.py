"""A process that ends with the one that started it, and knows when to. Imports nothing slow."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

ASKED = signal.SIGUSR1
"""How a sweep asks its trials to stop, as TERM would: any other the user may have had ignored."""

STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, ASKED}
"""What a trial's process must be ready for before it gets any of them."""

PR_SET_PDEATHSIG = 1
EASIER_TO_KILL = b"500"
"""Where memory runs out the kernel shall take a trial and not what started it."""


def follow(parent: int) -> None:
    """Ask the kernel to be killed with the parent, which may be gone already.

    To the kernel, the parent is the thread that started this process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_bytes(EASIER_TO_KILL)
    end_without(parent)


def end_without(parent: int) -> None:
    """End this process, at once, if its parent is gone."""
    if os.getppid() != parent:
        os._exit(1)
