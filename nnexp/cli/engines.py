"""Engine options of the commands, and the training of jobs on the chosen engine."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from nnexp.cli import options, signals
from nnexp.cli.output import log
from nnexp.cli.quantities import Seconds, Size
from nnexp.errors import InterruptedRunError, UsageError

if TYPE_CHECKING:
    from nnexp.cli.study_progress import StudyProgress
    from nnexp.config.model import Config
    from nnexp.datasets.loading import Data
    from nnexp.study.dask.executor import Cluster
    from nnexp.study.execution import Ended, Sampler
    from nnexp.study.job import Engine, Outcome
    from nnexp.study.local.process import Limits

LOOPBACK = "tcp://127.0.0.1:8786"
"""The address of ``dask scheduler --host 127.0.0.1``."""


PATIENCE = 1.0
"""Seconds of waiting after which a message is shown."""

STOPPED = "stopped{}; committed epochs are safe; repeat the command to resume"
"""The message after a signal, with the command's progress."""

Command = Callable[..., Any]


def jobs_option(
    default: int | None, room: str = "the number of cores"
) -> Callable[[Command], Command]:
    """Return the option ``--jobs``.

    Args:
        default: its default; None for the number of cores or worker threads.
        room: describes the default None.
    """
    usual = room if default is None else str(default)
    return click.option(
        "-j",
        "--jobs",
        type=options.WholeNumber(1),
        default=default,
        metavar="N",
        help=f"Number of runs to train at a time (default: {usual}).",
    )


class EngineOptions(NamedTuple):
    """The engine options of a command."""

    jobs: int | None
    """Runs at a time; None for the number of cores or worker threads."""
    engine: str = "local"
    scheduler: str | None = None
    collect: bool = False
    timeout: float | None = None
    max_memory: int | None = None

    @property
    def limits(self) -> Limits:
        """Time and memory limits of each job."""
        from nnexp.study.local.process import Limits

        return Limits(self.timeout, self.max_memory)

    def check(self) -> None:
        """Check that the options are compatible. Raises: UsageError."""
        if self.engine != "dask" and (self.scheduler is not None or self.collect):
            raise UsageError("--scheduler and --collect go with --engine dask")


def engine_options(default: int | None) -> Callable[[Command], Command]:
    """Return the options of an engine; the command gets them as EngineOptions, called ``where``.

    Args:
        default: of ``--jobs``; None for the number of cores.
    """
    declared = (
        jobs_option(default, "the number of cores, or of worker threads"),
        click.option("--engine", type=options.OneOf(["local", "dask"]), default="local",
                     help="Train on this machine (default), or on a dask cluster."),
        click.option("--scheduler", metavar="ADDRESS",
                     help="Address of the dask scheduler (default: tcp://127.0.0.1:8786)."),
        click.option("--collect", is_flag=True,
                     help="Collect runs from workers that do not share the runs folder."),
        click.option("--timeout", type=Seconds(), metavar="SECONDS",
                     help="Stop a run that takes longer; repeat the command to resume it."),
        click.option("--max-memory", type=Size(), metavar="SIZE",
                     help="Kill a run that uses more memory than this, such as 500M."),
    )  # fmt: skip

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_engine(**values: Any) -> Any:  # noqa: ANN401 - click's own
            where = EngineOptions(**{name: values.pop(name) for name in EngineOptions._fields})
            where.check()
            return command(where=where, **values)

        decorated: Command = with_engine
        for option in reversed(declared):
            decorated = option(decorated)
        return decorated

    return decorate


class _LongWaits:
    """Callback that reports, once, a wait that takes long."""

    def __init__(self, check: Callable[[], None], *, quiet: bool) -> None:
        self._check = check
        self._quiet = quiet
        self._since: dict[str, float] = {}
        self._reported: set[str] = set()

    def __call__(self, event: str) -> None:
        self._check()
        begun = self._since.setdefault(event, time.monotonic())
        is_late = time.monotonic() - begun > PATIENCE
        if is_late and not self._quiet and event not in self._reported:
            self._reported.add(event)
            log(f"waiting for {event}")


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _started(
    where: EngineOptions,
    runs: Path,
    check: Callable[[], None],
    data: Data | None,
    *,
    isolated: bool,
    quiet: bool,
) -> Iterator[Engine]:
    """Context manager that starts the engine of the options and closes it.

    One run at a time is trained in this process, unless its time or memory is limited.
    """
    from nnexp.study.in_process import InProcess
    from nnexp.study.local.pool import Pool

    if where.engine == "dask":
        with _dask(where, runs, check, data, quiet=quiet) as cluster:
            yield cluster
        return
    slots = where.jobs or cores()
    alone = slots == 1 and not any(where.limits) and not isolated
    chosen = InProcess(check, data) if alone else Pool(slots, runs, where.limits, data)
    with closing(chosen) as engine:
        yield engine


@contextmanager
def _dask(
    where: EngineOptions,
    runs: Path,
    check: Callable[[], None],
    data: Data | None,
    *,
    quiet: bool,
) -> Iterator[Cluster]:
    """Context manager for a cluster; reports its workers, and how long runs take to start.

    Raises:
        UsageError: dask is not installed, the address is invalid, or a worker is not suitable.
        ClusterError: the scheduler does not answer, or has no worker.
        InterruptedRunError: raised by ``check``, which is called while waiting.
    """
    from statistics import median

    from nnexp.study.dask import client
    from nnexp.study.dask.executor import Cluster
    from nnexp.study.in_process import InProcess
    from nnexp.study.local.pool import Pool

    address = LOOPBACK if where.scheduler is None else where.scheduler
    client.check(address)
    if client.is_exposed(address):
        log(f"warning: {address}: anyone who reaches this port can run programs there; use TLS")
    cluster = Cluster(
        address,
        runs,
        where.limits,
        max_slots=where.jobs,
        collect=where.collect,
        local=Pool(1, runs, where.limits, data) if any(where.limits) else InProcess(check, data),
        on_wait=_LongWaits(check, quiet=quiet),
    )
    with closing(cluster) as engine:
        if not quiet:
            log(engine.summary)
        yield engine
        if engine.startups and not quiet:
            startup, count = median(engine.startups), len(engine.startups)
            log(f"start-up of a trial: {startup:.2f} s (median of {count:,})")


def train(
    sampler: Sampler,
    where: EngineOptions,
    runs: Path,
    progress: StudyProgress,
    *,
    data: Data | None = None,
    isolated: bool = False,
    configs: Sequence[Config] = (),
    prepare: Callable[[], None] = lambda: None,
    is_fatal: Callable[[Outcome], bool] = lambda outcome: outcome.is_failure,
    takes_over: bool = True,
    note: Callable[[Ended], None] = lambda _: None,
    reached: Callable[[], str] = lambda: "",
    most_warnings: float | None = None,
) -> None:
    """Train a sampler's jobs on the chosen engine, showing their progress.

    Args:
        sampler: the source of jobs.
        where: the engine's options.
        runs: the folder of the runs.
        progress: shows the events.
        data: the cache of loaded datasets, for jobs on this machine.
        isolated: train every run in a process of its own, so that a crash ends nothing else.
        configs: configs that will be trained in any case; checked before anything is trained.
        prepare: called once before the first job that needs training.
        is_fatal: whether an outcome stops all other jobs; by default any failure does, but not
            divergence.
        takes_over: whether to wait for runs that other processes are training, and take them
            over if those processes end first; otherwise such a run is a failure.
        note: called with each job that ended.
        reached: describes the progress for the message after a signal.
        most_warnings: maximum number of different warnings to show; None for the default.

    Raises:
        InterruptedRunError: a signal was received, and all runs have stopped.
        JobError: an outcome was fatal.
        ClusterError: the cluster is gone.
        DataError, UsageError: the configs cannot be trained here.
    """
    from nnexp.study.execution import MOST_WARNINGS, Ended, Execution

    with signals.recorded() as signal:

        def check() -> None:
            if signal.number is not None:
                raise InterruptedRunError(signal.number, STOPPED.format(reached()))

        with _started(where, runs, check, data, isolated=isolated, quiet=progress.quiet) as engine:
            if configs:
                engine.prepare(configs)
            execution = Execution(
                sampler,
                engine,
                is_fatal=is_fatal,
                takes_over=takes_over,
                stopped=lambda: signal.number is not None,
                prepare=prepare,
                most_warnings=MOST_WARNINGS if most_warnings is None else most_warnings,
            )
            with progress:
                for event in execution.events():
                    if isinstance(event, Ended):
                        note(event)
                    progress.show(event)
        if data is not None:
            warn_of_changes(data)
        check()
    if execution.failure is not None:
        raise execution.failure


def warn_of_changes(data: Data) -> None:
    """Print a warning for each of the user's files that changed during training."""
    for path in data.changed_files():
        log(f"warning: {path}: changed during training; the runs are of its earlier content")
