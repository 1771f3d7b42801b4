"""Trials of a search: points of its space, each a run for every seed, and their results."""

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
    """From 1, in the order they are asked for; 0 is the config as given."""
    values: tuple[Any, ...]
    """Of the space's keys."""
    jobs: tuple[Job, ...]
    """One for each seed."""

    @property
    def is_baseline(self) -> bool:
        """Whether it is the config as given, which no method asked for."""
        return self.number == 0

    @property
    def config(self) -> Config:
        """The first seed's."""
        return self.jobs[0].config

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its runs' folders, by seed; two trials of equal configs have the same."""
        return tuple(job.run.path for job in self.jobs)


class TrialResult(NamedTuple):
    """What a trial came to by some epoch."""

    trial: Trial
    epoch: int
    """Up to which it was to be trained."""
    performances: tuple[Performance, ...]
    """By run; after one that diverged or failed there are no more."""
    failure: Outcome | None = None
    """Why the last of these runs failed; to diverge is no failure."""

    @property
    def is_whole(self) -> bool:
        """Whether it was trained to its end."""
        return self.epoch >= self.trial.config.epochs

    @property
    def validation(self) -> Sample:
        """The best validation accuracy of each run; None where it diverged or failed."""
        return self._sample("validation")

    @property
    def test(self) -> Sample:
        """The test accuracy at the best epoch; None where it is not known."""
        return self._sample("test")

    @property
    def score(self) -> float | None:
        """The mean of the validation accuracies; None where a run diverged or failed."""
        return self.validation.mean

    def _sample(self, split: str) -> Sample:
        return Sample(tuple(each.accuracies.get(split) for each in self.performances))


class TrialTraining:
    """A trial on its way to an epoch: one seed after another, until one diverges or fails.

    Args:
        trial: what is trained.
        epoch: the last one.
    """

    def __init__(self, trial: Trial, epoch: int) -> None:
        self.trial = trial
        self._epoch = epoch
        self._performances: list[Performance] = []
        self._failure: Outcome | None = None
        self._job: Job | None = None

    def ask(self) -> Job | None:
        """Return the job of the next seed; None while one is under way, or after the last."""
        if self._job is not None or self.result is not None:
            return None
        job = self.trial.jobs[len(self._performances)]
        self._job = job._replace(until=self._epoch)
        return self._job

    def waits_for(self, job: Job) -> bool:
        """Return whether a job is the one under way."""
        return self._job is job

    def tell(self, outcome: Outcome) -> None:
        """Take note that the job under way has ended, by its run.

        Args:
            outcome: says whether it failed.

        Raises:
            UsageError: its run has no validation accuracy, or went away.
            NnexpError: what ``performance`` raises.
        """
        assert self._job is not None  # noqa: S101 - what ended was asked for
        job, self._job = self._job, None
        if outcome.is_failure:
            self._failure = outcome
            self._performances.append(partial_performance(job))
            return
        reached, path = performance(job, self._epoch), job.run.path
        if reached is None:
            raise UsageError(f"trial {self.trial.number}: its runs went away while it was trained")
        if reached.fault is None and "validation" not in reached.accuracies:
            raise UsageError(f"{path}: has no validation accuracy, which a search goes by")
        self._performances.append(reached)

    @property
    def result(self) -> TrialResult | None:
        """What the trial came to; None while it is not known."""
        has_diverged = any(each.fault is not None for each in self._performances)
        is_over = has_diverged or self._failure is not None
        if not is_over and len(self._performances) < len(self.trial.jobs):
            return None
        return TrialResult(self.trial, self._epoch, tuple(self._performances), self._failure)


def examples_seen(results: Iterable[TrialResult]) -> int:
    """Return how many training examples results' runs have seen, each run counted once."""
    by_run: dict[Path, int] = {}
    for each in results:
        for path, reached in zip(each.trial.paths, each.performances, strict=False):
            by_run[path] = max(reached.examples, by_run.get(path, 0))
    return sum(by_run.values())
