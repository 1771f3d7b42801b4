"""Trials with planted results, for tunings whose answer is known without training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from nnexp.config import load
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.sources import Mnist
from nnexp.optim.schedules import HalveOnPlateau
from nnexp.store.run import Run
from nnexp.training.history import Row
from nnexp.training.stopping import first_stop
from nnexp.tune import protocol
from nnexp.tune.decision import Decision
from nnexp.tune.state import TimingSession, TuneState
from nnexp.tune.trials import BudgetSpentError, JobResult, Steps, Trials, Update

T = TypeVar("T")
EXAMPLES, VALIDATED = 5_000, 2_000
LABELS = (0, 0, 0, 0, 0, 0, 1, 1, 2, 2)
"""Six of ten images are of class 0; with two classes, six of eight."""
LATE = {5: 2, 10: 3, 20: 4, 50: 5}
"""The epoch in which the final accuracy is reached, by mini-batch size."""
SECONDS = {1: 5.0, 5: 2.0, 10: 1.0, 20: 0.5, 50: 0.6, 100: 0.3}
"""Seconds per epoch: 4, 3, 2 and 3 seconds to the level, which 100 never reaches."""


def size(config: Config) -> int:
    assert config.batch_size != "all"
    return config.batch_size


def is_full(config: Config) -> bool:
    return config.data.train is None


def limit(config: Config) -> float:
    """Return the largest steady η: for ten images 0.5, 0.3 with λ, and 1.2 with all data."""
    ten = 1.2 if is_full(config) else 0.3 if config.lambda_ else 0.5
    return ten * size(config) / 10


def decades(config: Config, best: float | None = None) -> float:
    """Return how far λ is from the best one: 0.3 for 1,000 images, and 15 for all images.

    The latter is ten times the former after scaling to all images, 1.5.
    """
    assert isinstance(config.lambda_, float)
    if config.data.classes is not None or not config.lambda_:
        return 0.0
    return abs(math.log10(config.lambda_ / (best or (15.0 if is_full(config) else 0.3))))


def top(config: Config) -> float:
    """Return the final accuracy."""
    if config.data.classes is not None or not config.lambda_:
        return 0.9
    return max(0.5, 0.97 - 0.25 * decades(config))


def accuracy(config: Config, epoch: int) -> float:
    """Return an epoch's accuracy: with all data it rises at epochs 5 and 20 only."""
    if is_full(config):
        behind = 0.0 if epoch >= 20 else 0.03 if epoch >= 5 else 0.05
        return top(config) + 0.02 * isinstance(config.schedule, HalveOnPlateau) - behind
    if size(config) not in LATE:
        return top(config) - 0.05
    return top(config) - (0.0 if epoch >= LATE[size(config)] else 0.1)


def validation_cost(config: Config, epoch: int) -> float:
    """Return an epoch's validation cost: lower with larger rates, so that it limits none."""
    return (1 + decades(config)) * 2 / (1 + 10 * (config.learning_rate or 0.0) * epoch)


def seconds(config: Config) -> float:
    """Return the seconds of an epoch; one measurement is disturbed by another program."""
    return SECONDS[size(config)] * (10 if (size(config), config.seed) == (20, 1) else 1)


@dataclass
class World:
    """The planted result of any config."""

    limit: Callable[[Config], float] = limit
    accuracy: Callable[[Config, int], float] = accuracy
    validation_cost: Callable[[Config, int], float] = validation_cost
    penalty: Callable[[Config, int], float] = lambda *_: 0.0
    seconds: Callable[[Config], float] = seconds
    diverges: Callable[[Config], bool] = lambda _: False


class Planted(Trials):
    """Trials that return planted results without training."""

    def __init__(self, folder: Path, world: World, *, were_there: bool = False) -> None:
        super().__init__("planted", folder / "runs")
        self.world = world
        self.were_there = were_there
        """Whether all trials were trained earlier, so that their times are not comparable."""
        self.asked: list[Config] = []
        """The configs without repetition."""
        self.measured: list[Config] = []

    def dataset(self, config: Config) -> Dataset:
        classes = config.data.classes or LABELS
        kept = [each for each in LABELS if each in classes]

        def split(count: int) -> Split:
            return Split(np.zeros((count, 1), np.uint8), np.resize(np.array(kept), count))

        train, validation = config.data.train or EXAMPLES, int(config.data.validation or VALIDATED)
        return Dataset(split(train), split(validation), None, len(set(kept)), 255.0, {})

    def has_run(self, config: Config) -> bool:
        return self.were_there or self.job(config).run.name in self.taken

    def penalty(self, trial: JobResult, epoch: int) -> float:
        return self.world.penalty(trial.config, epoch)

    def run(self, config: Config) -> JobResult:
        config = load.check(config)
        name = self.job(config).run.name
        if name not in self.taken:
            self.asked.append(config)
            rows = self.rows(config)
            times = None if self.were_there else [self.world.seconds(config)] * len(rows)
            run, diverged = Run(self.runs / name), self.world.diverges(config)
            if not self.were_there:
                self.new.add(name)
            self.keep(JobResult(config, run, rows, diverged, times))
        return self.taken[name]

    def timed(self, config: Config) -> JobResult:
        self.measured.append(config)
        trial = self.run(config)
        return trial._replace(seconds=[self.world.seconds(config)] * len(trial.rows))

    def rows(self, config: Config) -> list[Row]:
        eta = config.learning_rate
        assert eta is not None
        steady = eta <= self.world.limit(config)
        rows = [
            Row(
                epoch=epoch,
                learning_rate=eta,
                train_cost=2 / (1 + 10 * eta * epoch) if steady else 2.0 * epoch**2,
                validation_accuracy=self.world.accuracy(config, epoch),
                validation_cost=self.world.validation_cost(config, epoch),
            )
            for epoch in range(1, config.epochs + 1)
        ]
        if config.patience is None:
            return rows
        accuracies = [float(row.validation_accuracy or 0.0) for row in rows]
        place = first_stop([row.epoch for row in rows], accuracies, config.patience)
        return rows if place is None else rows[: place + 1]


class Answers(Protocol):
    """Trials that return the planted result of any config."""

    def run(self, config: Config) -> JobResult: ...

    def timed(self, config: Config) -> JobResult: ...


def finish(steps: Steps[T], trials: Answers) -> T:
    """Run the steps of a stage, with planted results for each group."""
    try:
        batch = next(steps)
        while True:
            answer = trials.timed if batch.timed else trials.run
            try:
                answers = [answer(config) for config in batch.configs]
            except BudgetSpentError as error:
                batch = steps.throw(error)
            else:
                batch = steps.send(answers)
    except StopIteration as end:
        result: T = end.value
        return result


class Outcome(NamedTuple):
    """A finished tuning."""

    config: Config
    state: TuneState
    stages: list[list[Config]]
    """The trained configs, by stage."""
    unfinished: list[str]

    def decision(self, stage: int, name: str, place: int = 0) -> Decision:
        found = [e for e in self.state.decisions if (e.stage, e.name) == (stage, name)]
        return found[place]


CONFIG = Config(data=Mnist(), hidden=(50,), learning_rate=3.0, lambda_=5.0, batch_size=10)


def tuned(
    folder: Path,
    world: World | None = None,
    only: Sequence[str] = protocol.NAMES,
    config: Config = CONFIG,
    session: TimingSession | None = None,
    *,
    full: bool = False,
    were_there: bool = False,
) -> Outcome:
    trials = Planted(folder, world or World(), were_there=were_there)
    state, problems = protocol.begin(config, trials, only, session, full=full)
    begins: list[int] = []

    def said(update: Update) -> None:
        if update.stage:
            begins.append(len(trials.asked))

    found = finish(protocol.tune(state, problems, said), trials)
    ends = [*begins[1:], len(trials.asked)]
    stages = [trials.asked[begin:end] for begin, end in zip(begins, ends, strict=True)]
    return Outcome(found.config, state, stages, found.unfinished)
