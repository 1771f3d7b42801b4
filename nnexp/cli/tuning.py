"""Trials as commands train them: a line each, on a terminal its epochs; an end at a signal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from nnexp.cli.text import Told, percent, tell
from nnexp.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.cli.signals import Noted
    from nnexp.config.model import Config
    from nnexp.runner.recording import Event
    from nnexp.study.job import Job
    from nnexp.training.history import Row
    from nnexp.tune.trials import Budget, Load, Trials


def warn_of_data(config: Config, trials: Trials) -> None:
    """Say what is odd about the data, once for all trials."""
    from nnexp.datasets.loading import scale_warning

    if (warning := scale_warning(trials.dataset(config))) is not None:
        tell(f"warning: {warning}")


def trials_of(
    stem: str,
    runs: Path,
    signal: Noted,
    view: View,
    command: str,
    budget: Budget | None = None,
) -> Trials:
    """Return where a command's trials are trained.

    What a training warns of is not said: that a rate is far too large is what it is to show.
    """
    from nnexp.study import job as jobs
    from nnexp.tune.trials import Trials

    def check() -> None:
        if signal.number is not None:
            raise InterruptedRunError(
                signal.number,
                "stopped; what is committed is safe; the same command goes on from there",
            )

    def train(job: Job, source: Load) -> None:
        view.begin(job.config)
        for event in jobs.train(job, heartbeat=check, source=source):
            view.show(event)
            check()

    return Trials(stem, runs, train, budget, view.say, command)


REFRESH = 0.2
"""Seconds from one picture to the next; drawn within an epoch, it counts as its training."""
BAR = 10
"""Columns of the bar."""


class View:
    """Says on stderr what trials come to; on a terminal its last line shows the one under way.

    Args:
        quiet: say nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._stage = self._known = ""
        self._config: Config | None = None
        self._epoch = 0
        self._done = 0.0
        """Epochs, with the part of the one under way."""
        self._examples = 1
        """Of an epoch."""
        self._measured = ""
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def say(self, line: str) -> None:
        """Say a line; a stage that it begins, and what is known at its end, stay in view."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.clear()
        tell(line)
        if line.startswith("stage "):
            self._stage, self._known = line.partition(":")[0], ""
        elif "; " in line:
            self._known = line.rpartition("; ")[2]

    def begin(self, config: Config) -> None:
        """Show that a trial begins."""
        self._config, self._epoch, self._done, self._measured = config, 0, 0.0, ""
        self._draw()

    def show(self, event: Event) -> None:
        """Show how far the trial is."""
        from nnexp.runner import recording

        match event:
            case recording.Opened(_, history, examples):
                self._examples = examples
                for row in history[-1:]:
                    self._note(row)
                self._draw()
            case recording.Trained(epoch, examples):
                self._done = epoch - 1 + examples / self._examples
            case recording.Evaluated(row):
                self._note(row)
        if time.monotonic() - self._drawn > REFRESH:
            self._draw()

    def _note(self, row: Row) -> None:
        """Remember an epoch, and what there is to judge it by."""
        self._epoch, self._done = row.epoch, float(row.epoch)
        if isinstance(row.validation_accuracy, float):
            self._measured = percent(row.validation_accuracy)
        elif isinstance(row.train_cost, float):
            self._measured = f"cost {row.train_cost:.4g}"

    def _draw(self) -> None:
        if self._quiet or self._config is None or (width := Told().columns()) < 1:
            return
        shown = status(
            [self._stage, *_named(self._config)],
            [f"epoch {self._epoch}/{self._config.epochs}", self._measured, self._known],
            width - 1,
        )
        if self._bar is None:
            self._bar = _bar(shown)
        self._bar.bar_format, self._bar.total = shown, self._config.epochs
        self._bar.n = min(self._done, self._config.epochs)
        self._bar.refresh()
        self._drawn = time.monotonic()


def status(trial: Sequence[str], reached: Sequence[str], width: int) -> str:
    """Return a line as tqdm takes it: of the trial, a bar, and what it reached, as far as they fit.

    Args:
        trial: the stage, and what tells the trial from others.
        reached: its epoch, what it measures, and what is known from all trials.
        width: of the terminal.
    """
    bar = f"|{{bar:{BAR}}}|"
    parts = [*trial, bar, *reached]
    first = len(trial) + 1
    kept: dict[int, str] = {}
    left = width + 1
    for place in (0, first, first + 1, *range(1, len(trial)), first + 2, len(trial)):
        needed = BAR + 2 if parts[place] is bar else len(parts[place])
        if parts[place] and needed < left:
            kept[place] = parts[place]
            left -= needed + 1
    return " ".join(part for _, part in sorted(kept.items()))


def _named(config: Config) -> list[str]:
    """Return what tells a trial from others."""
    rate = "" if config.learning_rate is None else f"η={config.learning_rate:g}"
    size = f"batch {config.batch_size}"
    return [rate, f"λ={config.lambda_:g}", size, f"seed {config.seed}"]


def _bar(shown: str) -> Any:  # noqa: ANN401 - tqdm's own type
    from tqdm import tqdm

    return tqdm(total=1, bar_format=shown, leave=False, dynamic_ncols=True, file=Told())
