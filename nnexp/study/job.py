"""One config trained into one run for the sake of what comes of it, which a divergence is too.

Sweeps, searches and tunings are made of such trials. What a trial came to by some epoch
follows from its run's records up to that epoch alone: it is the same whether the run was
trained just now, before, or further.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nnexp.config.model import CheckedConfig
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Source
from nnexp.errors import DivergedError
from nnexp.runner import train as runner
from nnexp.runner.recording import Event, ending
from nnexp.store.records import Fault
from nnexp.store.run import Run
from nnexp.training.history import Row, best_row

SPLITS = ("validation", "test", "train")
"""Whose accuracy recommends a config: the first that there is."""


class Job(NamedTuple):
    """A config, and the run that it is trained into."""

    config: CheckedConfig
    run: Run


class Standing(NamedTuple):
    """What a run came to by some epoch."""

    rows: list[Row]
    """Up to that epoch."""
    epochs: int
    """Trained, the one that diverged among them."""
    examples: int
    """Training examples seen in them."""
    fault: Fault | None
    """Why it diverged, if it did."""
    accuracies: dict[str, float]
    """At the best epoch, by split, of test data only once the run is over; empty if it diverged."""


def train(
    job: Job,
    *,
    until: int | None = None,
    heartbeat: Callable[[], None] = lambda: None,
    source: Callable[[Source], Dataset] = load,
) -> Iterator[Event]:
    """Train a job, or go on with it, and yield what happens; a divergence ends it like a result.

    Args:
        job: what is trained.
        until: the last epoch; None, or one beyond the config's: to its end.
        heartbeat: is called within long steps; it may raise to end the training.
        source: hands out the data.

    Raises: what train.train raises, but for DivergedError.
    """
    config, run = job
    end = None if until is None or until >= config.epochs else until
    try:
        yield from runner.events(config, run, until=end, heartbeat=heartbeat, source=source)
    except DivergedError:
        return


def standing(job: Job, epoch: int | None = None) -> Standing | None:
    """Return what a run came to by an epoch, or None where it is not trained so far.

    Args:
        job: the config and its run.
        epoch: the last that counts; None: the config's last.

    Raises:
        NameTakenError: the run is another config's.
        CorruptError: the run is damaged.
    """
    config, run = job
    if not os.path.lexists(run.path):
        return None
    try:
        is_over = runner.is_done(config, run)
    except DivergedError:
        is_over = True
    last = config.epochs if epoch is None else epoch
    reach = min(config.epochs, -(-last // config.evaluate_every) * config.evaluate_every)
    rows, n = run.history(), run.record.data.train
    result = run.result if is_over else None
    if result is not None and result.fault is not None and result.fault.epoch <= reach:
        return Standing(rows, result.fault.epoch, result.fault.epoch * n, result.fault, {})
    if result is None and (not rows or rows[-1].epoch < reach or ending(config, rows) is not None):
        return None  # also where a kill came between the last epoch and the result
    rows = [row for row in rows if row.epoch <= reach]
    ended = result is not None and result.epochs <= reach
    test = result.test_accuracy if result is not None and ended else None
    reached = rows[-1].epoch
    return Standing(rows, reached, reached * n, None, _accuracies(best_row(rows), test))


def _accuracies(row: Row, test: float | None) -> dict[str, float]:
    """Return a row's accuracies by split, but for that of the test data, which is given."""
    found = {split: getattr(row, f"{split}_accuracy") for split in SPLITS}
    found["test"] = test
    return {split: value for split, value in found.items() if isinstance(value, float)}
