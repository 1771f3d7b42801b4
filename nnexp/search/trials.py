"""Trials of a search, and what their runs came to by some epoch.

What a trial came to follows from its runs' records up to that epoch alone: it is the same
whether the runs were trained just now, before, or further.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any, NamedTuple

from nnexp import experiment
from nnexp.config.model import Config
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.sources import Source
from nnexp.errors import DivergedError, UsageError
from nnexp.progression import ending
from nnexp.recording import Event
from nnexp.store.run import Run
from nnexp.training.history import best_row


class Trial(NamedTuple):
    """One point of a search: a config, and its run for each seed."""

    number: int
    """From 1, in the order they are asked for; 0 is the config as given."""
    values: tuple[Any, ...]
    """Of the space's keys."""
    configs: tuple[Config, ...]
    runs: tuple[Run, ...]

    @property
    def is_baseline(self) -> bool:
        """Whether it is the config as given, which no method asked for."""
        return self.number == 0


class Standing(NamedTuple):
    """What a run came to by some epoch."""

    epochs: int
    """Trained, the one that diverged among them."""
    examples: int
    """Training examples seen in them."""
    accuracy: float | None
    """The best of validation; None: it diverged."""
    test: float | None
    """At the best epoch; only of a run that is over by then."""


class Outcome(NamedTuple):
    """What a trial came to by some epoch."""

    trial: Trial
    epoch: int
    """Up to which it was to be trained."""
    standings: tuple[Standing, ...]
    """By run; after one that diverged there are no more."""

    @property
    def score(self) -> float | None:
        """The mean of the validation accuracies; None where a run diverged."""
        found = [each.accuracy for each in self.standings if each.accuracy is not None]
        return fmean(found) if len(found) == len(self.standings) else None


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

    Raises: what experiment.train raises, but for DivergedError.
    """
    for config, run in zip(trial.configs, trial.runs, strict=True):
        if standing(config, run, epoch) is not None:
            continue
        until = epoch if epoch < config.epochs else None
        try:
            yield from experiment.events(
                config, run, until=until, heartbeat=heartbeat, source=source
            )
        except DivergedError:
            return


def outcome(trial: Trial, epoch: int) -> Outcome | None:
    """Return what a trial came to by an epoch, or None where it is not trained so far."""
    standings = []
    for config, run in zip(trial.configs, trial.runs, strict=True):
        found = standing(config, run, epoch)
        if found is None:
            return None
        standings.append(found)
        if found.accuracy is None:
            break
    return Outcome(trial, epoch, tuple(standings))


def standing(config: Config, run: Run, epoch: int) -> Standing | None:
    """Return what a run came to by an epoch, or None where it is not trained so far.

    Raises:
        NameTakenError: the run is another config's.
        CorruptError: the run is damaged.
        UsageError: it has no validation accuracy.
    """
    if not os.path.lexists(run.path):
        return None
    reach = min(config.epochs, -(-epoch // config.evaluate_every) * config.evaluate_every)
    try:
        is_over = experiment.is_done(config, run)
    except DivergedError:
        is_over = True
    rows, n = run.history(), run.record.data.train
    result = run.result if is_over else None
    if result is not None and result.fault is not None and result.fault.epoch <= reach:
        return Standing(result.fault.epoch, result.fault.epoch * n, None, None)
    if result is None and (not rows or rows[-1].epoch < reach or ending(config, rows) is not None):
        return None  # also where a kill came between the last epoch and the result
    rows = [row for row in rows if row.epoch <= reach]
    accuracy = best_row(rows).validation_accuracy
    if not isinstance(accuracy, float):
        raise UsageError(f"{run.path}: has no validation accuracy, which a search goes by")
    test = result.test_accuracy if result is not None and result.epochs <= reach else None
    return Standing(rows[-1].epoch, rows[-1].epoch * n, accuracy, test)
