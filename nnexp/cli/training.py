"""Training as every command does it: with progress on stderr, and an end at a signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnexp.cli.progress import Progress
from nnexp.errors import InterruptedRunError

if TYPE_CHECKING:
    from nnexp.cli.signals import Noted
    from nnexp.config.model import Config
    from nnexp.store.run import Run


def follow(
    config: Config,
    run: Run,
    signal: Noted,
    *,
    until: int | None = None,
    against: Run | None = None,
    other_numerics: bool = False,
    quiet: bool = False,
) -> None:
    """Train a run, showing what happens.

    Raises:
        InterruptedRunError: a signal came; what is committed is safe.
        NnexpError: what ``experiment.train`` raises.
    """
    from nnexp import experiment

    def check() -> None:
        if signal.number is not None:
            raise InterruptedRunError(
                signal.number,
                f"{run.path}: stopped; what is committed is safe; "
                "the same command goes on from there",
            )

    events = experiment.events(
        config,
        run,
        until=until,
        heartbeat=check,
        against=against,
        other_numerics=other_numerics,
    )
    with Progress(config.epochs, quiet=quiet) as progress:
        for event in events:
            progress.show(event)
            check()
