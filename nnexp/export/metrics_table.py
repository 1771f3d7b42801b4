"""The metrics of runs as one long table: a row for each run, epoch and metric."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from msgspec import UNSET

from nnexp.analysis.comparison import differing
from nnexp.names import stem
from nnexp.store import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nnexp.analysis.experiments import Experiment
    from nnexp.store.run import Run

COLUMNS = ("run", "experiment", "seed", "epoch", "metric", "value")


def table(experiments: Sequence[Experiment]) -> tuple[list[str], Iterator[list[object]]]:
    """Return the header and the rows of a table of all metrics of all runs.

    The last columns are the keys of the config that differ between experiments.
    """
    keys = differing(experiments)
    header = [*COLUMNS, *(key for key, _ in keys)]

    def rows() -> Iterator[list[object]]:
        for index, experiment in enumerate(experiments):
            settings = [_cell(values[index]) for _, values in keys]
            for run in experiment.runs:
                yield from ([*row, *settings] for row in _rows(run))

    return header, rows()


def _rows(run: Run) -> Iterator[list[object]]:
    """Generate a run's rows; metrics that an epoch does not have are left out."""
    seed = run.config.seed
    columns = metrics.columns(run.history())
    epochs = columns.pop("epoch", [])
    for position, epoch in enumerate(epochs):
        for name, values in columns.items():
            if not math.isnan(values[position]):
                yield [run.name, stem(run.name, seed), seed, int(epoch), name, values[position]]


def _cell(value: object) -> object:
    """Return a config's value for a field of CSV: lists and components as JSON."""
    if value is UNSET:
        return None
    return value if isinstance(value, str | int | float | None) else json.dumps(value)
