"""Jobs, the unit of work of sweeps and searches: one config to be trained into one run.

An engine trains jobs in this process, in subprocesses or on a cluster, and passes small messages.
Results are read from the run directory, never from messages: a run's performance up to an epoch
follows from its records alone, whether it was trained just now, earlier, or further than that.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from msgspec import UNSET, Struct

from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.errors import (
    CorruptError,
    DivergedError,
    InterruptedRunError,
    JobError,
    LockedError,
    NewerError,
    NnexpError,
)
from nnexp.runner import train as runner
from nnexp.runner.recording import EpochEvaluated, Grown, Warned, describe, ending
from nnexp.store import writer
from nnexp.store.records import BackendName, Fault
from nnexp.store.run import Run
from nnexp.training.history import Row, best_row

if TYPE_CHECKING:
    from concurrent.futures import Future

SPLITS = ("validation", "test", "train")
"""Splits in the order of preference for ranking configs by accuracy."""


class Job(NamedTuple):
    """A config, the run it is trained into, and options."""

    config: CheckedConfig
    run: Run
    until: int | None = None
    """The last epoch to train; None for all of the config's."""
    content: Mapping[str, str] | None = None
    """Content hashes of the data that the run is for; None for the data as it is."""
    after: tuple[Path, ...] = ()
    """Runs whose jobs must end before this one starts."""
    alone: bool = False
    """Train on this machine while no other job runs, so that timings are comparable."""
    against: Run | None = None
    """A run to compare λ with; affects only warnings."""
    other_numerics: bool = False
    """Resume even if this machine's numerics differ from those the run recorded."""
    restart: bool = False
    """If the run is too damaged to resume, set it aside and train it again."""
    backend: BackendName | None = None
    """The backend to use where it can be used; None for the user's choice."""

    @property
    def epochs(self) -> int:
        """The last epoch to train, unless the run stops early."""
        return min(self.config.epochs, self.until or self.config.epochs)


class EpochCommitted(Struct, frozen=True, tag="epoch"):
    """An epoch of a job was committed."""

    epoch: int
    accuracy: float | None
    """Validation accuracy, if it is monitored."""
    cost: float | None = None
    """Training cost, if it is monitored."""


class Notice(Struct, frozen=True, tag="notice"):
    """A message for the user that does not stop the job."""

    message: str
    is_warning: bool = True
    """Whether it concerns the job and is shown once, or the engine and is always shown."""


class Ready(Struct, frozen=True, tag="ready"):
    """A new subprocess has finished its imports and can train."""


Message: TypeAlias = EpochCommitted | Notice | Ready


class Outcome(Struct, frozen=True, kw_only=True, tag="outcome"):
    """How a job ended."""

    code: int = 0
    """The exit code that ``nnexp train`` would have."""
    reason: str = ""
    """Why the job has no result, in one line; empty if it has one."""
    is_locked: bool = False
    """Another process is training the run."""
    is_scarce: bool = False
    """No file descriptor, process or memory was free; the job can be retried."""
    is_stopped: bool = False
    """A signal stopped it; the same command resumes it."""
    is_damaged: bool = False
    """The run is too damaged to resume."""
    is_over_limit: bool = False
    """It exceeded its time or memory limit."""
    epochs: int = 0
    accuracies: dict[str, float] = {}
    """Accuracies at the best epoch, by split."""
    log: str | None = None
    """The log file with the output of a failed subprocess."""

    @property
    def is_failure(self) -> bool:
        """Whether it ended without a result; divergence counts as a result."""
        return self.code not in {0, DivergedError.exit_code}


def job_error(job: Job, outcome: Outcome) -> JobError:
    """Return the error for a failed job whose result is needed."""
    return JobError(failure_message(job.run.path, outcome), outcome.code)


DAMAGED = "nnexp train --restart trains a damaged run again from scratch"
LOCKED = "once that process has exited, the same command resumes from its last commit"
OVER_LIMIT = (
    "later steps depend on this run; repeat the command with a higher --timeout or "
    "--max-memory to resume it"
)

SCARCE = {errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}
"""errno values for exhausted resources, which are free again when other processes end."""


class Engine(Protocol):
    """Trains jobs. Not thread-safe: use it from one thread."""

    @property
    def slots(self) -> int:
        """How many jobs it trains at a time."""

    def prepare(self, configs: Iterable[Config]) -> None:
        """Load what jobs with these configs need, once for all of them.

        Raises:
            DataError: a file is missing or malformed.
            UsageError: this machine cannot run that many jobs at a time.
        """

    def submit(self, job: Job) -> Future[Outcome]:
        """Start a job and return the future of its outcome, which never raises."""

    def wait(self, seconds: float) -> Sequence[tuple[Future[Outcome], Message]]:
        """Wait at most ``seconds`` for messages of jobs, and return them."""

    def stop(self) -> None:
        """Ask all jobs to stop cleanly; their futures complete when they have."""

    def close(self) -> None:
        """Kill all jobs that are still running."""


class Performance(NamedTuple):
    """A run's results up to some epoch."""

    rows: list[Row]
    """Up to that epoch."""
    epochs: int
    """Epochs trained, including one that diverged."""
    examples: int
    """Training examples seen in these epochs."""
    fault: Fault | None
    """Why it diverged, if it did."""
    accuracies: dict[str, float]
    """At the best epoch, by split; test only once the run has ended; empty if it diverged."""


def partial_performance(job: Job) -> Performance:
    """Return the committed performance of a failed run, without accuracies."""
    run = Run(job.run.path)
    try:
        rows, n = run.history(), run.record.data.train
    except NnexpError:  # there is no run, or it cannot be read
        rows, n = [], 0
    epochs = rows[-1].epoch if rows else 0
    return Performance(rows, epochs, epochs * n, None, {})


def performance(job: Job, epoch: int | None = None) -> Performance | None:
    """Return a run's performance up to an epoch, or None if it is not trained that far.

    Args:
        job: the config and its run.
        epoch: the last epoch to include; None for the last that the job trains.

    Raises:
        NameTakenError: the run belongs to another config.
        MismatchError: the run was trained on other data.
        CorruptError: the run is damaged.
    """
    config, run = job.config, job.run
    if not Run(run.path).exists:
        return None
    try:
        is_over = runner.is_done(config, run, job.content)
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
    """Return whether a run without a result still has to train an epoch or write its result.

    A kill between the last epoch's commit and the result leaves a run without one.
    """
    return not rows or rows[-1].epoch < reach or ending(config, rows) is not None


def _accuracies(row: Row, test: float | None) -> dict[str, float]:
    """Return a row's accuracies by split, with the given test accuracy."""
    by_split = {split: getattr(row, f"{split}_accuracy") for split in SPLITS}
    by_split["test"] = test
    return {split: value for split, value in by_split.items() if isinstance(value, float)}


def messages(
    job: Job,
    heartbeat: Callable[[], None] = lambda: None,
    source: Callable[..., Dataset] = load,
) -> Generator[Message | None]:
    """Train a job in this process and yield its messages; divergence ends it without an error.

    Within an epoch, None is yielded, so that the caller can do other work in between.

    Args:
        job: the job to train.
        heartbeat: called within long steps; it may raise to end training.
        source: loads the data.

    Raises: the errors of ``runner.train`` except DivergedError.
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
        content=job.content,
        grows=not job.alone,
        backend=job.backend,
    )
    try:
        for event in events:
            match event:
                case EpochEvaluated(row):
                    yield _committed(row)
                case Warned(message):
                    yield Notice(message)
                case Grown():
                    yield Notice(str(event), is_warning=False)
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
    source: Callable[..., Dataset] = load,
) -> Outcome:
    """Train a job in this process and return its outcome.

    Args:
        job: the job to train.
        send: called with each message.
        check: called often; it may raise InterruptedRunError to stop training.
        source: loads the data.
    """
    try:
        for message in messages(job, check, source):
            if message is not None:
                send(message)
            check()
    except Exception as error:  # noqa: BLE001 - bugs are outcomes, too
        return failure(error)
    return result(job)


def result(job: Job) -> Outcome:
    """Read the outcome of a job that was just trained from its run."""
    try:
        outcome = recorded_outcome(job._replace(run=Run(job.run.path)))
    except NnexpError as error:
        return failure(error)
    if outcome is None:
        return Outcome(code=4, reason=f"{job.run.path}: the run was removed during training")
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
    from traceback import format_exception_only  # noqa: PLC0415 - slow to import

    return Outcome(code=1, reason=format_exception_only(error)[-1].strip())


def recorded_outcome(job: Job) -> Outcome | None:
    """Read the outcome of a job from its run, or return None if it is not trained that far.

    Raises: NnexpError if the run cannot be trained.
    """
    result = performance(job)
    if result is not None and result.fault is not None:
        return failure(DivergedError(describe(job.run, result.fault)))
    return result and Outcome(epochs=result.epochs, accuracies=result.accuracies)


def failure_reason(run: Path, outcome: Outcome) -> str:
    """Return why a job failed, naming its run and the log of its subprocess."""
    reason = outcome.reason if run.name in outcome.reason else f"{run}: {outcome.reason}"
    return f"{reason}; see {outcome.log}" if outcome.log else reason


def failure_message(run: Path, outcome: Outcome) -> str:
    """Return why a job failed, and what to do about it if something helps."""
    reason, advice = failure_reason(run, outcome), ""
    if outcome.is_damaged:
        advice = DAMAGED
    elif outcome.is_locked:
        advice = LOCKED
    elif outcome.is_over_limit:
        advice = OVER_LIMIT
    return f"{reason}; {advice}" if advice else reason


def existing_outcome(job: Job) -> Outcome | None:
    """Return the outcome of a job that needs no training, or None if it needs training.

    A job needs none if its run is finished, cannot be trained, or is being trained by another
    process. A run that was killed right after its last epoch still has files to remove: None.
    """
    try:
        outcome = recorded_outcome(job)
        if outcome is not None and (job.run.result is not None or writer.is_pruned(job.run)):
            return outcome
        if job.run.exists and Run(job.run.path).status == "running":
            return failure(LockedError(f"{job.run.path}: another process is training this run"))
    except NnexpError as error:
        return None if job.restart and isinstance(error, CorruptError) else failure(error)
    return None
