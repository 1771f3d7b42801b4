"""Runs measured again on their data: each at its best epoch, and all of them by a vote.

Reading only: it takes no lock and writes nothing, whatever the runs are doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.assembly import Assembly
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Source
from nnexp.errors import MismatchError, UsageError
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.store import commits, disk
from nnexp.store.run import Run

On = Literal["validation", "test"]


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
        for run, assembly in _assembled(runs):
            theta, epoch = _best(run, assembly)
            if not assembly.has(on):
                raise UsageError(f"{run.path}: its data has no {on} examples")
            evaluation = assembly.evaluate(theta, on)
            measured.append(Measured(str(run.path), epoch, evaluation.cost, evaluation.accuracy))
            total = total + degrees(assembly.outputs(theta, on), assembly.network)
    labels = assembly.labels(on)
    vote = voted(total / len(runs), labels) if len(runs) > 1 else None
    return Evaluated(on, len(labels), measured, vote)


def degrees(outputs: Array, network: Network) -> Array:
    """Return outputs as degrees of belief in each class: 0 and 1 where the targets are.

    So networks of different outputs can vote together: tanh's reach from -1 to 1.
    """
    other, own = network.output.targets
    believed: Array = (outputs.astype(np.float64) - other) / (own - other)
    return believed


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


def _assembled(runs: Sequence[Run]) -> Iterator[tuple[Run, Assembly]]:
    """Yield each run with its parts, loading the data anew only where it is another choice."""
    source: Source | None = None
    dataset: Dataset | None = None
    for run in runs:
        config = run.config
        if dataset is None or config.data != source:
            dataset = None  # let it go before the next one comes
            source, dataset = config.data, load(config.data)
        found, recorded = dataset.sha256, run.record.data.sha256
        if found != recorded:
            changed = sorted(name for name in found if recorded.get(name) != found[name])
            raise MismatchError(
                f"{run.path}: the data is not what this run was trained on "
                f"({', '.join(changed)} changed)"
            )
        yield run, Assembly(config, dataset)


def _best(run: Run, assembly: Assembly) -> tuple[Array, int]:
    """Return the parameters of the best epoch, and which it is."""
    committed = commits.best(run, assembly.headers(assembly.initial()))
    if committed is None:
        raise UsageError(f"{run.path}: has no evaluated epoch yet")
    row, arrays = committed
    return assembly.theta(arrays), row.epoch
