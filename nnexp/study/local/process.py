"""A job's subprocess, seen from its parent: messages, limits, outcome, output."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from nnexp.config.sizes import format_size
from nnexp.errors import DiskError
from nnexp.paths import tolerated
from nnexp.store import disk
from nnexp.study.job import Message, Outcome, failure
from nnexp.study.local import lifeline

LOGS = ".sweep"
"""Folder in the runs folder for the output of failed subprocesses; not a valid run name."""

MAX_OUTPUT = 1 << 20
"""How many bytes at the end of a subprocess's output are kept."""

LIMITS_INTERVAL = 0.1
"""Seconds between two checks of the limits."""

GRACE = 10.0
"""Seconds that a job has to stop by itself after its time limit."""

CHUNK = 1 << 16
_DECODER = msgspec.json.Decoder(Message | Outcome)


class Limits(NamedTuple):
    """Limits of each job; None: no limit."""

    seconds: float | None = None
    memory: int | None = None
    """Resident bytes as shown by ``ps`` and ``top``, including memory shared with others."""


class Process:
    """A job's running process, a child of this one.

    Args:
        pid: its id.
        pipe: the read end of the pipe that it writes messages to; ``wait`` closes it.
        output: the file with its standard output and error; ``wait`` closes it.
    """

    def __init__(self, pid: int, pipe: int, output: BinaryIO) -> None:
        self.pid = pid
        self.pipe = pipe
        self._output = output
        self._started = time.monotonic()
        self._rest = b""
        """The beginning of a line that is not complete yet."""
        self._outcome: Outcome | None = None
        self._exceeded = ""
        """The limit that it exceeded, as the reason of its outcome."""

    def read(self) -> list[Message] | None:
        """Return the messages that have arrived, or None if it has closed the pipe."""
        content = os.read(self.pipe, CHUNK)
        if not content:
            return None
        *lines, self._rest = (self._rest + content).split(b"\n")
        decoded = [_DECODER.decode(line) for line in lines]
        outcomes = (message for message in decoded if isinstance(message, Outcome))
        self._outcome = next(outcomes, self._outcome)
        return [message for message in decoded if not isinstance(message, Outcome)]

    def send_signal(self, number: int) -> None:
        """Send a signal; the id cannot be reused before ``wait`` returns."""
        os.kill(self.pid, number)

    def enforce(self, limits: Limits) -> None:
        """Stop it if its time is up; kill it if it is late in stopping, or uses too much memory."""
        age = time.monotonic() - self._started
        if limits.seconds is not None and age > limits.seconds:
            is_late = age > limits.seconds + GRACE
            if is_late or not self._exceeded:
                self.send_signal(signal.SIGKILL if is_late else lifeline.STOP_SIGNAL)
            self._exceeded = f"took more than {limits.seconds:g} s; committed epochs are safe"
        if limits.memory is not None and (used := resident_memory(self.pid)) > limits.memory:
            limit = format_size(limits.memory)
            self._exceeded = f"took {format_size(used)} of memory, more than {limit}"
            self.send_signal(signal.SIGKILL)

    @property
    def is_over_limit(self) -> bool:
        """Whether it exceeded a limit."""
        return bool(self._exceeded)

    def wait(self) -> tuple[Outcome, bytes]:
        """Wait for the process to exit; return the job's outcome and the process's output."""
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        output = self._read_output()
        if code < 0:
            code, reason = 128 - code, self._exceeded or f"killed by {signal_name(-code)}"
            return Outcome(code=code, reason=reason, is_over_limit=self.is_over_limit), output
        outcome = self._outcome or Outcome(
            code=code or 1, reason="its process exited without reporting a result"
        )
        if outcome.code and self._exceeded:
            outcome = msgspec.structs.replace(
                outcome, reason=self._exceeded, is_stopped=False, is_over_limit=True
            )
        return outcome, output

    def _read_output(self) -> bytes:
        with self._output as output, contextlib.suppress(OSError):
            size = output.seek(0, os.SEEK_END)
            output.seek(max(0, size - MAX_OUTPUT))
            return output.read()
        return b""


def with_log(outcome: Outcome, output: bytes, runs: Path, name: str) -> Outcome:
    """Save a process's output, if there is any, and return the outcome with the log's path.

    A job that succeeded without output removes an older log. If the disk fails, so does a job that
    succeeded.
    """
    log = runs / LOGS / f"{name}.log"
    try:
        with tolerated():
            return _with_log(outcome, output, log)
    except DiskError as error:
        return outcome if outcome.code else failure(error)
    return outcome


def _with_log(outcome: Outcome, output: bytes, log: Path) -> Outcome:
    """Save or remove a log, as ``with_log``. Raises: CorruptError if its folder is a link."""
    if output:
        disk.make_subfolder(log.parent)
        disk.publish(log, output)
        return msgspec.structs.replace(outcome, log=str(log))
    if not outcome.code:
        disk.check_kind(log.parent, stat.S_IFDIR)
        disk.remove(log)
    return outcome


def signal_name(number: int) -> str:
    """Return a signal's name, such as ``SIGKILL``; for Linux's real-time ones, ``SIGRTMIN+6``."""
    if number in set(signal.Signals):
        return signal.Signals(number).name
    first = getattr(signal, "SIGRTMIN", number)
    return f"SIGRTMIN+{number - first}" if number > first else f"signal {number}"


def resident_memory(pid: int) -> int:
    """Return a process's resident bytes, or 0 if it has exited.

    The size of the address space is no measure: libraries reserve memory they never touch.
    """
    if sys.platform == "linux":
        try:
            pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    command = ["/bin/ps", "-o", "rss=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - a number
    return int(shown or 0) * 1024
