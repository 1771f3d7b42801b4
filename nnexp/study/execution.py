"""A sweep on its way: trials go to an engine, and what happens comes back as events.

Finished runs are skipped without a process. Runs that another process trains come last, are
looked at again every second, and taken over where that process ends before they do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import NamedTuple, TypeAlias

from nnexp.study.engine import Engine, Measured, Outcome, Remark, known
from nnexp.study.job import Job

TICK = 0.1
"""Seconds that the engine is waited for at a time; signals are acted on in between."""

AGAIN = 1.0
"""Seconds from one look at runs that are trained elsewhere to the next."""


MOST_WARNINGS = 5
"""Different warnings that are told: a sweep may have one for each of its points."""


class Started(NamedTuple):
    """A trial runs."""

    trial: int
    """Its place in the plan."""


class Progressed(NamedTuple):
    """A trial committed an epoch."""

    trial: int
    measured: Measured


class Elsewhere(NamedTuple):
    """Another process trains this run just now."""

    trial: int


class Postponed(NamedTuple):
    """A trial could not begin, for want of files, processes or memory; it comes again."""

    trial: int


class Ended(NamedTuple):
    """A trial is over, or was before."""

    trial: int
    outcome: Outcome
    was_done: bool


class Stopped(NamedTuple):
    """A trial was stopped with all others; it is no failure of its own."""

    trial: int


class Told(NamedTuple):
    """A warning, the first of its kind."""

    message: str


class Ticked(NamedTuple):
    """Time has passed."""


Event: TypeAlias = Started | Progressed | Elsewhere | Postponed | Ended | Stopped | Told | Ticked


def events(
    jobs: Sequence[Job],
    engine: Engine,
    *,
    fail_fast: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Train all jobs and yield what happens.

    Args:
        jobs: what to train, in the order in which it is begun.
        engine: where to.
        fail_fast: stop all at the first failure.
        stopped: says whether the user wants no more; what runs is then stopped and waited for.
    """
    return _Running(jobs, engine, fail_fast=fail_fast, stopped=stopped).events()


class _Running:
    def __init__(
        self, jobs: Sequence[Job], engine: Engine, *, fail_fast: bool, stopped: Callable[[], bool]
    ) -> None:
        self._jobs = jobs
        self._engine = engine
        self._fail_fast = fail_fast
        self._asked = stopped
        self._waiting = deque(range(len(jobs)))
        self._running: dict[Future[Outcome], int] = {}
        self._elsewhere: list[int] = []
        self._room = len(jobs)
        """How many the machine can do with at a time, as far as is known."""
        self._looked = time.monotonic()
        self._is_over = False
        self._warned: set[str] = set()

    def events(self) -> Iterator[Event]:
        """Yield what happens until nothing is left to do."""
        while self._waiting or self._running or self._elsewhere:
            self._heed()
            yield from self._fill()
            told = self._engine.wait(TICK) if self._running or self._elsewhere else ()
            for future, each in told:
                match each:
                    case Measured():
                        yield Progressed(self._running[future], each)
                    case Remark(message):
                        yield from self._warning(message)
            yield from self._collect()
            yield Ticked()

    def _warning(self, message: str) -> Iterator[Event]:
        """Yield a warning, unless it was told before or there were enough."""
        if message not in self._warned and len(self._warned) <= MOST_WARNINGS:
            self._warned.add(message)
            enough = len(self._warned) > MOST_WARNINGS
            yield Told("there are further ones, which are not shown" if enough else message)

    def _heed(self) -> None:
        """Stop what runs where the user, or a failure under fail_fast, wants it so."""
        if self._asked() and not self._is_over:
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

    def _fill(self) -> Iterator[Event]:
        """Start what there is room for; what is finished takes none."""
        while self._waiting and len(self._running) < self._most() and not self._asked():
            trial = self._waiting.popleft()
            outcome = known(self._jobs[trial])
            if outcome is None:
                future = self._engine.submit(self._jobs[trial])
                self._running[future] = trial
                yield Started(trial)
                if future.done() and future.result().is_scarce:
                    return
            else:
                yield self._ended(trial, outcome, was_done=True)

    def _most(self) -> int:
        return min(self._engine.slots, self._room)

    def _collect(self) -> Iterator[Event]:
        for future in [each for each in self._running if each.done()]:
            yield self._ended(self._running.pop(future), future.result(), was_done=False)

    def _ended(self, trial: int, outcome: Outcome, *, was_done: bool) -> Event:
        if outcome.is_locked and not self._is_over:
            self._elsewhere.append(trial)
            return Elsewhere(trial)
        if outcome.is_scarce and self._running and not self._is_over:
            self._waiting.appendleft(trial)
            self._room = len(self._running)
            return Postponed(trial)
        self._room = len(self._jobs)
        if self._is_over and (outcome.is_locked or outcome.is_stopped):
            return Stopped(trial)
        if outcome.code and self._fail_fast and not self._is_over:
            self._end()
        return Ended(trial, outcome, was_done)
