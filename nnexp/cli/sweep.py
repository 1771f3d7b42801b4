"""nnexp sweep: many configs from one, trained in parallel and ranked."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import engines, options, pictures
from nnexp.cli.engines import EngineOptions
from nnexp.cli.output import log, put
from nnexp.cli.study_progress import Columns, StudyProgress
from nnexp.errors import NnexpError, UsageError
from nnexp.paths import tolerated
from nnexp.report.document import as_text
from nnexp.report.text import as_json as json_line

if TYPE_CHECKING:
    from nnexp.datasets.loading import Data
    from nnexp.study.execution import Ended
    from nnexp.study.job import Job, Outcome
    from nnexp.study.plan import Plan
    from nnexp.study.ranking import Ranking


@click.command()
@click.argument("config", type=options.CONFIG)
@click.option(
    "--grid",
    "grids",
    metavar="KEY=V,...",
    multiple=True,
    help="Try each of these values, a YAML list with or without its outer brackets; "
    "repeat the option for a grid.",
)
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
      nnexp sweep quickstart --grid learning_rate=0.1,0.5,1 --grid lambda=0,5 --seeds 3
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
    from nnexp.study.plan import plan as planned
    from nnexp.study.ranking import rank

    if plot is not None:
        check_target(plot)
    if emit is not None:
        idle = {"dry_run": dry_run, "json": as_json, "engine": where.engine == "dask", "plot": plot}
        _check_idle(**idle, jobs=where.jobs, timeout=where.timeout, max_memory=where.max_memory,
                    fail_fast=not keep_going)  # fmt: skip
    plan = planned(sweep_file.read(str(config), settings, grids, seeds))
    if emit is not None:
        _emit(plan, runs, emit)
        return
    data = Data()
    jobs = plan.jobs(runs, data)
    if dry_run:
        states = sweep_ranking.planned(plan, jobs)
        put(json_line(states) if as_json else as_text(sweep_ranking.planned_document(states)))
        problems = [run.problem for run in states.runs if run.problem is not None]
        for problem in problems:
            log(problem)
        click.get_current_context().exit(1 if problems else 0)
    disk.check_directory(runs)
    outcomes = _train(plan, jobs, runs, where, data, fail_fast=not keep_going, quiet=quiet)
    ranking = rank(plan, outcomes)
    codes = [outcome.code for outcome in outcomes if outcome is not None and outcome.code]
    _report(plan, jobs, outcomes, ranking, as_json=as_json, quiet=quiet)
    if plot is not None and (drawn := _draw(plot, plan, ranking, failed=bool(codes), quiet=quiet)):
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


def _train(
    plan: Plan,
    jobs: list[Job],
    runs: Path,
    where: EngineOptions,
    data: Data,
    *,
    fail_fast: bool,
    quiet: bool,
) -> list[Outcome | None]:
    """Train all runs of a plan and return their outcomes.

    Raises:
        InterruptedRunError: a signal was received; all runs have stopped.
        ClusterError: the cluster is gone.
    """
    from nnexp.study.execution import JobList
    from nnexp.study.job import JobError

    indices = {job.run.path: index for index, job in enumerate(jobs)}
    outcomes: list[Outcome | None] = [None] * len(jobs)

    def note(event: Ended) -> None:
        outcomes[indices[event.job.run.path]] = event.outcome

    def progress_made() -> str:
        done = sum(outcome is not None and not outcome.code for outcome in outcomes)
        return f" with {done:,} of {len(jobs):,} trials done"

    columns = Columns((*plan.keys, "seed"), lambda job: plan.cells(indices[job.run.path]))
    progress = StudyProgress(columns, len(jobs), quiet=quiet)
    with contextlib.suppress(JobError):  # each failure is listed at the end
        engines.train(
            JobList(jobs),
            where,
            runs,
            progress,
            data=data,
            isolated=True,
            configs=[job.config for job in jobs if _may_need_training(job)],
            is_fatal=lambda outcome: fail_fast and bool(outcome.code),
            note=note,
            reached=progress_made,
        )
    return outcomes


def _report(
    plan: Plan,
    jobs: list[Job],
    outcomes: list[Outcome | None],
    ranking: Ranking,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    from nnexp.report import sweep_ranking

    verdicts = sweep_ranking.verdicts(plan, jobs, ranking, outcomes)
    if as_json:
        put(json_line(sweep_ranking.output(plan, jobs, ranking, outcomes, verdicts)))
    else:
        put(as_text(sweep_ranking.document(plan, ranking, verdicts)))
    if not quiet:
        legend = None if as_json else sweep_ranking.legend(verdicts)
        notes = sweep_ranking.notes(ranking, jobs)
        for line in filter(None, [legend, *notes, sweep_ranking.advice(verdicts)]):
            log(line)
    for line in sweep_ranking.failures(jobs, outcomes):
        log(line)


def _draw(plot: Path, plan: Plan, ranking: Ranking, *, failed: bool, quiet: bool) -> str:
    """Draw a sweep and return what to say of it; if trials failed, that may be an error."""
    from nnexp.report import study_figures

    try:
        if ranking.split is None:
            raise UsageError(f"{plot}: no trial has a result to draw")
        pictures.save(lambda: study_figures.sweep(plan, ranking), plot)
    except NnexpError as error:
        if not failed:
            raise
        return str(error)
    return "" if quiet else f"{plot}: {ranking.split} accuracy"


def _may_need_training(job: Job) -> bool:
    """Return whether a job may need training, by a check cheap enough for many jobs.

    Raises: DiskError if the disk fails.
    """
    with tolerated():
        return job.run.result is None
    return False
