"""Trials of a search: points of its space, with a run for every seed, and their results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from nnexp.config.model import Config
from nnexp.errors import UsageError
from nnexp.seeds import Sample
from nnexp.study.job import Job, Outcome, Performance, partial_performance, performance


class Trial(NamedTuple):
    """One point of a search."""

    number: int
    """From 1, in the order of proposal; 0 is the unchanged config."""
    values: tuple[Any, ...]
    """Values of the space's keys."""
    jobs: tuple[Job, ...]
    """One for each seed."""

    @property
    def is_baseline(self) -> bool:
        """Whether it is the unchanged config, which no method proposed."""
        return self.number == 0

    @property
    def config(self) -> Config:
        """The config with the first seed."""
        return self.jobs[0].config

    @property
    def paths(self) -> tuple[Path, ...]:
        """The runs' folders, by seed; trials with the same config share them."""
        return tuple(job.run.path for job in self.jobs)


class TrialResult(NamedTuple):
    """A trial's results up to some epoch."""

    trial: Trial
    epoch: int
    """The epoch up to which it was trained."""
    performances: tuple[Performance, ...]
    """By run, up to the first that diverged or failed."""
    failure: Outcome | None = None
    """Why the last of these runs failed, if it did; divergence is not a failure."""

    @property
    def is_complete(self) -> bool:
        """Whether it was trained for all of its epochs."""
        return self.epoch >= self.trial.config.epochs

    @property
    def validation(self) -> Sample:
        """The best validation accuracy of each run; None for one that diverged or failed."""
        return self._sample("validation")

    @property
    def test(self) -> Sample:
        """The test accuracy of each run at the best epoch; None if it is not known."""
        return self._sample("test")

    @property
    def score(self) -> float | None:
        """The mean of the validation accuracies; None if a run diverged or failed."""
        return self.validation.mean

    def _sample(self, split: str) -> Sample:
        return Sample(tuple(p.accuracies.get(split) for p in self.performances))


class TrialTraining:
    """Training of a trial up to an epoch, seed by seed, until one diverges or fails.

    Args:
        trial: the trial.
        epoch: the last epoch to train.
    """

    def __init__(self, trial: Trial, epoch: int) -> None:
        self.trial = trial
        self._epoch = epoch
        self._performances: list[Performance] = []
        self._failure: Outcome | None = None
        self._job: Job | None = None

    def ask(self) -> Job | None:
        """Return the job of the next seed; None while one is running, or after the last."""
        if self._job is not None or self.result is not None:
            return None
        job = self.trial.jobs[len(self._performances)]
        self._job = job._replace(until=self._epoch)
        return self._job

    def waits_for(self, job: Job) -> bool:
        """Return whether a job is the one that is running."""
        return self._job is job

    def tell(self, outcome: Outcome) -> None:
        """Record that the running job has ended; its performance is read from its run.

        Args:
            outcome: of the job.

        Raises:
            UsageError: its run has no validation accuracy, or was removed.
            NnexpError: the errors of ``performance``.
        """
        assert self._job is not None  # noqa: S101 - only a job from ask can end
        job, self._job = self._job, None
        if outcome.is_failure:
            self._failure = outcome
            self._performances.append(partial_performance(job))
            return
        result, path = performance(job, self._epoch), job.run.path
        if result is None:
            number = self.trial.number
            raise UsageError(f"trial {number}: its runs were removed during training")
        if result.fault is None and "validation" not in result.accuracies:
            raise UsageError(f"{path}: has no validation accuracy, by which a search ranks")
        self._performances.append(result)

    @property
    def result(self) -> TrialResult | None:
        """The trial's result, or None while it is not complete."""
        has_diverged = any(p.fault is not None for p in self._performances)
        is_over = has_diverged or self._failure is not None
        if not is_over and len(self._performances) < len(self.trial.jobs):
            return None
        return TrialResult(self.trial, self._epoch, tuple(self._performances), self._failure)


def examples_seen(results: Iterable[TrialResult]) -> int:
    """Count the training examples seen by the results' runs, each run once."""
    by_run: dict[Path, int] = {}
    for result in results:
        for path, reached in zip(result.trial.paths, result.performances, strict=False):
            by_run[path] = max(reached.examples, by_run.get(path, 0))
    return sum(by_run.values())
