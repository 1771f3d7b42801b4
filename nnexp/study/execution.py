"""The one loop that trains many runs: a sampler asks for jobs, an engine trains them.

Finished runs cost no process. Runs that another process is training come last, if they are waited
for: they are looked at again every second, and taken over if that process ends before they do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from nnexp.study.job import Engine, EpochCommitted, Job, JobError, Notice, Outcome, known

TICK = 0.1
"""Seconds that the loop waits for the engine at a time; in between it acts on signals."""

AGAIN = 1.0
"""Seconds between two looks at runs that other processes are training."""

MOST_WARNINGS = 5
"""Different warnings that are shown: a sweep may have one for each of its points."""


class Sampler(Protocol):
    """What decides which jobs to train. Its jobs follow from what it was told, in any order."""

    def ask(self) -> Job | None:
        """Return the next job; None: there is none until more is told, or there are no more."""

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Take note of how a job ended."""


class Listed:
    """A sampler of jobs that are known from the start.

    Args:
        jobs: in the order in which they are started.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = iter(jobs)

    def ask(self) -> Job | None:
        """Return the next job, or None after the last."""
        return next(self._jobs, None)

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Ignore the outcome: the list does not depend on it."""


class Started(NamedTuple):
    """A job runs."""

    job: Job


class Progressed(NamedTuple):
    """A job committed an epoch."""

    job: Job
    message: EpochCommitted


class Elsewhere(NamedTuple):
    """Another process is training the job's run."""

    job: Job


class Postponed(NamedTuple):
    """A job could not start, for want of files, processes or memory; it is retried."""

    job: Job


class Ended(NamedTuple):
    """A job is over, or was before."""

    job: Job
    outcome: Outcome
    was_done: bool


class Stopped(NamedTuple):
    """A job was stopped with all others; it is no failure of its own."""

    job: Job


class Noticed(NamedTuple):
    """A job has a warning, the first of its kind, or its engine has something to say."""

    job: Job
    message: str
    is_warning: bool = True


class Ticked(NamedTuple):
    """Time has passed."""


StudyEvent: TypeAlias = (
    Started | Progressed | Elsewhere | Postponed | Ended | Stopped | Noticed | Ticked
)


class Execution:
    """A sampler's jobs on their way through an engine.

    Args:
        sampler: what to train.
        engine: where to train it.
        is_fatal: whether an outcome stops all other jobs.
        takes_over: whether to wait for runs that other processes are training, and take them over
            if those end before they do; otherwise such a run is a failure.
        stopped: whether the user wants to stop; running jobs are then stopped and waited for.
        prepare: is called once before the first job that needs training; it may raise.
        most_warnings: how many different warnings are shown.
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
        """Asked for, and not yet started."""
        self._running: dict[Future[Outcome], Job] = {}
        self._elsewhere: list[Job] = []
        self._ended: set[Path] = set()
        self._room: float = float("inf")
        """How many jobs the machine can run at a time, as far as is known."""
        self._looked = time.monotonic()
        self._is_over = False
        self._warnings: set[str] = set()
        self.failure: JobError | None = None
        """Why everything was stopped, if an outcome did that."""

    def events(self) -> Iterator[StudyEvent]:
        """Train what there is to train and yield what happens."""
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
        """Take for ended what jobs wait for and no job of this sampler's trains."""
        coming = {job.run.path for job in self._waiting}
        gone = {path for job in self._waiting for path in job.after} - coming - self._ended
        if not gone:
            raise ValueError("jobs wait for each other in a circle")
        self._ended |= gone

    def _warn(self, job: Job, message: str) -> Iterator[StudyEvent]:
        """Yield a warning, unless it was shown before or there were enough."""
        if message not in self._warnings and len(self._warnings) <= self._most_warnings:
            self._warnings.add(message)
            enough = len(self._warnings) > self._most_warnings
            yield Noticed(job, "there are further ones, which are not shown" if enough else message)

    def _act_on_signals(self) -> None:
        if self._is_stopped() and not self._is_over:
            self._end()
        if time.monotonic() - self._looked > AGAIN and not self._is_over:
            self._waiting.extend(self._elsewhere)
            self._elsewhere.clear()
            self._looked = time.monotonic()

    def _end(self) -> None:
        self._is_over = True
        self._waiting.clear()
        self._elsewhere.clear()
        self._engine.stop()

    def _start_jobs(self) -> Iterator[StudyEvent]:
        """Start what there is room for; finished runs need none."""
        while not self._is_over and not self._is_stopped():
            if len(self._running) >= min(self._engine.slots, self._room):
                return
            if (job := self._next()) is None:
                return
            outcome = known(job)
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
        for place, job in enumerate(self._waiting):
            if self._may_start(job):
                del self._waiting[place]
                return job
        while (asked := self._sampler.ask()) is not None:
            if self._may_start(asked):
                return asked
            self._waiting.append(asked)
        return None

    def _may_start(self, job: Job) -> bool:
        """Return whether nothing that a job must not run beside, or before, is under way."""
        running = self._running.values()
        if running and (job.alone or any(each.alone for each in running)):
            return False
        if not self._ended.issuperset(job.after):
            return False
        return all(job.run.path != each.run.path for each in running)

    def _collect(self) -> Iterator[StudyEvent]:
        has_others = len(self._running) > 1  # also if those, too, have just ended
        for future in [each for each in self._running if each.done()]:
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
            self._room = max(1, len(self._running))
            return Postponed(job)
        self._room = float("inf")
        is_over = self._is_over or self._is_stopped()
        if is_over and (outcome.is_locked or outcome.is_stopped):
            return Stopped(job)
        self._ended.add(job.run.path)
        if self._is_fatal(outcome) and not self._is_over:
            self.failure = JobError(job, outcome)
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
    """Train all that a sampler asks for; a divergence is a result like any other.

    Args:
        sampler: what to train.
        engine: where to train it.
        prepare: is called once before the first job that needs training.
        is_fatal: whether an outcome stops all other jobs.

    Raises:
        JobError: an outcome was fatal.
    """
    execution = Execution(sampler, engine, is_fatal=is_fatal, prepare=prepare)
    for _ in execution.events():
        pass
    if execution.failure is not None:
        raise execution.failure
