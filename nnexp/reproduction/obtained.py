"""What a run obtained, in the units of the author's files.

Their accuracies are counts of examples. Their evaluation cost adds λ/(2m) Σw² for the m examples
of the evaluation data, where the cost is defined with λ/(2n) and n training examples, as
nnexp's own is: that quirk lives here and nowhere else.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from nnexp.config.model import Config
from nnexp.errors import UsageError
from nnexp.reproduction.measures import Curve, curve
from nnexp.runner.assembly import per_example
from nnexp.store.records import DataRecord
from nnexp.store.run import Run
from nnexp.training.history import Row


def obtained(run: Run, key: str) -> Curve:
    """Return a run's series as the author's file would hold it.

    Args:
        run: of one of a figure's nets.
        key: the series' key in metrics.jsonl.

    Raises:
        UsageError: the run lacks what the conversion needs.
    """
    config, data = run.config, run.record.data
    history = run.history()
    split = key.partition("_")[0]
    if key.endswith("_accuracy"):
        examples = getattr(data, split)
        epochs, shares = curve(history, key)
        return Curve(epochs, [round(share * examples) for share in shares])
    if split != "train":
        history = [_quirky(row, key, config, data) for row in history]
    return curve(history, key)


def _quirky(row: Row, key: str, config: Config, data: DataRecord) -> Row:
    """Return a row whose evaluation cost has the penalty that network2 gives it."""
    share = per_example(config, data.train)  # λ/n
    cost = getattr(row, key)
    if not share or cost is UNSET:
        return row
    if row.weight_norms is UNSET or config.regularizer != "l2":
        raise UsageError("the book's evaluation cost needs regularizer: l2 and norms in monitor")
    squares = sum(norm**2 for norm in row.weight_norms)
    theirs = share * data.train / getattr(data, key.partition("_")[0])  # λ/m
    return msgspec.structs.replace(row, **{key: cost + (theirs - share) / 2 * squares})
