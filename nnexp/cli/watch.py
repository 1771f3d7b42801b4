"""Show running runs live: a table on a terminal, otherwise a line for every change."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli.output import log, put
from nnexp.errors import printable
from nnexp.report.text import columns, percent, table

if TYPE_CHECKING:
    from nnexp.analysis.watch import RunProgress, Watch

INTERVAL = 1.0
"""Seconds between polls."""
PATIENCE = 3.0
"""Seconds without a running run after which the watch ends; a sweep may pause for two."""


def follow(watch: Watch) -> bool:
    """Show the runs until none is running; return whether any was."""
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
    """Lines of a terminal that are overwritten with every update."""

    def __init__(self) -> None:
        self._lines = 0

    def show(self, seen: Sequence[RunProgress]) -> bool:
        rows = [_cells(run) for run in seen]
        lines = table(("run", "epoch", "validation", "best", "time left"), rows).splitlines()
        try:
            width, height = os.get_terminal_size(1)
        except OSError:  # the terminal has gone
            return False
        room = max(height - 2, 2)
        if len(lines) > room:
            lines[room - 1 :] = [f"… and {len(lines) - room + 1} more"]
        plain = [lines[0], *(line[: width - 1] for line in lines[1:])]
        back = f"\x1b[{self._lines}A\x1b[J" if self._lines else ""
        self._lines = len(plain)
        return put(back + "\n".join(plain))


class _Lines:
    """A line for every change of a run."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[str, int]] = {}

    def show(self, seen: Sequence[RunProgress]) -> bool:
        for run in seen:
            now = (run.entry.status, run.entry.epochs)
            if self._shown.get(run.entry.name) == now:
                continue
            self._shown[run.entry.name] = now
            if not put(_line(run)):
                return False
        return True


def _cells(run: RunProgress) -> list[str]:
    entry = run.entry
    running = entry.status == "running"
    return [
        entry.name,
        _epoch(run),
        percent(run.validation_accuracy),
        percent(entry.best_validation_accuracy),
        _duration(run.seconds_left) if running else entry.status,
    ]


def _line(run: RunProgress) -> str:
    entry = run.entry
    text = f"{printable(entry.path)}: {entry.status}, epoch {_epoch(run)}"
    if run.validation_accuracy is not None:
        best = percent(entry.best_validation_accuracy)
        text += f", validation {percent(run.validation_accuracy)}, best {best}"
    if run.seconds_left is not None:
        text += f", {_duration(run.seconds_left)} left"
    return text


def _epoch(run: RunProgress) -> str:
    return f"{run.entry.epochs}/{'?' if run.epochs is None else run.epochs}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def show(watch: Watch, folder: str) -> None:
    """Show runs until all have ended; then report damaged runs, or that no run was running."""
    if not follow(watch):
        log(f"nothing is running in {folder}")
    problems = [str(run.entry.problem) for run in watch.seen.values() if run.entry.problem]
    for problem in problems:
        log(problem)
    if problems:
        click.get_current_context().exit(1)
