"""Train many runs: take jobs from a sampler, run them on an engine, and yield events.

Finished runs start no process. A run that another process is training is either a failure or, if
runs are taken over, polled every second and resumed once that process has exited.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from nnexp.errors import JobError
from nnexp.study.job import (
    Engine,
    EpochCommitted,
    Job,
    Notice,
    Outcome,
    existing_outcome,
    job_error,
)

TICK = 0.1
"""Timeout of one wait for the engine, in seconds; signals are handled in between."""

POLL_INTERVAL = 1.0
"""Seconds between two polls of runs that other processes are training."""

MOST_WARNINGS = 5
"""Maximum number of distinct warnings shown: a sweep may have one for each of its points."""


class Sampler(Protocol):
    """Decides which jobs to train, depending only on the outcomes so far, not on their order."""

    def ask(self) -> Job | None:
        """Return the next job, or None if there is none before further outcomes, or at all."""

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Record how a job ended."""


class JobList:
    """A sampler of a fixed list of jobs, and of others that depend on how these ended.

    Args:
        jobs: in the order in which to start them.
        follow: returns further jobs, once all jobs of the list have ended.
    """

    def __init__(
        self, jobs: Iterable[Job], follow: Callable[[], Iterable[Job]] = lambda: ()
    ) -> None:
        self._jobs = iter(jobs)
        self._follow: Callable[[], Iterable[Job]] | None = follow
        self._under_way = 0

    def ask(self) -> Job | None:
        """Return the next job, or None if it depends on jobs that have not ended, or at all."""
        job = next(self._jobs, None)
        if job is None and self._follow is not None and not self._under_way:
            self._jobs, self._follow = iter(self._follow()), None
            job = next(self._jobs, None)
        self._under_way += job is not None
        return job

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Count the job; its outcome is not needed here."""
        del job, outcome
        self._under_way -= 1


class Started(NamedTuple):
    """A job was started."""

    job: Job


class Progressed(NamedTuple):
    """A job committed an epoch."""

    job: Job
    message: EpochCommitted


class Elsewhere(NamedTuple):
    """Another process is training the job's run."""

    job: Job


class Postponed(NamedTuple):
    """No file descriptor, process or memory was free to start a job; it is retried."""

    job: Job


class Ended(NamedTuple):
    """A job ended, or needed no training (``was_done``)."""

    job: Job
    outcome: Outcome
    was_done: bool


class Stopped(NamedTuple):
    """A job was stopped together with all others, not because it failed."""

    job: Job


class Noticed(NamedTuple):
    """A warning about a job, shown once for each text, or a notice of its engine."""

    job: Job
    message: str
    is_warning: bool = True


class Ticked(NamedTuple):
    """A wait for the engine ended; displays may update their clocks."""


StudyEvent: TypeAlias = (
    Started | Progressed | Elsewhere | Postponed | Ended | Stopped | Noticed | Ticked
)


class Execution:
    """Runs a sampler's jobs on an engine.

    Args:
        sampler: supplies the jobs.
        engine: trains them.
        is_fatal: returns whether an outcome stops all other jobs.
        takes_over: whether to wait for runs that other processes are training, and resume those
            that are unfinished when their process exits; otherwise such a run is a failure.
        stopped: returns whether the user wants to stop; running jobs are then stopped and awaited.
        prepare: called once before the first job that needs training; it may raise.
        most_warnings: maximum number of distinct warnings.
    """

    def __init__(
        self,
        sampler: Sampler,
        engine: Engine,
        *,
        is_fatal: Callable[[Outcome], bool] = lambda _: False,
        takes_over: bool = False,
        stopped: Callable[[], bool] = lambda: False,
        prepare: Callable[[], None] = lambda: None,
        most_warnings: float = MOST_WARNINGS,
    ) -> None:
        self._most_warnings = most_warnings
        self._sampler = sampler
        self._engine = engine
        self._is_fatal = is_fatal
        self._takes_over = takes_over
        self._is_stopped = stopped
        self._prepare: Callable[[], None] | None = prepare
        self._waiting: deque[Job] = deque()
        """Jobs of the sampler that have not started yet."""
        self._running: dict[Future[Outcome], Job] = {}
        self._elsewhere: list[Job] = []
        self._ended: set[Path] = set()
        self._capacity: float = float("inf")
        """Jobs that can run at a time, reduced when the machine ran out of resources."""
        self._polled = time.monotonic()
        self._is_over = False
        self._warnings: set[str] = set()
        self.failure: JobError | None = None
        """The fatal outcome that stopped everything, if there was one."""

    def events(self) -> Iterator[StudyEvent]:
        """Train all jobs and yield the events."""
        while True:
            self._act_on_signals()
            yield from self._start_jobs()
            if not (self._running or self._elsewhere):
                if not self._waiting:
                    return
                self._give_up_waiting()
            messages = self._engine.wait(TICK) if self._running or self._elsewhere else ()
            for future, message in messages:
                job = self._running[future]
                match message:
                    case EpochCommitted():
                        yield Progressed(job, message)
                    case Notice(text, is_warning=True):
                        yield from self._warn(job, text)
                    case Notice(text):
                        yield Noticed(job, text, is_warning=False)
            yield from self._collect()
            yield Ticked()

    def _give_up_waiting(self) -> None:
        """Drop dependencies on runs that no waiting job trains.

        Raises: ValueError if jobs depend on each other in a cycle.
        """
        pending = {job.run.path for job in self._waiting}
        missing = {path for job in self._waiting for path in job.after} - pending - self._ended
        if not missing:
            raise ValueError("jobs depend on each other in a cycle")
        self._ended |= missing

    def _warn(self, job: Job, message: str) -> Iterator[StudyEvent]:
        """Yield a warning, unless it was shown before or the limit is reached."""
        if message not in self._warnings and len(self._warnings) <= self._most_warnings:
            self._warnings.add(message)
            is_last = len(self._warnings) > self._most_warnings
            yield Noticed(job, "further warnings are not shown" if is_last else message)

    def _act_on_signals(self) -> None:
        if self._is_stopped() and not self._is_over:
            self._end()
        if time.monotonic() - self._polled > POLL_INTERVAL and not self._is_over:
            self._waiting.extend(self._elsewhere)
            self._elsewhere.clear()
            self._polled = time.monotonic()

    def _end(self) -> None:
        self._is_over = True
        self._waiting.clear()
        self._elsewhere.clear()
        self._engine.stop()

    def _start_jobs(self) -> Iterator[StudyEvent]:
        """Start as many jobs as the engine has slots for; finished runs need no slot."""
        while not self._is_over and not self._is_stopped():
            if len(self._running) >= min(self._engine.slots, self._capacity):
                return
            if (job := self._next()) is None:
                return
            outcome = existing_outcome(job)
            if outcome is not None:
                yield self._end_of(job, outcome, was_done=True)
                continue
            if self._prepare is not None:
                self._prepare()
                self._prepare = None
            future = self._engine.submit(job)
            self._running[future] = job
            yield Started(job)
            if future.done() and future.result().is_scarce:
                return

    def _next(self) -> Job | None:
        """Return the next job that may start now."""
        for index, job in enumerate(self._waiting):
            if self._may_start(job):
                del self._waiting[index]
                return job
        while (candidate := self._sampler.ask()) is not None:
            if self._may_start(candidate):
                return candidate
            self._waiting.append(candidate)
        return None

    def _may_start(self, job: Job) -> bool:
        """Return whether a job's dependencies have ended and it may run beside the running jobs."""
        running = self._running.values()
        if running and (job.alone or any(other.alone for other in running)):
            return False
        if not self._ended.issuperset(job.after):
            return False
        return all(job.run.path != other.run.path for other in running)

    def _collect(self) -> Iterator[StudyEvent]:
        has_others = len(self._running) > 1  # even if all of them have just ended
        for future in [future for future in self._running if future.done()]:
            job = self._running.pop(future)
            yield self._end_of(job, future.result(), was_done=False, has_others=has_others)

    def _end_of(
        self, job: Job, outcome: Outcome, *, was_done: bool, has_others: bool = False
    ) -> StudyEvent:
        if outcome.is_locked and self._takes_over and not self._is_over:
            self._elsewhere.append(job)
            return Elsewhere(job)
        if outcome.is_scarce and has_others and not self._is_over:
            self._waiting.appendleft(job)
            self._capacity = max(1, len(self._running))
            return Postponed(job)
        self._capacity = float("inf")
        is_over = self._is_over or self._is_stopped()
        if is_over and (outcome.is_locked or outcome.is_stopped):
            return Stopped(job)
        self._ended.add(job.run.path)
        if self._is_fatal(outcome) and not self._is_over:
            self.failure = job_error(job, outcome)
            self._end()
        elif self.failure is None:
            self._sampler.tell(job, outcome)
        return Ended(job, outcome, was_done)


def train(
    sampler: Sampler,
    engine: Engine,
    prepare: Callable[[], None] = lambda: None,
    is_fatal: Callable[[Outcome], bool] = lambda outcome: outcome.is_failure,
) -> None:
    """Train all jobs of a sampler; by default, divergence is not fatal.

    Args:
        sampler: supplies the jobs.
        engine: trains them.
        prepare: called once before the first job that needs training.
        is_fatal: returns whether an outcome stops all other jobs.

    Raises:
        JobError: an outcome was fatal.
    """
    execution = Execution(sampler, engine, is_fatal=is_fatal, prepare=prepare)
    for _ in execution.events():
        pass
    if execution.failure is not None:
        raise execution.failure
