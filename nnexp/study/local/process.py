"""A job's process as its parent sees it: its messages, its limits, its outcome."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from nnexp.errors import NnexpError
from nnexp.store import directories, disk
from nnexp.study.job import Message, Outcome
from nnexp.study.local import lifeline

LOGS = ".sweep"
"""The folder beside the runs for what processes said that did not end well; no run's name."""

MOST_SAID = 1 << 20
"""The last bytes of it that are kept."""

LOOK = 0.1
"""Seconds from one look at the limits to the next."""

GRACE = 10.0
"""Seconds that a trial has to stop by itself, once its time is up."""

CHUNK = 1 << 16
_DECODER = msgspec.json.Decoder(Message | Outcome)


UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)


class Limits(NamedTuple):
    """What each trial may take; None: whatever it wants."""

    seconds: float | None = None
    memory: int | None = None
    """Bytes that are resident, as ``ps`` and ``top`` show them: those shared with others count."""


class Watched:
    """A trial that runs.

    Args:
        pid: its process, a child of this one.
        pipe: where it writes what happens; closed at its end.
        said: the file that has its standard output and error.
    """

    def __init__(self, pid: int, pipe: int, said: BinaryIO) -> None:
        self.pid = pid
        self.pipe = pipe
        self._said = said
        self._started = time.monotonic()
        self._rest = b""
        self._outcome: Outcome | None = None
        self._overrun = ""
        """Which limit it passed, in words."""

    def read(self) -> list[Message] | None:
        """Return what the trial told, or None at its end."""
        content = os.read(self.pipe, CHUNK)
        if not content:
            return None
        *lines, self._rest = (self._rest + content).split(b"\n")
        told = [_DECODER.decode(line) for line in lines]
        self._outcome = next((each for each in told if isinstance(each, Outcome)), self._outcome)
        return [each for each in told if not isinstance(each, Outcome)]

    def send(self, number: int) -> None:
        """Send a signal; the process is not waited for yet, so that its id is its own."""
        os.kill(self.pid, number)

    def look(self, most: Limits) -> None:
        """Stop a trial whose time is up, and kill one that takes too much memory."""
        age = time.monotonic() - self._started
        if most.seconds is not None and age > most.seconds:
            late = age > most.seconds + GRACE
            if late or not self._overrun:
                self.send(signal.SIGKILL if late else lifeline.ASKED)
            self._overrun = f"took more than {most.seconds:g} s; what is committed is safe"
        if most.memory is not None and (taken := resident(self.pid)) > most.memory:
            limit = in_words(most.memory)
            self._overrun = f"took {in_words(taken)} of memory, more than {limit}"
            self.send(signal.SIGKILL)

    @property
    def is_over_limit(self) -> bool:
        """Whether it was stopped for what it took."""
        return bool(self._overrun)

    def end(self) -> tuple[Outcome, bytes]:
        """Return what came of the trial, which has closed its pipe, and what its process said."""
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        said = self._last_words()
        if code < 0:
            code, reason = 128 - code, self._overrun or f"killed by {signal.Signals(-code).name}"
            return Outcome(code=code, reason=reason), said
        outcome = self._outcome or Outcome(
            code=code or 1, reason="its process ended without a word"
        )
        if outcome.code and self._overrun:
            outcome = msgspec.structs.replace(outcome, reason=self._overrun, is_stopped=False)
        return outcome, said

    def _last_words(self) -> bytes:
        with self._said as said, contextlib.suppress(OSError):
            size = said.seek(0, os.SEEK_END)
            said.seek(max(0, size - MOST_SAID))
            return said.read()
        return b""


def logged(outcome: Outcome, said: bytes, runs: Path, name: str) -> Outcome:
    """Return an outcome with the log that has what the trial's process said, if it said anything.

    Where it ended well and said nothing, an older log is removed. That either cannot be done
    changes nothing.
    """
    log = runs / LOGS / f"{name}.log"
    with contextlib.suppress(NnexpError):
        if said:
            directories.make_all(log.parent)
            disk.write(log, said)
            return msgspec.structs.replace(outcome, log=str(log))
        if not outcome.code:
            disk.remove(log)
    return outcome


def size(text: str) -> int:
    """Return the bytes that ``500M`` or ``1.5G`` stands for; K, M, G, T are powers of 1024.

    Raises:
        ValueError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    number = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if not number:
        raise ValueError(f"{text!r} is no size, such as 500M or 1.5G")
    return number


def in_words(number: int) -> str:
    """Return a number of bytes as people read it."""
    if number < UNITS["K"]:
        return f"{number} bytes"
    unit = "M" if number >= UNITS["M"] else "K"
    amount = number / UNITS[unit]
    digits = 1 if amount < 10 and amount % 1 else 0  # noqa: PLR2004 - from there on it is no matter
    return f"{amount:,.{digits}f} {unit}B"


def resident(pid: int) -> int:
    """Return the bytes of a process that are in memory, 0 where it is gone.

    An address space says little: libraries reserve much that they never touch.
    """
    if sys.platform == "linux":
        try:
            pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    command = ["/bin/ps", "-o", "rss=", "-p", str(pid)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - a number
    return int(told or 0) * 1024
