"""A search: a sampler that asks a method for points, and what it found in the end.

The run directories are all that it leaves and all that it goes by. Started again, it asks for the
same trials, takes those that are trained from their runs, and goes on with the others. Which
trials there are does not depend on how many are trained at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nnexp.analysis import comparison, experiments
from nnexp.analysis.comparison import Comparison
from nnexp.config import canonical
from nnexp.datasets.loading import Data
from nnexp.errors import NnexpError
from nnexp.runner import preconditions
from nnexp.study import samplers
from nnexp.study.execution import train
from nnexp.study.in_process import InProcess
from nnexp.study.job import Engine, Job, Outcome, performance
from nnexp.study.search_definition import Definition
from nnexp.study.trials import Trial, TrialResult, TrialTraining, examples_seen


class SearchResult(NamedTuple):
    """What a search came to."""

    definition: Definition
    baseline: TrialResult | None
    """The config as given, if it was to be trained."""
    results: list[TrialResult]
    """The best first, those that diverged or failed last."""

    @property
    def best(self) -> TrialResult | None:
        """The best trial; None where all diverged or failed."""
        return next((each for each in self.results if each.score is not None), None)

    @property
    def ranked(self) -> list[TrialResult]:
        """The trials and the config as given, the best first, those without a score last.

        Of trials with the same config, only the first is there.
        """
        given = [] if self.baseline is None else [self.baseline]
        by_number = sorted(self.results, key=lambda each: each.trial.number)
        different = {each.trial.paths: each for each in [*given, *by_number][::-1]}
        return sorted(different.values(), key=self.order)

    @property
    def failures(self) -> list[tuple[Path, Outcome]]:
        """The runs that failed, and why: the config's as given, then the trials' by number."""
        given = [] if self.baseline is None else [self.baseline]
        by_number = sorted(self.results, key=lambda each: each.trial.number)
        return [
            (each.trial.paths[len(each.performances) - 1], each.failure)
            for each in [*given, *by_number]
            if each.failure is not None
        ]

    def order(self, result: TrialResult) -> tuple[bool, int, float, int]:
        """Return what results are sorted by: halved ones by how far they came, then by score."""
        score = result.score
        rung = 0 if self.definition.factor is None else -result.epoch
        return (score is None, rung, -(score or 0.0), result.trial.number)

    def values(self, result: TrialResult) -> tuple[Any, ...]:
        """Return a trial's values of the space's keys; the config's own where it is as given."""
        if not result.trial.is_baseline:
            return result.trial.values
        settings = canonical.flat(result.trial.config)
        return tuple(settings.get(key) for key in self.definition.space.keys)

    @property
    def examples(self) -> int:
        """Training examples that the trials' runs have seen; a run that two share counts once."""
        return examples_seen(self.results)

    @property
    def compared(self) -> list[TrialResult]:
        """What is compared: the config as given, the best trial, and the next best config.

        Only what was trained to its end is.
        """
        whole = [each for each in self.ranked if each.score is not None and each.is_whole]
        given = [each for each in whole if each is self.baseline]
        return [*given, *(each for each in whole if each not in given)][: 2 + len(given)]

    def compare(self) -> Comparison | None:
        """Return the comparison that ``nnexp compare`` makes; None if there is but one config.

        Raises:
            CorruptError: a run is damaged.
        """
        compared = self.compared
        if len(compared) < 2:  # noqa: PLR2004 - one and another
            return None
        paths = [path for each in compared for path in each.trial.paths]
        return comparison.compare(experiments.gather(paths))


def is_fatal(outcome: Outcome) -> bool:
    """Return whether a job's outcome ends a search.

    A run that took too much time or memory says something of its trial, which is as bad as one
    that diverged; what else goes wrong says nothing of it.
    """
    return outcome.is_failure and not outcome.is_over_limit


class Search:
    """The sampler of a search: trials are asked of its method, and their seeds are its jobs.

    Args:
        definition: what is searched.
        runs: the folder of the runs.
        data: hands out the data.
    """

    def __init__(self, definition: Definition, runs: Path, data: Data | None = None) -> None:
        self.definition = definition
        self._data = data or Data()
        self._runs = runs
        self._method = definition.asked()
        self._asked: list[Trial] = []
        self._told = 0
        """Trials whose scores the method knows: always the first ones."""
        self._open: list[TrialTraining] = []
        self._trial_of: dict[Path, Trial] = {}
        """By run; of trials with the same config the last."""
        self._baseline: TrialResult | None = None
        self._results: dict[int, TrialResult] = {}
        self._plan = self._halve(definition.factor) if definition.factor else self._go_on()
        """Yields what to train next, or None where that is not known yet."""
        self.trials = definition.trials
        """Points that are asked for, at most."""
        if definition.method == "grid":
            self.trials = sum(1 for _ in iter(definition.asked().ask, None))
        if definition.has_baseline:
            baseline = definition.trial(0, None, runs)
            self._open.append(TrialTraining(baseline, baseline.config.epochs))

    @property
    def steps(self) -> int:
        """How many jobs there are, at most."""
        count = self.trials
        if self.definition.factor is not None:
            epochs = self.definition.configs(None)[0].epochs
            count = sum(e.trials for e in samplers.rungs(count, epochs, self.definition.factor))
        return (count + self.definition.has_baseline) * len(self.definition.seeds or [0])

    @property
    def result(self) -> SearchResult:
        """What it has come to so far."""
        found = SearchResult(self.definition, self._baseline, list(self._results.values()))
        return found._replace(results=sorted(found.results, key=found.order))

    @property
    def under_way(self) -> Trial | None:
        """The first trial that is under way."""
        return next((each.trial for each in self._open), None)

    def trial_of(self, job: Job) -> Trial:
        """Return the trial that a job belongs to."""
        return self._trial_of[job.run.path]

    def result_of(self, job: Job) -> TrialResult | None:
        """Return the result of the trial whose last job this was; None of any other job."""
        trial = self.trial_of(job)
        result = self._baseline if trial.is_baseline else self._results.get(trial.number)
        if result is None or result.epoch != job.until:
            return None
        last = trial.paths[len(result.performances) - 1]
        return result if last == job.run.path else None

    def ask(self) -> Job | None:
        """Return the next seed of a trial under way, or the first seed of a further trial."""
        for training in self._open:
            if (job := training.ask()) is not None:
                self._trial_of[job.run.path] = training.trial
                return job
        further = next(self._plan, None)
        if further is None:
            return None
        self._open.append(further)
        return self.ask()

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Take note that a job ended; unless it failed, what it came to stands in its run.

        Raises:
            UsageError: the run has no validation accuracy, or went away.
        """
        training = next(each for each in self._open if each.waits_for(job))
        training.tell(outcome)
        if (result := training.result) is not None:
            self._open.remove(training)
            if result.trial.is_baseline:
                self._baseline = result
            else:
                self._results[result.trial.number] = result

    def check_data(self) -> None:
        """Refuse trials that the data does not suit, before the first of them is trained.

        Raises: DataError, UsageError.
        """
        for config in self.definition.suited():
            preconditions.check(config, self._data(config.data))

    def _go_on(self) -> Iterator[TrialTraining | None]:
        """Ask the method for trials, each trained to its end, as soon as it may be asked."""
        while True:
            if not self._may_ask():
                yield None
                continue
            values = self._method.ask()
            if values is None:
                return
            trial = self.definition.trial(len(self._asked) + 1, values, self._runs)
            self._asked.append(trial)
            yield TrialTraining(trial, trial.config.epochs)

    def _may_ask(self) -> bool:
        """Return whether the next trial follows from what is known, and is sure to be wanted."""
        while self._told < len(self._asked) + 1 - self._method.lag:
            result = self._results.get(self._told + 1)
            if result is None:
                return False
            self._method.tell(result.score)
            self._told += 1
        most = self.definition.examples
        return most is None or self._examples_at_most() < most

    def _examples_at_most(self) -> float:
        """Return how many training examples the trials so far will have seen, at most."""
        under_way = [each for each in self._asked if each.number not in self._results]
        rest = {job.run.path: self._examples(job) for trial in under_way for job in trial.jobs}
        return examples_seen(self._results.values()) + sum(rest.values())

    def _examples(self, job: Job) -> float:
        """Return how many training examples a job sees, at most; infinity if nobody knows yet."""
        try:
            reached = performance(job)
            if reached is not None:
                return reached.examples
            return job.epochs * len(self._data(job.config.data).train.labels)
        except NnexpError:  # the data is not here, or the run is damaged, which training will say
            return float("inf")

    def _halve(self, factor: int) -> Iterator[TrialTraining | None]:
        """Train all trials to the first rung, the best of those to the next, and so on."""
        points = list(iter(self._method.ask, None))
        trials = (
            self.definition.trial(number, values, self._runs)
            for number, values in enumerate(points, 1)
        )
        left = list({trial.paths: trial for trial in trials}.values())
        for rung in samplers.rungs(len(left), left[0].config.epochs, factor):
            left = left[: rung.trials]
            yield from (TrialTraining(trial, rung.epoch) for trial in left)
            while any(not each.trial.is_baseline for each in self._open):
                yield None
            left = self._survivors(rung.epoch)

    def _survivors(self, epoch: int) -> list[Trial]:
        """Return the trials that reached a rung and did not diverge, the best first."""
        reached = [each for each in self.result.results if each.epoch == epoch]
        return [each.trial for each in reached if each.score is not None]


def search(
    definition: Definition,
    runs: Path,
    engine: Engine | None = None,
    heartbeat: Callable[[], None] = lambda: None,
) -> SearchResult:
    """Train all that a search asks for, or what is left of it, and return what it came to.

    Args:
        definition: what is searched.
        runs: the folder of the runs.
        engine: where to train; by default in this process.
        heartbeat: is called within long steps of it; it may raise to end the search.

    Raises:
        JobError: a run could not be trained; a trial that diverges, or takes more than the
            engine's limits, is just the worst.
        DataError, UsageError: the data does not suit the trials.
    """
    data = Data()
    sampler = Search(definition, runs, data)
    train(sampler, engine or InProcess(heartbeat, data), sampler.check_data, is_fatal)
    return sampler.result
