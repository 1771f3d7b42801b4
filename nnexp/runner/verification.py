"""Verify that a run can be reproduced: compare it with one trained again."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import msgspec

from nnexp.config import load as load_config
from nnexp.config import reader
from nnexp.config.model import CheckedConfig
from nnexp.datasets.loading import load
from nnexp.errors import ConfigError, CorruptError, UsageError
from nnexp.runner import initial_weights, preconditions
from nnexp.store import disk
from nnexp.store.run import CHECKPOINTS, CONFIG, PREDICTIONS, RESULT, RUN, Run


class Mismatch(msgspec.Struct, frozen=True):
    """The first difference between two runs of one config."""

    epoch: int | None
    """None if the rows agree and only a file differs."""
    quantity: str
    recorded: Any
    obtained: Any

    def __str__(self) -> str:
        """Return the difference in words."""
        if self.epoch is None:
            return f"its numbers are the same, but the bytes of {self.quantity} differ"
        return (
            f"in epoch {self.epoch}, {self.quantity} was {self.recorded} and is now {self.obtained}"
        )


class Task(NamedTuple):
    """The arguments for training a run again."""

    config: CheckedConfig
    until: int | None
    """The last epoch of an unfinished run; None for a finished one."""


def task(recorded: Run) -> Task:
    """Return the arguments for training a run again.

    Raises:
        UsageError: the run has no epoch yet.
        CorruptError: the run is damaged.
        MismatchError: the data, or another run's weights that it started from, have changed.
        SettingError: these weights cannot be read.
    """
    _check_copy(recorded)
    history, result = recorded.history(), recorded.result
    if not history and result is None:
        raise UsageError(f"{recorded.path}: has no epoch to verify yet")
    from_run = initial_weights.content(initial_weights.read(recorded.config))
    preconditions.check_data(recorded, {**load(recorded.config.data).sha256, **from_run})
    return Task(recorded.config, None if result is not None else history[-1].epoch)


def _check_copy(recorded: Run) -> None:
    """Check that a run's config.yaml is the config it recorded. Raises: CorruptError."""
    path = recorded.path / CONFIG
    content = disk.read(path, reader.MAX_BYTES)
    if content is None:
        raise CorruptError(f"{path}: is missing")
    try:
        same = load_config.parse(content, str(path)) == recorded.config
    except ConfigError as error:
        raise CorruptError(f"{path}: is damaged: {error.problems[0]}") from error
    if not same:
        raise CorruptError(f"{path}: is damaged: it differs from the config in {RUN}")


def first_difference(recorded: Run, obtained: Run) -> Mismatch | None:
    """Return the first difference of a run trained again, or None if there is none.

    Rows are compared number by number, then the files produced by training byte by byte. The
    files are skipped for a run whose numerics changed, since they record the change.
    """
    rows, again = recorded.history(), obtained.history()
    for old, new in zip(rows, again, strict=False):
        before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
        for quantity in [key for key in before | after if key != "numerics"]:
            if before.get(quantity) != after.get(quantity):
                return Mismatch(old.epoch, quantity, before.get(quantity), after.get(quantity))
    if len(rows) != len(again):  # one diverged, or stopped sooner
        first = max(rows, again, key=len)[min(len(rows), len(again))]
        return Mismatch(first.epoch, "the number of evaluated epochs", len(rows), len(again))
    for name in _files(recorded) if len(recorded.numerics()) == 1 else []:
        new_bytes = disk.read(obtained.path / name, sys.maxsize)
        limit = len(new_bytes or b"") + 1  # enough to see that the recorded file is longer
        if disk.read(recorded.path / name, limit, cut=True) != new_bytes:
            return Mismatch(None, name, "recorded bytes", "other bytes")
    return None


def _files(run: Run) -> list[str]:
    """Return the names of the files that training has produced so far."""
    names = [f"{CHECKPOINTS}/{path.name}" for path in run.checkpoints().values()]
    return names if run.result is None else [*names, PREDICTIONS, RESULT]
