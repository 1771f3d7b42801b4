"""Trials: ordinary runs, under the names that train gives: so none is trained twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from msgspec import UNSET

from nnexp.config import load as configs
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.shared import Data
from nnexp.datasets.sources import Source
from nnexp.runner import preconditions, train
from nnexp.store.run import Run, named
from nnexp.study import job as jobs
from nnexp.study.job import Job
from nnexp.training.history import Row
from nnexp.tune import ladder
from nnexp.tune.ladder import Rung

Load = Callable[[Source], Dataset]
Train = Callable[[Job, Load], None]
"""Trains a job on data that is loaded so; a divergence is no error."""


class BudgetSpentError(Exception):
    """The trials so far took all that they may; what is known by then counts."""


class Budget(NamedTuple):
    """What trials may take together; None is no limit."""

    epochs: int | None = None
    seconds: float | None = None


class Trial(NamedTuple):
    """A config that was trained, and what came of it."""

    config: Config
    run: Run
    rows: list[Row]
    diverged: bool
    seconds: list[float] | None
    """What each epoch's training took, if all were trained here and now; evaluation is left out."""

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


class Trials:
    """Where trials are trained, and what they have taken.

    Args:
        stem: what the runs' names begin with: the config file's.
        runs: the folder of the runs.
        train: trains a config into a run; it may raise to end everything.
        budget: what they may take together.
        tell: is told of each trial.
        command: what they are trained for, as messages call it.
    """

    def __init__(
        self,
        stem: str,
        runs: Path,
        train: Train | None = None,
        budget: Budget | None = None,
        tell: Callable[[str], None] = lambda _: None,
        command: str = "nnexp tune",
    ) -> None:
        self.stem, self.runs, self.tell, self.command = stem, runs, tell, command
        self._train = train or _plainly
        self._budget = budget or Budget()
        self._began = time.monotonic()
        self._load: Load = Data()
        self.taken: dict[str, Trial] = {}
        """All trials so far, by the run's name."""
        self.trained = 0
        """How many of them were not there before."""
        self._again = 0

    @property
    def epochs(self) -> int:
        """Epochs of all trials, trained now or before: so a budget ends at the same place again.

        Those that were trained once more for their times count once more.
        """
        return sum(len(trial.rows) for trial in self.taken.values()) + self._again

    def dataset(self, config: Config) -> Dataset:
        """Return a config's data, read once."""
        return self._load(config.data)

    def run(self, config: Config) -> Trial:
        """Train a config, or go on with it, or read what came of it.

        Raises:
            BudgetSpentError: it would take more than is left.
            MismatchError: it was trained before, on other data.
            NnexpError: what ``train.train`` raises, but that it diverged.
        """
        config = configs.check(config)
        run = named(self.runs, train.run_name(config, self.stem))
        if run.name not in self.taken:
            self._check(config)
            self.taken[run.name] = self._trained(config, run)
        return self.taken[run.name]

    def timed(self, config: Config) -> Trial:
        """Return a trial whose times are of now: one that was there before is trained once more.

        Its times may be of a busy hour, or of two halves. What is trained once more is thrown away.

        Raises: what ``run`` raises.
        """
        trial = self.run(config)
        if trial.seconds is not None:
            return trial
        self._check(config)
        with TemporaryDirectory(prefix="nnexp-tune-") as folder:
            again = self._trained(configs.check(config), named(Path(folder), trial.run.name))
        self._again += len(again.rows)
        return trial._replace(seconds=again.seconds)

    def _check(self, config: Config) -> None:
        epochs = self._budget.epochs
        if epochs is not None and self.epochs + config.epochs > epochs:
            raise BudgetSpentError
        seconds = self._budget.seconds
        if seconds is not None and time.monotonic() - self._began > seconds:
            raise BudgetSpentError

    def _trained(self, config: CheckedConfig, run: Run) -> Trial:
        job, new = Job(config, run), not run.path.exists()
        self.trained += jobs.standing(job) is None
        self._train(job, self._load)
        run = Run(run.path)
        preconditions.check_data(run, self.dataset(config).sha256)
        found = jobs.standing(Job(config, run))
        assert found is not None  # noqa: S101 - it was trained to its end
        took = {timing.epoch: timing.train_seconds for timing in run.timing()}
        whole = new and all(row.epoch in took for row in found.rows)
        seconds = [took[row.epoch] for row in found.rows] if whole else None
        return Trial(config, run, found.rows, found.fault is not None, seconds)


def _plainly(job: Job, source: Load) -> None:
    for _ in jobs.train(job, source=source):
        pass
