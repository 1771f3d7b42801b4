"""nnexp sweep: many configs from one, trained in parallel and ranked."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from nnexp.cli import candidates, engines, options, pictures
from nnexp.cli.engines import EngineOptions
from nnexp.cli.output import log, put
from nnexp.cli.study_progress import Columns, StudyProgress, confirming_line
from nnexp.errors import NnexpError, UsageError
from nnexp.paths import tolerated
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line
from nnexp.report.text import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.datasets.loading import Data
    from nnexp.study.confirmation import Confirmation, SweepConfirmation
    from nnexp.study.execution import Ended
    from nnexp.study.job import Job, Outcome
    from nnexp.study.plan import Plan
    from nnexp.study.ranking import Ranking


@click.command(cls=options.TrainingCommand)
@click.argument("config", type=options.CONFIG)
@click.option(
    "--grid",
    "grids",
    metavar="KEY=V,...",
    shell_complete=candidates.grid,
    multiple=True,
    help="Try each of these values, a YAML list with or without its outer brackets; "
    "repeat the option for a grid.",
)
@options.confirm(default=0)
@options.settings
@click.option(
    "--seeds",
    type=options.SeedList(),
    metavar="N|LIST",
    help="Train each point with these seeds: 5 means seeds 0 to 4; also a list such as 0-4,7.",
)
@options.runs
@options.backend
@options.data_root
@engines.engine_options(default=None)
@click.option(
    "--keep-going/--fail-fast",
    default=True,
    help="After a failure, continue with the other runs (default), or stop them.",
)
@click.option("--dry-run", is_flag=True, help="List the runs and their status; train nothing.")
@click.option(
    "--emit",
    type=options.OneOf(["commands", "slurm"]),
    help="Print one nnexp train command per trial, or an sbatch array script; train nothing.",
)
@click.option(
    "--plot",
    type=options.NewFile(),
    metavar="FILE",
    help="Draw accuracy against the swept keys; FILE is .png, .svg or .pdf.",
)
@options.as_json
@options.quiet
def sweep(
    config: Path,
    grids: tuple[str, ...],
    confirm: int,
    settings: tuple[str, ...],
    seeds: list[int] | None,
    runs: Path,
    where: EngineOptions,
    keep_going: bool,
    dry_run: bool,
    emit: str | None,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train CONFIG, a config or a sweep file, at many points, and rank them.

    \b
    Example:
      nnexp sweep quickstart --grid learning_rate=0.1,0.5 --grid lambda=0,5
      nnexp sweep my-sweep.yaml --dry-run

    Each trial is a run as made by nnexp train, in its own process. If you stop a sweep, repeat
    the command: finished runs are skipped, interrupted ones resumed. A sweep file is YAML with
    config (the base), and any of set, grid, zip, random, seeds and exclude. If trials fail,
    the exit code is that of the first one.
    """
    from nnexp.datasets.loading import Data
    from nnexp.report import sweep_ranking
    from nnexp.report.figure import check_target
    from nnexp.store import disk
    from nnexp.study import sweep_file
    from nnexp.study.confirmation import SweepConfirmation
    from nnexp.study.plan import plan as planned

    if plot is not None:
        check_target(plot)
    if emit is not None:
        idle = {"dry_run": dry_run, "json": as_json, "engine": where.engine == "dask", "plot": plot}
        _check_idle(**idle, confirm=confirm > 0, jobs=where.jobs, timeout=where.timeout,
                    max_memory=where.max_memory, fail_fast=not keep_going)  # fmt: skip
    plan = planned(sweep_file.read(str(config), settings, grids, seeds))
    if emit is not None:
        _emit(plan, runs, emit)
        return
    data = Data()
    jobs = plan.jobs(runs, data)
    confirming = SweepConfirmation(plan, confirm, runs, data) if confirm else None
    if dry_run:
        states = sweep_ranking.planned(plan, jobs, confirming.seeds if confirming else ())
        put(json_line(states) if as_json else as_text(sweep_ranking.planned_document(states)))
        problems = [run.problem for run in states.runs if run.problem is not None]
        for problem in problems:
            log(problem)
        click.get_current_context().exit(1 if problems else 0)
    disk.check_directory(runs)
    result = _train(
        plan, jobs, confirming, runs, where, data, fail_fast=not keep_going, quiet=quiet
    )
    _report(result, confirms=confirming is not None, as_json=as_json, quiet=quiet)
    codes = [outcome.code for outcome in result.outcomes if outcome is not None and outcome.code]
    if plot is not None and (drawn := _draw(plot, result, failed=bool(codes), quiet=quiet)):
        log(drawn)
    if codes:
        click.get_current_context().exit(codes[0])


def _check_idle(**given: object) -> None:
    """Raise UsageError for options that have no effect with --emit."""
    idle = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if idle:
        raise UsageError(f"--emit only prints commands: remove {', '.join(idle)}")


def _emit(plan: Plan, runs: Path, how: str) -> None:
    from nnexp.study import job_script

    is_script = how == "slurm"
    for text in [job_script.slurm(plan, runs)] if is_script else job_script.commands(plan, runs):
        put(text)
        if is_script and (warning := job_script.too_long(text)) is not None:
            log(f"warning: {warning}")


class SweepResult(NamedTuple):
    """The runs of a sweep, and how they ended."""

    plan: Plan
    jobs: list[Job]
    """Those of the plan, then the confirming ones."""
    outcomes: list[Outcome | None]
    """By job; None for one that was not trained."""
    ranking: Ranking
    confirmation: Confirmation | None
    """Of the best point, if it is to be confirmed and has a result with every seed."""


def _train(
    plan: Plan,
    jobs: list[Job],
    confirming: SweepConfirmation | None,
    runs: Path,
    where: EngineOptions,
    data: Data,
    *,
    fail_fast: bool,
    quiet: bool,
) -> SweepResult:
    """Train all runs of a plan, then those that confirm the best point.

    Raises:
        InterruptedRunError: a signal was received; all runs have stopped.
        ClusterError: the cluster is gone.
    """
    from nnexp.errors import JobError
    from nnexp.study.execution import JobList
    from nnexp.study.ranking import rank

    indices = {job.run.path: index for index, job in enumerate(jobs)}
    outcomes: dict[Path, Outcome] = {}
    confirmation: Confirmation | None = None

    def ranking() -> Ranking:
        return rank(plan, [outcomes.get(job.run.path) for job in jobs])

    def confirm() -> Sequence[Job]:
        nonlocal confirmation
        confirmation = None if confirming is None else confirming.of(ranking())
        return () if confirmation is None else confirmation.jobs

    def note(event: Ended) -> None:
        outcomes[event.job.run.path] = event.outcome

    def progress_made() -> str:
        done = sum(path in indices and not outcome.code for path, outcome in outcomes.items())
        return f" with {done:,} of {len(jobs):,} trials done"

    def label(job: Job) -> str:
        return (confirmation.label(job) if confirmation is not None else None) or ""

    def cells(job: Job) -> Sequence[str]:
        if job.run.path in indices:
            return plan.cells(indices[job.run.path])
        return [label(job), *[""] * (len(plan.keys) - 1), str(job.config.seed)]

    def line(event: Ended) -> str:
        is_planned = event.job.run.path in indices
        return progress.result(event) if is_planned else confirming_line(label(event.job), event)

    given = () if confirming is None else confirming.given
    total = len(jobs) + 2 * len(given)
    progress = StudyProgress(Columns((*plan.keys, "seed"), cells), total, line, quiet=quiet)
    with contextlib.suppress(JobError):  # each failure is listed at the end
        engines.train(
            JobList(jobs, confirm),
            where,
            runs,
            progress,
            data=data,
            isolated=True,
            configs=[job.config for job in (*jobs, *given) if _may_need_training(job)],
            is_fatal=lambda outcome: fail_fast and bool(outcome.code),
            note=note,
            reached=progress_made,
        )
    if confirmation is not None:
        confirmation = confirmation.ended(outcomes)
        jobs = [*jobs, *confirmation.jobs]
    ended = [outcomes.get(job.run.path) for job in jobs]
    return SweepResult(plan, jobs, ended, ranking(), confirmation)


def _report(result: SweepResult, *, confirms: bool, as_json: bool, quiet: bool) -> None:
    from nnexp.report import confirmation as confirmations
    from nnexp.report import sweep_ranking

    plan, jobs, outcomes, ranking, confirmation = result
    compared = None if confirmation is None else confirmation.compare()
    verdicts = {} if confirms else sweep_ranking.verdicts(plan, jobs, ranking, outcomes)
    if as_json:
        output = sweep_ranking.output(plan, jobs, ranking, outcomes, verdicts)
        if confirms:
            output = sweep_ranking.confirmed(output, confirmation, compared)
        put(json_line(output))
    else:
        document = sweep_ranking.document(plan, ranking, verdicts, has_test=not confirms)
        if confirms:
            sections = confirmations.sections(confirmation, compared, "point")
            document = document._replace(sections=[*document.sections, *sections])
        put(as_text(document, columns() if confirms else 0))
    if not quiet:
        legend = None if as_json else sweep_ranking.legend(verdicts)
        notes = sweep_ranking.notes(ranking, jobs[: len(plan.trials)])
        for line in filter(None, [legend, *notes, sweep_ranking.advice(verdicts)]):
            log(line)
    for line in sweep_ranking.failures(jobs, outcomes):
        log(line)


def _draw(plot: Path, result: SweepResult, *, failed: bool, quiet: bool) -> str:
    """Draw a sweep and return what to say of it; if trials failed, that may be an error."""
    from nnexp.report import study_figures

    try:
        if result.ranking.split is None:
            raise UsageError(f"{plot}: no trial has a result to draw")
        pictures.save(lambda: study_figures.sweep(result.plan, result.ranking), plot)
    except NnexpError as error:
        if not failed:
            raise
        return str(error)
    return "" if quiet else f"{plot}: {result.ranking.split} accuracy"


def _may_need_training(job: Job) -> bool:
    """Return whether a job may need training, by a check cheap enough for many jobs.

    Raises: DiskError if the disk fails.
    """
    with tolerated():
        return job.run.result is None
    return False
