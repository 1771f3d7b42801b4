"""nnexp reproduce: the book's figures, trained again and held against what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import engines, options
from nnexp.cli.output import put, say
from nnexp.cli.study_progress import SEED, StudyProgress
from nnexp.cli.train import SeedsParam
from nnexp.errors import CheckFailedError, UsageError
from nnexp.report.text import as_json as json_line
from nnexp.report.text import table

if TYPE_CHECKING:
    from nnexp.reproduction.figures import BookFigure
    from nnexp.reproduction.plan import NetPlan


@click.command()
@click.argument("figure", required=False)
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The author's file of the figure, to compare with point by point.",
)
@options.runs
@options.settings
@click.option(
    "--seeds",
    type=SeedsParam(),
    metavar="N|LIST",
    help="Also train with these seeds and nnexp's own generators, for the spread; "
    "chaotic nets by themselves take five.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
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
        put(_listed(FIGURES, as_json=as_json))
        return
    chosen = _figure(FIGURES, figure)
    target = plot or runs / f"{figure}.png"
    check_format(target)
    parts = plan(figure, chosen, runs, settings, seeds)
    configs = [part.book.config for part in parts]
    published = None if against is None else files.read(against, figure, chosen, configs)
    _train(parts, runs, jobs, quiet=quiet)
    found = outcomes(parts, published, changed=bool(settings))
    output = document.output(figure, found, target)
    put(json_line(output) if as_json else document.text(found))
    from nnexp.report import renderer  # matplotlib is slow to import

    renderer.save(picture.figure(f"{figure}\n{chosen.title}", parts, published), target)
    if not quiet:
        say(f"{target}: published and obtained")
    if broken := [each.part.net.name or figure for each in found if each.is_broken]:
        raise CheckFailedError(f"{figure}: not exact, as was promised: {', '.join(broken)}")


def _figure(figures: dict[str, BookFigure], name: str) -> BookFigure:
    from difflib import get_close_matches

    if name in figures:
        return figures[name]
    close = get_close_matches(name, figures, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UsageError(f"unknown figure {name!r}{hint} (known: {', '.join(figures)})")


def _listed(figures: dict[str, BookFigure], *, as_json: bool) -> str:
    if as_json:
        from nnexp.report.outputs import FigureOutput

        listed = [
            FigureOutput(figure=name, title=figure.title, nets=[net.name for net in figure.nets])
            for name, figure in figures.items()
        ]
        return json_line(listed)
    rows = [(name, figure.title) for name, figure in figures.items()]
    return table(("figure", "what it shows"), rows, left=2)


def _train(parts: list[NetPlan], runs: Path, jobs: int | None, *, quiet: bool) -> None:
    """Train all nets of a figure. Raises: InterruptedRunError, JobError."""
    from nnexp.study.execution import JobList

    planned = [job for part in parts for job in part.trainings]
    progress = StudyProgress(SEED, len(planned), quiet=quiet)
    where = engines.EngineOptions(jobs)
    engines.train(
        JobList(planned), where, runs, progress, is_fatal=lambda outcome: bool(outcome.code)
    )
