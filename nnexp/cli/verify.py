"""nnexp verify: whether a run comes out the same here and now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options, progress, signals
from nnexp.cli.output import put
from nnexp.errors import CheckFailedError, DivergedError, InterruptedRunError, printable
from nnexp.report.text import as_json as json_line

if TYPE_CHECKING:
    from nnexp.training.history import Stretch


@click.command()
@click.argument("run", type=options.RUN)
@options.as_json
@options.quiet
def verify(run: Path, as_json: bool, quiet: bool) -> None:
    """Train RUN again in a temporary place, and say whether it comes out the same to the bit.

    \b
    Example:
      nnexp verify runs/quickstart-b76005d11616-s0

    Exits 7, naming the first epoch and quantity that differ, if it does not.
    """
    from tempfile import TemporaryDirectory

    from nnexp.report.outputs import DifferenceOutput, VerifyOutput
    from nnexp.runner import verification
    from nnexp.store.run import Run, at
    from nnexp.study.job import Job

    recorded = at(run)
    config, until = verification.task(recorded)
    with signals.noted() as signal, TemporaryDirectory(prefix="nnexp-verify-") as folder:
        again = Run(Path(folder) / recorded.record.name)
        try:
            progress.follow(Job(config, again, until), signal, quiet=quiet)
        except DivergedError:
            pass  # what diverged is to diverge again
        except InterruptedRunError as error:
            told = f"{run}: stopped before it was verified; the same command begins again"
            raise InterruptedRunError(error.signal_number, told) from None
        found = verification.first_difference(recorded, again)
        trained_under = recorded.numerics()
        same_numerics = {each.numerics for each in trained_under} == {again.record.numerics}
    if as_json:
        put(
            json_line(
                VerifyOutput(
                    run=str(run),
                    identical=found is None,
                    same_numerics=same_numerics,
                    difference=None if found is None else DifferenceOutput(**found._asdict()),
                )
            )
        )
    elif found is None:
        put(f"{printable(str(run))}: {_same(trained_under)}")
    if found is not None:
        machine = "" if same_numerics else _excuse(trained_under)
        raise CheckFailedError(f"{run}: trained again it differs: {found}{machine}")


def _same(trained_under: list[Stretch]) -> str:
    if len(trained_under) == 1:
        return "identical"
    return f"the same numbers, though its numerics changed with epoch {trained_under[1].since}"


def _excuse(trained_under: list[Stretch]) -> str:
    if len(trained_under) == 1:
        return " (this machine's arithmetic gives other last digits)"
    return f" (its numerics changed with epoch {trained_under[1].since})"
