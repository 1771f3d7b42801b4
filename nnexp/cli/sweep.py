"""nnexp sweep: many configs from one, trained in parallel and ranked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from nnexp.cli import engines, options, signals, standings
from nnexp.cli.quantities import Seconds, Size
from nnexp.cli.sweeping import View
from nnexp.cli.text import as_json as json_line
from nnexp.cli.text import put, say
from nnexp.cli.train import Seeds
from nnexp.errors import InterruptedRunError, NnexpError, UsageError

if TYPE_CHECKING:
    from nnexp.study.dask.executor import Cluster
    from nnexp.study.engine import Outcome
    from nnexp.study.job import Job
    from nnexp.study.local.pool import Local
    from nnexp.study.plan import Plan
    from nnexp.study.ranking import Ranking

    Start: TypeAlias = Callable[[Callable[[], None]], AbstractContextManager[Local | Cluster]]


@click.command()
@click.argument("config", type=options.CONFIG)
@click.option(
    "--grid",
    "grids",
    metavar="KEY=V,...",
    multiple=True,
    help="Try each of these values, a YAML list whose outer brackets may be left out; "
    "repeatable, for a grid.",
)
@options.settings
@click.option(
    "--seeds", type=Seeds(), metavar="N|LIST", help="Each point with these: 5 is 0 to 4; or 0-4,7."
)
@options.runs
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Trials at a time; by default as many as there are cores, or threads of workers.",
)
@click.option("--engine", type=click.Choice(["local", "dask"]), default="local",
              help="Train on this machine (the default), or on a dask cluster.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS",
              help="Of the dask cluster; tcp://127.0.0.1:8786 by default.")  # fmt: skip
@click.option("--collect", is_flag=True,
              help="Bring runs home from workers that do not see the runs folder.")  # fmt: skip
@click.option("--timeout", type=Seconds(), metavar="SECONDS",
              help="Stop a trial that takes longer; the next call goes on with it.")  # fmt: skip
@click.option("--max-memory", type=Size(), metavar="SIZE",
              help="Kill a trial that has more in memory, such as 500M.")  # fmt: skip
@click.option(
    "--keep-going/--fail-fast",
    default=True,
    help="After a failure go on with the others (the default), or stop all.",
)
@click.option("--dry-run", is_flag=True, help="List the runs and their state; train nothing.")
@click.option(
    "--emit",
    type=click.Choice(["commands", "slurm"]),
    help="Print an nnexp train line a trial, or an sbatch array script; train nothing.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw accuracy against what is swept (.png, .svg or .pdf).",
)
@options.as_json
@options.quiet
def sweep(
    config: Path,
    grids: tuple[str, ...],
    settings: tuple[str, ...],
    seeds: list[int] | None,
    runs: Path,
    jobs: int | None,
    engine: str,
    scheduler: str | None,
    collect: bool,
    timeout: float | None,
    max_memory: int | None,
    keep_going: bool,
    dry_run: bool,
    emit: str | None,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train a config, or a sweep file, at many points; print how they rank.

    \b
    Example:
      nnexp sweep configs/quickstart.yaml --grid learning_rate=0.1,0.5,1 --grid lambda=0,5 --seeds 3
      nnexp sweep my-sweep.yaml --dry-run

    Every trial is the run that nnexp train would make, in a process of its own. Start the same
    command again to go on: finished runs are skipped, broken ones resumed. A sweep file is YAML
    with config (the base), and any of set, grid, zip, random, seeds and exclude. Exits as the
    first trial that failed would have.
    """
    from nnexp.report.curves import check_target
    from nnexp.store import directories
    from nnexp.study import sweep_file
    from nnexp.study.local.limits import Limits
    from nnexp.study.plan import plan as planned

    if plot is not None:
        check_target(plot)
    if engine != "dask" and (scheduler is not None or collect):
        raise UsageError("--scheduler and --collect go with --engine dask")
    if emit is not None:
        idle = {"dry_run": dry_run, "json": as_json, "engine": engine == "dask", "plot": plot}
        _check_idle(**idle, jobs=jobs, timeout=timeout, max_memory=max_memory,
                    fail_fast=not keep_going)  # fmt: skip
    plan = planned(sweep_file.read(str(config), settings, grids, seeds))
    if emit is not None:
        _emit(plan, runs, emit)
        return
    if dry_run:
        put(standings.states(plan, runs, as_json=as_json))
        return
    directories.check(runs)
    most = Limits(timeout, max_memory)

    def start(heed: Callable[[], None]) -> AbstractContextManager[Local | Cluster]:
        if engine == "local":
            return engines.local(runs, most, jobs)
        return engines.dask(scheduler, runs, most, jobs, collect=collect, quiet=quiet, heed=heed)

    outcomes = _train(plan, runs, start, fail_fast=not keep_going, quiet=quiet)
    ranking = _report(plan, runs, outcomes, as_json=as_json, quiet=quiet)
    codes = [outcome.code for outcome in outcomes if outcome is not None and outcome.code]
    if plot is not None:
        _draw(plot, plan, ranking, failed=bool(codes), quiet=quiet)
    if codes:
        click.get_current_context().exit(codes[0])


def _check_idle(**given: object) -> None:
    """Refuse options that have no say where nothing is trained."""
    idle = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if idle:
        raise UsageError(f"--emit only prints commands: {', '.join(idle)} would have no say there")


def _emit(plan: Plan, runs: Path, how: str) -> None:
    from nnexp.study import job_script

    is_script = how == "slurm"
    for text in [job_script.slurm(plan, runs)] if is_script else job_script.commands(plan, runs):
        put(text)
        if is_script and (warning := job_script.too_long(text)) is not None:
            say(f"warning: {warning}")


def _train(
    plan: Plan,
    runs: Path,
    start: Start,
    *,
    fail_fast: bool,
    quiet: bool,
) -> list[Outcome | None]:
    """Train all trials and return what came of each.

    Raises:
        InterruptedRunError: a signal came; all that ran has stopped.
        ClusterError: the cluster that was to train is gone.
    """
    from nnexp.store.run import named
    from nnexp.study import execution
    from nnexp.study.engine import is_open
    from nnexp.study.job import Job

    jobs: list[Job] = [Job(trial.config, named(runs, trial.name)) for trial in plan.trials]
    outcomes: list[Outcome | None] = [None] * len(jobs)

    def heed() -> None:
        if signal.number is not None:
            done = sum(outcome is not None and not outcome.code for outcome in outcomes)
            raise InterruptedRunError(
                signal.number,
                f"stopped with {done:,} of {len(jobs):,} trials done; what is committed is safe; "
                "the same command goes on from there",
            )

    with signals.noted() as signal, start(heed) as engine:
        if wanting := [job.config for job in jobs if is_open(job)]:
            engine.prepare(wanting)
        with View(plan, quiet=quiet) as view:
            for event in execution.events(
                jobs, engine, fail_fast=fail_fast, stopped=lambda: signal.number is not None
            ):
                view.show(event)
                if isinstance(event, execution.Ended):
                    outcomes[event.trial] = event.outcome
    heed()
    return outcomes


def _report(
    plan: Plan,
    runs: Path,
    outcomes: list[Outcome | None],
    *,
    as_json: bool,
    quiet: bool,
) -> Ranking:
    from nnexp.study.ranking import ranked

    ranking = ranked(plan, outcomes)
    verdicts = standings.verdicts(plan, runs, ranking, outcomes)
    if as_json:
        tree: dict[str, Any] = standings.tree(plan, runs, ranking, outcomes, verdicts)
        put(json_line(tree))
    else:
        put(standings.text(plan, ranking, verdicts))
    if not quiet and (advice := standings.advice(verdicts)):
        say(advice)
    for line in standings.failures(plan, runs, outcomes):
        say(line)
    return ranking


def _draw(plot: Path, plan: Plan, ranking: Ranking, *, failed: bool, quiet: bool) -> None:
    """Draw a sweep; where trials failed, a picture that cannot be is no failure of its own."""
    from nnexp.report import sweep_figure

    try:
        if ranking.split is None:
            raise UsageError(f"{plot}: no trial has a result to draw")
        sweep_figure.draw(plot, plan, ranking)
    except NnexpError as error:
        if not failed:
            raise
        say(str(error))
        return
    if not quiet:
        say(f"{plot}: {ranking.split} accuracy")
