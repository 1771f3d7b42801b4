"""nnexp search: search a space of configs at random, on a grid or with Optuna's TPE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli import candidates, engines, options, pictures
from nnexp.cli.engines import EngineOptions
from nnexp.cli.output import log, put
from nnexp.cli.study_progress import Columns, StudyProgress, confirming_line
from nnexp.errors import DivergedError, UsageError
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns, percent

if TYPE_CHECKING:
    from nnexp.study.execution import Ended
    from nnexp.study.job import Job
    from nnexp.study.search import Search, SearchResult
    from nnexp.study.search_definition import Definition
    from nnexp.study.trials import Trial


@click.command(cls=options.TrainingCommand)
@click.argument("config", type=options.CONFIG)
@click.option(
    "--space",
    "sources",
    metavar="FILE|KEY=RANGE",
    shell_complete=candidates.space,
    multiple=True,
    required=True,
    help="What to vary. KEY=A,B is a list of values; KEY=log-uniform(LOW, HIGH) is a range; so "
    "are uniform, integers and log-integers. FILE is YAML: keys with lists and ranges, or the "
    "sections grid, zip, random, exclude and seeds of a sweep file. Repeatable.",
)
@click.option(
    "--method",
    type=options.OneOf(["grid", "random", "tpe"]),
    default="random",
    show_default=True,
    help="How to choose points; tpe needs Optuna.",
)
@click.option(
    "--trials",
    type=options.WholeNumber(1, 100_000),
    default=20,
    show_default=True,
    metavar="N",
    help="Maximum number of points. A grid divides its ranges as finely as this allows.",
)
@click.option(
    "--epochs",
    type=options.WholeNumber(1),
    metavar="E",
    help="Epochs per trial; the same as --set epochs=E.",
)
@click.option(
    "--seeds",
    type=options.SeedList(),
    metavar="N|LIST",
    help="Train each trial with these seeds: 5 means seeds 0 to 4; also a list such as 0-4,7.",
)
@click.option(
    "--halving",
    is_flag=True,
    help="Successive halving: train all trials briefly, and only the best ones further.",
)
@click.option(
    "--factor",
    type=options.WholeNumber(2),
    metavar="F",
    help="With --halving: train one in F trials further, to F times the epochs (default: 3).",
)
@click.option(
    "--examples",
    type=options.WholeNumber(1),
    metavar="N",
    help="Start no more trials once N training examples have been processed.",
)
@click.option(
    "--seed",
    type=options.WholeNumber(0, 2**63 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of the random points.",
)
@options.confirm(default=5)
@options.settings
@options.runs
@options.backend
@options.data_root
@engines.engine_options(default=None)
@click.option(
    "--curves",
    is_flag=True,
    help="Also draw the curves of the compared experiments in the terminal.",
)
@click.option(
    "--plot",
    type=options.NewFile(),
    metavar="FILE",
    help="Draw accuracy against each searched key; FILE is .png, .svg or .pdf.",
)
@options.as_json
@options.quiet
def search(
    config: Path,
    sources: tuple[str, ...],
    epochs: int | None,
    halving: bool,
    factor: int | None,
    settings: tuple[str, ...],
    runs: Path,
    where: EngineOptions,
    curves: bool,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
    **chosen: Any,  # noqa: ANN401 - passed on to the library
) -> None:
    """Search a space around CONFIG; rank the trials and compare the best with CONFIG.

    \b
    Example:
      nnexp search my.yaml --space 'learning_rate=log-uniform(0.01,10)' --epochs 5
      nnexp search my.yaml --space space.yaml --method tpe --trials 50

    Trials are ranked by their best validation accuracy, averaged over seeds. The best one was
    partly lucky, so it is compared with CONFIG on fresh seeds. Each trial is a run as made by
    nnexp train, and CONFIG itself is trained for comparison. If you stop a search, repeat the
    command to resume it. If runs exceed --timeout or --max-memory, the exit code is that of
    the first one.
    """
    from nnexp.report.figure import check_target
    from nnexp.study import search_definition

    if plot is not None:
        check_target(plot)
    if factor is not None and not halving:
        raise UsageError("--factor needs --halving")
    if chosen["seeds"] is not None and options.sets(settings, "seed"):
        raise UsageError("--set seed and --seeds: give one of them")
    if epochs is not None:
        if options.sets(settings, "epochs"):
            raise UsageError("--set epochs and --epochs: give one of them")
        settings = (*settings, f"epochs={epochs}")
    factor = (factor or search_definition.FACTOR) if halving else None
    defined = search_definition.define(str(config), sources, settings, factor=factor, **chosen)
    if epochs is not None and "epochs" in defined.space.keys:
        raise UsageError("--epochs and --space epochs: give one of them")
    result = _train(defined, runs, where, quiet=quiet)
    _report(result, plot, curves=curves, as_json=as_json, quiet=quiet)
    if result.failures:
        from nnexp.report import sweep_ranking

        for run, outcome in result.failures:
            log(sweep_ranking.failure(run, outcome))
        click.get_current_context().exit(result.failures[0][1].code)
    if result.best is None:
        raise DivergedError(f"every trial diverged; {result.reason}")


def _train(defined: Definition, runs: Path, where: EngineOptions, *, quiet: bool) -> SearchResult:
    """Train the trials that are not trained yet.

    Raises:
        InterruptedRunError: a signal was received.
        JobError: a run could not be trained.
    """
    from nnexp.datasets.loading import Data
    from nnexp.study.search import Search, is_fatal

    data = Data()
    search = Search(defined, runs, data)
    progress = StudyProgress(
        _job_columns(search), search.steps, lambda event: _trial_line(search, event), quiet=quiet
    )
    engines.train(
        search,
        where,
        runs,
        progress,
        data=data,
        is_fatal=is_fatal,
        prepare=(lambda: None) if where.collect else search.check_data,
        reached=lambda: f" in {_position(search)}",
    )
    if progress.is_idle and not quiet:
        log("already done")
    return search.result


def _report(
    result: SearchResult, plot: Path | None, *, curves: bool, as_json: bool, quiet: bool
) -> None:
    from nnexp.report import search_ranking

    compared = result.compare()
    if as_json:
        put(json_line(search_ranking.output(result, compared)))
    else:
        document = search_ranking.document(result, compared, with_curves=curves)
        put(as_text(document, columns()))
    if plot is not None and result.best is not None:
        from nnexp.report import study_figures

        pictures.save(lambda: study_figures.search(result), plot)
        if not quiet:
            log(f"{plot}: drawn")


def _job_columns(search: Search) -> Columns:
    """Return the columns of a search's jobs: the trial, its values and the seed."""
    from nnexp.config import dump
    from nnexp.report.search_ranking import GIVEN

    def values(job: Job) -> list[str]:
        trial, label = search.trial_of(job), _confirming(search, job)
        count = len(search.definition.space.keys)
        settings = ["-"] * count if trial.is_baseline else map(dump.inline, trial.values)
        number = GIVEN if trial.is_baseline else f"{trial.number}/{search.trials}"
        return [label or number, *settings, str(job.config.seed)]

    return Columns(("trial", *search.definition.space.keys, "seed"), values)


def _trial_line(search: Search, event: Ended) -> str | None:
    """Describe a trial whose last run has ended, or a confirming run; None if others are left."""
    from nnexp.report.search_ranking import unscored

    if (label := _confirming(search, event.job)) is not None:
        return None if event.was_done else confirming_line(label, event)
    result = search.result_of(event.job)
    if result is None or event.was_done:
        return None
    trial = result.trial
    words = [_named(search, trial)]
    if not trial.is_baseline:
        words.append(search.definition.space.describe(trial.values))
    outcome = unscored(result) if result.score is None else f"validation {percent(result.score)}"
    if result.epoch < trial.config.epochs and result.failure is None:
        outcome += f" by epoch {result.epoch}"
    words.append(outcome)
    if search.result.best is result:
        words.append("best so far")
    return "  ".join(words)


def _named(search: Search, trial: Trial) -> str:
    """Return a trial's name, such as ``trial 3/20``."""
    from nnexp.report.search_ranking import GIVEN

    if trial.is_baseline:
        return f"config {GIVEN}"
    return f"trial {trial.number:{len(str(search.trials))}}/{search.trials}"


def _confirming(search: Search, job: Job) -> str | None:
    """Return which config a job confirms; None if it belongs to a trial."""
    return None if search.confirmation is None else search.confirmation.label(job)


def _position(search: Search) -> str:
    """Describe the progress of a search by the first trial in training."""
    trial = search.under_way
    if trial is not None:
        return _named(search, trial)
    return "its beginning" if search.confirmation is None else "the confirmation of the best trial"
