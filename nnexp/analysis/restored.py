"""Trained runs with their parts and their data again, to be measured anew.

Reading only: it takes no lock and writes nothing, whatever the runs are doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Source
from nnexp.errors import MismatchError, UsageError
from nnexp.nn.arrays import Array
from nnexp.nn.network import Network
from nnexp.runner.assembly import Assembly
from nnexp.store import checkpoint
from nnexp.store.run import Run

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
