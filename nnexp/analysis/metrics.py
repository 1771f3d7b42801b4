"""Metrics of runs that can be compared: one table, with units and whether larger is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import NamedTuple

from nnexp.analysis.experiments import Experiment
from nnexp.analysis.statistics import LARGEST
from nnexp.analysis.verdicts import ACCURACY, COST, EPOCHS, Unit
from nnexp.store.run import Run
from nnexp.training.history import Row, Stretch, best_row, stretches

LEVELS = (0.90, 0.93, 0.95, 0.96, 0.97, 0.975, 0.98)
SPLITS = ("train", "validation", "test")

SECONDS = Unit("s", 1.0, larger_is_better=False, decimals=1)


class Facts:
    """What a run has to say, read once."""

    def __init__(self, run: Run) -> None:
        self.run = run

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
        """The fingerprints of the arithmetic that it was trained under, in turn."""
        return stretches(self.run.record.numerics, self.history)

    @cached_property
    def seconds(self) -> float | None:
        """What training took, without evaluation; None where an epoch's time was not noted."""
        seconds = {each.epoch: each.train_seconds for each in self.run.timing()}
        if not self.history or any(row.epoch not in seconds for row in self.history):
            return None
        return sum(seconds[row.epoch] for row in self.history)


class Metric(NamedTuple):
    """A number that a run may have, and what to make of it."""

    label: str
    unit: Unit
    of: Callable[[Facts], float | None]
    split: str | None = None
    """The split whose examples an accuracy counts; None for what is no accuracy."""
    is_judged: bool = True
    """Whether one of two can be called better; otherwise it is only told."""


def _number(row: object, key: str) -> float | None:
    """Return what a row or result has, if it can be reckoned with: a cost about to diverge not."""
    value = getattr(row, key, None)
    return value if isinstance(value, float) and abs(value) <= LARGEST else None


def _test(key: str, facts: Facts) -> float | None:
    """Return a measure of the test data at the best epoch: the result's, or the row's."""
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
        yield f"last_{cost}", Metric(f"last {split} cost", COST, partial(_last, cost))


def _levels() -> Iterator[tuple[str, Metric]]:
    for level in LEVELS:
        name = f"{100 * level:g}"
        yield (
            f"epochs_to_{name}",
            Metric(f"epochs to {name} % validation", EPOCHS, partial(_reached, level)),
        )


METRICS: Mapping[str, Metric] = {
    "test_accuracy": Metric(
        "test accuracy, best epoch", ACCURACY, partial(_test, "test_accuracy"), "test"
    ),
    "validation_accuracy": Metric(
        "best validation accuracy", ACCURACY, partial(_at_best, "validation_accuracy"), "validation"
    ),
    "best_epoch": Metric("  at epoch", EPOCHS, _best_epoch, is_judged=False),
    "first_validation_accuracy": Metric(
        "first validation accuracy", ACCURACY, partial(_first, "validation_accuracy"), "validation"
    ),
    "test_cost": Metric("test cost, best epoch", COST, partial(_test, "test_cost")),
    **dict(_lasts()),
    **dict(_levels()),
    "epochs": Metric("epochs run", EPOCHS, _epochs, is_judged=False),
    "seconds": Metric("seconds of training", SECONDS, lambda facts: facts.seconds, is_judged=False),
}
"""By the name that ``--metric`` and ``--check`` know them by, in the order of the table."""


class Side(NamedTuple):
    """An experiment with what its runs have to say."""

    experiment: Experiment
    facts: tuple[Facts, ...]

    @property
    def histories(self) -> list[list[Row]]:
        """The rows of each run."""
        return [facts.history for facts in self.facts]

    @property
    def statuses(self) -> dict[str, int]:
        """How many of its runs stand how."""
        statuses = [run.status for run in self.experiment.runs]
        return {status: statuses.count(status) for status in dict.fromkeys(statuses)}
