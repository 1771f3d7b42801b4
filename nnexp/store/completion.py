"""Bring an unfinished run forward by a copy of it that was trained further elsewhere."""

from __future__ import annotations

from nnexp.errors import CorruptError
from nnexp.store import commits, directories, disk, lock, meta, sealed
from nnexp.store.run import (
    CHECKPOINTS,
    LOCK,
    LOG,
    METRICS,
    PREDICTIONS,
    RESULT,
    RUN,
    TIMING,
    Run,
)
from nnexp.training.history import best_row


def complete(run: Run, further: Run) -> bool:
    """Bring an unfinished run forward by moving a copy's files into its directory.

    What the run has committed stays until more is: metrics.jsonl only grows, checkpoints go once
    there are newer ones, and result.json comes last. Killed anywhere, it leaves a run that can be
    continued.

    Args:
        run: the run.
        further: the copy, on the same file system; it must have passed every check.

    Returns: whether the run has come as far as the copy; False if the run is finished, or the copy
        does not continue it: then nothing has changed.

    Raises:
        LockedError: another process trains it.
        CorruptError: what is here is no run, or a damaged one.
        DiskError: it cannot be written.
    """
    if not run.is_there():
        return False
    with lock.held(run.path / LOCK, f"{run.path}: another process has just set this run aside"):
        directories.check_plain(run.path)
        directories.check_plain(run.path / CHECKPOINTS)
        found = Run(run.path)
        if found.result is not None or not _continues(further, found):
            return False
        _move(further, found)
    return True


def _continues(further: Run, run: Run) -> bool:
    """Return whether a copy has the epochs that a run has committed, or more of them."""
    records = [disk.read(each.path / RUN, sealed.LIMIT) for each in (further, run)]
    if records[0] != records[1]:
        return False
    content = commits.recorded(further)
    checkpoints = run.checkpoints()
    is_behind = max(further.checkpoints(), default=0) < max(checkpoints, default=0)
    if further.result is None and is_behind:
        return False
    for path in checkpoints.values():
        try:
            said = meta.head(path, disk.read(path, meta.HEAD, cut=True) or b"")
            meta.rows(path, said, content)
        except CorruptError:  # the one before it is a reserve for this
            continue
        return True
    return not checkpoints


def _move(source: Run, target: Run) -> None:
    """Move a run's files, its result last; each step leaves a run that can be continued.

    The best epoch's checkpoint is first: continuing from a later one needs it. If it is the last
    epoch's, a kill right after this step costs the run the checkpoint kept in reserve.
    """
    rows, moved = source.history(), source.checkpoints()
    best = best_row(rows).epoch if rows else 0
    disk.move(source.path / METRICS, target.path / METRICS)
    for epoch in sorted(moved, key=lambda epoch: (epoch != best, epoch)):
        disk.move(moved[epoch], target.path / CHECKPOINTS / moved[epoch].name)
    for epoch, path in target.checkpoints().items():
        if epoch not in moved:
            disk.remove(path)
    for row in rows:  # one that was killed while it wrote a checkpoint left a part of it
        disk.remove(disk.temporary(target.checkpoint_path(row.epoch)))
    disk.sync_directory(target.path / CHECKPOINTS)
    for name in (PREDICTIONS, TIMING, LOG, RESULT):
        disk.remove(disk.temporary(target.path / name))
        if disk.exists(source.path / name):
            disk.move(source.path / name, target.path / name)
