"""Curves over seeds: the mean of several runs and how far they lie apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

from nnexp.analysis.statistics import LARGEST
from nnexp.seeds import spread
from nnexp.training.history import Row


class MeanCurve(NamedTuple):
    """A measure against epochs, over the runs of an experiment."""

    epochs: list[int]
    mean: list[float]
    sd: list[float]
    """The standard deviation between runs; 0 for a single one."""


def average(histories: Sequence[Sequence[Row]], key: str | Callable[[Row], object]) -> MeanCurve:
    """Return a measure's mean and spread at the epochs that every run has it for.

    Beyond the epoch where the first run stopped, the mean would be one of the others only. A
    number too large to reckon with, as of a run about to diverge, is none.

    Args:
        histories: the rows of each run.
        key: the measure's name in a row, or what gives it.
    """
    of = attrgetter(key) if isinstance(key, str) else key
    curves = [_finite(history, of) for history in histories]
    epochs = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    spreads = [spread([curve[epoch] for curve in curves]) for epoch in epochs]
    return MeanCurve(
        epochs,
        [each.mean for each in spreads if each],
        [each.sd or 0.0 for each in spreads if each],
    )


def _finite(history: Sequence[Row], of: Callable[[Row], object]) -> dict[int, float]:
    values = {row.epoch: of(row) for row in history}
    return {e: v for e, v in values.items() if isinstance(v, float) and abs(v) <= LARGEST}
