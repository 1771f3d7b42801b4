"""Training as every command does it: with progress on stderr, and an end at a signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnexp.cli.progress import Progress
from nnexp.errors import InterruptedRunError

if TYPE_CHECKING:
    from nnexp.cli.signals import Noted
    from nnexp.config.model import CheckedConfig
    from nnexp.store.run import Run


def follow(
    config: CheckedConfig,
    run: Run,
    signal: Noted,
    *,
    until: int | None = None,
    against: Run | None = None,
    other_numerics: bool = False,
    restart: bool = False,
    quiet: bool = False,
) -> bool:
    """Train a run, showing what happens; return whether there was anything left to do.

    Raises:
        InterruptedRunError: a signal came; what is committed is safe.
        NnexpError: what ``train.train`` raises.
    """
    from nnexp.runner import recording, train

    def check() -> None:
        if signal.number is not None:
            raise InterruptedRunError(
                signal.number,
                f"{run.path}: stopped; what is committed is safe; "
                "the same command goes on from there",
            )

    opened = False
    events = train.events(
        config,
        run,
        until=until,
        heartbeat=check,
        against=against,
        other_numerics=other_numerics,
        restart=restart,
    )
    with Progress(config.epochs, quiet=quiet) as progress:
        for event in events:
            opened = opened or isinstance(event, recording.Opened)
            progress.show(event)
            check()
    return opened
