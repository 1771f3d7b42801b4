"""nnexp reproduce: train the book's figures again and compare them with the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp import paths
from nnexp.cli import candidates, engines, options, pictures
from nnexp.cli.output import log, put
from nnexp.cli.study_progress import SEED, StudyProgress
from nnexp.config.messages import unknown
from nnexp.errors import CheckFailedError, UsageError
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line

if TYPE_CHECKING:
    from nnexp.reproduction.figures import BookFigure
    from nnexp.reproduction.plan import NetPlan


@click.command(cls=options.TrainingCommand)
@click.argument("figure", required=False, shell_complete=candidates.figures)
@click.option(
    "--against",
    type=options.File(),
    metavar="FILE",
    help="The author's file of the figure; all of its points are compared.",
)
@options.runs
@options.settings
@options.data_root
@click.option(
    "--seeds",
    type=options.SeedList(),
    metavar="N|LIST",
    help="Also train with these seeds and nnexp's own random generators, for the spread "
    "(default: five seeds for the chaotic nets).",
)
@click.option(
    "--plot",
    type=options.NewFile(),
    metavar="FILE",
    help="The picture, .png, .svg or .pdf (default: FIGURE.png in the runs folder).",
)
@engines.jobs_option(default=None)
@options.as_json
@options.quiet
def reproduce(
    figure: str | None,
    against: Path | None,
    runs: Path,
    settings: tuple[str, ...],
    seeds: list[int] | None,
    plot: Path | None,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train the networks of a FIGURE of the book, and compare with the published curves.

    \b
    Example:
      nnexp reproduce
      nnexp reproduce overfitting --against overfitting.json
      nnexp reproduce overfitting_full --seeds 5

    Without FIGURE, the figures are listed. With the author's file (fig/FIGURE.json of the
    book's companion code) all points are compared, otherwise the numbers in the book's text.

    "Exact" means that all counts are equal, costs agree within 1e-12, and other numbers in
    all published digits. "Within the seeds' spread" means within the 95 % prediction interval
    of the runs with other seeds. Exits with 7 if a net that should be exact is not: all nets
    but the two chaotic ones, and without --set or with the author's file only.
    """
    from nnexp.report.figure import check_format, check_target
    from nnexp.reproduction import document, picture
    from nnexp.reproduction import published as files
    from nnexp.reproduction.figures import FIGURES
    from nnexp.reproduction.plan import outcomes, plan

    if figure is None:
        if against or settings or seeds or plot:
            raise UsageError(f"FIGURE is missing: name one of {', '.join(FIGURES)}")
        figures = document.figure_list(FIGURES)
        put(json_line(figures) if as_json else as_text(document.list_document(figures)))
        return
    chosen = _figure(FIGURES, figure)
    target = plot or runs / f"{figure}.png"
    if plot is None and not paths.is_folder(runs):  # the folder is made by training
        check_format(target)
    else:
        check_target(target)
    parts = plan(figure, chosen, runs, settings, seeds)
    configs = [part.book.config for part in parts]
    published = None if against is None else files.read(against, figure, chosen, configs)
    _train(parts, runs, jobs, quiet=quiet)
    results = outcomes(parts, published, changed=bool(settings))
    if as_json:
        put(json_line(document.output(figure, results, target)))
    else:
        put(as_text(document.document(results)))
    title = f"{figure}\n{chosen.title}"
    pictures.save(lambda: picture.figure(title, parts, published), target)
    if not quiet:
        log(f"{target}: published and obtained")
    if broken := [net.part.net.name or figure for net in results if net.is_broken]:
        raise CheckFailedError(
            f"{figure}: expected exact results, but these differ: {', '.join(broken)}"
        )


def _figure(figures: dict[str, BookFigure], name: str) -> BookFigure:
    if name not in figures:
        raise UsageError(unknown("figure", name, figures))
    return figures[name]


def _train(parts: list[NetPlan], runs: Path, jobs: int | None, *, quiet: bool) -> None:
    """Train all nets of a figure. Raises: InterruptedRunError, JobError."""
    from nnexp.study.execution import JobList

    planned = [job for part in parts for job in part.trainings]
    progress = StudyProgress(SEED, len(planned), quiet=quiet)
    where = engines.EngineOptions(jobs)
    engines.train(
        JobList(planned), where, runs, progress, is_fatal=lambda outcome: bool(outcome.code)
    )
