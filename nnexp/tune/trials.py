"""Trials: ordinary runs, under the names that train gives: so none is trained twice.

A stage of the protocol is a generator: it yields batches of configs to be trained, and is sent
what came of them. The sampler here makes jobs of them; those of a batch do not depend on each
other, so that they may be trained at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from msgspec import UNSET, Struct

from nnexp.config import load as configs
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import Data
from nnexp.runner import preconditions, train
from nnexp.store.run import Run, named
from nnexp.study import execution
from nnexp.study.in_process import InProcess
from nnexp.study.job import Engine, Job, Outcome, existing_outcome, performance
from nnexp.training.history import Row
from nnexp.tune import ladder
from nnexp.tune.ladder import Rung

T = TypeVar("T")


class BudgetSpentError(Exception):
    """The trials so far took all that they may; what is known by then counts."""


class Budget(NamedTuple):
    """What trials may take together; None is no limit."""

    epochs: int | None = None
    seconds: float | None = None


class Update(Struct, frozen=True):
    """A line about how a study goes on."""

    text: str
    known: str = ""
    """What is known by now in the stage, in a few words."""
    stage: str = ""
    """The stage that begins, if one does."""

    @property
    def line(self) -> str:
        """The text, with what is known."""
        return f"{self.text}; {self.known}" if self.known else self.text


class JobResult(NamedTuple):
    """A config that was trained, and what came of it."""

    config: Config
    run: Run
    rows: list[Row]
    diverged: bool
    seconds: list[float] | None
    """What each epoch took to train, without evaluation, if all were trained just now and alone."""

    @property
    def accuracy(self) -> float:
        """The best validation accuracy, which early stopping would have kept; 0 if it diverged.

        What a config came to before it diverged recommends it to nobody: it has no result.
        """
        return 0.0 if self.diverged else max(self.accuracies, default=0.0)

    @property
    def accuracies(self) -> list[float]:
        """The validation accuracy of each epoch."""
        return [row.validation_accuracy or 0.0 for row in self.rows]

    @property
    def costs(self) -> list[float]:
        """The training cost of each epoch, with infinity behind where it diverged."""
        costs = [row.train_cost for row in self.rows if row.train_cost is not UNSET]
        return [*costs, float("inf")] if self.diverged else costs

    @property
    def rung(self) -> Rung:
        """The trial as a rung of the ladder; of few epochs their course, too, is recorded."""
        rate = self.config.learning_rate or 0.0
        if "running_cost" not in self.config.monitor:
            return Rung(rate, tuple(self.costs))
        epochs = [row.running_costs or () for row in self.rows]
        noise = ladder.noise(self.run.record.data.train, len(epochs[0])) if epochs else 0.0
        return Rung(rate, (*chain.from_iterable(epochs), *self.costs[-1:]), noise)


class JobGroup(NamedTuple):
    """Configs to be trained, none of which depends on another's result."""

    configs: Sequence[Config]
    timed: bool = False
    """Train them one after another, alone; those that were there before once more, for their times.

    Earlier times may be of a busy hour, or of two halves. What is trained once more is thrown away.
    """


Steps: TypeAlias = Generator[JobGroup, list[JobResult], T]
"""A stage: yields batches, is sent their trials, and returns what it came to."""


def trained(config: Config, *, timed: bool = False) -> Steps[JobResult]:
    """Ask for a single config and return its trial."""
    [trial] = yield JobGroup([config], timed)
    return trial


class Trials:
    """The trials of a command, and what they have taken.

    Args:
        stem: what the runs' names begin with: the config file's.
        runs: the folder of the runs.
        budget: what they may take together.
        tell: is called with an update about each trial.
        command: what they are trained for, as messages call it.
        data: hands out the data.
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
        self.stem, self.runs, self.tell, self.command = stem, runs, tell, command
        self._budget = budget or Budget()
        self._began = time.monotonic()
        self.data = data or Data()
        self._checked: dict[Config, tuple[str, CheckedConfig]] = {}
        self.taken: dict[str, JobResult] = {}
        """All trials so far, by the run's name."""
        self.again: dict[str, JobResult] = {}
        """Those that were trained once more for their times."""
        self.new: set[str] = set()
        """The names of those whose runs began just now."""
        self.trained = 0
        """How many of them were not there before."""

    @property
    def epochs(self) -> int:
        """Epochs of all trials, trained now or before: so a budget ends at the same place again.

        Those that were trained once more for their times count once more.
        """
        return sum(len(trial.rows) for trial in (*self.taken.values(), *self.again.values()))

    def dataset(self, config: Config) -> Dataset:
        """Return a config's data, read once."""
        return self.data(config.data)

    def checked(self, config: Config) -> tuple[str, CheckedConfig]:
        """Return the name of a config's run, and the config checked; each is checked once.

        Raises: ConfigError.
        """
        found = self._checked.get(config)
        if found is None:
            checked = configs.check(config)
            found = self._checked[config] = train.run_name(checked, self.stem), checked
        return found

    def name(self, config: Config) -> str:
        """Return the name of a config's run."""
        return self.checked(config)[0]

    def has_begun(self, config: Config) -> bool:
        """Return whether a config has a run, from before or from just now."""
        return named(self.runs, self.name(config)).path.exists()

    def is_affordable(self, epochs: int) -> bool:
        """Return whether the budget has room for so many more epochs."""
        most = self._budget
        if most.epochs is not None and self.epochs + epochs > most.epochs:
            return False
        return most.seconds is None or time.monotonic() - self._began <= most.seconds

    def record(self, job: Job, *, is_new: bool) -> JobResult:
        """Return what a job came to that has ended.

        Raises:
            MismatchError: its run was trained before, on other data.
            CorruptError: its run is damaged.
        """
        run = Run(job.run.path)
        if is_new:
            self.new.add(run.name)
        preconditions.check_data(run, self.dataset(job.config).sha256)
        reached = performance(Job(job.config, run))
        assert reached is not None  # noqa: S101 - it was trained to its end
        took = {timing.epoch: timing.train_seconds for timing in run.timing()}
        whole = is_new and job.alone and all(row.epoch in took for row in reached.rows)
        seconds = [took[row.epoch] for row in reached.rows] if whole else None
        return JobResult(job.config, run, reached.rows, reached.fault is not None, seconds)


class _UnderWay(NamedTuple):
    """A job that has been asked for."""

    job: Job
    is_new: bool
    is_again: bool
    """It is trained once more, for its times."""


class StepSampler(Generic[T]):
    """The sampler of a stage, or of several one after another.

    Args:
        steps: the stage.
        trials: where what it asks for is recorded.
    """

    def __init__(self, steps: Steps[T], trials: Trials) -> None:
        self._steps = steps
        self._trials = trials
        self._batch: JobGroup | None = None
        self._checked: list[tuple[str, CheckedConfig]] = []
        """The batch's configs, with the names of their runs."""
        self._under_way: dict[Path, _UnderWay] = {}
        self._folder: TemporaryDirectory[str] | None = None
        """Of what is trained once more."""
        self._is_begun = False
        self._result: T | None = None

    @property
    def result(self) -> T:
        """What the steps returned. All of them must have ended."""
        assert self._result is not None  # noqa: S101 - asked for at the end
        return self._result

    def ask(self) -> Job | None:
        """Return the next job of the batch; once all have ended, of the next batch."""
        if not self._is_begun:
            self._is_begun = True
            self._advance(lambda: next(self._steps))
        while self._batch is not None:
            trials = [self._known(name) for name, _ in self._checked]
            if None not in trials:
                self._advance(lambda sent=trials: self._steps.send(sent))  # type: ignore[misc]
                continue
            wanted = self._wanted(trials, alone=self._batch.timed)
            if wanted is None:
                return None
            reserved = sum(each.job.config.epochs for each in self._under_way.values())
            if self._trials.is_affordable(reserved + wanted.job.config.epochs):
                self._trials.trained += not wanted.is_again and existing_outcome(wanted.job) is None
                self._under_way[wanted.job.run.path] = wanted
                return wanted.job
            if self._under_way:  # they may take less than is reserved for them
                return None
            self._advance(lambda: self._steps.throw(BudgetSpentError()))
        return None

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Record what a job came to; it stands in its run.

        Raises: MismatchError, CorruptError.
        """
        under_way = self._under_way.pop(job.run.path)
        if outcome.is_failure:  # while all is being stopped
            return
        trial = self._trials.record(job, is_new=under_way.is_new)
        kept = self._trials.again if under_way.is_again else self._trials.taken
        kept[job.run.name] = trial
        if under_way.is_again and self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _advance(self, step: Callable[[], JobGroup]) -> None:
        """Let the steps go on up to their next batch, or to their end."""
        try:
            batch = step()
        except StopIteration as end:
            self._batch, self._result = None, end.value
            return
        self._batch = batch
        self._checked = [self._trials.checked(each) for each in batch.configs]

    def _known(self, name: str) -> JobResult | None:
        """Return a trial that the batch asks for, or None while it is not known."""
        trial = self._trials.taken.get(name)
        if trial is None or self._batch is None or not self._batch.timed:
            return trial
        if trial.seconds is not None:
            return trial
        again = self._trials.again.get(name)
        return None if again is None else trial._replace(seconds=again.seconds)

    def _wanted(self, trials: Sequence[JobResult | None], *, alone: bool) -> _UnderWay | None:
        """Return the batch's next job that is not under way; None: there is none."""
        busy = {each.job.run.name for each in self._under_way.values()}
        for (name, config), trial in zip(self._checked, trials, strict=True):
            if trial is None and name not in busy:
                return (
                    self._again(name, config)
                    if name in self._trials.taken
                    else self._first(name, config, alone=alone)
                )
        return None

    def _first(self, name: str, config: CheckedConfig, *, alone: bool) -> _UnderWay:
        job = Job(config, named(self._trials.runs, name), alone=alone)
        is_new = not job.run.path.exists()
        return _UnderWay(job, is_new=is_new, is_again=False)

    def _again(self, name: str, config: CheckedConfig) -> _UnderWay:
        self._folder = TemporaryDirectory(prefix="nnexp-tune-")
        job = Job(config, named(Path(self._folder.name), name), alone=True)
        return _UnderWay(job, is_new=True, is_again=True)


def finish(steps: Steps[T], trials: Trials, engine: Engine | None = None) -> T:
    """Train all that steps ask for and return what they come to.

    Args:
        steps: a stage, or several one after another.
        trials: where what they ask for is recorded.
        engine: where to train; by default in this process.

    Raises: JobError, and what the steps raise.
    """
    sampler = StepSampler(steps, trials)
    execution.train(sampler, engine or InProcess(data=trials.data))
    return sampler.result
