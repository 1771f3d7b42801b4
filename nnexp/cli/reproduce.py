"""nnexp reproduce: train the book's figures again and compare them with the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import engines, options
from nnexp.cli.output import put, say
from nnexp.cli.study_progress import SEED, StudyProgress
from nnexp.config.messages import unknown
from nnexp.errors import CheckFailedError, UsageError
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line

if TYPE_CHECKING:
    from nnexp.reproduction.figures import BookFigure
    from nnexp.reproduction.plan import NetPlan


@click.command()
@click.argument("figure", required=False)
@click.option(
    "--against",
    type=options.File(),
    metavar="FILE",
    help="The author's file of the figure, to compare with point by point.",
)
@options.runs
@options.settings
@click.option(
    "--seeds",
    type=options.SeedList(),
    metavar="N|LIST",
    help="Also train with these seeds and nnexp's own generators, for the spread; "
    "chaotic nets by themselves take five.",
)
@click.option(
    "--plot",
    type=options.File(),
    metavar="FILE",
    help="Where the picture goes (.png, .svg or .pdf); by default beside the runs.",
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
    """Train a FIGURE of the book again; print published beside obtained. Without FIGURE: list them.

    \b
    Example:
      nnexp reproduce
      nnexp reproduce weight_initialization_30 --against weight_initialization_30.json
      nnexp reproduce overfitting_full --seeds 5

    With the author's file (fig/FIGURE.json of the book's companion code) every point is
    compared, without it the numbers that the book names. Exact means: all counts equal, costs
    within 1e-12, other numbers equal to the published digits. Within the seeds' spread means:
    in the 95 % prediction interval of the seeds' runs. Exits 7 if a net that is promised to be
    exact is not; nothing is promised of the two chaotic nets, nor of --set without a file.
    """
    from nnexp.report.figure import check_format
    from nnexp.reproduction import document, picture
    from nnexp.reproduction import published as files
    from nnexp.reproduction.figures import FIGURES
    from nnexp.reproduction.plan import outcomes, plan

    if figure is None:
        if against or settings or seeds or plot:
            raise UsageError(f"which figure? name one of {', '.join(FIGURES)}")
        figures = document.figure_list(FIGURES)
        put(json_line(figures) if as_json else as_text(document.list_document(figures)))
        return
    chosen = _figure(FIGURES, figure)
    target = plot or runs / f"{figure}.png"
    check_format(target)
    parts = plan(figure, chosen, runs, settings, seeds)
    configs = [part.book.config for part in parts]
    published = None if against is None else files.read(against, figure, chosen, configs)
    _train(parts, runs, jobs, quiet=quiet)
    results = outcomes(parts, published, changed=bool(settings))
    if as_json:
        put(json_line(document.output(figure, results, target)))
    else:
        put(as_text(document.document(results)))
    from nnexp.report import renderer  # matplotlib is slow to import

    renderer.save(picture.figure(f"{figure}\n{chosen.title}", parts, published), target)
    if not quiet:
        say(f"{target}: published and obtained")
    if broken := [net.part.net.name or figure for net in results if net.is_broken]:
        raise CheckFailedError(f"{figure}: not exact, as was promised: {', '.join(broken)}")


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
