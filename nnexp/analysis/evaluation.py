"""Evaluate runs on their data: each at its best epoch, and all together by a vote.

It only reads: it takes no locks, so that runs may be training meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from msgspec import Struct

from nnexp import numerics
from nnexp.analysis.confusion import Classification, classify
from nnexp.analysis.task import check_range, check_same_task, class_numbers, inputs
from nnexp.datasets import new_examples
from nnexp.datasets.dataset import Dataset, Factors, Split
from nnexp.datasets.loading import load
from nnexp.datasets.name_lists import listed
from nnexp.datasets.sources import Source
from nnexp.datasets.standardization import standardized
from nnexp.errors import DataError, MismatchError, UsageError
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.runner import backends, preconditions
from nnexp.runner.assembly import Assembly, factors_of, headers
from nnexp.store import checkpoint, disk
from nnexp.store.checkpoint import Arrays
from nnexp.store.predictions import Predictions
from nnexp.store.run import Run
from nnexp.training import memory
from nnexp.training.history import Row

if TYPE_CHECKING:
    import numpy.typing as npt

On = Literal["validation", "test"]


class RunMeasures(Struct, frozen=True):
    """Cost, accuracy and quantities by class of a run's best epoch on a split."""

    run: str
    epoch: int
    cost: float
    accuracy: float
    classification: Classification


class Vote(Struct, frozen=True):
    """The result of the vote of several runs."""

    accuracy: float
    classification: Classification


class JointPrediction(NamedTuple):
    """The classes that several runs predict together, and how often they are right."""

    accuracy: float
    predicted: npt.NDArray[np.int64]


class RunsEvaluation(Struct, frozen=True):
    """The evaluation of runs on one split, or on a file; the vote is None for a single run."""

    on: On | None
    """None for a file."""
    file: str | None
    examples: int
    left_out: int
    """Examples of the file whose class the runs leave out of their own data."""
    classes: Sequence[int | str]
    """The classes' labels in the data, in the networks' order."""
    runs: list[RunMeasures]
    vote: Vote | None


def evaluate(runs: Sequence[Run], on: On = "validation") -> RunsEvaluation:
    """Evaluate each run's best epoch on a split, and their vote.

    Raises:
        UsageError: a run is named twice or has no evaluated epoch, or the data lacks the split.
        MismatchError: the data changed since a run was trained, or differs between runs.
        CorruptError: a run is damaged.
    """
    _check_distinct(runs)
    _check_compatible(runs, on)
    return _evaluate(runs, on, None)


def evaluate_file(runs: Sequence[Run], path: Path) -> RunsEvaluation:
    """Evaluate each run's best epoch, and their vote, on a file's examples in place of test data.

    The examples are read and scaled as the runs' own. The runs' own data is read as well, since
    n and class weights are parts of the cost. If ``data.classes`` selects classes, examples
    of others are left out, as they are of the runs' own data.

    Raises:
        DataError: the file cannot be read, or an example has no label or an unknown one.
        UsageError: a run is named twice or has no evaluated epoch.
        MismatchError: the data changed since a run was trained, or the runs' tasks differ.
        CorruptError: a run is damaged.
    """
    _check_distinct(runs)
    check_same_task(runs)
    return _evaluate(runs, "test", labelled(path, runs[0]))


class LabelledFile(NamedTuple):
    """The examples of a file whose labels are classes of a run."""

    path: Path
    split: Split
    left_out: int
    """Examples of classes that the run's config does not select."""


def labelled(path: Path, run: Run) -> LabelledFile:
    """Return a file's examples, with labels that are numbers of a run's classes.

    Raises:
        DataError: the file cannot be read, or an example has no label or an unknown one.
    """
    examples = new_examples.read(path, inputs(run), is_labelled=True)
    if examples.labels is None:
        raise DataError(f"{path}: has no labels to compare predictions with; use nnexp predict")
    classes = tuple(map(str, run.classes))
    labels = class_numbers(examples.labels, classes)
    is_known = labels >= 0
    unknown = int(np.argmin(is_known))
    if not is_known[unknown] and (run.config.data.classes is None or not is_known.any()):
        raise DataError(
            f"{path}: example {unknown + 1} has the label {examples.labels[unknown]!r}; the "
            f"classes of {run.path} are {listed(classes)}"
        )
    if is_known.all():
        return LabelledFile(path, Split(examples.features, labels), 0)
    split = Split(examples.features[is_known], labels[is_known])
    return LabelledFile(path, split, int(np.count_nonzero(~is_known)))


def _evaluate(runs: Sequence[Run], on: On, file: LabelledFile | None) -> RunsEvaluation:
    measured, total = [], np.zeros(())
    # Diverged runs have numbers that are not finite; NumPy's warnings add nothing.
    with numerics.one_thread(), np.errstate(all="ignore"):
        for restored in restore(runs, file):
            run, _, assembly = restored
            parameters, epoch = restored.best()
            restored.check(on)
            labels, evaluation = assembly.labels(on), assembly.evaluate(parameters, on)
            by_class = classify(Predictions(evaluation.predicted, labels), len(run.classes))
            measured.append(
                RunMeasures(str(run.path), epoch, evaluation.cost, evaluation.accuracy, by_class)
            )
            total = total + beliefs(assembly.outputs(parameters, on), assembly.network)
    classes, vote = runs[0].classes, None
    if len(runs) > 1:
        joint = combine(total / len(runs), labels)
        vote = Vote(joint.accuracy, classify(Predictions(joint.predicted, labels), len(classes)))
    if file is None:
        return RunsEvaluation(on, None, len(labels), 0, classes, measured, vote)
    path, left_out = str(file.path), file.left_out
    return RunsEvaluation(None, path, len(labels), left_out, classes, measured, vote)


def combine(mean: Array, labels: npt.NDArray[np.int64]) -> JointPrediction:
    """Return the classes with the largest mean output; ties go to the first class.

    Source: Nielsen (2015), chapter 3, on the voting of several networks.
    """
    predicted = np.argmax(mean, axis=1)
    return JointPrediction(int(np.count_nonzero(predicted == labels)) / len(labels), predicted)


def _check_distinct(runs: Sequence[Run]) -> None:
    """Check that no run is named twice, as its vote would count twice."""
    seen: set[tuple[int, int]] = set()
    for run in runs:
        with disk.errors(run.path):
            status = run.path.stat()
        identity = status.st_dev, status.st_ino
        if identity in seen:
            raise UsageError(f"{run.path}: is named twice")
        seen.add(identity)


def _check_compatible(runs: Sequence[Run], on: On) -> None:
    """Check that runs can vote together, before loading anything."""
    first = runs[0]
    for run in runs[1:]:
        data, reference = run.record.data, first.record.data
        if data.sha256 != reference.sha256:
            difference = "data"
        elif list(run.classes) != list(first.classes):
            difference = "classes"
        elif data.split_sha256 != reference.split_sha256:
            difference = "split of the examples"
        elif getattr(data, on) != getattr(reference, on):
            difference = f"number of {on} examples"
        else:
            continue
        raise MismatchError(
            f"{run.path}: does not have the same {difference} as {first.path}: they cannot vote "
            "together; evaluate them one by one"
        )


def best_checkpoint(run: Run) -> tuple[Row, Arrays]:
    """Return the row of a run's best epoch and the arrays of its checkpoint.

    Raises:
        UsageError: no epoch is evaluated yet.
        CorruptError: the run is damaged.
    """
    committed = checkpoint.best(run, headers(run.config, network_of(run)))
    if committed is None:
        raise UsageError(f"{run.path}: has no evaluated epoch yet")
    return committed


class Restored(NamedTuple):
    """A run with its data and the parts assembled from its config."""

    run: Run
    dataset: Dataset
    assembly: Assembly

    def best(self) -> tuple[Array, int]:
        """Return the parameters of the best epoch, in the backend's layout, and its number.

        Raises:
            UsageError: no epoch is evaluated yet.
            CorruptError: the run is damaged.
        """
        row, arrays = best_checkpoint(self.run)
        return self.assembly.parameters(arrays), row.epoch

    def check(self, on: On) -> None:
        """Check that the data has a split. Raises: UsageError."""
        if not self.assembly.has(on):
            other: On = "test" if on == "validation" else "validation"
            advice = f"; use --on {other}" if self.assembly.has(other) else ""
            raise UsageError(f"{self.run.path}: its data has no {on} examples{advice}")


def restore(runs: Sequence[Run], test: LabelledFile | None = None) -> Iterator[Restored]:
    """Yield each run with its data and parts; data shared by successive runs is loaded once.

    Args:
        runs: the runs.
        test: examples in place of the test examples, not scaled yet.

    Raises:
        DataError: a number of the test examples is too large for a run.
        MismatchError: the data changed since a run was trained.
    """
    source: Source | None = None
    dataset: Dataset | None = None
    for run in runs:
        config, factors = run.config, stored_factors(run)
        if dataset is None or config.data != source or not _are_equal(factors, dataset.factors):
            dataset = None  # free its memory before loading the next
            source, dataset = config.data, load(config.data, factors)
        preconditions.check_content(
            run, run.record.data.sha256, dataset.sha256, "this run was trained"
        )
        evaluated = dataset
        if test is not None:
            factors, split = dataset.factors, test.split
            check_range(split.features, run, factors, str(test.path))
            split = split if factors is None else standardized(split, factors)
            evaluated = dataset._replace(test=split)
        yield Restored(run, evaluated, Assembly(config, evaluated, backends.choose(config, run)))


def stored_factors(run: Run) -> Factors | None:
    """Return how a run standardizes features, as its best checkpoint says; None if it does not.

    Raises: CorruptError, UsageError.
    """
    if not run.config.data.standardize:
        return None
    committed = checkpoint.best(run, headers(run.config, network_of(run)))
    return None if committed is None else factors_of(committed[1])


def _are_equal(first: Factors | None, second: Factors | None) -> bool:
    if first is None or second is None:
        return first is second
    return first.equals(second)


def beliefs(outputs: Array, network: Network) -> Array:
    """Scale outputs so that the targets are 0 and 1, as degrees of belief in each class.

    This lets networks with different outputs vote together: those of tanh range from -1 to 1.
    """
    low, high = network.output.targets
    scaled: Array = (outputs.astype(np.float64) - low) / (high - low)
    return scaled


class FirstLayer(NamedTuple):
    """The weights between the inputs and the first layer of neurons."""

    weights: npt.NDArray[np.floating[Any]]
    """(neurons, inputs)."""
    epoch: int
    """The best epoch, whose weights they are."""


def first_layer(run: Run) -> FirstLayer | None:
    """Return the first layer's weights at the best epoch; None if no epoch is committed yet.

    Raises:
        UsageError: the network does not fit into memory.
        CorruptError: the run is damaged.
    """
    committed = checkpoint.best(run, headers(run.config, network_of(run)))
    if committed is None:
        return None
    row, arrays = committed
    return FirstLayer(arrays["weights_1"].T, row.epoch)


def is_best_deleted(run: Run) -> bool:
    """Return whether a run has ended and the checkpoint of its best epoch is gone.

    Raises: CorruptError.
    """
    result = run.result
    best = None if result is None else result.best
    return best is not None and best.epoch not in run.checkpoints()


def network_of(run: Run) -> Network:
    """Return a run's network by its record. Raises: UsageError if it does not fit into memory."""
    config, data = run.config, run.record.data
    sizes = (data.features, *config.hidden, data.classes)
    itemsize = np.dtype(config.dtype).itemsize
    if too_large := memory.why_not(sizes, config.optimizer, config.batch_size, itemsize):
        raise UsageError(f"{run.path}: {too_large}")
    return Network(sizes, config.activation, config.output, config.cost)
