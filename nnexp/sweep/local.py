"""The engine of one machine: every trial is a process, forked from this one and watched by it.

All is done in the thread that calls: a fork of several threads copies but one of them, with
the locks that the others held.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO

import msgspec

from nnexp import experiment
from nnexp.config.model import Config
from nnexp.datasets.expansion import Rotate
from nnexp.errors import NnexpError
from nnexp.store import directories, disk
from nnexp.sweep import child, limits
from nnexp.sweep.data import Data
from nnexp.sweep.limits import Limits
from nnexp.sweep.trials import Job, Measured, Outcome, Remark, Told, failure

LOGS = ".sweep"
"""The folder beside the runs for what processes said that did not end well; no run's name."""

MOST_SAID = 1 << 20
"""The last bytes of it that are kept."""

LOOK = 0.1
"""Seconds from one look at the limits to the next."""

GRACE = 10.0
"""Seconds that a trial has to stop by itself, once its time is up."""

CHUNK = 1 << 16
_DECODER = msgspec.json.Decoder(Measured | Remark | Outcome)


class _Child:
    """A trial that runs."""

    def __init__(self, pid: int, pipe: int, said: BinaryIO, log: Path) -> None:
        self.pid = pid
        self.pipe = pipe
        self._said = said
        self._log = log
        self.future: Future[Outcome] = Future()
        self.future.set_running_or_notify_cancel()
        self.started = time.monotonic()
        self.rest = b""
        self.outcome: Outcome | None = None
        self.overrun = ""
        """Which limit it passed, in words."""

    def read(self) -> list[Told] | None:
        """Return what the trial told, or None at its end."""
        content = os.read(self.pipe, CHUNK)
        if not content:
            return None
        *lines, self.rest = (self.rest + content).split(b"\n")
        told = [_DECODER.decode(line) for line in lines]
        self.outcome = next((each for each in told if isinstance(each, Outcome)), self.outcome)
        return [each for each in told if not isinstance(each, Outcome)]

    def send(self, number: int) -> None:
        """Send a signal; the process is not waited for yet, so that its id is its own."""
        os.kill(self.pid, number)

    def look(self, most: Limits) -> None:
        """Stop a trial whose time is up, and kill one that takes too much memory."""
        age = time.monotonic() - self.started
        if most.seconds is not None and age > most.seconds:
            late = age > most.seconds + GRACE
            if late or not self.overrun:
                self.send(signal.SIGKILL if late else signal.SIGTERM)
            self.overrun = f"took more than {most.seconds:g} s; what is committed is safe"
        if most.memory is not None and (taken := limits.resident(self.pid)) > most.memory:
            limit = limits.in_words(most.memory)
            self.overrun = f"took {limits.in_words(taken)} of memory, more than {limit}"
            self.send(signal.SIGKILL)

    def end(self) -> Outcome:
        """Return what came of the trial, whose process has closed its pipe."""
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        log = self._kept()
        if code < 0:
            code, reason = 128 - code, self.overrun or f"killed by {signal.Signals(-code).name}"
            return Outcome(code=code, reason=reason, log=log)
        outcome = self.outcome or Outcome(code=code or 1, reason="its process ended without a word")
        if outcome.code and self.overrun:
            outcome = msgspec.structs.replace(outcome, reason=self.overrun, is_stopped=False)
        return msgspec.structs.replace(outcome, log=log)

    def _kept(self) -> str | None:
        """Write what the process said to its log; return that, or None where it said nothing."""
        with self._said as said, contextlib.suppress(OSError, NnexpError):
            size = said.seek(0, os.SEEK_END)
            said.seek(max(0, size - MOST_SAID))
            if size:
                directories.make_all(self._log.parent)
                disk.write(self._log, said.read())
                return str(self._log)
        return None


class Local:
    """An engine of processes on this machine.

    Args:
        slots: how many trials run at a time.
        runs: the folder of the runs.
        limits: what each trial may take.
    """

    def __init__(self, slots: int, runs: Path, limits: Limits = Limits()) -> None:  # noqa: B008 - immutable
        self.slots = slots
        self._logs = runs / LOGS
        self._limits = limits
        self._data = Data()
        self._children: dict[Future[Outcome], _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._looked = 0.0

    def prepare(self, configs: Iterable[Config]) -> None:
        """Read the data and import what the trials need, once, for all forks to share.

        Raises: DataError.
        """
        kept = list(configs)
        self._data.check(dict.fromkeys(config.data for config in kept))
        _import_for(kept)
        experiment.prepare()
        gc.collect()
        gc.freeze()  # the collector writes to what it looks at, and would unshare it

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a trial."""
        try:
            started = self._start(job)
        except NnexpError as error:
            refused: Future[Outcome] = Future()
            refused.set_result(failure(error))
            return refused
        self._children[started.future] = started
        self._selector.register(started.pipe, selectors.EVENT_READ, started)
        return started.future

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Told]]:
        """Let trials go on for so long at most, and return what they told meanwhile."""
        told: list[tuple[Future[Outcome], Told]] = []
        if not self._children:
            time.sleep(seconds)
        for key, _ in self._selector.select(seconds) if self._children else ():
            found: _Child = key.data
            said = found.read()
            if said is None:
                self._selector.unregister(found.pipe)
                del self._children[found.future]
                found.future.set_result(found.end())
            else:
                told += [(found.future, each) for each in said]
        self._look()
        return told

    def stop(self) -> None:
        """Ask all that run to stop at their next batch."""
        for found in self._children.values():
            found.send(signal.SIGTERM)

    def close(self) -> None:
        """Kill all that still run."""
        for found in self._children.values():
            found.send(signal.SIGKILL)
        for found in self._children.values():
            found.future.set_result(found.end())
        self._children.clear()
        self._selector.close()
        gc.unfreeze()

    def _look(self) -> None:
        if any(self._limits) and time.monotonic() - self._looked > LOOK:
            for found in self._children.values():
                found.look(self._limits)
            self._looked = time.monotonic()

    def _start(self, job: Job) -> _Child:
        """Fork a trial.

        Raises: DataError, DiskError.
        """
        dataset = self._data(job.config.data)
        with disk.errors(Path(tempfile.gettempdir())):
            said = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed at the trial's end
        ours, theirs = os.pipe()
        try:
            pid = child.fork(job, dataset, theirs, said.fileno())
        finally:
            os.close(theirs)
        return _Child(pid, ours, said, self._logs / f"{job.run.name}.log")


def _import_for(configs: Iterable[Config]) -> None:
    """Import what is imported late, as only some configs need it."""
    if any(config.optimizer.full_batch for config in configs):
        import scipy.linalg  # noqa: PLC0415 - a fifth of a second
        import scipy.optimize  # noqa: PLC0415 - likewise
    if any(isinstance(config.data.expand, Rotate) for config in configs):
        import scipy.ndimage  # noqa: F401, PLC0415 - likewise
