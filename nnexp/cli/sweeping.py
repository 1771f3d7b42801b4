"""How a sweep looks while it goes on: a live table on a terminal, a line a trial otherwise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from nnexp.checks import printable
from nnexp.cli import narrow
from nnexp.cli.pace import Pace
from nnexp.cli.text import Told, percent, say

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nnexp.study.engine import Measured
    from nnexp.study.execution import Ended, Event
    from nnexp.study.plan import Plan, Trial

MOST_ROWS = 12
"""Running trials that are shown at a time."""

REFRESH = 0.2
"""Seconds from one picture to the next."""


class View:
    """Says on stderr what a sweep yields; whoever reads it may go away without harm.

    Args:
        plan: the sweep.
        quiet: say nothing but warnings.
    """

    def __init__(self, plan: Plan, *, quiet: bool) -> None:
        self._plan = plan
        self._quiet = quiet
        self._live: Any = None
        self._begun = self._drawn = time.monotonic()
        self._running: dict[int, Measured | None] = {}
        self._elsewhere: set[int] = set()
        self.best: tuple[float, int] | None = None
        self._done = self._failed = 0
        self.pace = Pace(plan.trials)

    def __enter__(self) -> Self:
        if not self._quiet and Told().columns() > 0:
            self._live = _live()
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update("", refresh=True)
            self._live.stop()

    def show(self, event: Event) -> None:
        """Say what happened."""
        from nnexp.study import execution

        match event:
            case execution.Started(trial):
                self._running[trial] = None
                self._elsewhere.discard(trial)
            case execution.Progressed(trial, measured):
                self._running[trial] = measured
                self.pace.told(trial, measured.epoch)
                self._note(measured.accuracy, trial)
            case execution.Elsewhere(trial):
                self._running.pop(trial, None)
                if trial not in self._elsewhere:
                    self._elsewhere.add(trial)
                    self._say(f"{self._plan.trials[trial].name}: another process trains it")
            case execution.Stopped(trial) | execution.Postponed(trial):
                self._running.pop(trial, None)
            case execution.Ended():
                self._ended(event)
            case execution.Told(message):
                self._line(f"warning: {message}")
        if self._live is not None and time.monotonic() - self._drawn > REFRESH:
            self._live.update(self._picture(), refresh=True)
            self._drawn = time.monotonic()

    def _ended(self, event: Ended) -> None:
        trial, outcome = self._plan.trials[event.trial], event.outcome
        self._running.pop(event.trial, None)
        self._elsewhere.discard(event.trial)
        self._note(outcome.accuracies.get("validation"), event.trial)
        if outcome.code:
            self._failed += 1
            said = f"{self._named(trial)}: failed, exit {outcome.code}"
        else:
            self._done += 1
            accuracy = outcome.accuracies.get("validation")
            said = f"{self._named(trial)}: {'already done' if event.was_done else 'done'}"
            said += f", validation {percent(accuracy)}" if accuracy is not None else ""
        self.pace.ended(event.trial, failed=bool(outcome.code), was_done=event.was_done)
        self._say(f"[{self._done + self._failed}/{len(self._plan.trials)}] {said}")

    def _note(self, accuracy: float | None, trial: int) -> None:
        """Remember the best accuracy so far."""
        if accuracy is not None and (self.best is None or accuracy > self.best[0]):
            self.best = accuracy, trial

    def _named(self, trial: Trial) -> str:
        from nnexp.config import dump

        pairs = zip(self._plan.keys, trial.values, strict=True)
        told = " ".join(f"{key}={dump.inline(value)}" for key, value in pairs)
        return printable(" ".join(filter(None, [trial.name, told])))

    def _say(self, line: str) -> None:
        """Say what happened, unless a terminal shows it or nobody asks."""
        if not self._quiet and self._live is None:
            say(line)

    def _line(self, line: str) -> None:
        """Say what must be seen, above the live table if there is one."""
        if self._live is not None:
            self._live.update("", refresh=True)
        say(line)

    def _left(self) -> str:
        """Return how long the rest takes, if it goes on as it did."""
        seconds = self.pace.left(time.monotonic() - self._begun)
        return "" if seconds is None else f", about {_span(seconds)} left"

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        ended = self._done + self._failed
        waiting = len(self._plan.trials) - ended - len(self._running) - len(self._elsewhere)
        counts = {
            "done": self._done,
            "failed": self._failed,
            "running": len(self._running),
            "elsewhere": len(self._elsewhere),
            "waiting": waiting,
        }
        told = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n or what == "done")
        lines = [Text(f"{len(self._plan.trials):,} trials: {told}{self._left()}")]
        if self.best is not None:
            accuracy, trial = self.best
            named = self._named(self._plan.trials[trial])
            lines.append(Text(f"best so far: validation {percent(accuracy)}, {named}"))
        if not self._running:
            return Group(*lines)
        header = ("run", *self._plan.keys, "seed", "epoch", "validation")
        running = list(self._running.items())
        rows = [self._row(self._plan.trials[trial], each) for trial, each in running[:MOST_ROWS]]
        more = [Text(f"… and {len(running) - MOST_ROWS} more")] if len(running) > MOST_ROWS else []
        return Group(*lines, narrow.fitted(header, rows, Told().columns()), *more)

    def _row(self, trial: Trial, measured: Measured | None) -> list[str]:
        from nnexp.config import dump

        return [
            trial.name,
            *(printable(dump.inline(value)) for value in trial.values),
            str(trial.config.seed),
            f"{measured.epoch if measured else 0}/{trial.config.epochs}",
            percent(measured.accuracy if measured else None),
        ]


def _live() -> Any:  # noqa: ANN401 - rich's own type
    from rich.console import Console
    from rich.live import Live

    # What stands in brackets is a config's list, not rich's markup.
    plain = {"highlight": False, "markup": False, "emoji": False}
    console = Console(file=Told(), force_terminal=True, **plain)  # type: ignore[arg-type]
    # No thread that refreshes: trials are forked from this process, which must have but one.
    return Live(
        "",
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _span(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:  # noqa: PLR2004 - from there on minutes say enough
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"  # noqa: PLR2004 - likewise
