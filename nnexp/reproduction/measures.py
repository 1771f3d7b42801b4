"""Numbers that a curve is summed up in: what the book says of one in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import UNSET

from nnexp.training.history import Row


class Curve(NamedTuple):
    """One series of a run: its value in each epoch that was evaluated."""

    epochs: Sequence[int]
    values: Sequence[float]


def curve(history: Sequence[Row], key: str) -> Curve:
    """Return a series of a history; empty where it was not monitored."""
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
    """Return the first epoch in which all examples are right; infinite if there is none."""
    return next((e for e, v in zip(*curve, strict=True) if v == 1), float("inf"))


def full_for_good_epoch(curve: Curve) -> float:
    """Return the first epoch from which on all examples stay right; infinite if there is none."""
    found = float("inf")
    for epoch, value in zip(reversed(curve.epochs), reversed(curve.values), strict=True):
        if value != 1:
            break
        found = epoch
    return found


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
    """Return a measure of a series; of accuracies in per cent, unless it is an epoch."""
    value = MEASURES[measure](curve)
    is_share = key.endswith("accuracy") and not measure.endswith("epoch")
    return 100 * value if is_share else value
