"""Predict the classes of new examples by a run's best network, or by the vote of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import numpy.typing as npt

from nnexp import numerics
from nnexp.analysis.evaluation import beliefs, best_checkpoint, network_of
from nnexp.analysis.task import check_range, check_same_task, class_numbers, inputs
from nnexp.datasets import new_arrays, new_examples
from nnexp.datasets.dataset import Features, Labels, Split
from nnexp.datasets.new_examples import NewExamples
from nnexp.datasets.standardization import standardized
from nnexp.errors import DataError
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.nn.propagation import Propagations
from nnexp.runner.assembly import factors_of, theta_of
from nnexp.store.checkpoint import Arrays
from nnexp.store.run import Run
from nnexp.training import evaluation
from nnexp.training.feed import Feed


class FilePrediction(NamedTuple):
    """The predictions for the examples of a file."""

    file: Path
    examples: NewExamples
    outputs: Array
    """(examples, classes): of the network or, of several, the mean of their degrees of belief."""
    classes: Sequence[str]
    """The names of the classes, in the networks' order."""

    @property
    def predicted(self) -> Sequence[int]:
        """The number of the class with the largest output; the first one of equals."""
        return np.argmax(self.outputs, axis=1).tolist()  # type: ignore[no-any-return]

    @property
    def known(self) -> int:
        """The number of examples whose label is one of the classes."""
        return int(np.count_nonzero(self._numbers >= 0))

    @property
    def accuracy(self) -> float | None:
        """The fraction of these examples whose class is their label; None without any."""
        if not self.known:
            return None
        return int(np.count_nonzero(self._numbers == self.predicted)) / self.known

    @property
    def _numbers(self) -> Labels:
        """The number of the class of each label, -1 for others; empty without labels."""
        return class_numbers(self.examples.labels or (), self.classes)


class ArrayPrediction(NamedTuple):
    """The predictions for the examples of an array."""

    predicted: npt.NDArray[Any]
    """The label of the class with the largest output, the first one of equals; (examples,)."""
    outputs: npt.NDArray[np.floating[Any]]
    """(examples, classes)."""
    classes: Sequence[int | str]
    """The labels of the classes, in the order of the outputs."""

    def columns(self) -> dict[str, list[Any]]:
        """Return the classes and outputs as ``nnexp predict --csv`` prints them: a data frame.

        Returns: equally long lists by name: ``class``, and ``output`` with each class's label.
        """
        outputs = zip(self.classes, self.outputs.T.tolist(), strict=True)
        return {"class": self.predicted.tolist()} | {f"output {c}": own for c, own in outputs}


class UnreadFile(NamedTuple):
    """A file whose examples cannot be read."""

    file: Path
    reason: str
    """Why, in one line that names the file."""


class Predictor:
    """The best networks of runs that were trained for the same task.

    Args:
        runs: one or several; they must have the same classes and take the same examples.

    Raises:
        UsageError: a run has no evaluated epoch yet.
        MismatchError: the runs have other classes or take other examples.
        CorruptError: a run is damaged.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        check_same_task(runs)
        best = [(run, *best_checkpoint(run)) for run in runs]
        self._runs = [(run, arrays) for run, _, arrays in best]
        self._epochs = [(run, row.epoch) for run, row, _ in best]
        self.inputs = inputs(runs[0])
        self._labels = tuple(runs[0].classes)
        self.classes = tuple(map(str, self._labels))

    def provisional(self) -> Iterator[str]:
        """Yield a line for each run that is not finished, whose best epoch may not be the last."""
        for run, epoch in self._epochs:
            status = run.status
            if status != "finished":
                is_or_has = "has" if status == "diverged" else "is"
                so_far = "" if status == "diverged" else " so far"
                yield f"{run.path}: {is_or_has} {status}; its best epoch{so_far}, {epoch}, predicts"

    def outputs(self, features: Features) -> Array:
        """Return the outputs for examples that are not scaled yet, (examples, classes).

        They are computed in float64 and rounded to the run's dtype, so that they do not depend on
        the backend, and other programs that compute in float64 have the same. Those of several
        runs are the mean of their degrees of belief, from 0 to 1.
        """
        total: Array = np.zeros(())
        with numerics.one_thread(), np.errstate(all="ignore"):
            for run, arrays in self._runs:
                network = network_of(run)
                theta = theta_of(network, arrays, np.float64)
                feed = _feed(run, network, arrays, features)
                outputs = evaluation.outputs(theta, feed, Propagations(network, np.float64))
                outputs = outputs.astype(run.config.dtype)
                if len(self._runs) == 1:
                    return outputs
                total = total + beliefs(outputs, network)
        return total / len(self._runs)

    def predict_array(self, x: object) -> ArrayPrediction:
        """Return the predictions for an array or data frame, as ``new_arrays.features`` takes it.

        Raises: DataError if it has not such examples as the networks take.
        """
        features = new_arrays.features(x, self.inputs)
        self._check_range(features, "x")
        outputs = self.outputs(features)
        return ArrayPrediction(
            np.array(self._labels)[np.argmax(outputs, axis=1)], outputs, self._labels
        )

    def predict(
        self, paths: Sequence[Path], *, raw: bool = False
    ) -> list[FilePrediction | UnreadFile]:
        """Return the predictions for each file, or why it cannot be read.

        Args:
            paths: of files, as ``new_examples.read`` takes them.
            raw: only resize pictures.
        """
        with numerics.one_thread():  # of matrices too small for several threads
            read = [self._read(path, raw=raw) for path in paths]
        # All pictures are one batch, since a network is slower to set up than to apply.
        pictures = [each.features for each in read if _is_picture(each)]
        batch = iter(self.outputs(np.concatenate(pictures)) if pictures else ())
        results: list[FilePrediction | UnreadFile] = []
        for path, examples in zip(paths, read, strict=True):
            if isinstance(examples, DataError):
                results.append(UnreadFile(path, str(examples)))
                continue
            outputs = next(batch)[None] if examples.is_picture else self.outputs(examples.features)
            results.append(FilePrediction(path, examples, outputs, self.classes))
        return results

    def _read(self, path: Path, *, raw: bool) -> NewExamples | DataError:
        try:
            examples = new_examples.read(path, self.inputs, raw=raw)
            self._check_range(examples.features, str(path))
        except DataError as error:
            return error
        return examples

    def _check_range(self, features: Features, where: str) -> None:
        for run, arrays in self._runs:
            check_range(features, run, factors_of(arrays), where)


def _is_picture(read: NewExamples | DataError) -> TypeGuard[NewExamples]:
    return isinstance(read, NewExamples) and read.is_picture


def _feed(run: Run, network: Network, arrays: Arrays, features: Features) -> Feed:
    """Return new examples, scaled in the run's dtype as the training data were."""
    factors = factors_of(arrays)
    split = Split(features, np.zeros(len(features), np.int64))
    scale = run.config.data.scale
    if factors is not None:
        split, scale = standardized(split, factors), 1.0
    return Feed(split, scale, network, run.config.dtype)
