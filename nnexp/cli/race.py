"""nnexp race: train seed after seed until a comparison is decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import engines, options, pictures
from nnexp.cli.engines import EngineOptions
from nnexp.cli.output import log, put
from nnexp.cli.quantities import Amount
from nnexp.cli.study_progress import Columns, StudyProgress
from nnexp.errors import CheckFailedError, UsageError
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns

if TYPE_CHECKING:
    from nnexp.datasets.loading import Data
    from nnexp.study.execution import Ended
    from nnexp.study.race import RaceResult
    from nnexp.study.race_definition import RaceDefinition


@click.command(cls=options.TrainingCommand)
@click.argument("configs", metavar="CONFIG CONFIG...", nargs=-1, required=True, type=options.CONFIG)
@options.metric
@click.option(
    "--at-most",
    type=options.WholeNumber(4, 1_000),
    default=30,
    show_default=True,
    metavar="N",
    help="Maximum number of seeds of each config, at least 4, the fewest that can decide.",
)
@click.option(
    "--smallest-effect",
    type=Amount(),
    metavar="D",
    help="Smallest difference that matters, in the metric's unit: configs that differ by less are "
    "the same (default: 0.2 points of an accuracy, none for costs and epochs).",
)
@options.settings
@options.runs
@options.backend
@options.data_root
@engines.engine_options(default=None)
@click.option(
    "--plot",
    type=options.NewFile(),
    metavar="FILE",
    help="Draw differences and confidence sequences by seed; FILE is .png, .svg or .pdf.",
)
@options.as_json
@options.quiet
def race(
    configs: tuple[Path, ...],
    metric: str | None,
    at_most: int,
    smallest_effect: float | None,
    settings: tuple[str, ...],
    runs: Path,
    where: EngineOptions,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train seed after seed until each CONFIG is better or worse than the first, or the same.

    \b
    Example:
      nnexp race init-large init-scaled
      nnexp race runs/A runs/B --at-most 60
      nnexp race a.yaml b.yaml c.yaml --metric test_cost --smallest-effect 0.01

    The verdict is valid although it is looked at after every seed. CONFIG can also be a run, or
    an experiment: the path of its runs without -s and the seed. The race then begins with the
    runs that exist, and trains others of the same name. The first CONFIG is the baseline, and
    --set applies to all. Each seed is a run as made by nnexp train. If you stop a race, repeat
    the command to resume it.

    The exit code is 0 if all configs are decided, and 7 if one is not, since --at-most seeds
    were too few, or since a run diverged.
    """
    from nnexp.datasets.loading import Data
    from nnexp.report.figure import check_target
    from nnexp.study import race_definition

    if plot is not None:
        check_target(plot)
    if options.sets(settings, "seed"):
        raise UsageError("--set seed: a race trains the seeds 0, 1, 2, …; remove this setting")
    data = Data()
    defined = race_definition.define(
        configs,
        runs,
        settings,
        data=data,
        metric=metric,
        at_most=at_most,
        smallest_effect=smallest_effect,
    )
    result = _train(defined, runs, where, data, quiet=quiet)
    _report(result, plot, as_json=as_json, quiet=quiet)
    if result.undecided:
        click.get_current_context().exit(CheckFailedError.exit_code)


def _train(
    defined: RaceDefinition, runs: Path, where: EngineOptions, data: Data, *, quiet: bool
) -> RaceResult:
    """Train the seeds that are not trained yet, until all configs are decided.

    Raises:
        InterruptedRunError: a signal was received.
        JobError: a run could not be trained.
    """
    from nnexp.report.races import progress as state
    from nnexp.study.race import Race

    race, judged = Race(defined, data), 0

    def line(event: Ended) -> str | None:
        """Return the state of the race if another seed was judged."""
        nonlocal judged
        if race.result.seeds == judged:
            return None
        judged, states = race.result.seeds, state(race.result)
        seeds = f"{judged} seed{'s' * (judged > 1)}"
        progress.set_known("\n".join([f"{seeds}:", *states]))
        return None if event.was_done else f"{seeds}: {'; '.join(states)}"

    jobs = Columns(("config", "seed"), lambda job: [race.letter(job), str(job.config.seed)])
    progress = StudyProgress(jobs, line=line, quiet=quiet)
    engines.train(
        race,
        where,
        runs,
        progress,
        data=data,
        prepare=(lambda: None) if where.collect else race.check_data,
        reached=lambda: f" after {judged} seed{'s' * (judged != 1)}",
    )
    if progress.is_idle and not quiet:
        log("already done")
    return race.result


def _report(result: RaceResult, plot: Path | None, *, as_json: bool, quiet: bool) -> None:
    from nnexp.report import races

    if as_json:
        put(json_line(races.output(result)))
    else:
        put(as_text(races.document(result), columns()))
    if plot is not None:
        from nnexp.report import study_figures

        pictures.save(lambda: study_figures.race(result), plot)
        if not quiet:
            log(f"{plot}: drawn")
