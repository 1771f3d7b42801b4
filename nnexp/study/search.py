"""Search for a good config: train the points that a method proposes, and rank them.

The run directories are the only state. A search that is restarted proposes the same trials, reads
those that are trained, and resumes the others. The trials do not depend on how many are trained
at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import UNSET

from nnexp.analysis import comparison, experiments, query
from nnexp.analysis.comparison import Comparison
from nnexp.config import canonical
from nnexp.datasets.loading import Data
from nnexp.errors import DiskError, NnexpError
from nnexp.runner import preconditions
from nnexp.runner.naming import RunNames
from nnexp.runner.recording import describe, measured_only
from nnexp.store.run import Run
from nnexp.study import samplers
from nnexp.study.confirmation import Confirmation
from nnexp.study.execution import train
from nnexp.study.in_process import InProcess
from nnexp.study.job import Engine, Job, Outcome, performance
from nnexp.study.search_definition import Definition
from nnexp.study.trials import Trial, TrialResult, TrialTraining, examples_seen


class SearchResult(NamedTuple):
    """The results of a search."""

    definition: Definition
    baseline: TrialResult | None
    """The unchanged config, if it is trained as well."""
    results: list[TrialResult]
    """Best first; those that diverged or failed come last."""
    confirmation: Confirmation | None = None
    """Of the best trial, if it is to be confirmed and was fully trained."""

    @property
    def best(self) -> TrialResult | None:
        """The best trial, or None if all diverged or failed."""
        return next((result for result in self.results if result.score is not None), None)

    @property
    def ranked(self) -> list[TrialResult]:
        """Baseline and trials, best first, those without a score last.

        Of trials with the same config, only the first is included.
        """
        distinct = {result.trial.paths: result for result in self._by_number[::-1]}
        return sorted(distinct.values(), key=self.order)

    @property
    def failures(self) -> list[tuple[Path, Outcome]]:
        """The runs that failed, and why: the baseline's, the trials' by number, confirming ones."""
        of_trials = [
            (result.trial.paths[len(result.performances) - 1], result.failure)
            for result in self._by_number
            if result.failure is not None
        ]
        return [*of_trials, *(self.confirmation.failures if self.confirmation else ())]

    @property
    def reason(self) -> str:
        """Advice if all trials diverged: a smaller learning rate, unless the cause is another."""
        for result in self._by_number:
            for path, trained in zip(result.trial.paths, result.performances, strict=False):
                if trained.fault is not None and measured_only(trained.rows, trained.fault):
                    return describe(Run(path), trained.fault)
        return "search smaller learning rates"

    @property
    def _by_number(self) -> list[TrialResult]:
        baseline = [] if self.baseline is None else [self.baseline]
        return [*baseline, *sorted(self.results, key=lambda result: result.trial.number)]

    def order(self, result: TrialResult) -> tuple[bool, int, float, int]:
        """Return the sort key of a result: under halving, the epoch it reached, then the score."""
        score = result.score
        rung = 0 if self.definition.factor is None else -result.epoch
        return (score is None, rung, -(score or 0.0), result.trial.number)

    def values(self, result: TrialResult) -> tuple[Any, ...]:
        """Return a trial's values of the space's keys; for the baseline, those of the config."""
        if not result.trial.is_baseline:
            return result.trial.values
        settings = canonical.flat(result.trial.config)
        values = (query.setting(settings, key) for key in self.definition.space.keys)
        return tuple(None if value is UNSET else value for value in values)

    @property
    def examples(self) -> int:
        """Training examples seen by the trials' runs; a run shared by two trials counts once."""
        return examples_seen(self.results)

    @property
    def compared(self) -> list[TrialResult]:
        """The fully trained results to compare: the baseline and the two best trials.

        If the best is to be confirmed, no other trial is chosen.
        """
        complete = [r for r in self.ranked if r.score is not None and r.is_complete]
        baseline = [result for result in complete if result is self.baseline]
        others = [result for result in complete if result not in baseline]
        return [*baseline, *others[: 1 if self.definition.confirm else 2]]

    def compare(self) -> Comparison | None:
        """Compare the results as ``nnexp compare`` does; None if there is only one config.

        If the best trial is to be confirmed, only the confirming runs are compared.

        Raises:
            UsageError: a run was removed.
            CorruptError: a run is damaged.
        """
        if self.definition.confirm:
            return self.confirmation and self.confirmation.compare()
        compared = self.compared
        if len(compared) < 2:  # noqa: PLR2004 - a pair
            return None
        paths = [path for result in compared for path in result.trial.paths]
        found = comparison.compare(experiments.gather(paths))
        lucky = {p for result in compared if self.is_optimistic(result) for p in result.trial.paths}
        chosen = [
            side.experiment.label for side in found.sides if side.experiment.runs[0].path in lucky
        ]
        if not chosen:
            return found
        note = (
            f"{' and '.join(chosen)}: chosen from {self.choices} trials by these runs, so that "
            "the accuracies and differences are optimistic, those on test data as well"
        )
        return found._replace(notes=[*found.notes, note])

    @property
    def choices(self) -> int:
        """The number of different trials of which the best is chosen."""
        return len({result.trial.paths for result in self.results})

    def is_optimistic(self, result: TrialResult) -> bool:
        """Return whether a result led to its choice, so that it is too good by luck.

        The best of 21 equal configs (n = 500) had a test accuracy that was too high by 1.9 points
        with one seed, and by 0.8 points with three.
        """
        is_given = self.baseline is not None and result.trial.paths == self.baseline.trial.paths
        return self.choices > 1 and not is_given and result in self.compared


def is_fatal(outcome: Outcome) -> bool:
    """Return whether a job's outcome ends a search.

    Exceeding a limit of time or memory is a result of the trial, which then ranks like one that
    diverged. Any other failure has a cause outside the trial, so the search ends.
    """
    return outcome.is_failure and not outcome.is_over_limit


class Search:
    """The sampler of a search: its method proposes trials, and each seed of a trial is a job.

    Args:
        definition: the search.
        runs: the folder of the runs.
        data: the cache of loaded datasets.
    """

    def __init__(self, definition: Definition, runs: Path, data: Data | None = None) -> None:
        self.definition = definition
        self._data = data or Data()
        self._names = RunNames(runs, definition.stem, self._data)
        self._method = definition.new_method()
        self._proposed: list[Trial] = []
        self._scored = 0
        """How many of the first trials' scores the method has."""
        self._open: list[TrialTraining] = []
        self._trial_of: dict[Path, Trial] = {}
        """By run; if trials share a run, the last of them."""
        self._baseline: TrialResult | None = None
        self._results: dict[int, TrialResult] = {}
        self._confirmation: Confirmation | None = None
        self._confirming: Iterator[Job] | None = None
        """The jobs of the confirmation that are left; None while trials are being trained."""
        self._confirmed: dict[Path, Outcome] = {}
        """The outcomes of its jobs that have ended, by run."""
        self._plan = self._halve(definition.factor) if definition.factor else self._propose()
        """Yields what to train next, or None while that depends on results still to come."""
        self.trials = definition.trials
        """Maximum number of trials."""
        if definition.method == "grid":
            self.trials = sum(1 for _ in iter(definition.new_method().ask, None))
        if definition.has_baseline:
            baseline = definition.trial(0, None, self._names)
            self._open.append(TrialTraining(baseline, baseline.config.epochs))

    @property
    def steps(self) -> int:
        """Maximum number of jobs."""
        count = self.trials
        if self.definition.factor is not None:
            epochs = self.definition.configs(None)[0].epochs
            count = sum(
                rung.trials for rung in samplers.rungs(count, epochs, self.definition.factor)
            )
        trained = (count + self.definition.has_baseline) * len(self.definition.seeds or [0])
        return trained + 2 * self.definition.confirm

    @property
    def result(self) -> SearchResult:
        """The results so far."""
        results = list(self._results.values())
        result = SearchResult(self.definition, self._baseline, results, self.confirmation)
        return result._replace(results=sorted(results, key=result.order))

    @property
    def under_way(self) -> Trial | None:
        """The first trial that is in training, or None."""
        return next((training.trial for training in self._open), None)

    @property
    def confirmation(self) -> Confirmation | None:
        """The confirmation of the best trial, once it has begun."""
        return self._confirmation and self._confirmation.ended(self._confirmed)

    def trial_of(self, job: Job) -> Trial:
        """Return the trial that a job belongs to, or that it confirms."""
        return self._trial_of[job.run.path]

    def result_of(self, job: Job) -> TrialResult | None:
        """Return the trial's result if this was its last job, else None."""
        trial = self.trial_of(job)
        result = self._baseline if trial.is_baseline else self._results.get(trial.number)
        if result is None or result.epoch != job.until:
            return None
        last = trial.paths[len(result.performances) - 1]
        return result if last == job.run.path else None

    def ask(self) -> Job | None:
        """Return the next seed of a trial in training, or of a new trial, or a confirming job."""
        for training in self._open:
            if (job := training.ask()) is not None:
                self._trial_of[job.run.path] = training.trial
                return job
        new = next(self._plan, None)
        if new is None:
            return self._confirm()
        self._open.append(new)
        return self.ask()

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Record that a job ended; unless it failed, its performance is read from its run.

        Raises:
            UsageError: the run has no validation accuracy, or was removed.
        """
        if self._confirmation is not None and job in self._confirmation.jobs:
            self._confirmed[job.run.path] = outcome
            return
        training = next(t for t in self._open if t.waits_for(job))
        training.tell(outcome)
        if (result := training.result) is not None:
            self._open.remove(training)
            if result.trial.is_baseline:
                self._baseline = result
            else:
                self._results[result.trial.number] = result

    def _confirm(self) -> Job | None:
        """Return the next confirming job, if all trials have ended."""
        if any(not training.trial.is_baseline for training in self._open):
            return None
        if self._confirming is None:
            self._confirmation = self._new_confirmation()
            self._confirming = iter(self._confirmation.jobs if self._confirmation else ())
        return next(self._confirming, None)

    def _new_confirmation(self) -> Confirmation | None:
        """Return the confirmation of the best trial; None if there is none to confirm."""
        best = self.result.best
        if not self.definition.confirm or best is None or not best.is_complete:
            return None
        seeded = self.definition._replace(seeds=self.definition.fresh_seeds)
        number, values = best.trial.number, best.trial.values
        given = seeded.trial(0, None, self._names)
        winner = seeded.trial(number, values, self._names)
        self._trial_of |= {path: trial for trial in (winner, given) for path in trial.paths}
        return Confirmation(given.jobs, winner.jobs)

    def check_data(self) -> None:
        """Check before any training that the data suits all trials.

        Raises: DataError, UsageError.
        """
        for config in self.definition.data_configs():
            preconditions.check(config, self._data(config.data))

    def _propose(self) -> Iterator[TrialTraining | None]:
        """Yield full trainings of the method's points, as soon as it may propose them."""
        while True:
            if not self._may_propose():
                yield None
                continue
            values = self._method.ask()
            if values is None:
                return
            trial = self.definition.trial(len(self._proposed) + 1, values, self._names)
            self._proposed.append(trial)
            yield TrialTraining(trial, trial.config.epochs)

    def _may_propose(self) -> bool:
        """Return whether the method has enough scores, and the budget allows another trial."""
        while self._scored < len(self._proposed) + 1 - self._method.lag:
            result = self._results.get(self._scored + 1)
            if result is None:
                return False
            self._method.tell(result.score)
            self._scored += 1
        most = self.definition.examples
        return most is None or self._examples_at_most() < most

    def _examples_at_most(self) -> float:
        """Return an upper bound of the training examples that the trials so far will see."""
        unfinished = [trial for trial in self._proposed if trial.number not in self._results]
        rest = {job.run.path: self._examples(job) for trial in unfinished for job in trial.jobs}
        return examples_seen(self._results.values()) + sum(rest.values())

    def _examples(self, job: Job) -> float:
        """Return an upper bound of a job's training examples; infinity if it is not known yet."""
        try:
            result = performance(job)
            if result is not None:
                return result.examples
            return job.epochs * len(self._data(job.config.data).train.labels)
        except DiskError:
            raise
        except NnexpError:  # missing data or a damaged run, which training will report
            return float("inf")

    def _halve(self, factor: int) -> Iterator[TrialTraining | None]:
        """Yield trainings of all trials to the first rung, of the best to the next, and so on."""
        points = list(iter(self._method.ask, None))
        trials = (
            self.definition.trial(number, values, self._names)
            for number, values in enumerate(points, 1)
        )
        left = list({trial.paths: trial for trial in trials}.values())
        for rung in samplers.rungs(len(left), left[0].config.epochs, factor):
            left = left[: rung.trials]
            yield from (TrialTraining(trial, rung.epoch) for trial in left)
            while any(not training.trial.is_baseline for training in self._open):
                yield None
            left = self._survivors(rung.epoch)

    def _survivors(self, epoch: int) -> list[Trial]:
        """Return the trials that reached a rung and did not diverge, best first."""
        reached = [result for result in self.result.results if result.epoch == epoch]
        return [result.trial for result in reached if result.score is not None]


def search(
    definition: Definition,
    runs: Path,
    engine: Engine | None = None,
    heartbeat: Callable[[], None] = lambda: None,
) -> SearchResult:
    """Run a search, or resume it, and return its results.

    Args:
        definition: the search.
        runs: the folder of the runs.
        engine: trains the jobs; by default, this process does.
        heartbeat: called within long steps of it; it may raise to end the search.

    Raises:
        JobError: a run could not be trained. Trials that diverge or exceed the engine's limits
            do not raise; they rank last.
        DataError, UsageError: the data does not suit the trials.
    """
    data = Data()
    sampler = Search(definition, runs, data)
    train(sampler, engine or InProcess(heartbeat, data), sampler.check_data, is_fatal)
    return sampler.result
