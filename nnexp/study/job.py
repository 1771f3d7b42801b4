"""A job: one config to be trained into one run, and what comes of it.

Everything that trains many runs is made of jobs. An engine trains them, in this process, in
processes of this machine or on a cluster; it passes small messages, and the run directory stays
the truth: what a run came to by some epoch follows from its records alone, whether it was trained
just now, before, or further.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from msgspec import UNSET, Struct

from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Source
from nnexp.errors import (
    CorruptError,
    DivergedError,
    InterruptedRunError,
    LockedError,
    NewerError,
    NnexpError,
)
from nnexp.runner import train as runner
from nnexp.runner.recording import EpochEvaluated, Warned, describe, ending
from nnexp.store import writer
from nnexp.store.records import Fault
from nnexp.store.run import Run
from nnexp.training.history import Row, best_row

SPLITS = ("validation", "test", "train")
"""Whose accuracy recommends a config: the first that there is."""


class Job(NamedTuple):
    """A config, the run that it is trained into, and how."""

    config: CheckedConfig
    run: Run
    until: int | None = None
    """The last epoch to train; None: to the config's end."""
    after: tuple[Path, ...] = ()
    """Runs whose jobs must end before this one starts."""
    alone: bool = False
    """Train it on this machine while no other job runs, so that its times can be compared."""
    against: Run | None = None
    """A run to check λ against; it changes warnings alone."""
    other_numerics: bool = False
    """Go on also where the arithmetic is not what the run recorded."""
    restart: bool = False
    """Where the run is damaged beyond going on, set it aside and train it again."""

    @property
    def epochs(self) -> int:
        """The last epoch that it trains, at most."""
        return min(self.config.epochs, self.until or self.config.epochs)


class EpochCommitted(Struct, frozen=True, tag="epoch"):
    """An epoch of a job was committed."""

    epoch: int
    accuracy: float | None
    """Of validation, if it is monitored."""
    cost: float | None = None
    """Of training, if it is monitored."""


class Notice(Struct, frozen=True, tag="notice"):
    """Something that the user should know and that stops nothing."""

    message: str
    is_warning: bool = True
    """It is about the job, and shown once; otherwise about the engine, and shown each time."""


class Ready(Struct, frozen=True, tag="ready"):
    """A fresh process has imported what it needs, and can train."""


Message: TypeAlias = EpochCommitted | Notice | Ready


class Outcome(Struct, frozen=True, kw_only=True, tag="outcome"):
    """How a job ended."""

    code: int = 0
    """The exit code that ``nnexp train`` would have had."""
    reason: str = ""
    """Why the job has no result, in a line; empty where it has."""
    is_locked: bool = False
    """Another process is training the run."""
    is_scarce: bool = False
    """No file descriptor, process or memory was free; the job can be retried."""
    is_stopped: bool = False
    """A signal stopped it; the same command goes on with it."""
    is_damaged: bool = False
    """The run is damaged beyond going on."""
    is_over_limit: bool = False
    """It took more time or memory than it may."""
    epochs: int = 0
    accuracies: dict[str, float] = {}
    """By split, at the best epoch."""
    log: str | None = None
    """The file with the output of a process that did not end well."""

    @property
    def is_failure(self) -> bool:
        """Whether it ended without a result; to diverge is a result."""
        return self.code not in {0, DivergedError.exit_code}


class JobError(NnexpError):
    """A job failed, and what needs its result cannot go on."""

    def __init__(self, job: Job, outcome: Outcome) -> None:
        super().__init__(advised(job.run.path, outcome))
        self.exit_code = outcome.code  # type: ignore[misc]  # of one error, not of its class


DAMAGED = "nnexp train --restart begins a damaged run anew"
LOCKED = "once that process has ended, the same command goes on from what it committed"
OVER_LIMIT = (
    "what comes next depends on this run; the same command with a higher --timeout or "
    "--max-memory goes on with it"
)

SCARCE = {errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}
"""Errors of the system that pass once other processes end: no file, process or memory left."""


class Engine(Protocol):
    """Where jobs are trained. One thread uses it."""

    @property
    def slots(self) -> int:
        """How many jobs it takes at a time."""

    def prepare(self, configs: Iterable[Config]) -> None:
        """Load once what jobs with these configs need.

        Raises:
            DataError: a file is missing or malformed.
            UsageError: so many jobs at a time cannot run here.
        """

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job; its future never raises."""

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Message]]:
        """Let jobs go on for at most so long, and return their messages."""

    def stop(self) -> None:
        """Ask all jobs to stop once what they have is safe; their futures say when."""

    def close(self) -> None:
        """End all that still run, at once."""


class Performance(NamedTuple):
    """What a run came to by some epoch."""

    rows: list[Row]
    """Up to that epoch."""
    epochs: int
    """Trained, the one that diverged among them."""
    examples: int
    """Training examples seen in them."""
    fault: Fault | None
    """Why it diverged, if it did."""
    accuracies: dict[str, float]
    """At the best epoch, by split, of test data only once the run is over; empty if it diverged."""


def partial_performance(job: Job) -> Performance:
    """Return what a run that failed has committed; it has no accuracies, as it has no result."""
    run = Run(job.run.path)
    try:
        rows, n = run.history(), run.record.data.train
    except NnexpError:  # there is no run, or it cannot be read
        rows, n = [], 0
    epochs = rows[-1].epoch if rows else 0
    return Performance(rows, epochs, epochs * n, None, {})


def performance(job: Job, epoch: int | None = None) -> Performance | None:
    """Return what a run came to by an epoch, or None where it is not trained so far.

    Args:
        job: the config and its run.
        epoch: the last that counts; None: the last that the job trains.

    Raises:
        NameTakenError: the run is another config's.
        CorruptError: the run is damaged.
    """
    config, run = job.config, job.run
    if not os.path.lexists(run.path):
        return None
    try:
        is_over = runner.is_done(config, run)
    except DivergedError:
        is_over = True
    last = job.epochs if epoch is None else epoch
    reach = min(config.epochs, -(-last // config.evaluate_every) * config.evaluate_every)
    rows, n = run.history(), run.record.data.train
    result = run.result if is_over else None
    if result is not None and result.fault is not None and result.fault.epoch <= reach:
        return Performance(rows, result.fault.epoch, result.fault.epoch * n, result.fault, {})
    if result is None and _is_unfinished(config, rows, reach):
        return None
    rows = [row for row in rows if row.epoch <= reach]
    ended = result is not None and result.epochs <= reach
    test = result.test_accuracy if result is not None and ended else None
    reached = rows[-1].epoch
    return Performance(rows, reached, reached * n, None, _accuracies(best_row(rows), test))


def _is_unfinished(config: Config, rows: list[Row], reach: int) -> bool:
    """Return whether a run without a result has an epoch, or its result, still to come.

    The result is missing if a kill came between the last epoch and the result.
    """
    return not rows or rows[-1].epoch < reach or ending(config, rows) is not None


def _accuracies(row: Row, test: float | None) -> dict[str, float]:
    """Return a row's accuracies by split, but for that of the test data, which is given."""
    by_split = {split: getattr(row, f"{split}_accuracy") for split in SPLITS}
    by_split["test"] = test
    return {split: value for split, value in by_split.items() if isinstance(value, float)}


def messages(
    job: Job,
    heartbeat: Callable[[], None] = lambda: None,
    source: Callable[[Source], Dataset] = load,
) -> Generator[Message | None]:
    """Train a job in this process and yield its messages; a divergence ends it like a result.

    None is yielded within an epoch, so that whoever trains can do something else in between.

    Args:
        job: what is trained.
        heartbeat: is called within long steps; it may raise to end the training.
        source: hands out the data.

    Raises: what ``runner.train`` raises, but for DivergedError.
    """
    end = None if job.until is None or job.until >= job.config.epochs else job.until
    events = runner.events(
        job.config,
        job.run,
        until=end,
        heartbeat=heartbeat,
        source=source,
        against=job.against,
        other_numerics=job.other_numerics,
        restart=job.restart,
    )
    try:
        for event in events:
            match event:
                case EpochEvaluated(row):
                    yield _committed(row)
                case Warned(message):
                    yield Notice(message)
                case _:
                    yield None
    except DivergedError:
        return


def _committed(row: Row) -> EpochCommitted:
    accuracy, cost = (None if v is UNSET else v for v in (row.validation_accuracy, row.train_cost))
    return EpochCommitted(row.epoch, accuracy, cost)


def train(
    job: Job,
    send: Callable[[Message], None],
    check: Callable[[], None],
    source: Callable[[Source], Dataset] = load,
) -> Outcome:
    """Train a job in this process and return its outcome.

    Args:
        job: what is trained.
        send: is called with each message.
        check: is called often; it may raise InterruptedRunError to stop the training.
        source: hands out the data.
    """
    try:
        for message in messages(job, check, source):
            if message is not None:
                send(message)
            check()
    except Exception as error:  # noqa: BLE001 - a bug, too, is an outcome
        return failure(error)
    return result(job)


def result(job: Job) -> Outcome:
    """Return the outcome of a job that has just been trained, from its run."""
    try:
        outcome = done(Job(job.config, Run(job.run.path), job.until))
    except NnexpError as error:
        return failure(error)
    if outcome is None:
        return Outcome(code=4, reason=f"{job.run.path}: the run went away while it was trained")
    return outcome


def failure(error: Exception) -> Outcome:
    """Return the outcome of a job that ended in an error."""
    if isinstance(error, InterruptedRunError):
        return Outcome(code=128 + error.signal_number, reason=str(error), is_stopped=True)
    if isinstance(error, NnexpError):
        locked, cause = isinstance(error, LockedError), error.__cause__
        scarce = isinstance(cause, OSError) and cause.errno in SCARCE
        return Outcome(
            code=error.exit_code,
            reason=str(error),
            is_locked=locked,
            is_scarce=scarce,
            is_damaged=isinstance(error, CorruptError) and not isinstance(error, NewerError),
        )
    if isinstance(error, MemoryError):
        return Outcome(code=1, reason=f"there is not enough memory: {error}".removesuffix(": "))
    return Outcome(code=1, reason=traceback.format_exception_only(error)[-1].strip())


def done(job: Job) -> Outcome | None:
    """Return the outcome of a job from its run, or None where that is not trained so far.

    Raises: NnexpError if the run cannot be trained.
    """
    reached = performance(job)
    if reached is not None and reached.fault is not None:
        return failure(DivergedError(describe(job.run, reached.fault)))
    return reached and Outcome(epochs=reached.epochs, accuracies=reached.accuracies)


def explained(run: Path, outcome: Outcome) -> str:
    """Return why a job failed, with its run, and the log that has its process's output."""
    reason = outcome.reason if run.name in outcome.reason else f"{run}: {outcome.reason}"
    return f"{reason}; see {outcome.log}" if outcome.log else reason


def advised(run: Path, outcome: Outcome) -> str:
    """Return why a job failed, and what to do about it where something helps."""
    reason, advice = explained(run, outcome), ""
    if outcome.is_damaged:
        advice = DAMAGED
    elif outcome.is_locked:
        advice = LOCKED
    elif outcome.is_over_limit:
        advice = OVER_LIMIT
    return f"{reason}; {advice}" if advice else reason


def is_open(job: Job) -> bool:
    """Return whether a job may need training, from a glance that a sweep of many can afford."""
    try:
        return job.run.result is None
    except NnexpError:
        return False


def known(job: Job) -> Outcome | None:
    """Return the outcome of a job that needs no training, or None where it does.

    That is one that is finished, cannot be trained, or is being trained by another process. One
    that was killed right after its last epoch needs no training, but has files to be removed.
    """
    try:
        outcome = done(job)
        if outcome is not None and (job.run.result is not None or writer.is_pruned(job.run)):
            return outcome
        if job.run.path.exists() and Run(job.run.path).status == "running":
            return failure(LockedError(f"{job.run.path}: another process is training this run"))
    except NnexpError as error:
        return None if job.restart and isinstance(error, CorruptError) else failure(error)
    return None
