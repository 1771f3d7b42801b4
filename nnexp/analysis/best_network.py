"""Choose the network of an experiment that a report shows: that of its best run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnexp.analysis.evaluation import is_best_deleted
from nnexp.analysis.metrics import METRICS

if TYPE_CHECKING:
    from nnexp.analysis.metrics import Facts, Side


def best_facts(side: Side) -> Facts | None:
    """Return the run with the highest validation accuracy, of equals the first.

    Returns: None if no run that counts has an evaluated epoch whose checkpoint is there.

    Raises: CorruptError if a run is damaged.
    """
    validation = METRICS["best_validation_accuracy"].of
    usable = [f for f in side.counted if f.best is not None and not is_best_deleted(f.run)]
    return max(usable, key=lambda facts: validation(facts) or 0.0, default=None)
