"""The public functions of ``nnexp``: ``nnexp.train``, ``nnexp.compare`` and so on.

``nnexp`` imports this module when one of them is first used. Each does the work of the command of
the same name, prints nothing, and raises a ``nnexp.errors.NnexpError`` where the command would
exit with an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, overload

import numpy.typing as npt

from nnexp.analysis import comparison, experiments, query
from nnexp.analysis.comparison import Comparison
from nnexp.analysis.experiments import LETTERS, Experiment
from nnexp.analysis.prediction import ArrayPrediction, Predictor
from nnexp.config import dump, load
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.loading import Data
from nnexp.errors import NnexpError, UsageError
from nnexp.report import comparisons, notebook
from nnexp.report.listing import run_columns
from nnexp.runner import train as runner
from nnexp.store import listing
from nnexp.store.listing import Entry
from nnexp.store.run import DEFAULT_FOLDER, at
from nnexp.store.run import Run as StoredRun
from nnexp.study import execution, sweep_file
from nnexp.study.in_process import InProcess
from nnexp.study.job import Outcome, recorded_outcome
from nnexp.study.local.pool import Pool
from nnexp.study.plan import plan
from nnexp.study.ranking import rank

__all__ = ["Run", "compare", "load_config", "runs", "sweep", "train"]

StrPath: TypeAlias = str | PathLike[str]

NOTHING: Mapping[str, Any] = MappingProxyType({})


class TrainedRun(StoredRun):
    """A run directory, with its files, its best network, and its report in notebooks.

    Files are read when they are needed. ``nnexp.Run`` is this class.

    Args:
        path: the directory.

    Raises:
        UsageError: there is no such directory.
        CorruptError: the directory is not a run.
    """

    def __init__(self, path: StrPath) -> None:
        super().__init__(path)
        if not self.is_there():
            at(self.path)  # raises the error that says why

    def predict(self, x: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> ArrayPrediction:
        """Predict the class of new examples by the network of the best epoch.

        They are scaled as the run's own data was. Images are taken as they are: unlike
        ``nnexp predict``, this does not crop or centre them.

        Example: ``run.predict(images).predicted``

        Args:
            x: an array in the units of the data's files, such as pixels from 0 to 255. Its shape
                is (examples, features) or, for images, (examples, rows, columns). A single
                example may lack the first axis. If the data was a table, x may also be a data
                frame or a mapping of columns, which are found by name; other columns are left out.

        Returns: ``predicted``, the label of the class of each example, of shape (examples,);
            ``outputs``, of shape (examples, classes); and ``classes``, the labels of the classes
            in the order of the outputs. ``columns()`` returns them for a data frame.

        Raises:
            DataError: x does not contain such examples as the network takes.
            UsageError: the run has no evaluated epoch yet.
            CorruptError: the run is damaged.
        """
        return Predictor([self]).predict_array(x)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        return _shown(self._report)

    def _report(self) -> str:
        alone = Experiment(LETTERS[0], str(self.path), (at(self.path),))
        return notebook.comparison(comparison.compare([alone]))


Run: TypeAlias = TrainedRun


class RunList(Sequence[TrainedRun]):
    """Runs in an order: a sequence, columns for a data frame, and a table in notebooks.

    Columns and table are of the time when the runs were listed.

    Args:
        entries: the runs.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = tuple(entries)

    def columns(self) -> dict[str, list[Any]]:
        """Return settings and results as columns, one row a run: ``DataFrame(runs.columns())``.

        The columns are the fields of ``nnexp runs --each --json`` and the keys of the configs;
        ``epochs`` is the number trained, ``config.epochs`` the setting. Accuracies are fractions
        from 0 to 1. Lists are text. Missing values are None.

        Returns: equally long lists by name; each has values of one type.
        """
        return run_columns(self._entries)

    @overload
    def __getitem__(self, index: int) -> TrainedRun: ...
    @overload
    def __getitem__(self, index: slice) -> RunList: ...
    def __getitem__(self, index: int | slice) -> TrainedRun | RunList:
        if isinstance(index, slice):
            return RunList(self._entries[index])
        return TrainedRun(self._entries[index].path)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return repr(list(self))

    def _repr_html_(self) -> str:
        return _shown(partial(notebook.runs, self._entries))


class ComparisonReport(Comparison):
    """A comparison whose text is its verdicts, and which notebooks show as a report."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(comparisons.verdicts(self))

    def _repr_html_(self) -> str:
        return _shown(partial(notebook.comparison, self))


def _shown(report: Callable[[], str]) -> str:
    """Return a report as HTML, or in its place why there is none."""
    try:
        return report()
    except NnexpError as error:
        return notebook.problem(error)


def load_config(path: StrPath, settings: Mapping[str, object] = NOTHING) -> CheckedConfig:
    """Load a config from a YAML file, and override the values of some keys.

    Example: ``load_config("quickstart", {"data.train": 1000, "epochs": 10})``

    Args:
        path: the file.
        settings: values by key, dotted as under ``--set``.

    Raises:
        ConfigError: the file or the settings have problems; the message lists all of them.
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

    A finished run is returned as it is. Nothing is ever overwritten. The environment variable
    NNEXP_BACKEND chooses the backend.

    Args:
        config: from ``load_config``.
        runs: the folder of the runs, which is created if needed.
        name: the experiment's name, to which ``-s<seed>`` is added; by default the stem and a
            digest of config and data (12 hexadecimal digits).
        stem: the beginning of a default name. ``nnexp train`` uses the name of the config's
            file; pass the same to share its runs.
        until: the epoch to stop after; the run then stays interrupted.

    Raises:
        ConfigError: the config cannot be trained.
        DataError: its data cannot be read.
        DivergedError: a cost or parameter became infinite or not a number.
        LockedError: another process is training the run.
        NameTakenError: the name belongs to a run of another config.
        MismatchError: data or arithmetic differ from those that the run recorded.
        CorruptError: the run is damaged.
        DiskError: the run cannot be written.
    """
    return Run(runner.train(config, Path(runs), name=name, stem=stem, until=until).path)


def runs(folder: StrPath = DEFAULT_FOLDER, where: str | None = None) -> RunList:
    """Return the runs in a folder, sorted by name.

    Without a condition, damaged runs are included; reading one raises CorruptError.

    Example: ``pandas.DataFrame(runs(where="learning_rate < 1 and test >= 85%").columns())``

    Args:
        folder: the folder of the runs; it need not exist.
        where: a condition as in ``nnexp runs --where``; None for all runs.

    Returns: a sequence of runs, whose ``columns()`` are the settings and results of all of them.

    Raises:
        UsageError: the condition cannot be parsed, or no run has one of its keys.
        DiskError: the folder cannot be read.
    """
    condition = None if where is None else query.parse(where)
    entries = list(listing.entries(Path(folder), listing.FACTS))
    if condition is not None:
        for key in condition.keys:
            query.check(key, entries, "where")
        entries = [entry for entry in entries if condition.fits(partial(query.value, entry))]
    return RunList(entries)


def compare(*places: StoredRun | StrPath, metric: str | None = None) -> ComparisonReport:
    """Compare runs or experiments with the first one: settings, results, verdicts.

    Example: ``compare("runs/init-large-*", "runs/init-scaled-*").verdicts["B"].outcome``

    Args:
        places: two or more runs, or paths of their directories, paths without ``-s`` and the seed,
            or patterns, as in ``nnexp compare``. Runs that differ only in the seed are grouped,
            unless all do.
        metric: of the verdict; None for the test accuracy at the best epoch, if all runs have one.
            Accuracies are fractions from 0 to 1.

    Returns: the comparison; its experiments have the letters A, B, … in the order given. A
        notebook shows it as ``nnexp report`` does.

    Raises:
        UsageError: a run or metric does not exist, or there are fewer than two experiments.
        CorruptError: a run is damaged.
    """
    paths = [place.path if isinstance(place, StoredRun) else Path(place) for place in places]
    gathered = experiments.gather(paths)
    if len(gathered) < 2:  # noqa: PLR2004 - A and B
        raise UsageError("a comparison needs two experiments or more")
    return ComparisonReport(*comparison.compare(gathered, metric))


def sweep(
    config: StrPath,
    grid: Mapping[str, Sequence[object]] = NOTHING,
    *,
    settings: Mapping[str, object] = NOTHING,
    seeds: Sequence[int] | None = None,
    runs: StrPath = DEFAULT_FOLDER,
    jobs: int = 1,
) -> RunList:
    """Train a config at all points of a grid and return the runs, the best experiment first.

    Finished runs are not trained again. Runs that diverged come last; their ``status`` is
    "diverged".

    Example: ``sweep("quickstart", {"learning_rate": [0.1, 1]}, seeds=range(3))``

    Args:
        config: a config file, or a sweep file as in ``nnexp sweep``.
        grid: the values to try, by key.
        settings: values that apply to all points, by key.
        seeds: of each point; None for the config's own.
        runs: the folder of the runs.
        jobs: number of runs to train at a time, each in a separate process; 1 for this process.

    Raises:
        ConfigError: a point is invalid. All points are checked before anything is trained.
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
    folder, data = Path(runs), Data()
    work = planned.jobs(folder, data)
    engine = InProcess(data=data) if jobs == 1 else Pool(jobs, folder, data=data)
    with closing(engine):
        execution.train(execution.JobList(work), engine)
    outcomes: list[Outcome | None] = [recorded_outcome(job) for job in work]
    ranked = [index for standing in rank(planned, outcomes).standings for index in standing.trials]
    rest = [index for index in range(len(work)) if index not in set(ranked)]
    entries = (listing.entry(work[index].run, listing.FACTS) for index in ranked + rest)
    return RunList(entry for entry in entries if entry is not None)


def _assignments(values: Mapping[str, object]) -> list[str]:
    """Return values in the form of ``--set`` and ``--grid``: KEY=VALUE."""
    return [f"{key}={dump.inline(value)}" for key, value in values.items()]
