"""The engine that trains in this process, one job at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from nnexp.config.model import Config
from nnexp.datasets.loading import Data
from nnexp.errors import InterruptedRunError, NnexpError
from nnexp.study.job import Job, Message, Outcome, failure, messages, result


class _CurrentJob(NamedTuple):
    """The job that is being trained."""

    job: Job
    steps: Generator[Message | None]
    future: Future[Outcome]


class InProcess:
    """Trains jobs in this process, so that a bug in training keeps its traceback.

    Args:
        heartbeat: called within long steps; it may raise InterruptedRunError to stop.
        data: the cache of loaded datasets.
    """

    slots = 1

    def __init__(
        self, heartbeat: Callable[[], None] = lambda: None, data: Data | None = None
    ) -> None:
        self._heartbeat = heartbeat
        self._data = data or Data()
        self._running: _CurrentJob | None = None

    def prepare(self, configs: Iterable[Config]) -> None:
        """Load the data of configs.

        Raises:
            DataError: a file is missing or malformed.
        """
        self._data.check(dict.fromkeys(config.data for config in configs))

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job; ``wait`` trains it."""
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        self._running = _CurrentJob(job, messages(job, self._heartbeat, self._data), future)
        return future

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Message]]:
        """Train for about ``seconds`` or until the next message, and return the messages."""
        if self._running is None:
            time.sleep(seconds)
            return ()
        job, steps, future = self._running
        end = time.monotonic() + seconds
        try:
            for message in steps:
                if message is not None:
                    return [(future, message)]
                if time.monotonic() > end:
                    return ()
        except (NnexpError, MemoryError) as error:
            self._end(failure(error))
        else:
            self._end(result(job))
        return ()

    def stop(self) -> None:
        """Stop the job after its last step; committed epochs are kept."""
        if self._running is not None:
            self._running.steps.close()
            self._end(failure(InterruptedRunError(0, f"{self._running.job.run.path}: stopped")))

    def close(self) -> None:
        """Stop the job, if one is running."""
        self.stop()

    def _end(self, outcome: Outcome) -> None:
        assert self._running is not None  # noqa: S101 - for the type checker
        self._running.future.set_result(outcome)
        self._running = None
