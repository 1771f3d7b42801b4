"""Trials as commands train them: quietly, with a line for each, and an end at a signal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.cli.text import say
from nnexp.errors import InterruptedRunError

if TYPE_CHECKING:
    from nnexp.cli.signals import Noted
    from nnexp.config.model import Config
    from nnexp.trials import Job
    from nnexp.tune.trials import Budget, Load, Trials


def warn_of_data(config: Config, trials: Trials) -> None:
    """Say what is odd about the data, once for all trials."""
    from nnexp.datasets.loading import scale_warning

    if (warning := scale_warning(trials.dataset(config))) is not None:
        say(f"warning: {warning}")


def trials_of(
    stem: str,
    runs: Path,
    signal: Noted,
    command: str,
    *,
    quiet: bool,
    budget: Budget | None = None,
) -> Trials:
    """Return where a command's trials are trained.

    What a training warns of is not said: that a rate is far too large is what it is to show.
    """
    from nnexp import trials
    from nnexp.tune.trials import Trials

    def check() -> None:
        if signal.number is not None:
            raise InterruptedRunError(
                signal.number,
                "stopped; what is committed is safe; the same command goes on from there",
            )

    def train(job: Job, source: Load) -> None:
        for _ in trials.train(job, heartbeat=check, source=source):
            check()

    return Trials(stem, runs, train, budget, (lambda _: None) if quiet else say, command)
