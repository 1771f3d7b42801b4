"""Average curves over seeds: the mean and standard deviation of several runs at each epoch."""

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
    """Return a measure's mean and standard deviation at the epochs for which all runs have it.

    Later epochs are left out, since a mean over the remaining runs would be biased. So are numbers
    too large to compute with, such as those of a run about to diverge.

    Args:
        histories: the rows of each run.
        key: the measure's name in a row, or a function that computes it.
    """
    of = attrgetter(key) if isinstance(key, str) else key
    curves = [_finite(history, of) for history in histories]
    epochs = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    spreads = [spread([curve[epoch] for curve in curves]) for epoch in epochs]
    return MeanCurve(
        epochs,
        [over_seeds.mean for over_seeds in spreads if over_seeds],
        [over_seeds.sd or 0.0 for over_seeds in spreads if over_seeds],
    )


def _finite(history: Sequence[Row], of: Callable[[Row], object]) -> dict[int, float]:
    values = {row.epoch: of(row) for row in history}
    return {e: v for e, v in values.items() if isinstance(v, float) and abs(v) <= LARGEST}
