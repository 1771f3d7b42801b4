"""Watch runs that are training: their progress, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
"""Evaluations that the time left is judged by."""


class RunProgress(NamedTuple):
    """How a run that is being watched stands; None where nothing is known yet."""

    entry: Entry
    epochs: int | None
    """How many the config asks for; it may stop sooner."""
    validation_accuracy: float | None
    seconds_left: float | None


class Watch:
    """Looks at the runs of a folder again and again; those that have ended are read once.

    Args:
        folder: where the runs are.
        fits: which ones are watched.
    """

    def __init__(self, folder: Path, fits: Callable[[Entry], bool]) -> None:
        self._folder = folder
        self._fits = fits
        self._ended: set[str] = set()
        self.seen: dict[str, RunProgress] = {}

    def look(self) -> bool:
        """Bring ``seen``, which has what was ever found running, up to date; False: none runs."""
        running = False
        for name in listing.names(self._folder):
            run = Run(self._folder / name)
            entry = None if name in self._ended else listing.entry(run)
            if entry is None:
                continue
            if entry.status in {"finished", "diverged", "damaged"}:
                self._ended.add(run.name)
            is_running = entry.status == "running" and self._fits(entry)
            if is_running or run.name in self.seen:
                self.seen[run.name] = progress(run, entry)
            running = running or is_running
        return running


def progress(run: Run, entry: Entry) -> RunProgress:
    """Return how a run stands now."""
    epochs = entry.config.get("epochs")
    asked = epochs if type(epochs) is int else None
    try:
        history = run.history() if entry.problem is None else []
        seconds = seconds_left(run, entry.epochs, asked or 0) if entry.status == "running" else None
    except (CorruptError, DiskError):  # the next look says what it is
        return RunProgress(entry, asked, None, None)
    last = history[-1].validation_accuracy if history else UNSET
    return RunProgress(entry, asked, None if last is UNSET else last, seconds)


def seconds_left(run: Run, epoch: int, epochs: int) -> float | None:
    """Return how long the epochs after one will take, if they take what the latest ones took.

    What has passed since the last evaluation is taken off.
    """
    rows = [row for row in run.timing() if row.epoch <= epoch]
    if not rows:
        return None
    with disk.errors(run.path / TIMING):
        age = time.time() - (run.path / TIMING).stat().st_mtime
    return left(rows, epochs - epoch, age)


def left(rows: Sequence[Timing], epochs: int, age: float) -> float:
    """Return the seconds for a number of epochs, age seconds after the last of the rows."""
    ends = list(pairwise([0, *(row.epoch for row in rows)]))  # of each row's epochs
    latest = list(zip(ends, rows, strict=True))[-RECENT:]
    an_epoch = median(row.seconds / (last - before) for (before, last), row in latest)
    before, last = ends[-1]
    step = an_epoch * (last - before)
    return max(0.0, an_epoch * epochs - min(max(age, 0.0), step))
