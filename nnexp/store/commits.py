"""What a run's checkpoints commit: read, and held against the run that they stand in.

Reading takes no lock and changes nothing, so it may meet a run that is being written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from nnexp.datasets.npz import Header
from nnexp.errors import CorruptError
from nnexp.store import checkpoint, disk
from nnexp.store import meta as metas
from nnexp.store.checkpoint import Arrays
from nnexp.store.run import METRICS, METRICS_LIMIT, Run
from nnexp.training.history import Row, best_row


class Commit(NamedTuple):
    """An epoch that is safe: its rows, all others before it included, and its arrays."""

    history: list[Row]
    arrays: Arrays
    metrics_length: int
    """Bytes of metrics.jsonl that are committed."""


def recorded(run: Run) -> bytes:
    """Return metrics.jsonl, committed or not."""
    return disk.read(run.path / METRICS, METRICS_LIMIT) or b""


def newest(
    run: Run, content: bytes, expected: Mapping[str, Header], warn: Callable[[str], None]
) -> Commit | None:
    """Return the newest commit that is intact.

    Args:
        run: the run.
        content: its metrics.jsonl.
        expected: the arrays that a checkpoint of this run holds.
        warn: told of each damaged checkpoint that is passed over.

    Returns: None if no epoch was committed.

    Raises:
        CorruptError: checkpoints are there, but none is intact.
    """
    problems: list[CorruptError] = []
    for epoch, path in run.checkpoints().items():
        try:
            commit = read(run, path, epoch, content, expected)
        except CorruptError as error:
            problems.append(error)
            continue
        for problem in problems:
            warn(f"{problem}; going back to the checkpoint before it")
        return commit
    if problems or content.count(b"\n") > 1:
        first = f"; the newest: {problems[0]}" if problems else ""
        raise CorruptError(f"{run.path}: no intact checkpoint is left to go on from{first}")
    return None


def best(run: Run, expected: Mapping[str, Header]) -> tuple[Row, Arrays] | None:
    """Return the best committed epoch's row and arrays, or None if no epoch was committed.

    Raises:
        CorruptError: its checkpoint is missing or damaged, or the rows are.
    """

    def look() -> tuple[Row, Arrays] | None:
        history = run.history()
        if not history:
            return None
        row = best_row(history)
        return row, load(run, row.epoch, expected)

    return run.looked_at(look)


def load(run: Run, epoch: int, expected: Mapping[str, Header]) -> Arrays:
    """Return the arrays that were committed with an epoch.

    Raises:
        CorruptError: its checkpoint is missing or damaged.
    """
    return read(run, run.checkpoint_path(epoch), epoch, recorded(run), expected).arrays


def read(
    run: Run, path: Path, epoch: int, content: bytes, expected: Mapping[str, Header]
) -> Commit:
    """Return what a checkpoint of a run commits.

    Raises:
        CorruptError: it is missing, damaged, or belongs to another epoch, run or metrics.
    """
    raw = disk.read(path, checkpoint.room(expected))
    if raw is None:
        raise CorruptError(f"{path}: is missing")
    meta, arrays = checkpoint.decode(str(path), raw, expected)
    if meta.epoch != epoch or meta.config_sha256 != run.record.config_sha256:
        raise CorruptError(f"{path}: belongs to another epoch or run")
    return Commit(metas.rows(path, meta, content), arrays, meta.metrics_length)
