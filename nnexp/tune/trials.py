"""Trials of tuning: ordinary runs, named as by ``nnexp train``, so that none is trained twice.

A stage of the protocol is a generator that yields groups of configs and is sent their results.
``StepSampler`` turns them into jobs; those of a group are independent, so that they can be
trained at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from msgspec import UNSET, Struct
from msgspec.structs import replace

from nnexp.analysis.evaluation import network_of
from nnexp.config import load as configs
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import Data
from nnexp.errors import DiskError, DivergedError
from nnexp.nn.penalties import Penalty
from nnexp.runner.assembly import headers, per_example, theta_of
from nnexp.runner.naming import RunNames
from nnexp.runner.recording import describe, measured_only
from nnexp.store import checkpoint
from nnexp.store.run import Run, named
from nnexp.study import execution
from nnexp.study.in_process import InProcess
from nnexp.study.job import Engine, Job, Outcome, existing_outcome, job_error, performance
from nnexp.training.history import Row
from nnexp.tune.ladder import Rung

T = TypeVar("T")


class BudgetSpentError(Exception):
    """The budget does not allow the next trial; a stage may still use the results so far."""


class Budget(NamedTuple):
    """Limits of all trials together; None for no limit. An epoch counts whatever its size."""

    epochs: int | None = None
    examples: int | None = None
    seconds: float | None = None


class Update(Struct, frozen=True):
    """A progress message of one line."""

    text: str
    known: str = ""
    """The stage's result so far, in a few words."""
    stage: str = ""
    """The stage that starts, if one does."""

    @property
    def line(self) -> str:
        """The text, with the result so far."""
        return f"{self.text}; {self.known}" if self.known else self.text


class JobResult(NamedTuple):
    """A trained config and its results."""

    config: Config
    run: Run
    rows: list[Row]
    diverged: bool
    seconds: list[float] | None
    """Seconds of training for each epoch, if the job has just been trained alone; else None."""

    @property
    def accuracy(self) -> float:
        """The best validation accuracy; 0 if it diverged, whatever it reached before."""
        return 0.0 if self.diverged else max(self.accuracies, default=0.0)

    @property
    def accuracies(self) -> list[float]:
        """The validation accuracy of each epoch."""
        return [row.validation_accuracy or 0.0 for row in self.rows]

    @property
    def costs(self) -> list[float]:
        """The training cost of each epoch, followed by infinity if it diverged."""
        costs = [row.train_cost for row in self.rows if row.train_cost is not UNSET]
        return [*costs, float("inf")] if self.diverged else costs

    @property
    def rung(self) -> Rung:
        """The trial as a rung of the ladder."""
        return Rung(self.config.learning_rate or 0.0, tuple(self.costs), self.config.seed)


class JobGroup(NamedTuple):
    """Configs to be trained, independently of each other."""

    configs: Sequence[Config]
    timed: bool = False
    """Train them alone, one after another; retrain those that exist already, for their times.

    Earlier times are not comparable: the machine may have been busy, or the run interrupted. The
    retrained runs are deleted.
    """


Steps: TypeAlias = Generator[JobGroup, list[JobResult], T]
"""A stage: yields groups of configs, is sent their results, and returns its own."""


def train_one(config: Config, *, timed: bool = False) -> Steps[JobResult]:
    """Train a single config and return its result."""
    [trial] = yield JobGroup([config], timed)
    return trial


class Trials:
    """The trials of a command, and their cost so far.

    Args:
        stem: prefix of the runs' names, the config file's stem.
        runs: the folder of the runs.
        budget: limits of all trials together.
        tell: called with an update about each trial.
        command: that they are trained for, for messages.
        data: the cache of loaded datasets.
    """

    def __init__(
        self,
        stem: str,
        runs: Path,
        budget: Budget | None = None,
        tell: Callable[[Update], None] = lambda _: None,
        command: str = "nnexp tune",
        data: Data | None = None,
    ) -> None:
        self.runs, self.tell, self.command = runs, tell, command
        self._budget = budget or Budget()
        self._started = time.monotonic()
        self.data = data or Data()
        self._names = RunNames(runs, stem, self.data)
        self._jobs: dict[Config, Job] = {}
        self.taken: dict[str, JobResult] = {}
        """All trials so far, by the run's name."""
        self._longest: dict[Config, int] = {}
        """Epochs of the longest of the trials that differ only in their end."""
        self.again: dict[str, JobResult] = {}
        """Trials that were retrained for their times."""
        self.new: set[str] = set()
        """Names of the runs that this command has started."""
        self.trained = 0
        """Number of jobs whose run was not finished before."""

    @property
    def epochs(self) -> int:
        """Epochs of all trials, including retrained ones.

        A trial that grows out of a shorter one shares its epochs. Trials that were trained before
        count as well, so that a repeated command spends its budget at the same point.
        """
        again = sum(len(trial.rows) for trial in self.again.values())
        return sum(self._longest.values()) + again

    @property
    def examples(self) -> int:
        """Training examples that all trials saw, epochs counted as above."""
        trials = list(self._longest.items())
        trials += [(trial.config, len(trial.rows)) for trial in self.again.values()]
        return sum(epochs * self.training_examples(config) for config, epochs in trials)

    def training_examples(self, config: Config) -> int:
        """Return how many examples an epoch of a config has."""
        return len(self.dataset(config).train.labels)

    def new_epochs(self, config: Config) -> int:
        """Return how many epochs a config needs at most, if it grows out of the trials so far."""
        return max(0, config.epochs - self._longest.get(_origin(config), 0))

    def dataset(self, config: Config) -> Dataset:
        """Return a config's data, from the cache if it is loaded."""
        return self.data(config.data)

    def penalty(self, trial: JobResult, epoch: int) -> float:
        """Return the penalty in the costs of an epoch whose weights are kept.

        Raises: CorruptError.
        """
        config, n = trial.config, self.training_examples(trial.config)
        network = network_of(trial.run)
        arrays = checkpoint.load(trial.run, epoch, headers(config, network))
        theta = theta_of(network, arrays, config.dtype)
        strength = per_example(config, n)
        return Penalty(network, config.regularizer, strength, config.dtype).total(theta)

    def job(self, config: Config) -> Job:
        """Return the job that trains a config; results are cached.

        Raises: ConfigError, DataError.
        """
        if config not in self._jobs:
            checked = configs.check(config)
            self._jobs[config] = Job(
                checked, self._names.run(checked), content=self.content(config)
            )
        return self._jobs[config]

    def content(self, config: Config) -> Mapping[str, str]:
        """Return the content hashes of a config's data."""
        return self._names.content(config)

    def has_run(self, config: Config) -> bool:
        """Return whether a config has a run, finished or not."""
        return self.job(config).run.exists

    def is_affordable(self, epochs: int, examples: int) -> bool:
        """Return whether the budget allows further epochs with, together, that many examples."""
        elapsed = time.monotonic() - self._started
        spent = (self.epochs + epochs, self.examples + examples, elapsed)
        return all(most is None or s <= most for s, most in zip(spent, self._budget, strict=True))

    def keep(self, trial: JobResult, *, is_again: bool = False) -> None:
        """Add a trial, or one that was retrained for its times."""
        if is_again:
            self.again[trial.run.name] = trial
            return
        self.taken[trial.run.name] = trial
        origin = _origin(trial.config)
        self._longest[origin] = max(self._longest.get(origin, 0), len(trial.rows))

    def record(self, job: Job, *, is_new: bool) -> JobResult:
        """Return the result of a job that has ended.

        Raises:
            MismatchError: the data changed since its run was trained.
            CorruptError: its run is damaged.
            DivergedError: only the cost of held-out data is not finite.
        """
        run = Run(job.run.path)
        if is_new:
            self.new.add(run.name)
        result = performance(job._replace(run=run))
        assert result is not None  # noqa: S101 - it was trained to its end
        if result.fault is not None and measured_only(run.history(), result.fault):
            raise DivergedError(describe(run, result.fault))  # no other setting would help
        times = {timing.epoch: timing.train_seconds for timing in run.timing()}
        is_timed = is_new and job.alone and all(row.epoch in times for row in result.rows)
        seconds = [times[row.epoch] for row in result.rows] if is_timed else None
        return JobResult(job.config, run, result.rows, result.fault is not None, seconds)


def _origin(config: Config) -> Config:
    """Return what configs have in common of which one's run can grow out of another's."""
    return replace(config, epochs=1, patience=None, stopping=Config().stopping)


class _PendingJob(NamedTuple):
    """A job that has been handed out and has not ended."""

    job: Job
    is_new: bool
    is_again: bool
    """Whether it is retrained for its times."""


class StepSampler(Generic[T]):
    """The sampler of a stage, or of several stages in sequence.

    Args:
        steps: the stage.
        trials: records its trials.
    """

    def __init__(self, steps: Steps[T], trials: Trials) -> None:
        self._steps = steps
        self._trials = trials
        self._group: JobGroup | None = None
        self._jobs: list[Job] = []
        """The group's jobs."""
        self._pending: dict[Path, _PendingJob] = {}
        self._folder: TemporaryDirectory[str] | None = None
        """Temporary folder of a retrained run."""
        self._is_started = False
        self._result: T | None = None

    @property
    def result(self) -> T:
        """What the steps returned, once they have ended."""
        assert self._result is not None  # noqa: S101 - read at the end
        return self._result

    def ask(self) -> Job | None:
        """Return the next job of the group or, once all have ended, of the next group."""
        if not self._is_started:
            self._is_started = True
            self._advance(lambda: next(self._steps))
        while self._group is not None:
            results = [self._result_of(job.run.name) for job in self._jobs]
            if None not in results:
                self._advance(lambda sent=results: self._steps.send(sent))  # type: ignore[misc]
                continue
            new = self._next(results, alone=self._group.timed)
            if new is None:
                return None
            if self._is_affordable([*self._pending.values(), new]):
                self._trials.trained += not new.is_again and _needs_training(new.job)
                self._pending[new.job.run.path] = new
                return new.job
            if self._pending:  # they may take fewer epochs than are reserved for them
                return None
            self._advance(lambda: self._steps.throw(BudgetSpentError()))
        return None

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Record that a job ended; its result is read from its run.

        Raises: MismatchError, CorruptError.
        """
        pending = self._pending.pop(job.run.path)
        if outcome.is_failure:  # everything is being stopped
            return
        trial = self._trials.record(job, is_new=pending.is_new)
        self._trials.keep(trial, is_again=pending.is_again)
        if pending.is_again and self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _is_affordable(self, pending: Sequence[_PendingJob]) -> bool:
        """Return whether the budget allows all that jobs need at most."""
        epochs = examples = 0
        for job, _, is_again in pending:
            most = job.config.epochs if is_again else self._trials.new_epochs(job.config)
            epochs += most
            examples += most * self._trials.training_examples(job.config)
        return self._trials.is_affordable(epochs, examples)

    def _advance(self, step: Callable[[], JobGroup]) -> None:
        """Run the steps up to their next group, or to their end."""
        try:
            group = step()
        except StopIteration as end:
            self._group, self._result = None, end.value
            return
        self._group = group
        self._jobs = [self._trials.job(config) for config in group.configs]

    def _result_of(self, name: str) -> JobResult | None:
        """Return the result of one of the group's jobs, or None if it is not complete."""
        trial = self._trials.taken.get(name)
        if trial is None or self._group is None or not self._group.timed:
            return trial
        if trial.seconds is not None:
            return trial
        again = self._trials.again.get(name)
        return None if again is None else trial._replace(seconds=again.seconds)

    def _next(self, results: Sequence[JobResult | None], *, alone: bool) -> _PendingJob | None:
        """Return the group's next job that is not pending, or None."""
        busy = {pending.job.run.name for pending in self._pending.values()}
        for job, result in zip(self._jobs, results, strict=True):
            if result is None and job.run.name not in busy:
                is_again = job.run.name in self._trials.taken
                return self._again(job) if is_again else self._first(job, alone=alone)
        return None

    def _first(self, job: Job, *, alone: bool) -> _PendingJob:
        is_new = not job.run.exists
        return _PendingJob(job._replace(alone=alone), is_new=is_new, is_again=False)

    def _again(self, job: Job) -> _PendingJob:
        self._folder = TemporaryDirectory(prefix="nnexp-tune-")
        run = named(Path(self._folder.name), job.run.name)
        return _PendingJob(job._replace(run=run, alone=True), is_new=True, is_again=True)


def _needs_training(job: Job) -> bool:
    """Return whether a job needs training. Raises: JobError if the disk fails."""
    outcome = existing_outcome(job)
    if outcome is not None and outcome.code == DiskError.exit_code and not outcome.is_scarce:
        raise job_error(job, outcome)
    return outcome is None


def finish(steps: Steps[T], trials: Trials, engine: Engine | None = None) -> T:
    """Run steps to their end and return their result.

    Args:
        steps: a stage, or several in sequence.
        trials: records their trials.
        engine: trains the jobs; by default, this process does.

    Raises: JobError, and the errors of the steps.
    """
    sampler = StepSampler(steps, trials)
    execution.train(sampler, engine or InProcess(data=trials.data))
    return sampler.result
