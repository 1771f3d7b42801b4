"""The engine of this machine: a pool of processes, one for each job, forked where that is safe.

It uses no threads: a fork copies only the calling thread, but also the locks that other threads
hold.
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

from nnexp.config import canonical
from nnexp.config.model import Config
from nnexp.datasets import data_root
from nnexp.datasets.loading import Data
from nnexp.errors import DiskError, NnexpError, UsageError
from nnexp.native.availability import chosen
from nnexp.runner import backends, train
from nnexp.store import disk
from nnexp.study.job import Job, Message, Outcome, Ready, failure
from nnexp.study.local import child, lifeline, process, starting
from nnexp.study.local.process import Limits, Process

FILES_PER_JOB = 2
"""Open files of this process for each job: its pipe and its output."""

SPARE_FILES = 16
"""Other open files of this process and of a job, which inherits all of them."""


class _RunningJob(NamedTuple):
    """A running job."""

    name: str
    process: Process
    future: Future[Outcome]


class Pool:
    """Trains jobs in processes of their own on this machine.

    Args:
        slots: how many jobs run at a time.
        runs: the folder of the runs.
        limits: of each job.
        data: the cache of loaded datasets.
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
        self._running: dict[int, _RunningJob] = {}
        """By the read end of its pipe."""
        self._selector = selectors.DefaultSelector()
        self._checked = 0.0
        """When the limits were last checked."""
        self._is_prepared = False

    def prepare(self, configs: Iterable[Config]) -> None:
        """Check the data; where jobs are forks, also import what they need, once for all.

        Raises:
            DataError: a file is missing or malformed.
            UsageError: that many jobs at a time need more open files than are allowed.
        """
        kept = list(configs)
        _check_files(min(self.slots, len(kept)))
        self._data.check(dict.fromkeys(config.data for config in kept))
        self._is_prepared = True
        if not starting.CAN_FORK:
            return
        _import_for(kept)
        train.prepare(kept)
        gc.freeze()  # a collection writes to all objects, and the forks would copy their pages

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job."""
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        try:
            if not self._is_prepared:
                _check_files(self.slots)
                self.prepare([job.config])
            process = self._start(job)
        except NnexpError as error:
            future.set_result(failure(error))
            return future
        started = _RunningJob(job.run.name, process, future)
        self._running[process.pipe] = started
        self._selector.register(process.pipe, selectors.EVENT_READ, started)
        return future

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Message]]:
        """Wait at most ``seconds`` for messages of jobs, and return them."""
        messages: list[tuple[Future[Outcome], Message]] = []
        if not self._running:
            time.sleep(seconds)
        for key, _ in self._selector.select(seconds) if self._running else ():
            running: _RunningJob = key.data
            arrived = running.process.read()
            if arrived is None:
                self._selector.unregister(key.fd)
                del self._running[key.fd]
                self._end(running)
            else:
                told = (message for message in arrived if not isinstance(message, Ready))
                messages += [(running.future, message) for message in told]
        self._enforce_limits()
        return messages

    def stop(self) -> None:
        """Ask all jobs to stop at their next batch."""
        for running in self._running.values():
            running.process.send_signal(lifeline.STOP_SIGNAL)

    def close(self) -> None:
        """Kill all jobs that are still running."""
        for running in self._running.values():
            running.process.send_signal(signal.SIGKILL)
        for running in self._running.values():
            self._end(running)
        self._running.clear()
        self._selector.close()
        gc.unfreeze()

    def _end(self, running: _RunningJob) -> None:
        outcome, output = running.process.wait()
        running.future.set_result(process.with_log(outcome, output, self._runs, running.name))

    def _enforce_limits(self) -> None:
        is_due = time.monotonic() - self._checked > process.LIMITS_INTERVAL
        if any(self._limits) and is_due:
            for running in self._running.values():
                running.process.enforce(self._limits)
            self._checked = time.monotonic()

    def _start(self, job: Job) -> Process:
        """Start a job's process.

        Raises: DataError, DiskError.
        """
        if not starting.CAN_FORK:
            with _starting(job):
                return starting.spawn(_request(job))
        dataset = self._data(job.config.data)
        backends.prepare(job.config, dataset, job.run, job.backend)
        with contextlib.ExitStack() as opened:
            with disk.errors(Path(tempfile.gettempdir())):
                output = opened.enter_context(tempfile.TemporaryFile())
            with _starting(job):
                ours, theirs = os.pipe()
                opened.callback(os.close, ours)
                try:
                    pid = child.fork(job, dataset, theirs, output.fileno(), [ours, *self._running])
                finally:
                    os.close(theirs)
            opened.pop_all()  # Process closes them
        return Process(pid, ours, output)


def _request(job: Job) -> dict[str, object]:
    """Return a job as ``fresh.main`` reads it."""
    return {
        "folder": None,
        "runs": str(job.run.path.parent),
        "name": job.run.name,
        "config": canonical.to_builtins(job.config),
        "content": None if job.content is None else dict(job.content),
        "until": job.until,
        "backend": job.backend or chosen(),
        "data_root": data_root.chosen(),
        "alone": job.alone,
        "against": None if job.against is None else str(job.against.path),
        "other_numerics": job.other_numerics,
        "restart": job.restart,
    }


@contextlib.contextmanager
def _starting(job: Job) -> Iterator[None]:
    """Turn the OSError of a process that cannot be started into a DiskError."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"{job.run.path}: cannot start its process: {reason}; see ulimit -a, or lower -j"
        raise DiskError(message) from error


def _check_files(jobs: int) -> None:
    """Check that a number of concurrent jobs do not need more open files than are allowed.

    Raises: UsageError.
    """
    needed = len(list(Path("/dev/fd").iterdir())) + FILES_PER_JOB * jobs + SPARE_FILES
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and needed > allowed:
        raise UsageError(
            f"{jobs} trials at a time need {needed} open files, but only {allowed} are allowed; "
            "lower -j, or raise the limit (ulimit -n)"
        )


def _import_for(configs: Iterable[Config]) -> None:
    """Import modules that only some configs need, and that are otherwise imported late."""
    if any(config.optimizer.full_batch for config in configs):
        import scipy.linalg  # noqa: PLC0415 - a fifth of a second
        import scipy.optimize  # noqa: F401, PLC0415 - likewise
