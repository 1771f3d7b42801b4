"""Metrics of runs that can be compared: one table, with units and whether larger is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from itertools import accumulate
from typing import NamedTuple

from msgspec import UNSET

from nnexp.analysis.experiments import Experiment
from nnexp.analysis.statistics import LARGEST
from nnexp.analysis.verdicts import ACCURACY, COST, EPOCHS, Unit
from nnexp.store.metrics import Timing
from nnexp.store.run import Run, Status
from nnexp.training.history import Row, Stretch, best_row, stretches

LEVELS = (0.90, 0.93, 0.95, 0.96, 0.97, 0.975, 0.98)
SPLITS = ("train", "validation", "test")

SECONDS = Unit("s", 1.0, larger_is_better=False, decimals=1)


class Facts:
    """A run's records, read once."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def status(self) -> Status:
        """The run's status when it was first read."""
        return self.run.status

    @cached_property
    def history(self) -> list[Row]:
        """The committed rows."""
        return self.run.history()

    @cached_property
    def best(self) -> Row | None:
        """The row of the best epoch."""
        return best_row(self.history) if self.history else None

    @property
    def numerics(self) -> list[Stretch]:
        """The numerics fingerprints that it was trained under, in order."""
        return stretches(self.run.record.numerics, self.history)

    @cached_property
    def timings(self) -> list[Timing]:
        """The times of the epochs, as far as they are recorded."""
        return self.run.timing()

    @cached_property
    def elapsed(self) -> dict[int, float] | None:
        """Seconds of training up to each evaluated epoch, without evaluation.

        None if there is no epoch, or if the time of one is missing.
        """
        seconds = {timing.epoch: timing.train_seconds for timing in self.timings}
        epochs = [row.epoch for row in self.history]
        if not epochs or any(epoch not in seconds for epoch in epochs):
            return None
        return dict(zip(epochs, accumulate(seconds[epoch] for epoch in epochs), strict=True))

    @property
    def seconds(self) -> float | None:
        """Training time without evaluation; None if an epoch's time is missing."""
        return None if self.elapsed is None else self.elapsed[self.history[-1].epoch]

    @property
    def evaluations(self) -> dict[int, float] | None:
        """Evaluations of the cost on all examples up to each evaluated epoch.

        An epoch of mini-batches counts as one, since it computes the gradient of every example
        once. None if there is no epoch, or if a full-batch run did not count them.
        """
        is_counted = self.run.config.optimizer.full_batch
        counts = {row.epoch: row.evaluations if is_counted else row.epoch for row in self.history}
        known = {epoch: float(count) for epoch, count in counts.items() if count is not UNSET}
        return known if known and len(known) == len(counts) else None

    @property
    def overload(self) -> Timing | None:
        """The time measured under the highest load, if that was above the number of cores.

        None if the times of some epochs are missing, since then none is shown.
        """
        busy = [] if self.elapsed is None else [t for t in self.timings if t.is_under_load]
        return max(busy, key=lambda timing: timing.load or 0.0, default=None)


class Metric(NamedTuple):
    """A number computed from a run, with its unit and meaning."""

    label: str
    unit: Unit
    of: Callable[[Facts], float | None]
    split: str | None = None
    """The split on which it is measured; None for epochs and seconds."""
    is_judged: bool = True
    """Whether verdicts are given on it; otherwise it is only shown."""

    @property
    def is_accuracy(self) -> bool:
        """Whether its values are fractions of the split's examples."""
        return self.unit is ACCURACY

    @property
    def smallest_effect(self) -> float:
        """The difference below which configs are the same by default; zero for none."""
        return 0.002 if self.is_accuracy else 0.0


def _number(row: object, key: str) -> float | None:
    """Return a field of a row or result, unless it is missing or too large to compute with."""
    value = getattr(row, key, None)
    return value if isinstance(value, float) and abs(value) <= LARGEST else None


def _test(key: str, facts: Facts) -> float | None:
    """Return a test measure at the best epoch, from the result or else from the row."""
    recorded = _number(facts.run.result, key)
    return _number(facts.best, key) if recorded is None else recorded


def _at_best(key: str, facts: Facts) -> float | None:
    return _number(facts.best, key)


def _first(key: str, facts: Facts) -> float | None:
    return _number(facts.history[0], key) if facts.history else None


def _last(key: str, facts: Facts) -> float | None:
    return _number(facts.history[-1], key) if facts.history else None


def _best_epoch(facts: Facts) -> float | None:
    return facts.best.epoch if facts.best else None


def _epochs(facts: Facts) -> float | None:
    return facts.history[-1].epoch if facts.history else None


def _reached(level: float, facts: Facts) -> float | None:
    """Return the first epoch whose validation accuracy is at least a level."""
    for row in facts.history:
        accuracy = _number(row, "validation_accuracy")
        if accuracy is not None and accuracy >= level:
            return row.epoch
    return None


def _lasts() -> Iterator[tuple[str, Metric]]:
    for split in SPLITS:
        accuracy, cost = f"{split}_accuracy", f"{split}_cost"
        yield (
            f"last_{accuracy}",
            Metric(f"last {split} accuracy", ACCURACY, partial(_last, accuracy), split),
        )
        yield f"last_{cost}", Metric(f"last {split} cost", COST, partial(_last, cost), split)


def _levels() -> Iterator[tuple[str, Metric]]:
    for level in LEVELS:
        name = f"{100 * level:g}"
        yield (
            f"epochs_to_{name}",
            Metric(
                f"epochs to {name} % validation", EPOCHS, partial(_reached, level), "validation"
            ),
        )


METRICS: Mapping[str, Metric] = {
    "test_accuracy": Metric(
        "test accuracy, best epoch", ACCURACY, partial(_test, "test_accuracy"), "test"
    ),
    "best_validation_accuracy": Metric(
        "best validation accuracy", ACCURACY, partial(_at_best, "validation_accuracy"), "validation"
    ),
    "best_epoch": Metric("best epoch", EPOCHS, _best_epoch, is_judged=False),
    "first_validation_accuracy": Metric(
        "first validation accuracy", ACCURACY, partial(_first, "validation_accuracy"), "validation"
    ),
    "test_cost": Metric("test cost, best epoch", COST, partial(_test, "test_cost"), "test"),
    **dict(_lasts()),
    **dict(_levels()),
    "epochs": Metric("epochs run", EPOCHS, _epochs, is_judged=False),
    "seconds": Metric("seconds of training", SECONDS, lambda facts: facts.seconds, is_judged=False),
}
"""By the name used in ``--metric`` and ``--check``, in the order of the table."""
ALIASES = {
    "validation_accuracy": "best_validation_accuracy",
    "validation": "best_validation_accuracy",
    "test": "test_accuracy",
}
"""Other accepted names of metrics: those of older versions and of the columns of ``runs``."""


class RunApart(NamedTuple):
    """A run that is shown apart, since no mean or test over seeds should contain it."""

    facts: Facts
    value: float | None
    """Its value of the judged metric."""
    why: str


class Side(NamedTuple):
    """One side of a comparison: an experiment with its runs' records."""

    experiment: Experiment
    facts: tuple[Facts, ...]
    apart: tuple[RunApart, ...] = ()

    @property
    def counted(self) -> tuple[Facts, ...]:
        """The records of the runs that count in means and tests: all but those apart."""
        apart = [run.facts for run in self.apart]
        return tuple(facts for facts in self.facts if facts not in apart)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the runs that count."""
        return tuple(facts.run.config.seed for facts in self.counted)

    @property
    def diverged(self) -> int:
        """Number of runs that diverged."""
        return self.statuses.get("diverged", 0)

    @property
    def overload(self) -> Timing | None:
        """The time measured under the highest load, if any was, of the runs that count."""
        busy = [timing for facts in self.counted if (timing := facts.overload) is not None]
        return max(busy, key=lambda timing: timing.load or 0.0, default=None)

    @property
    def histories(self) -> list[list[Row]]:
        """The rows of each run that counts."""
        return [facts.history for facts in self.counted]

    @property
    def statuses(self) -> dict[str, int]:
        """Number of runs by status."""
        statuses = [facts.status for facts in self.facts]
        return {status: statuses.count(status) for status in dict.fromkeys(statuses)}
