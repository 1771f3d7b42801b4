"""Waiting for what another process does, without guessing how long it takes."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

SECONDS = 60.0
"""Seconds after which a wait fails."""

PAUSE = 0.005
"""Seconds between two looks, or what a look takes if that is more."""


def until(happens: Callable[[], T], *, process: subprocess.Popen[Any] | None = None) -> T:
    """Wait until a condition holds, and return its value.

    The condition may read files that another process renames or removes meanwhile: while one is
    missing, the condition does not hold. The wait fails at once when a given process is over.
    """
    end = time.monotonic() + SECONDS
    while True:
        missing, begun = None, time.monotonic()
        try:
            if found := happens():
                return found
        except FileNotFoundError as error:
            missing = error
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()}")
        if (now := time.monotonic()) > end:
            raise AssertionError("it never happened") from missing
        time.sleep(max(PAUSE, now - begun))


def catches(process: subprocess.Popen[Any], number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal, as Linux's /proc tells."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    match = re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
    assert match is not None
    return bool(int(match[1], 16) >> number - 1 & 1)


def members(group: int) -> list[int]:
    """Return the processes of a group that are not over yet."""
    told = subprocess.run(
        ["ps", "-e", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in told.splitlines())
    return [int(pid) for pid, pgid, state in rows if int(pgid) == group and state[0] != "Z"]


def is_over(group: int) -> bool:
    """Return whether all processes of a group are over."""
    return not members(group)
