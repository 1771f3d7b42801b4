"""Evaluate runs again on their data: each at its best epoch, and all of them by a vote.

Reading only: it takes no lock and writes nothing, whatever the runs are doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Source
from nnexp.errors import MismatchError, UsageError
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.runner.assembly import Assembly, headers
from nnexp.store import checkpoint, disk
from nnexp.store.run import Run
from nnexp.training import memory


class RunMeasures(NamedTuple):
    """One run's best epoch on a split."""

    run: str
    epoch: int
    cost: float
    accuracy: float


class Vote(NamedTuple):
    """What several runs together take the examples for."""

    accuracy: float
    predicted: npt.NDArray[np.int64]


class RunsEvaluation(NamedTuple):
    """Runs on one split; the vote is None for a single run."""

    on: On
    examples: int
    runs: list[RunMeasures]
    vote: Vote | None


def evaluate(runs: Sequence[Run], on: On = "validation") -> RunsEvaluation:
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
            measured.append(RunMeasures(str(run.path), epoch, evaluation.cost, evaluation.accuracy))
            total = total + degrees(assembly.outputs(theta, on), assembly.network)
    labels = assembly.labels(on)
    vote = voted(total / len(runs), labels) if len(runs) > 1 else None
    return RunsEvaluation(on, len(labels), measured, vote)


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


On = Literal["validation", "test"]


class Restored(NamedTuple):
    """A run, the data it was trained on, and what its config assembles of it."""

    run: Run
    dataset: Dataset
    assembly: Assembly

    def best(self) -> tuple[Array, int]:
        """Return the parameters of the best epoch, and which it is.

        Raises:
            UsageError: no epoch was evaluated.
            CorruptError: the run is damaged.
        """
        committed = checkpoint.best(self.run, self.assembly.headers(self.assembly.initial()))
        if committed is None:
            raise UsageError(f"{self.run.path}: has no evaluated epoch yet")
        row, arrays = committed
        return self.assembly.theta(arrays), row.epoch

    def check(self, on: On) -> None:
        """Refuse a split that the data lacks.

        Raises:
            UsageError: it does.
        """
        if not self.assembly.has(on):
            raise UsageError(f"{self.run.path}: its data has no {on} examples")


def restored(runs: Sequence[Run]) -> Iterator[Restored]:
    """Yield each run with its parts, loading the data anew only where it is another choice.

    Raises:
        MismatchError: the data is not what a run was trained on.
    """
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
        yield Restored(run, dataset, Assembly(config, dataset))


def degrees(outputs: Array, network: Network) -> Array:
    """Return outputs as degrees of belief in each class: 0 and 1 where the targets are.

    So networks of different outputs can vote together: tanh's reach from -1 to 1.
    """
    other, own = network.output.targets
    believed: Array = (outputs.astype(np.float64) - other) / (own - other)
    return believed


class FirstLayer(NamedTuple):
    """The weights between the inputs and the neurons that see them."""

    weights: npt.NDArray[np.floating[Any]]
    """(neurons, inputs)."""
    epoch: int
    """The best one."""


def first_layer(run: Run) -> FirstLayer | None:
    """Return the first layer's weights at the best epoch; None if none was committed yet.

    Raises:
        UsageError: the network is too large to be held.
        CorruptError: the run is damaged.
    """
    config, data = run.config, run.record.data
    sizes = (data.features, *config.hidden, data.classes)
    itemsize = np.dtype(config.dtype).itemsize
    if too_large := memory.why_not(sizes, config.optimizer, config.batch_size, itemsize):
        raise UsageError(f"{run.path}: {too_large}")
    network = Network(sizes, config.activation, config.output, config.cost)
    committed = checkpoint.best(run, headers(config, network))
    if committed is None:
        return None
    row, arrays = committed
    return FirstLayer(arrays["weights_1"].T, row.epoch)
