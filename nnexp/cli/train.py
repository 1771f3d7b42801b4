"""nnexp train: train a config, with one seed or several."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli import engines, options, signals
from nnexp.cli.output import log, put
from nnexp.cli.progress import follow
from nnexp.cli.study_progress import SEED, StudyProgress
from nnexp.errors import (
    CorruptError,
    DivergedError,
    LockedError,
    UsageError,
)
from nnexp.report.text import as_json as json_line

if TYPE_CHECKING:
    from nnexp.cli.engines import EngineOptions
    from nnexp.config.model import CheckedConfig
    from nnexp.datasets.loading import Data
    from nnexp.store.run import Run
    from nnexp.study.job import Job, Outcome


@click.command(cls=options.TrainingCommand)
@click.argument("config", type=options.CONFIG)
@options.settings
@options.runs
@options.backend
@options.data_root
@click.option(
    "--name",
    metavar="X",
    help="Name the runs X-s<seed> (default: CONFIG's name, a digest of config and data, -s<seed>).",
)
@click.option(
    "--seeds",
    type=options.SeedList(),
    metavar="N|LIST",
    help="Train one run per seed: 5 means seeds 0 to 4; also a list such as 0-4,7.",
)
@engines.jobs_option(default=None)
@click.option("--until", type=options.WholeNumber(1), metavar="E", help="Stop after epoch E.")
@click.option(
    "--against",
    type=options.RUN,
    metavar="RUN",
    help="Warn if λ equals RUN's although n differs (λ should scale with n).",
)
@click.option(
    "--other-numerics",
    is_flag=True,
    help="Resume even if this machine or backend gives other last digits; the run records it.",
)
@click.option(
    "--restart",
    is_flag=True,
    help="If a run is too damaged to resume, rename it to NAME.damaged-1 and train it again.",
)
@options.as_json
@options.quiet
def train(
    config: Path,
    settings: tuple[str, ...],
    runs: Path,
    name: str | None,
    seeds: list[int] | None,
    jobs: int | None,
    until: int | None,
    against: Path | None,
    other_numerics: bool,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train CONFIG into a run directory, or resume it; print the directory.

    \b
    Example:
      nnexp train quickstart --set learning_rate=0.25
      nnexp train quickstart --seeds 5

    A finished run is not trained again, and an interrupted one resumes from its last
    checkpoint. Nothing is ever overwritten.
    """
    from nnexp.config import load

    described = load.read(config, settings)

    from nnexp.datasets.loading import Data  # NumPy, which a config with errors does without
    from nnexp.runner.train import check_until
    from nnexp.store.run import at

    check_until(described, until)
    try:
        reference = None if against is None else at(against)
    except UsageError as error:
        raise UsageError(f"--against: {error}") from None
    if seeds is not None and options.sets(settings, "seed"):
        raise UsageError("--set seed and --seeds: give one of them")
    if seeds is None and jobs is not None:
        raise UsageError("-j needs --seeds: it is the number of seeds trained at a time")
    data = Data()
    planned = [
        job._replace(until=until, against=reference, other_numerics=other_numerics, restart=restart)
        for job in _planned(described, config, runs, name, seeds, data)
    ]
    if seeds is None:
        _train(planned[0], data, as_json=as_json, quiet=quiet)
        return
    where = engines.EngineOptions(jobs)
    if code := _train_seeds(planned, runs, where, data, as_json=as_json, quiet=quiet):
        click.get_current_context().exit(code)


def _train(job: Job, data: Data, *, as_json: bool, quiet: bool) -> None:
    """Train a single run, showing its epochs. Raises: the errors of ``runner.train``."""
    from nnexp.report.training import output
    from nnexp.store.run import Run
    from nnexp.study.job import failure

    run = job.run
    try:
        try:
            with signals.recorded() as signal:
                trained = follow(job, signal, data, quiet=quiet)
        finally:
            engines.warn_of_changes(data)
        if not quiet:
            log(f"{run.path}: {outcome(Run(run.path)) if trained else _done(job)}")
    except DivergedError:
        put(json_line(output(run)) if as_json else str(run.path))
        raise
    except (CorruptError, LockedError) as error:
        raise type(error)(_advised(failure(error), job)) from None
    put(json_line(output(run)) if as_json else str(run.path))


def _train_seeds(
    planned: list[Job],
    runs: Path,
    where: EngineOptions,
    data: Data,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Train a run for each seed and print their directories in the seeds' order.

    Returns: the exit code of the first seed that failed, or 0.
    """
    from nnexp.report.training import output
    from nnexp.store.run import Run
    from nnexp.study.execution import Ended, JobList

    outcomes: dict[Path, Outcome] = {}
    waiting = deque(planned)

    def note(event: Ended) -> None:
        outcomes[event.job.run.path] = event.outcome
        if event.outcome.code:
            progress.log(_advised(event.outcome, event.job))
        elif not quiet:
            words = _already_done(event.job) if event.was_done else outcome(Run(event.job.run.path))
            progress.log(f"{event.job.run.path}: {words}")
        progress.clear()
        while waiting and waiting[0].run.path in outcomes:
            job = waiting.popleft()
            if not outcomes[job.run.path].is_failure:  # the run is this command's
                put(json_line(output(job.run)) if as_json else str(job.run.path))

    progress = StudyProgress(SEED, len(planned), lambda _: None, quiet=quiet)
    engines.train(
        JobList(planned),
        where,
        runs,
        progress,
        data=data,
        is_fatal=lambda _: False,
        takes_over=False,
        note=note,
        most_warnings=float("inf"),  # some report that a run was set aside
        reached=lambda: f" with {len(outcomes)} of {len(planned)} seeds done",
    )
    codes = (outcomes[job.run.path].code for job in planned)
    return next((code for code in codes if code), 0)


def _planned(
    config: CheckedConfig,
    argument: Path,
    runs: Path,
    name: str | None,
    seeds: list[int] | None,
    data: Data,
) -> list[Job]:
    """Return a job for each seed.

    Raises:
        UsageError: a run's name is invalid.
        MismatchError: runs of this name were trained on other data.
    """
    from nnexp.config import load
    from nnexp.names import stem
    from nnexp.runner.naming import RunNames, check_experiment, check_stem, given, same_run
    from nnexp.study.job import Job

    configs = [config]
    if seeds is not None:
        largest = load.changed(config, "--seeds", seed=max(seeds))
        configs = [load.changed(largest, seed=seed) for seed in seeds]
    own_stem = _stem(argument, name)
    names = RunNames(runs, own_stem, data)

    if name is None:
        try:
            check_stem(own_stem, config.seed)
        except UsageError as error:
            raise UsageError(f"{error}, or name the run with --name") from None

    def run(config: CheckedConfig) -> Run:
        if name is None:
            own = None if seeds else same_run(argument, runs, config, names.content(config))
            return own or names.run(config)
        try:
            return given(runs, name, config.seed, has_several_seeds=seeds is not None)
        except UsageError as error:
            raise UsageError(f"--name: {error}") from None

    planned = [Job(config, run(config), content=names.content(config)) for config in configs]
    if name is not None:
        experiment = name if seeds else stem(name, config.seed)
        check_experiment(runs, experiment, names.content(config))
        _warn_of_others(runs, experiment, planned)
    return planned


def _warn_of_others(runs: Path, name: str, planned: list[Job]) -> None:
    """Warn if runs of this name are left with another config, so that they are no experiment."""
    from nnexp.config.messages import listed
    from nnexp.runner.naming import of_other_configs

    trained = {job.run.path for job in planned}
    others = of_other_configs(runs, name, planned[0].config)
    if left := [run.name for run in others if run.path not in trained]:
        log(
            f"warning: {listed(left)} of the same name {'has' if len(left) == 1 else 'have'} "
            "another config; compare judges experiments of one config (give --seeds to train all)"
        )


def _stem(config: Path, name: str | None) -> str:
    """Return the beginning of the runs' names. Raises: UsageError if there is no name at all."""
    from nnexp.config.argument import required_stem

    return name or required_stem(config, "give one with --name")


ADVICE = "--restart sets the run aside and trains it again from its first epoch"


def _advised(outcome: Outcome, job: Job) -> str:
    """Return why a run failed, with advice if it is damaged or another process trains it."""
    from nnexp.study.job import failure_message, failure_reason

    if outcome.is_locked:
        return failure_message(job.run.path, outcome)
    would_help = outcome.is_damaged and not job.restart and job.run.is_there()
    reason = failure_reason(job.run.path, outcome)
    return f"{reason}; {ADVICE}" if would_help else reason


def _already_done(job: Job) -> str:
    """Say that a run was done before, and by which backend if another one was chosen."""
    from nnexp.native.availability import chosen

    backend = job.run.record.backend
    other = "" if chosen() in {"auto", backend} else f", by the {backend} backend"
    return f"already done{other}"


def _done(job: Job) -> str:
    """Say that a run was done before, and why it lacks an epoch that the command line requests."""
    result = job.run.result
    if result is None or job.until is None or result.epochs >= job.until:
        return _already_done(job)
    key = ENDED_BY.get(result.reason)
    return f"already {outcome(job.run)}" + (f"; to train longer, set {key}" if key else "")


ENDED_BY = {"patience": "patience", "schedule": "schedule.patience"}
"""Settings that end a run before its last epoch, by reason."""


REASONS = {
    "patience": "no improvement",
    "converged": "converged",
    "saddle": "a saddle point, not a minimum",
}
"""Words for why a run ended before its last epoch."""


def outcome(run: Run) -> str:
    """Describe how a run ended."""
    from nnexp.report.text import percent

    result = run.result
    if result is None or result.best is None:
        return "stopped as requested; repeat the command without --until to resume"
    words = f"done after epoch {result.epochs}"
    if result.reason in REASONS:
        words += f" ({REASONS[result.reason]})"
    if isinstance(result.best.validation_accuracy, float):
        words += f"; best validation {percent(result.best.validation_accuracy)}"
        words += f" at epoch {result.best.epoch}"
    if result.test_accuracy is not None:
        words += f", test {percent(result.test_accuracy)}"
    return words
