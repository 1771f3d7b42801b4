"""nnexp verify: train a run again and check that the result is identical."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli import options, progress, signals
from nnexp.cli.output import log, put
from nnexp.errors import CheckFailedError, DivergedError, InterruptedRunError
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line


@click.command()
@click.argument("run", type=options.RUN)
@options.data_root
@options.as_json
@options.quiet
def verify(run: Path, as_json: bool, quiet: bool) -> None:
    """Train RUN again in a temporary folder, and check that the result is identical to the bit.

    \b
    Example:
      nnexp verify runs/quickstart-b76005d11616-s0

    Otherwise, the first epoch and quantity that differ are printed, and the exit code is 7.
    """
    from tempfile import TemporaryDirectory

    from nnexp.native.availability import why_unavailable
    from nnexp.report import verification as report
    from nnexp.runner import verification
    from nnexp.store.run import Run, at
    from nnexp.study.job import Job

    recorded = at(run)
    config, until = verification.task(recorded)
    with signals.recorded() as signal, TemporaryDirectory(prefix="nnexp-verify-") as folder:
        again = Run(Path(folder) / recorded.record.name)
        try:
            job = Job(config, again, until, backend=recorded.record.backend)
            progress.follow(job, signal, quiet=quiet)
        except DivergedError:
            pass  # a run that diverged diverges again
        except InterruptedRunError as error:
            message = f"{run}: stopped before it was verified; repeat the command to start again"
            raise InterruptedRunError(error.signal_number, message) from None
        if again.exists and again.record.backend != recorded.record.backend:
            log(
                f"warning: {run}: was trained by the {recorded.record.backend} backend, and is "
                f"verified with {again.record.backend}: {why_unavailable()}"
            )
        difference = verification.first_difference(recorded, again)
        trained_under = recorded.numerics()
        fingerprints = {stretch.numerics for stretch in trained_under}
        result = report.VerifyOutput(
            run=str(run),
            identical=difference is None,
            same_numerics=fingerprints == {again.record.numerics},
            difference=difference,
        )
    if as_json:
        put(json_line(result))
    elif result.identical:
        put(as_text(report.document(result, trained_under)))
    if not result.identical:
        raise CheckFailedError(report.failure(result, trained_under))
