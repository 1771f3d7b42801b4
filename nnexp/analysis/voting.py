"""Runs measured again on their data: each at its best epoch, and all of them by a vote.

Reading only: it takes no lock and writes nothing, whatever the runs are doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.analysis.restored import On, degrees, restored
from nnexp.errors import MismatchError, UsageError
from nnexp.nn.arrays import Array
from nnexp.store import disk
from nnexp.store.run import Run


class Measured(NamedTuple):
    """One run's best epoch on a split."""

    run: str
    epoch: int
    cost: float
    accuracy: float


class Vote(NamedTuple):
    """What several runs together take the examples for."""

    accuracy: float
    predicted: npt.NDArray[np.int64]


class Evaluated(NamedTuple):
    """Runs on one split; the vote is None for a single run."""

    on: On
    examples: int
    runs: list[Measured]
    vote: Vote | None


def evaluate(runs: Sequence[Run], on: On = "validation") -> Evaluated:
    """Return the measure of each run's best epoch on a split, and that of their vote.

    Raises:
        UsageError: a run is named twice or has no evaluated epoch, or the data lacks the split.
        MismatchError: the data is not what a run was trained on, or not the same for all runs.
        CorruptError: a run is damaged.
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - importing it sets a variable

    _check_different(runs)
    _check_alike(runs, on)
    measured, total = [], np.zeros(())
    # What is not finite is a diverged run's; NumPy's warnings add nothing.
    with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        for each in restored(runs):
            run, _, assembly = each
            theta, epoch = each.best()
            each.check(on)
            evaluation = assembly.evaluate(theta, on)
            measured.append(Measured(str(run.path), epoch, evaluation.cost, evaluation.accuracy))
            total = total + degrees(assembly.outputs(theta, on), assembly.network)
    labels = assembly.labels(on)
    vote = voted(total / len(runs), labels) if len(runs) > 1 else None
    return Evaluated(on, len(labels), measured, vote)


def voted(mean: Array, labels: npt.NDArray[np.int64]) -> Vote:
    """Return what a mean of outputs takes each example for, the first class on a tie.

    Source: Nielsen (2015), chapter 3, on the voting of several networks.
    """
    predicted = np.argmax(mean, axis=1)
    return Vote(int(np.count_nonzero(predicted == labels)) / len(labels), predicted)


def _check_different(runs: Sequence[Run]) -> None:
    """Refuse a run that is named twice: its vote would count twice."""
    seen: set[tuple[int, int]] = set()
    for run in runs:
        with disk.errors(run.path):
            status = run.path.stat()
        place = status.st_dev, status.st_ino
        if place in seen:
            raise UsageError(f"{run.path}: is named twice")
        seen.add(place)


def _check_alike(runs: Sequence[Run], on: On) -> None:
    """Refuse runs that cannot vote together, before anything is loaded."""
    first = runs[0]
    for run in runs[1:]:
        data, other = run.record.data, first.record.data
        if data.sha256 != other.sha256:
            what = "data"
        elif (run.config.data.classes, data.classes) != (
            first.config.data.classes,
            other.classes,
        ):
            what = "classes"
        elif getattr(data, on) != getattr(other, on):
            what = f"number of {on} examples"
        else:
            continue
        raise MismatchError(
            f"{run.path}: has other {what} than {first.path}: they cannot vote together; "
            "evaluate them one by one"
        )
