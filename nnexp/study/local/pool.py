"""The engine of this machine: every job is a process, forked from this one.

Everything happens in the calling thread: a fork of a process with several threads copies only one
of them, with the locks that the others held.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import selectors
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from nnexp.config.model import Config
from nnexp.datasets.expansion import Rotate
from nnexp.datasets.shared import Data
from nnexp.errors import DiskError, NnexpError, UsageError
from nnexp.runner import train
from nnexp.store import disk
from nnexp.study.job import Job, Message, Outcome, failure
from nnexp.study.local import child, lifeline, process
from nnexp.study.local.process import Limits, Watched

FILES = 2
"""Open here for each job: its pipe, and its output."""

SPARE = 16
"""Files that a job, which inherits those of the others, and this process open besides."""


class _Running(NamedTuple):
    """A job that runs."""

    name: str
    process: Watched
    future: Future[Outcome]


class Pool:
    """An engine of processes on this machine.

    Args:
        slots: how many jobs run at a time.
        runs: the folder of the runs.
        limits: what each job may take.
        data: hands out the data.
    """

    def __init__(
        self,
        slots: int,
        runs: Path,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        data: Data | None = None,
    ) -> None:
        self.slots = slots
        self._runs = runs
        self._limits = limits
        self._data = data or Data()
        self._running: dict[int, _Running] = {}
        """By the pipe that the job writes to."""
        self._selector = selectors.DefaultSelector()
        self._looked = 0.0
        self._is_prepared = False

    def prepare(self, configs: Iterable[Config]) -> None:
        """Read the data and import what the jobs need, once, for all forks to share.

        Raises:
            DataError: a file is missing or malformed.
            UsageError: so many jobs at a time take more open files than are allowed.
        """
        kept = list(configs)
        _check_files(min(self.slots, len(kept)))
        self._data.check(dict.fromkeys(config.data for config in kept))
        _import_for(kept)
        train.prepare()
        self._is_prepared = True
        gc.collect()
        gc.freeze()  # the collector writes to what it looks at, and would unshare it

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job."""
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        try:
            if not self._is_prepared:
                self.prepare([job.config])
            process = self._start(job)
        except NnexpError as error:
            future.set_result(failure(error))
            return future
        started = _Running(job.run.name, process, future)
        self._running[process.pipe] = started
        self._selector.register(process.pipe, selectors.EVENT_READ, started)
        return future

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Message]]:
        """Let jobs go on for at most so long, and return their messages."""
        messages: list[tuple[Future[Outcome], Message]] = []
        if not self._running:
            time.sleep(seconds)
        for key, _ in self._selector.select(seconds) if self._running else ():
            running: _Running = key.data
            said = running.process.read()
            if said is None:
                self._selector.unregister(key.fd)
                del self._running[key.fd]
                self._end(running)
            else:
                messages += [(running.future, message) for message in said]
        self._look()
        return messages

    def stop(self) -> None:
        """Ask all jobs to stop at their next batch."""
        for running in self._running.values():
            running.process.send(lifeline.ASKED)

    def close(self) -> None:
        """Kill all that still run."""
        for running in self._running.values():
            running.process.send(signal.SIGKILL)
        for running in self._running.values():
            self._end(running)
        self._running.clear()
        self._selector.close()
        gc.unfreeze()

    def _end(self, running: _Running) -> None:
        outcome, said = running.process.end()
        running.future.set_result(process.logged(outcome, said, self._runs, running.name))

    def _look(self) -> None:
        if any(self._limits) and time.monotonic() - self._looked > process.LOOK:
            for running in self._running.values():
                running.process.look(self._limits)
            self._looked = time.monotonic()

    def _start(self, job: Job) -> Watched:
        """Fork a job.

        Raises: DataError, DiskError.
        """
        dataset = self._data(job.config.data)
        with contextlib.ExitStack() as opened:
            with disk.errors(Path(tempfile.gettempdir())):
                said = opened.enter_context(tempfile.TemporaryFile())
            with _starting(job):
                ours, theirs = os.pipe()
                opened.callback(os.close, ours)
                try:
                    pid = child.fork(job, dataset, theirs, said.fileno(), [ours, *self._running])
                finally:
                    os.close(theirs)
            opened.pop_all()  # they are closed at the trial's end
        return Watched(pid, ours, said)


@contextlib.contextmanager
def _starting(job: Job) -> Iterator[None]:
    """Turn the system's error where no process is free into a DiskError of the job."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        message = (
            f"{job.run.path}: its process cannot be started: {why}; see ulimit -a, or lower -j"
        )
        raise DiskError(message) from error


def _check_files(jobs: int) -> None:
    """Refuse more jobs at a time than there may be open files for.

    Raises: UsageError.
    """
    needed = len(list(Path("/dev/fd").iterdir())) + FILES * jobs + SPARE
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and needed > allowed:
        raise UsageError(
            f"{jobs} trials at a time take {needed} open files, but {allowed} are allowed here: "
            "lower -j, or allow more (ulimit -n)"
        )


def _import_for(configs: Iterable[Config]) -> None:
    """Import what is imported late, as only some configs need it."""
    if any(config.optimizer.full_batch for config in configs):
        import scipy.linalg  # noqa: PLC0415 - a fifth of a second
        import scipy.optimize  # noqa: PLC0415 - likewise
    if any(isinstance(config.data.expand, Rotate) for config in configs):
        import scipy.ndimage  # noqa: F401, PLC0415 - likewise
