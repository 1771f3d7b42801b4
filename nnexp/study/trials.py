"""Trials of a search: points of its space, each a run for every seed, and what they came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nnexp.analysis.comparison import Sample
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.sources import Source
from nnexp.errors import UsageError
from nnexp.runner.recording import Event
from nnexp.study import job as jobs
from nnexp.study.job import Job, Standing


class Trial(NamedTuple):
    """One point of a search."""

    number: int
    """From 1, in the order they are asked for; 0 is the config as given."""
    values: tuple[Any, ...]
    """Of the space's keys."""
    jobs: tuple[Job, ...]
    """Its config and run for each seed."""

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


class Outcome(NamedTuple):
    """What a trial came to by some epoch."""

    trial: Trial
    epoch: int
    """Up to which it was to be trained."""
    standings: tuple[Standing, ...]
    """By run; after one that diverged there are no more."""

    @property
    def is_whole(self) -> bool:
        """Whether it was trained to its end."""
        return self.epoch >= self.trial.config.epochs

    @property
    def validation(self) -> Sample:
        """The best validation accuracy of each run; None where it diverged."""
        return self._sample("validation")

    @property
    def test(self) -> Sample:
        """The test accuracy at the best epoch; None where it is not known."""
        return self._sample("test")

    @property
    def score(self) -> float | None:
        """The mean of the validation accuracies; None where a run diverged."""
        return self.validation.mean

    def _sample(self, split: str) -> Sample:
        return Sample(tuple(each.accuracies.get(split) for each in self.standings))


def train(
    trial: Trial,
    epoch: int,
    heartbeat: Callable[[], None],
    source: Callable[[Source], Dataset],
) -> Iterator[Event]:
    """Train a trial's runs up to an epoch, as far as they are not; a divergence ends it.

    Args:
        trial: what is trained.
        epoch: the last one.
        heartbeat: is called within long steps; it may raise to end the training.
        source: hands out the data.

    Raises: what runner.train raises, but for DivergedError.
    """
    for job in trial.jobs:
        if jobs.standing(job, epoch) is None:
            yield from jobs.train(job, until=epoch, heartbeat=heartbeat, source=source)
        found = jobs.standing(job, epoch)
        if found is not None and found.fault is not None:
            return


def outcome(trial: Trial, epoch: int) -> Outcome | None:
    """Return what a trial came to by an epoch, or None where it is not trained so far.

    Raises:
        UsageError: a run has no validation accuracy.
        NnexpError: what ``job.standing`` raises.
    """
    standings = []
    for job in trial.jobs:
        found = jobs.standing(job, epoch)
        if found is None:
            return None
        if found.fault is None and "validation" not in found.accuracies:
            raise UsageError(f"{job.run.path}: has no validation accuracy, which a search goes by")
        standings.append(found)
        if found.fault is not None:
            break
    return Outcome(trial, epoch, tuple(standings))
