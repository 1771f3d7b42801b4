"""The functions that Python programs call: ``nnexp.train``, ``nnexp.compare`` and the others.

``nnexp`` offers them by these names and imports this module when one is first used. Each does
the work of the command of its name, prints nothing, and raises a ``nnexp.errors.NnexpError``
where the command would exit with an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from nnexp.analysis import comparison, experiments, query
from nnexp.analysis.comparison import Comparison
from nnexp.config import dump, load
from nnexp.config.model import CheckedConfig, Config
from nnexp.errors import UsageError
from nnexp.runner import train as runner
from nnexp.store import listing
from nnexp.store.run import DEFAULT_FOLDER, Run
from nnexp.study import execution, sweep_file
from nnexp.study.in_process import InProcess
from nnexp.study.job import Outcome, recorded_outcome
from nnexp.study.local.pool import Pool
from nnexp.study.plan import plan
from nnexp.study.ranking import rank

__all__ = ["Run", "compare", "load_config", "runs", "sweep", "train"]

StrPath: TypeAlias = str | PathLike[str]

NOTHING: Mapping[str, Any] = MappingProxyType({})


def load_config(path: StrPath, settings: Mapping[str, object] = NOTHING) -> CheckedConfig:
    """Return the config of a YAML file, with the values of some keys replaced.

    Example: ``load_config("configs/quickstart.yaml", {"data.train": 1000, "epochs": 10})``

    Args:
        path: the file.
        settings: values by key, dotted as under ``--set``.

    Raises:
        ConfigError: with every problem of the file and the settings.
        DiskError: the file cannot be read.
    """
    return load.read(path, _assignments(settings))


def train(
    config: Config,
    runs: StrPath = DEFAULT_FOLDER,
    *,
    name: str | None = None,
    stem: str = "run",
    until: int | None = None,
) -> Run:
    """Train a config and return its run; continue it if it is interrupted.

    A finished run is returned as it is. Nothing is ever overwritten.

    Args:
        config: from ``load_config``.
        runs: the folder of the runs, which is created if needed.
        name: the run's name; by default it follows from the config: the stem, 12 hexadecimal
            digits and the seed.
        stem: the beginning of such a name. ``nnexp train`` uses the name of the config's file
            and finds the same run.
        until: the epoch to stop after; the run then stays interrupted.

    Raises:
        ConfigError: the config cannot be trained.
        DataError: its data cannot be read.
        DivergedError: a cost or parameter became infinite or not a number.
        LockedError: another process is training the run.
        NameTakenError: the name belongs to a run of another config.
        MismatchError: data or arithmetic are not those that the run recorded.
        CorruptError: the run is damaged.
        DiskError: the run cannot be written.
    """
    checked = load.check(config)
    chosen = runner.run_name(checked, stem) if name is None else name
    return runner.train(checked, Path(runs), name=chosen, until=until)


def runs(folder: StrPath = DEFAULT_FOLDER, where: str | None = None) -> list[Run]:
    """Return the runs in a folder, ordered by name.

    A damaged run is among them, unless a condition is given: reading it raises CorruptError.

    Example: ``runs(where="learning_rate < 1 and test >= 85%")``

    Args:
        folder: the folder of the runs; there may be none yet.
        where: a condition as under ``nnexp runs --where``; None: all runs.

    Raises:
        UsageError: the condition cannot be parsed, or no run knows one of its keys.
        DiskError: the folder cannot be read.
    """
    entries = list(listing.entries(Path(folder)))
    if where is not None:
        condition = query.parse(where)
        for key in condition.keys:
            query.check(key, entries, "where")
        entries = [entry for entry in entries if condition.fits(partial(query.value, entry))]
    return [Run(Path(entry.path)) for entry in entries]


def compare(*places: Run | StrPath, metric: str | None = None) -> Comparison:
    """Compare runs or experiments with the first one: settings, results, verdicts.

    Example: ``compare("runs/init-large-*", "runs/init-scaled-*").verdicts["B"].outcome``

    Args:
        places: two or more runs; or their directories, names without ``-s`` and the seed, or
            patterns, as under ``nnexp compare``. Runs that differ only in the seed are taken
            together, unless all do.
        metric: what the verdict is on; None: the test accuracy at the best epoch, if all runs
            have one. Accuracies are fractions from 0 to 1.

    Returns: the comparison; its experiments have the letters A, B, … in the order given.

    Raises:
        UsageError: a run does not exist, there is no such metric, or it is one experiment only.
        CorruptError: a run is damaged.
    """
    paths = [place.path if isinstance(place, Run) else Path(place) for place in places]
    gathered = experiments.gather(paths)
    if len(gathered) < 2:  # noqa: PLR2004 - A and B
        raise UsageError("a comparison needs two experiments or more")
    return comparison.compare(gathered, metric)


def sweep(
    config: StrPath,
    grid: Mapping[str, Sequence[object]] = NOTHING,
    *,
    settings: Mapping[str, object] = NOTHING,
    seeds: Sequence[int] | None = None,
    runs: StrPath = DEFAULT_FOLDER,
    jobs: int = 1,
) -> list[Run]:
    """Train a config at all points of a grid and return the runs, the best experiment first.

    Runs that are finished are not trained again. A run that diverged comes last; its
    ``status`` is "diverged".

    Example: ``sweep("configs/quickstart.yaml", {"learning_rate": [0.1, 1]}, seeds=range(3))``

    Args:
        config: the file of a config, or of a sweep, as under ``nnexp sweep``.
        grid: the values to try, by key.
        settings: values that all points share, by key.
        seeds: the seeds of each point; None: the config's own.
        runs: the folder of the runs.
        jobs: how many runs are trained at a time, each in a process of its own; 1: in this one.

    Raises:
        ConfigError: with the problems of all points, before anything is trained.
        DataError: the data cannot be read.
        UsageError: there are no points, or too many.
        JobError: a run failed, and the others were stopped.
    """
    grids = _assignments({key: list(values) for key, values in grid.items()})
    planned = plan(
        sweep_file.read(
            fspath(config),
            _assignments(settings),
            grids,
            None if seeds is None else list(seeds),
        )
    )
    folder = Path(runs)
    work = planned.jobs(folder)
    with closing(InProcess() if jobs == 1 else Pool(jobs, folder)) as engine:
        execution.train(execution.JobList(work), engine)
    outcomes: list[Outcome | None] = [recorded_outcome(job) for job in work]
    first = [place for standing in rank(planned, outcomes).standings for place in standing.trials]
    rest = [place for place in range(len(work)) if place not in set(first)]
    return [Run(work[place].run.path) for place in first + rest]


def _assignments(values: Mapping[str, object]) -> list[str]:
    """Return values as ``--set`` and ``--grid`` take them: KEY=VALUE."""
    return [f"{key}={dump.inline(value)}" for key, value in values.items()]
