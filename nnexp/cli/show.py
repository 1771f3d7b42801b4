"""nnexp show: one run, and what there is to see of it."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli import options
from nnexp.cli.output import put, say
from nnexp.report.text import as_json as json_line

if TYPE_CHECKING:
    from nnexp.analysis.diagnosis import Diagnosis
    from nnexp.analysis.evaluation import On
    from nnexp.analysis.summary import Summary
    from nnexp.report.outputs import ShowOutput


@click.command()
@click.argument("run", type=options.RUN)
@click.option(
    "--on",
    type=click.Choice(["validation", "test"]),
    help="The examples whose classes and images are shown; by default validation, if there is any.",
)
@click.option(
    "--images",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also draw the images that the best network is wrong about and surest of "
    "(.png, .svg or .pdf).",
)
@options.as_json
def show(run: Path, on: On | None, images: Path | None, as_json: bool) -> None:
    """Show RUN: its config, its metrics, how its cost went, and which classes it mixes up.

    \b
    Example:
      nnexp show runs/A
      nnexp show runs/A --on test --images wrong.png

    Of a config, the keys that differ from their defaults are shown, with --json all. What is
    damaged is left out, and exits 5.
    """
    from nnexp.analysis.summary import summarize
    from nnexp.report.summary import text
    from nnexp.store.run import at

    summary = summarize(at(run))
    on = _split(summary, on)
    if images is not None:  # first, so that a wrong name of the picture is all that is said
        _draw(summary, on, images)
    put(json_line(_output(summary)) if as_json else text(summary, on))
    for problem in summary.problems:
        say(str(problem))
    if summary.problems:
        click.get_current_context().exit(max(each.exit_code for each in summary.problems))


def _split(summary: Summary, on: On | None) -> On:
    """Return the split that is shown, if the run has it."""
    from nnexp.errors import UsageError

    data = summary.run.record.data
    if on is not None and not getattr(data, on):
        raise UsageError(f"{summary.run.path}: its data has no {on} examples")
    return on or ("test" if data.test and not data.validation else "validation")


def _draw(summary: Summary, on: On, path: Path) -> None:
    from nnexp.analysis.mistakes import surest
    from nnexp.errors import UsageError
    from nnexp.report import mistakes
    from nnexp.report.figure import check_format

    run = summary.run
    check_format(path)  # before anything is loaded
    found = surest(run, on, mistakes.MOST)
    if not found.wrong:
        raise UsageError(f"{run.path}: is wrong about no {on} example: there is nothing to draw")
    figure = mistakes.figure(run.name, found, summary.classes)
    from nnexp.report import renderer  # matplotlib is slow to import

    renderer.save(figure, path)


def _output(summary: Summary) -> ShowOutput:
    from nnexp.config import canonical
    from nnexp.report.outputs import ConfusionOutput, ShowOutput

    record, diagnosis = summary.run.record, summary.diagnosis
    overfitting = summary.overfitting
    return ShowOutput(
        run=str(summary.run.path),
        status=summary.status,
        ending=summary.ending,
        result=summary.result,
        config=canonical.to_builtins(summary.config),
        changed=[key for key, *_ in summary.changed],
        data=record.data,
        versions=record.versions,
        numerics=record.numerics,
        best=summary.best,
        last=summary.last,
        diagnosis=diagnosis and _judged(diagnosis),
        overfitting=overfitting and {**overfitting._asdict(), "sentence": overfitting.sentence},
        classes=list(summary.classes),
        confusion={
            split: ConfusionOutput(matrix=each.matrix.tolist(), accuracy=each.accuracy)
            for split, each in summary.confusion.items()
        },
        problems=[str(problem) for problem in summary.problems],
    )


def _judged(diagnosis: Diagnosis) -> dict[str, Any]:
    said = {**diagnosis._asdict(), "ratio": diagnosis.ratio, "sentence": diagnosis.sentence}
    infinite = [
        key for key, value in said.items() if isinstance(value, float) and not isfinite(value)
    ]
    return said | dict.fromkeys(infinite)  # JSON has no number for them
