"""nnexp show: a run's config, metrics, curves and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import options, pictures
from nnexp.cli.output import log, put
from nnexp.report.document import READABLE, as_text
from nnexp.report.text import as_json as json_line

if TYPE_CHECKING:
    from nnexp.analysis.evaluation import On
    from nnexp.analysis.summary import Summary
    from nnexp.report.figure import Figure


@click.command()
@click.argument("run", type=options.RUN)
@click.option(
    "--on",
    type=options.OneOf(["validation", "test"]),
    help="The examples of the confusion matrix, F1 and the images (default: validation, if any).",
)
@click.option(
    "--images",
    type=options.NewFile(),
    metavar="FILE",
    help="Also draw the most confident mistakes of the best network; FILE is .png, .svg or .pdf.",
)
@options.data_root
@options.as_json
def show(run: Path, on: On | None, images: Path | None, as_json: bool) -> None:
    """Show RUN: config, metrics, diagnosis of its cost curve, confusion matrix, F1 by class.

    \b
    Example:
      nnexp show runs/A
      nnexp show runs/A --on test --images wrong.png

    Config keys at their defaults are left out, except with --json. Damaged parts are left
    out, too, and the exit code is then 5.
    """
    from nnexp.analysis.summary import summarize
    from nnexp.report.summary import document, output
    from nnexp.store.run import at

    summary = summarize(at(run))
    on = _split(summary, on)
    # What is drawn is read first, so that nothing is printed if there is nothing to draw.
    mistakes = None if images is None else _mistakes(summary, on, images)
    put(json_line(output(summary)) if as_json else as_text(document(summary, on), READABLE))
    for problem in summary.problems:
        log(str(problem))
    if images is not None and mistakes is not None:
        pictures.save(lambda: mistakes, images)
    if summary.problems:
        click.get_current_context().exit(max(problem.exit_code for problem in summary.problems))


def _split(summary: Summary, on: On | None) -> On:
    """Return the split to show. Raises: UsageError if the run's data lacks it."""
    from nnexp.errors import UsageError

    data = summary.run.record.data
    if on is not None and not getattr(data, on):
        raise UsageError(f"{summary.run.path}: its data has no {on} examples")
    return on or ("test" if data.test and not data.validation else "validation")


def _mistakes(summary: Summary, on: On, path: Path) -> Figure:
    """Return the figure of a run's mistakes, for a file.

    Raises: UsageError if the file's name or folder is wrong, or if there are no mistakes.
    """
    from nnexp.analysis.mistakes import surest
    from nnexp.errors import UsageError
    from nnexp.report import mistakes
    from nnexp.report.figure import check_target

    run = summary.run
    check_target(path)  # before anything is loaded
    surest_mistakes = surest(run, on, mistakes.MOST)
    if not surest_mistakes.wrong:
        raise UsageError(
            f"{run.path}: classifies every {on} example correctly: there is nothing to draw"
        )
    return mistakes.figure(run.name, surest_mistakes, summary.classes)
