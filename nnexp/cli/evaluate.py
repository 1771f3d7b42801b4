"""nnexp evaluate: measure runs on validation, test or other data, and their ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options
from nnexp.cli.output import log, put
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns

if TYPE_CHECKING:
    from nnexp.analysis.evaluation import On


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=options.RUN)
@click.option(
    "--on",
    type=options.OneOf(["validation", "test"]),
    help="The examples to measure on (default: validation).",
)
@click.option(
    "--data",
    type=options.File(),
    metavar="FILE",
    help="Measure on the labelled examples of a file, as nnexp predict reads them.",
)
@options.data_root
@options.as_json
def evaluate(runs: tuple[Path, ...], on: On | None, data: Path | None, as_json: bool) -> None:
    """Measure the best network of each RUN on validation, test or other data, and their ensemble.

    \b
    Example:
      nnexp evaluate runs/A --on test
      nnexp evaluate runs/A-s0 runs/B-s0
      nnexp evaluate runs/A --data new.csv

    RUN is a run's directory, the common name of several runs without -s and a seed, or a quoted
    pattern. The ensemble averages the outputs of all networks and chooses the class with the
    largest. Precision, recall and F1 by class are those of the ensemble, or of a single RUN.
    """
    from nnexp.analysis import evaluation
    from nnexp.analysis.experiments import named_runs
    from nnexp.errors import UsageError
    from nnexp.native.availability import why_unavailable
    from nnexp.report import evaluations

    if on is not None and data is not None:
        raise UsageError("--on and --data exclude each other")
    measured = named_runs(runs)
    if data is None:
        result = evaluation.evaluate(measured, on or "validation")
    else:
        result = evaluation.evaluate_file(measured, data)
    missing = why_unavailable()
    if missing is not None and any(run.record.backend == "native" for run in measured):
        log(
            f"warning: NumPy measured runs of the native backend, which is not available: {missing}"
        )
    if as_json:
        put(json_line(evaluations.output(result)))
    else:
        put(as_text(evaluations.document(result), columns()))
