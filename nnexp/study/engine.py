"""Where a sweep's trials are trained: what an engine is given, what it tells, what comes of it.

An engine is anything that takes trials and gives futures of their outcomes, be it on this
machine or on many: what it passes around is small, and the runs are on the disk.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeAlias

from msgspec import UNSET, Struct

from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Source
from nnexp.errors import DivergedError, InterruptedRunError, LockedError, NnexpError
from nnexp.runner.recording import Evaluated, Warned, describe
from nnexp.store.run import Run
from nnexp.study import job as jobs
from nnexp.study.job import Job


class Measured(Struct, frozen=True, tag="measured"):
    """An epoch of a trial was committed."""

    epoch: int
    accuracy: float | None
    """Of validation, if it is monitored."""


class Remark(Struct, frozen=True, tag="warning"):
    """Something that the user should know and that stops nothing."""

    message: str


class Begun(Struct, frozen=True, tag="begun"):
    """A process that was started afresh has imported what it needs, and can train."""


class Outcome(Struct, frozen=True, kw_only=True, tag="outcome"):
    """What came of a trial."""

    code: int = 0
    """The exit code that ``nnexp train`` would have had."""
    reason: str = ""
    """Why the trial has no result, in a line; empty where it has."""
    is_locked: bool = False
    """Another process trains the run just now."""
    is_scarce: bool = False
    """The machine had no process or file left for it just then; there may be one later."""
    is_stopped: bool = False
    """A signal stopped it; the next sweep goes on with it."""
    epochs: int = 0
    accuracies: dict[str, float] = {}
    """By split, at the best epoch."""
    log: str | None = None
    """The file with what the process said at its end, if it said anything."""


SCARCE = {errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}
"""Errors of the system that pass once other processes end: no file, process or memory left."""

Told: TypeAlias = Measured | Remark | Begun


class Engine(Protocol):
    """Where trials are trained. One thread uses it."""

    @property
    def slots(self) -> int:
        """How many trials it takes at a time."""

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a trial; its future never raises."""

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Told]]:
        """Let trials go on for so long at most, and return what they told meanwhile."""

    def stop(self) -> None:
        """Ask all that run to stop once what they have is safe; their futures say when."""

    def close(self) -> None:
        """End all that still run, at once."""


def train(
    job: Job,
    tell: Callable[[Told], None],
    check: Callable[[], None],
    source: Callable[[Source], Dataset] = load,
) -> Outcome:
    """Train a trial in this process and return what came of it.

    Args:
        job: the trial.
        tell: is told what happens.
        check: is called often; it may raise InterruptedRunError to stop the training.
        source: hands out the data.
    """
    try:
        for event in jobs.train(job, heartbeat=check, source=source):
            match event:
                case Evaluated(row):
                    accuracy = row.validation_accuracy
                    tell(Measured(row.epoch, None if accuracy is UNSET else accuracy))
                case Warned(message):
                    tell(Remark(message))
            check()
    except Exception as error:  # noqa: BLE001 - a bug, too, is an outcome, and told as one
        return failure(error)
    outcome = done(job)
    assert outcome is not None  # noqa: S101 - the result is written before training ends well
    return outcome


def failure(error: Exception) -> Outcome:
    """Return the outcome of a trial that ended in an error."""
    if isinstance(error, InterruptedRunError):
        return Outcome(code=128 + error.signal_number, reason=str(error), is_stopped=True)
    if isinstance(error, NnexpError):
        locked, cause = isinstance(error, LockedError), error.__cause__
        scarce = isinstance(cause, OSError) and cause.errno in SCARCE
        code = error.exit_code
        return Outcome(code=code, reason=str(error), is_locked=locked, is_scarce=scarce)
    if isinstance(error, MemoryError):
        return Outcome(code=1, reason=f"there is not enough memory: {error}".removesuffix(": "))
    return Outcome(code=1, reason=traceback.format_exception_only(error)[-1].strip())


def done(job: Job) -> Outcome | None:
    """Return the outcome of a trial from its run, or None where that is not over.

    Raises: NnexpError if the run cannot be trained.
    """
    found = jobs.standing(job)
    if found is not None and found.fault is not None:
        return failure(DivergedError(describe(job.run, found.fault)))
    return found and Outcome(epochs=found.epochs, accuracies=found.accuracies)


def is_open(job: Job) -> bool:
    """Return whether a trial may need training, from a glance that a sweep of many can afford."""
    try:
        return job.run.result is None
    except NnexpError:
        return False


def known(job: Job) -> Outcome | None:
    """Return the outcome of a trial that needs no training, or None where it does.

    That is one that is finished, cannot be trained, or is being trained by another process.
    """
    try:
        if (outcome := done(job)) is not None:
            return outcome
        if job.run.path.exists() and Run(job.run.path).status == "running":
            return failure(LockedError(f"{job.run.path}: another process is training this run"))
    except NnexpError as error:
        return failure(error)
    return None
