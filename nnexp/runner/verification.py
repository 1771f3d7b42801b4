"""Whether a run comes out the same when it is trained again, here and now."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import msgspec

from nnexp.config import load as load_config
from nnexp.config import reader
from nnexp.config.model import CheckedConfig
from nnexp.datasets.loading import load
from nnexp.errors import ConfigError, CorruptError, MismatchError, UsageError
from nnexp.store import disk
from nnexp.store.run import CHECKPOINTS, CONFIG, PREDICTIONS, RESULT, RUN, Run


class Mismatch(NamedTuple):
    """The first place where two runs of one config part."""

    epoch: int | None
    """None where the rows agree and only a file does not."""
    quantity: str
    recorded: Any
    obtained: Any

    def __str__(self) -> str:
        """Return it in words."""
        if self.epoch is None:
            return f"its numbers are the same, but {self.quantity} has other bytes"
        return (
            f"in epoch {self.epoch}, {self.quantity} was {self.recorded} and is now {self.obtained}"
        )


class Task(NamedTuple):
    """What it takes to train a run again."""

    config: CheckedConfig
    until: int | None
    """The epoch that an unfinished run had come to; None for a finished one."""


def task(recorded: Run) -> Task:
    """Return what to train again.

    Raises:
        UsageError: the run has recorded nothing yet.
        CorruptError: it is damaged.
        MismatchError: it was trained on other data.
    """
    _check_copy(recorded)
    history, result = recorded.history(), recorded.result
    if not history and result is None:
        raise UsageError(f"{recorded.path}: has no epoch yet that could be verified")
    if load(recorded.config.data).sha256 != recorded.record.data.sha256:
        raise MismatchError(f"{recorded.path}: the data is not what this run was trained on")
    return Task(recorded.config, None if result is not None else history[-1].epoch)


def _check_copy(recorded: Run) -> None:
    """Refuse a run whose config.yaml would train something else."""
    path = recorded.path / CONFIG
    content = disk.read(path, reader.MAX_BYTES)
    if content is None:
        raise CorruptError(f"{path}: is missing")
    try:
        same = load_config.parse(content, str(path)) == recorded.config
    except ConfigError as error:
        raise CorruptError(f"{path}: is damaged: {error.problems[0]}") from error
    if not same:
        raise CorruptError(f"{path}: is damaged: it is not the config that {RUN} has")


def first_difference(recorded: Run, obtained: Run) -> Mismatch | None:
    """Return where a run trained again parts from what was recorded, or None if nowhere.

    Rows are compared number by number, then the files that follow from training byte by byte.
    Those of a run that changed its arithmetic on the way record that, and cannot be the same.
    """
    rows, again = recorded.history(), obtained.history()
    for old, new in zip(rows, again, strict=False):
        before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
        for quantity in [each for each in before | after if each != "numerics"]:
            if before.get(quantity) != after.get(quantity):
                return Mismatch(old.epoch, quantity, before.get(quantity), after.get(quantity))
    if len(rows) != len(again):  # one diverged, or stopped sooner
        first = max(rows, again, key=len)[min(len(rows), len(again))]
        return Mismatch(first.epoch, "the number of evaluated epochs", len(rows), len(again))
    for name in _files(recorded) if len(recorded.numerics()) == 1 else []:
        kept, made = (disk.read(run.path / name, sys.maxsize) for run in (recorded, obtained))
        if kept != made:
            return Mismatch(None, name, "recorded bytes", "other bytes")
    return None


def _files(run: Run) -> list[str]:
    """Return the names of the files that follow from training, as far as the run has come."""
    names = [f"{CHECKPOINTS}/{path.name}" for path in run.checkpoints().values()]
    return names if run.result is None else [*names, PREDICTIONS, RESULT]
