"""The metrics and config of a run as the event file that TensorBoard reads."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from nnexp.config import canonical
from nnexp.store import metrics

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.store.run import Run


def write(run: Run, folder: Path) -> None:
    """Write a run's metrics by epoch, and its config as hyper-parameters, to a folder of its own.

    Args:
        run: the run.
        folder: the log directory, in which each run has a folder of its name.
    """
    from tensorboardX import SummaryWriter  # noqa: PLC0415 - an extra
    from tensorboardX.summary import hparams  # noqa: PLC0415 - likewise

    columns = metrics.columns(run.history())
    epochs = columns.pop("epoch", [])
    best = {f"best/{key}": value for key, value in _best(run).items()}
    with SummaryWriter(str(folder / run.name), write_to_disk=True) as writer:
        for summary in hparams(_settings(run), best):
            writer.file_writer.add_summary(summary)
        for name, values in columns.items():
            for epoch, value in zip(epochs, values, strict=True):
                if not math.isnan(value):
                    writer.add_scalar(name, value, int(epoch))
        for key, value in best.items():
            writer.add_scalar(key, value, int(epochs[-1]) if epochs else 0)


def _settings(run: Run) -> dict[str, str | float | bool]:
    """Return the config by dotted key, with values that TensorBoard knows."""
    return {
        key: value if isinstance(value, str | int | float | bool) else json.dumps(value)
        for key, value in canonical.flat(run.config).items()
    }


def _best(run: Run) -> dict[str, float]:
    """Return the accuracies of the best epoch of a finished run."""
    result = run.result
    if result is None or result.best is None:
        return {}
    row = {name: getattr(result.best, name) for name in ("validation_accuracy", "train_accuracy")}
    row["test_accuracy"] = result.test_accuracy
    return {name: value for name, value in row.items() if isinstance(value, float)}
