"""What a run's checkpoints commit: read, and held against the run that they stand in.

Reading takes no lock and changes nothing, so it may meet a run that is being written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from nnexp.datasets.npz import Header
from nnexp.errors import CorruptError
from nnexp.store import checkpoint, disk, metrics
from nnexp.store.checkpoint import Arrays, Meta
from nnexp.store.run import METRICS, METRICS_LIMIT, Run
from nnexp.training.history import Row, best_row

TRIES = 5
"""Looks at a run that changes meanwhile: its writer removes checkpoints as it commits others."""


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
        raise CorruptError(
            f"{run.path}: no intact checkpoint is left to go on from; "
            f"remove the directory, or train under another --name{first}"
        )
    return None


def best(run: Run, expected: Mapping[str, Header]) -> tuple[Row, Arrays] | None:
    """Return the best committed epoch's row and arrays, or None if no epoch was committed.

    Raises:
        CorruptError: its checkpoint is missing or damaged.
    """
    for _ in range(TRIES):
        before = run.status
        try:
            return _best(run, expected)
        except CorruptError:
            if before != "running":
                raise
    return _best(run, expected)


def _best(run: Run, expected: Mapping[str, Header]) -> tuple[Row, Arrays] | None:
    if run.result is not None and run.result.best is not None:
        # Not the best of what is intact: behind a damaged newest checkpoint that is another one.
        return run.result.best, load(run, run.result.best.epoch, expected)
    content = recorded(run)
    commit = newest(run, content, expected, lambda _: None)
    if commit is None:
        return None
    row = best_row(commit.history)
    return row, load(run, row.epoch, expected)


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
    return Commit(_history(path, meta, content), arrays, meta.metrics_length)


def _history(path: Path, meta: Meta, content: bytes) -> list[Row]:
    """Return the rows that a checkpoint commits; its own epoch's is the last."""
    committed = content[: meta.metrics_length]
    if hashlib.sha256(committed).hexdigest() != meta.metrics_sha256:
        raise CorruptError(f"{path}: its epoch's rows in {METRICS} are damaged")
    try:
        history = metrics.decode(committed)
    except ValueError as error:
        raise CorruptError(f"{path}: its epoch's rows in {METRICS} are damaged: {error}") from error
    if not history or history[-1].epoch != meta.epoch:
        raise CorruptError(f"{path}: its epoch's row is not the last that it commits")
    return history
