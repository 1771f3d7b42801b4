"""Measures of a run's curves, in the units of the author's files.

Accuracies in these files are counts of examples. Their evaluation cost adds λ/(2m) Σw² for the m
examples of the evaluation data, although the cost is defined with λ/(2n) for n training examples,
as in nnexp. Only this module converts between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from nnexp.config.model import Config
from nnexp.errors import UsageError
from nnexp.runner.assembly import per_example
from nnexp.store.records import DataRecord
from nnexp.store.run import Run
from nnexp.training.history import Row


class Curve(NamedTuple):
    """A series of a run: its value in each evaluated epoch."""

    epochs: Sequence[int]
    values: Sequence[float]


def curve(history: Sequence[Row], key: str) -> Curve:
    """Return a series of a history; empty if it was not monitored."""
    rows = [(row.epoch, getattr(row, key)) for row in history]
    kept = [(epoch, value) for epoch, value in rows if value is not UNSET]
    return Curve([epoch for epoch, _ in kept], [value for _, value in kept])


def first(curve: Curve) -> float:
    """Return the first epoch's value."""
    return curve.values[0]


def last(curve: Curve) -> float:
    """Return the last epoch's value."""
    return curve.values[-1]


def highest(curve: Curve) -> float:
    """Return the greatest value."""
    return max(curve.values)


def highest_epoch(curve: Curve) -> float:
    """Return the first epoch with the greatest value."""
    return curve.epochs[list(curve.values).index(max(curve.values))]


def lowest_epoch(curve: Curve) -> float:
    """Return the first epoch with the least value."""
    return curve.epochs[list(curve.values).index(min(curve.values))]


def full_epoch(curve: Curve) -> float:
    """Return the first epoch with all examples classified correctly; infinity if there is none."""
    return next((e for e, v in zip(*curve, strict=True) if v == 1), float("inf"))


def full_for_good_epoch(curve: Curve) -> float:
    """Return the first epoch from which all examples stay correct; infinity if there is none."""
    since = float("inf")
    for epoch, value in zip(reversed(curve.epochs), reversed(curve.values), strict=True):
        if value != 1:
            break
        since = epoch
    return since


MEASURES: dict[str, Callable[[Curve], float]] = {
    "first": first,
    "last": last,
    "highest": highest,
    "highest epoch": highest_epoch,
    "lowest epoch": lowest_epoch,
    "full epoch": full_epoch,
    "full for good epoch": full_for_good_epoch,
}


def measured(curve: Curve, key: str, measure: str) -> float:
    """Return a measure of a series; accuracies are in per cent."""
    value = MEASURES[measure](curve)
    is_share = key.endswith("accuracy") and not measure.endswith("epoch")
    return 100 * value if is_share else value


def obtained(run: Run, key: str) -> Curve:
    """Return a run's series in the units of the author's files.

    Args:
        run: of a net of a figure.
        key: the series' key in metrics.jsonl.

    Raises:
        UsageError: the run lacks what the conversion needs.
    """
    config, data = run.config, run.record.data
    history = run.history()
    split = key.partition("_")[0]
    if key.endswith("_accuracy"):
        examples = getattr(data, split)
        epochs, shares = curve(history, key)
        return Curve(epochs, [round(share * examples) for share in shares])
    if split != "train":
        history = [_quirky(row, key, config, data) for row in history]
    return curve(history, key)


def _quirky(row: Row, key: str, config: Config, data: DataRecord) -> Row:
    """Return a row with network2's penalty in the evaluation cost."""
    share = per_example(config, data.train)  # λ/n
    cost = getattr(row, key)
    if not share or cost is UNSET:
        return row
    if row.weight_norms is UNSET or config.regularizer != "l2":
        raise UsageError("the book's evaluation cost needs regularizer: l2 and norms in monitor")
    squares = sum(norm**2 for norm in row.weight_norms)
    theirs = share * data.train / getattr(data, key.partition("_")[0])  # λ/m
    return msgspec.structs.replace(row, **{key: cost + (theirs - share) / 2 * squares})
