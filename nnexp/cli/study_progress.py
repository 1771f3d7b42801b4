"""Progress of many jobs: a live table on a terminal, otherwise a line for every result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from nnexp.cli import fit_table
from nnexp.cli.output import StandardError, log, log_sentences
from nnexp.errors import printable
from nnexp.report.text import percent

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from nnexp.study.execution import Ended, StudyEvent
    from nnexp.study.job import EpochCommitted, Job
    from nnexp.tune.trials import Update

MOST_ROWS = 12
"""Maximum number of running jobs in the table."""

REFRESH = 0.2
"""Seconds between updates of the table."""


class Columns(NamedTuple):
    """Columns that distinguish jobs, and their values for a job."""

    header: Sequence[str]
    values: Callable[[Job], Sequence[str]]


SEED = Columns(("seed",), lambda job: [str(job.config.seed)])
"""The columns of jobs that differ only in the seed."""
STRENGTHS = Columns(
    ("η", "λ", "batch", "seed"),
    lambda job: [
        "-" if job.config.learning_rate is None else f"{job.config.learning_rate:g}",
        f"{job.config.lambda_:g}" if isinstance(job.config.lambda_, float | int) else "-",
        str(job.config.batch_size),
        str(job.config.seed),
    ],
)
"""The columns of a tuning's trials."""


class StudyProgress:
    """Shows the progress of jobs on stderr; training continues if nobody reads it.

    Args:
        columns: columns that distinguish the jobs.
        total: number of jobs, or its maximum; None if it is unknown.
        line: returns the line for a job that ended, or None, if there is no terminal; by default
            how the job ended.
        warns: whether to show the jobs' warnings.
        quiet: show warnings only.
    """

    def __init__(
        self,
        columns: Columns,
        total: int | None = None,
        line: Callable[[Ended], str | None] | None = None,
        *,
        warns: bool = True,
        quiet: bool,
    ) -> None:
        self._columns = columns
        self._total = total
        self._line = line or self.result
        self.quiet, self._warns = quiet, warns
        self._live: Any = None
        self._begun = self._drawn = time.monotonic()
        self._running: dict[Path, tuple[Job, EpochCommitted | None]] = {}
        self._elsewhere: set[Path] = set()
        self._stage = self._known = ""
        """The current stage, and its results so far."""
        self.best: tuple[float, Job] | None = None
        self._ended = self._failed = 0
        """Numbers of jobs that ended and that failed, in the current stage if there are stages."""
        self.is_idle = True
        """Whether nothing has been trained yet."""
        self.time_left = TimeLeft(total or 0)

    def __enter__(self) -> Self:
        if not self.quiet and StandardError().columns() > 0:
            self._live = _live()
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update("", refresh=True)
            self._live.stop()

    def show(self, event: StudyEvent) -> None:
        """Show an event."""
        from nnexp.study import execution

        match event:
            case execution.Started(job):
                self.is_idle = False
                self._running[job.run.path] = job, None
                self._elsewhere.discard(job.run.path)
            case execution.Progressed(job, message):
                self._running[job.run.path] = job, message
                self.time_left.progressed(job, message.epoch)
                self._note(message.accuracy, job)
            case execution.Elsewhere(job):
                self._leave(job)
            case execution.Stopped(job) | execution.Postponed(job):
                self._running.pop(job.run.path, None)
            case execution.Ended():
                self._end(event)
            case execution.Noticed(_, message, is_warning):
                self._notice(message, is_warning=is_warning)
        if self._live is not None and time.monotonic() - self._drawn > REFRESH:
            self._live.update(self._picture(), refresh=True)
            self._drawn = time.monotonic()

    def log(self, line: str) -> None:
        """Write a line above the live table, if there is one."""
        self.clear()
        log_sentences(line)

    def clear(self) -> None:
        """Erase the live table, so that other lines can be written."""
        if self._live is not None:
            self._live.update("", refresh=True)

    def report(self, update: Update) -> None:
        """Show an update; its stage and results remain above the table."""
        if update.stage:
            self._stage, self._known = update.stage, ""
            self._ended = self._failed = 0
        self._known = update.known or self._known
        if not self.quiet:
            self.log(update.line)

    def set_known(self, results: str) -> None:
        """Set the results so far, which remain above the table."""
        self._known = results

    def _leave(self, job: Job) -> None:
        """Note that another process trains a job's run."""
        self._running.pop(job.run.path, None)
        if job.run.path not in self._elsewhere:
            self._elsewhere.add(job.run.path)
            self._log(f"{job.run.name}: another process trains it")

    def _end(self, event: Ended) -> None:
        job, outcome = event.job, event.outcome
        self._running.pop(job.run.path, None)
        self._elsewhere.discard(job.run.path)
        self._note(outcome.accuracies.get("validation"), job)
        self._ended += 1
        self._failed += bool(outcome.code)
        self.time_left.ended(job, failed=bool(outcome.code), was_done=event.was_done)
        if (line := self._line(event)) is not None:
            self._log(line)

    def _notice(self, message: str, *, is_warning: bool) -> None:
        """Show a warning of a job, or a message of its engine."""
        if is_warning and self._warns:
            self.log(f"warning: {message}")
        elif not is_warning and not self.quiet:
            self.log(message)

    def _note(self, accuracy: float | None, job: Job) -> None:
        """Remember the best accuracy so far."""
        if accuracy is not None and (self.best is None or accuracy > self.best[0]):
            self.best = accuracy, job

    def result(self, event: Ended) -> str:
        """Describe how a job ended."""
        outcome = event.outcome
        if outcome.code:
            result = f"failed, exit {outcome.code}"
        else:
            accuracy = outcome.accuracies.get("validation")
            result = "already done" if event.was_done else "done"
            result += f", validation {percent(accuracy)}" if accuracy is not None else ""
        return f"[{self._ended}/{self._total}] {self._named(event.job)}: {result}"

    def _named(self, job: Job) -> str:
        """Return a job's name with its settings, except the seed."""
        pairs = zip(self._columns.header, self._columns.values(job), strict=True)
        settings = [f"{key}={value}" for key, value in pairs if key != "seed"]
        return printable(" ".join([job.run.name, *settings]))

    def _log(self, line: str) -> None:
        """Write a line, unless there is a live table or output is quiet."""
        if not self.quiet and self._live is None:
            log(line)

    def _counts(self) -> str:
        counts = {
            "done": self._ended - self._failed,
            "failed": self._failed,
            "running": len(self._running),
            "elsewhere": len(self._elsewhere),
        }
        if self._total is not None:
            counts["waiting"] = max(0, self._total - sum(counts.values()))
        text = ", ".join(f"{n:,} {state}" for state, n in counts.items() if n or state == "done")
        if self._total is None:
            return text
        seconds = self.time_left.seconds(time.monotonic() - self._begun)
        left = "" if seconds is None else f", about {_span(seconds)} left"
        return f"{self._total:,} run{'s' * (self._total != 1)}: {text}{left}"

    def status(self) -> list[str]:
        """Return the lines above the table: the counts and the results so far."""
        lines = [": ".join(filter(None, [self._stage, self._counts()]))]
        if self._known:
            lines.append(self._known)
        elif self.best is not None and self._total is not None:  # of one problem
            accuracy, job = self.best
            lines.append(f"best so far: validation {percent(accuracy)}, {self._named(job)}")
        return lines

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        lines = [*map(Text, self.status())]
        if not self._running:
            return Group(*lines)
        header = ("run", *self._columns.header, "epoch", "validation")
        running = list(self._running.values())
        rows = [self._row(job, message) for job, message in running[:MOST_ROWS]]
        more = [Text(f"… and {len(running) - MOST_ROWS} more")] if len(running) > MOST_ROWS else []
        return Group(*lines, fit_table.fitted(header, rows, StandardError().columns()), *more)

    def _row(self, job: Job, message: EpochCommitted | None) -> list[str]:
        return [
            job.run.name,
            *map(printable, self._columns.values(job)),
            f"{message.epoch if message else 0}/{job.epochs}",
            _measured(message),
        ]


def _measured(message: EpochCommitted | None) -> str:
    """Format an epoch's validation accuracy or, without one, its training cost."""
    if message is None or message.accuracy is not None or message.cost is None:
        return percent(message.accuracy if message else None)
    return f"cost {message.cost:.4g}"


def confirming_line(label: str, event: Ended) -> str:
    """Describe a confirming run that has ended.

    Args:
        label: which config it confirms.
        event: its end.
    """
    if event.outcome.code:
        result = f"failed, exit {event.outcome.code}"
    else:
        result = f"test {percent(event.outcome.accuracies.get('test'))}"
    return f"{label}, seed {event.job.config.seed}  {result}"


def of_tuning(*, quiet: bool) -> StudyProgress:
    """Return the progress of a tuning, whose stages report the results of its trials.

    Warnings are not shown: trials with a rate that is far too large are part of the search.
    """
    return StudyProgress(STRENGTHS, line=lambda _: None, warns=False, quiet=quiet)


class TimeLeft:
    """An estimate of the remaining time, from the jobs' speed so far; jobs are the unit of work.

    Epochs that were trained before do not count as work; of a failed job only its epochs count.

    Args:
        total: number of jobs.
    """

    LEAST = 0.05
    """Minimum number of jobs' worth of work for an estimate."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._before: dict[Path, int] = {}
        """Epochs that a run had when its job started."""
        self._reached: dict[Path, int] = {}
        self._epochs: dict[Path, int] = {}
        self._ended = 0
        self._worked = 0.0
        """Work of the jobs that have ended."""

    def progressed(self, job: Job, epoch: int) -> None:
        """Note that a job committed an epoch."""
        path = job.run.path
        self._before.setdefault(path, max(0, epoch - job.config.evaluate_every))
        self._reached[path], self._epochs[path] = epoch, job.epochs

    def ended(self, job: Job, *, failed: bool, was_done: bool) -> None:
        """Note that a job has ended; it counts as whole unless it failed, however early."""
        path = job.run.path
        reached, before = self._reached.pop(path, 0), self._before.pop(path, 0)
        if failed:
            self._worked += (reached - before) / job.epochs
        elif not was_done:
            self._worked += 1 - before / max(1, reached)
        self._ended += 1

    def seconds(self, elapsed: float) -> float | None:
        """Return the remaining seconds; None if there is no estimate yet.

        Args:
            elapsed: seconds so far.
        """
        parts = {path: reached / self._epochs[path] for path, reached in self._reached.items()}
        begun = (before / self._epochs[path] for path, before in self._before.items())
        worked = self._worked + sum(parts.values()) - sum(begun)
        if worked < self.LEAST:
            return None
        return elapsed * (self._total - self._ended - sum(parts.values())) / worked


def _live() -> Any:  # noqa: ANN401 - rich's own type
    from rich.console import Console
    from rich.live import Live

    # Brackets are lists of a config, not rich's markup.
    plain = {"highlight": False, "markup": False, "emoji": False}
    console = Console(file=StandardError(), force_terminal=True, **plain)  # type: ignore[arg-type]
    # Without a refresh thread, since jobs are forked from this process.
    return Live(
        "",
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _span(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours."""
    if seconds < 90:  # noqa: PLR2004 - from there on minutes say enough
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"  # noqa: PLR2004 - likewise
