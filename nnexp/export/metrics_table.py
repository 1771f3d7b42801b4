"""The metrics of runs as one long table: a row for each run, epoch and metric."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nnexp.analysis.run_keys import run_keys
from nnexp.store import listing, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nnexp.store.run import Run

COLUMNS = ("run", "experiment", "seed", "epoch", "metric", "value")


def table(runs: Sequence[Run]) -> tuple[list[str], Iterator[list[object]]]:
    """Return the header and the rows of a table of all metrics of all runs.

    ``run`` is the run's directory. The last columns are the keys of the config that differ between
    the runs.

    Raises:
        CorruptError: a run is damaged; rows may raise it, too.
    """
    entries = [listing.intact_entry(run) for run in runs]
    keys = run_keys(entries, COLUMNS)

    def rows() -> Iterator[list[object]]:
        for run, entry in zip(runs, entries, strict=True):
            names = [entry.path, keys.experiments[entry.path], entry.seed]
            for measured in _rows(run):
                yield [*names, *measured, *keys.settings[entry.path]]

    return [*COLUMNS, *keys.header], rows()


def _rows(run: Run) -> Iterator[list[object]]:
    """Generate epoch, metric and value; metrics that an epoch does not have are left out."""
    columns = metrics.columns(run.history())
    epochs = columns.pop("epoch", [])
    for position, epoch in enumerate(epochs):
        for name, values in columns.items():
            if not math.isnan(values[position]):
                yield [int(epoch), name, values[position]]
