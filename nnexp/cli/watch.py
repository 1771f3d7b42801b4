"""Running runs as they go on: a table that renews itself, or a line at each change."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli.output import put, say
from nnexp.errors import printable
from nnexp.report.text import columns, percent, table

if TYPE_CHECKING:
    from nnexp.analysis.watch import RunProgress, Watch

INTERVAL = 1.0
"""Seconds from one look to the next."""
PATIENCE = 3.0
"""Seconds without a running run that end the watch: a sweep's next run may take two to begin."""


def follow(watch: Watch) -> bool:
    """Show the runs until none runs any more; return whether any did."""
    on_terminal = columns() > 0 and os.environ.get("TERM", "dumb") != "dumb"
    shown: Any = _Screen() if on_terminal else _Lines()
    last = time.monotonic()
    while True:
        if watch.poll():
            last = time.monotonic()
        if watch.seen and not shown.show(list(watch.seen.values())):
            return True
        if time.monotonic() - last >= PATIENCE:
            return bool(watch.seen)
        time.sleep(INTERVAL)


class _Screen:
    """The same lines of a terminal, written over and over."""

    def __init__(self) -> None:
        self._lines = 0

    def show(self, seen: Sequence[RunProgress]) -> bool:
        rows = [_cells(each) for each in seen]
        lines = table(("run", "epoch", "validation", "best", "time left"), rows).splitlines()
        try:
            width, height = os.get_terminal_size(1)
        except OSError:  # it has gone
            return False
        room = max(height - 2, 2)
        if len(lines) > room:
            lines[room - 1 :] = [f"… and {len(lines) - room + 1} more"]
        plain = [lines[0], *(line[: width - 1] for line in lines[1:])]
        back = f"\x1b[{self._lines}A\x1b[J" if self._lines else ""
        self._lines = len(plain)
        return put(back + "\n".join(plain))


class _Lines:
    """A line for each change of a run."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, int]] = {}

    def show(self, seen: Sequence[RunProgress]) -> bool:
        for each in seen:
            now = (each.entry.status, each.entry.epochs)
            if self._said.get(each.entry.name) == now:
                continue
            self._said[each.entry.name] = now
            if not put(_line(each)):
                return False
        return True


def _cells(each: RunProgress) -> list[str]:
    entry = each.entry
    running = entry.status == "running"
    return [
        entry.name,
        _epoch(each),
        percent(each.validation_accuracy),
        percent(entry.best_validation_accuracy),
        _duration(each.seconds_left) if running else entry.status,
    ]


def _line(each: RunProgress) -> str:
    entry = each.entry
    text = f"{printable(entry.path)}: {entry.status}, epoch {_epoch(each)}"
    if each.validation_accuracy is not None:
        best = percent(entry.best_validation_accuracy)
        text += f", validation {percent(each.validation_accuracy)}, best {best}"
    if each.seconds_left is not None:
        text += f", {_duration(each.seconds_left)} left"
    return text


def _epoch(each: RunProgress) -> str:
    return f"{each.entry.epochs}/{'?' if each.epochs is None else each.epochs}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def tell(watch: Watch, folder: str) -> None:
    """Show the runs of a watch to its end; say if there were none, and what was damaged."""
    if not follow(watch):
        say(f"nothing is running in {folder}")
    problems = [str(each.entry.problem) for each in watch.seen.values() if each.entry.problem]
    for problem in problems:
        say(problem)
    if problems:
        click.get_current_context().exit(1)
