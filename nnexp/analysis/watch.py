"""Watch runs that are training: their progress, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from msgspec import UNSET

from nnexp.errors import CorruptError, DiskError
from nnexp.store import disk, listing
from nnexp.store.listing import Entry
from nnexp.store.metrics import Timing
from nnexp.store.run import TIMING, Run

RECENT = 10
"""Number of latest evaluations from which the time left is estimated."""


class RunProgress(NamedTuple):
    """The progress of a watched run; fields are None if not known yet."""

    entry: Entry
    epochs: int | None
    """The config's number of epochs; the run may stop earlier."""
    validation_accuracy: float | None
    seconds_left: float | None


class Watch:
    """Polls the runs of a folder; those that have ended are read only once.

    Args:
        folder: the folder of the runs.
        fits: returns whether to watch a run.
        facts: which of ``listing.FACTS`` it uses.
    """

    def __init__(
        self, folder: Path, fits: Callable[[Entry], bool], facts: Collection[str] = ()
    ) -> None:
        self._folder = folder
        self._fits = fits
        self._facts = facts
        self._ended: set[str] = set()
        self.seen: dict[str, RunProgress] = {}

    def poll(self) -> bool:
        """Update ``seen``, all runs ever seen running; return whether any is running now."""
        any_running = False
        for name in listing.names(self._folder):
            run = Run(self._folder / name)
            entry = None if name in self._ended else listing.entry(run, self._facts)
            if entry is None:
                continue
            if entry.status in {"finished", "diverged", "damaged"}:
                self._ended.add(run.name)
            is_running = entry.status == "running" and self._fits(entry)
            if is_running or run.name in self.seen:
                self.seen[run.name] = progress(run, entry)
            any_running = any_running or is_running
        return any_running


def progress(run: Run, entry: Entry) -> RunProgress:
    """Return a run's current progress."""
    epochs = entry.config.get("epochs")
    planned = epochs if type(epochs) is int else None
    try:
        history = run.history() if entry.problem is None else []
        seconds = (
            seconds_left(run, entry.epochs, planned or 0) if entry.status == "running" else None
        )
    except (CorruptError, DiskError):  # the next poll reports it
        return RunProgress(entry, planned, None, None)
    last = history[-1].validation_accuracy if history else UNSET
    return RunProgress(entry, planned, None if last is UNSET else last, seconds)


def seconds_left(run: Run, epoch: int, epochs: int) -> float | None:
    """Estimate how long the epochs after ``epoch`` take, from the durations of the latest ones.

    The time since the last evaluation is subtracted.
    """
    rows = [row for row in run.timing() if row.epoch <= epoch]
    if not rows:
        return None
    with disk.errors(run.path / TIMING):
        age = time.time() - (run.path / TIMING).stat().st_mtime
    return left(rows, epochs - epoch, age)


def left(rows: Sequence[Timing], epochs: int, age: float) -> float:
    """Estimate the seconds for more epochs, ``age`` seconds after the last row was written."""
    ends = list(pairwise([0, *(row.epoch for row in rows)]))  # (previous, last) epoch of each row
    latest = list(zip(ends, rows, strict=True))[-RECENT:]
    per_epoch = median(row.seconds / (last - before) for (before, last), row in latest)
    before, last = ends[-1]
    step = per_epoch * (last - before)
    return max(0.0, per_epoch * epochs - min(max(age, 0.0), step))
