"""Training as every command does it: with progress on stderr, and an end at a signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnexp.cli.progress import Progress
from nnexp.errors import InterruptedRunError

if TYPE_CHECKING:
    from nnexp.cli.signals import Noted
    from nnexp.study.job import Job


def follow(job: Job, signal: Noted, *, quiet: bool = False) -> bool:
    """Train a single job, showing its epochs; return whether there was anything left to do.

    Raises:
        InterruptedRunError: a signal came; what is committed is safe.
        NnexpError: what ``train.train`` raises.
    """
    from nnexp.runner import recording, train

    def check() -> None:
        if signal.number is not None:
            raise InterruptedRunError(
                signal.number,
                f"{job.run.path}: stopped; what is committed is safe; "
                "the same command goes on from there",
            )

    opened = False
    events = train.events(
        job.config,
        job.run,
        until=job.until,
        heartbeat=check,
        against=job.against,
        other_numerics=job.other_numerics,
        restart=job.restart,
    )
    with Progress(job.config.epochs, quiet=quiet) as progress:
        for event in events:
            opened = opened or isinstance(event, recording.Opened)
            progress.show(event)
            check()
    return opened
