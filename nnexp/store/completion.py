"""An unfinished run brought forward by the same run, which was trained further elsewhere."""

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
    """Bring an unfinished run forward, by files that another directory gives up.

    What it has committed stands until more is: metrics.jsonl only grows, checkpoints go once there
    are newer ones, and result.json comes last. Killed anywhere, it is a run that goes on.

    Args:
        run: the run that is here.
        further: the other, on the same file system, which has passed every check.

    Returns: whether it has come as far now; False where it was finished before, or the other has
        not gone on from it: then nothing has changed.

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
        if found.result is not None or not _has_gone_on(found, further):
            return False
        _move(further, found)
    return True


def _has_gone_on(run: Run, finished: Run) -> bool:
    """Return whether the other is the same run, and begins with what this one has committed."""
    ours, others = (disk.read(each.path / RUN, sealed.LIMIT) for each in (run, finished))
    if ours != others:
        return False
    content = commits.recorded(finished)
    checkpoints = run.checkpoints()
    for path in checkpoints.values():
        try:
            said = meta.head(path, disk.read(path, meta.HEAD, cut=True) or b"")
            meta.rows(path, said, content)
        except CorruptError:  # the one before it is a reserve for this
            continue
        return True
    return not checkpoints


def _move(source: Run, target: Run) -> None:
    """Move a run's files; each step leaves a run that goes on, and the last one its result, if any.

    The best epoch's checkpoint is first: whoever goes on from a later one needs it. Where that is
    the last epoch's, a kill right behind it costs the run that goes on here its reserve.
    """
    rows, moved = source.history(), source.checkpoints()
    best = best_row(rows).epoch if rows else 0
    disk.move(source.path / METRICS, target.path / METRICS)
    for epoch in sorted(moved, key=lambda epoch: (epoch != best, epoch)):
        disk.move(moved[epoch], target.path / CHECKPOINTS / moved[epoch].name)
    for epoch, path in target.checkpoints().items():
        if epoch not in moved:
            disk.remove(path)
    disk.sync_directory(target.path / CHECKPOINTS)
    for name in (PREDICTIONS, TIMING, LOG, RESULT):
        if disk.exists(source.path / name):
            disk.move(source.path / name, target.path / name)
