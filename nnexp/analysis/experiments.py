"""Experiments, the runs of one config and data over seeds: find them by name, or group them."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import UNSET

from nnexp.analysis import query
from nnexp.errors import CorruptError, UsageError
from nnexp.names import stem, without_seed
from nnexp.seeds import Spread, spread
from nnexp.store import disk, listing
from nnexp.store.listing import Entry, by_experiment
from nnexp.store.run import DEFAULT_FOLDER, RUN, Run, at

if TYPE_CHECKING:
    from nnexp.config.model import Config

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LABELS = [*LETTERS, *(f"{first}{second}" for first in LETTERS for second in LETTERS)]
"""A to Z, then AA to ZZ: the experiments of a comparison in their order."""
DIGITS = 8
"""Hexadecimal digits that tables show of a digest of data or weights."""


class Experiment(NamedTuple):
    """An experiment that is compared: one side of a comparison."""

    label: str
    """A letter: A, B, C, … or, from the 27th on, two: AA, AB, …"""
    place: str
    """Its name on the command line, a path."""
    runs: tuple[Run, ...]
    """Its runs, sorted by seed, without repetition."""

    @property
    def config(self) -> Config:
        """The config that its runs share, apart from the seed."""
        return self.runs[0].config

    @property
    def seeds(self) -> tuple[int, ...]:
        """The runs' seeds."""
        return tuple(map(seed, self.runs))

    @property
    def stems(self) -> list[str]:
        """The distinct names of its runs without the suffix ``-s<seed>``."""
        return list(dict.fromkeys(stem(run.name, seed(run)) for run in self.runs))


def seed(run: Run) -> int:
    """Return a run's seed."""
    return run.config.seed


def gather(arguments: Sequence[Path]) -> list[Experiment]:
    """Return the experiments that arguments name, in their order.

    An argument is a run's directory, the common name of several runs without ``-s<seed>``, or a
    pattern with ``* ? [``, which selects the experiments of the matching runs. Directories of
    runs that differ only in the seed, as when a shell expands a pattern, form one experiment,
    unless all runs do: then each run is an experiment, and seeds are compared. A run X has the
    runs X-s<seed> of its experiment with it, unless they are arguments themselves.

    Raises:
        UsageError: an argument matches no run, a run is named twice, or there are too many
            experiments.
        CorruptError: a run is damaged.
    """
    matches = [_matching_runs(argument) for argument in arguments]
    named = {_place(run) for runs in matches for run in runs}
    for argument, found in zip(arguments, matches, strict=True):
        if found[0].path == argument:
            found.extend(_other_seeds(found[0], named))
    digests = {run.record.experiment_sha256 for runs in matches for run in runs}
    parts: list[list[Run]] = []
    alone: dict[str, list[Run]] = {}
    for runs in matches:
        for part in _by_experiment(runs) if len(digests) > 1 else [runs]:
            digest = part[0].record.experiment_sha256
            if len(runs) > 1 or len(digests) == 1:
                parts.append(part)
            elif digest in alone:
                alone[digest].extend(part)
            else:
                parts.append(alone.setdefault(digest, part))
    _check(parts)
    return _labelled((_common_name(part), tuple(sorted(part, key=seed))) for part in parts)


def _labelled(experiments: Iterable[tuple[str, tuple[Run, ...]]]) -> list[Experiment]:
    """Give experiments, names with their runs, letters in their order."""
    pairs = zip(LABELS, experiments, strict=False)
    return [Experiment(letter, name, runs) for letter, (name, runs) in pairs]


def with_baseline(experiments: Sequence[Experiment], baseline: Path) -> list[Experiment]:
    """Return the experiments with one of them first, and letters in the new order.

    Args:
        experiments: at least one.
        baseline: one of them: a run's directory, the common name of its runs, or its name in the
            table.

    Raises:
        UsageError: none of them has this name.
    """
    first = [experiment for experiment in experiments if _is_named(experiment, baseline)]
    if len(first) != 1:
        known = ", ".join(experiment.place for experiment in experiments[:FEW])
        more = ", …" if len(experiments) > FEW else ""
        raise UsageError(f"--baseline {baseline}: is none of the experiments: {known}{more}")
    others = [experiment for experiment in experiments if experiment not in first]
    return _labelled((each.place, each.runs) for each in (*first, *others))


FEW = 4
"""Maximum number of experiments that a message names."""


def _is_named(experiment: Experiment, name: Path) -> bool:
    paths = {Path(experiment.place), *(run.path for run in experiment.runs)}
    paths |= {path.with_name(without_seed(path.name)) for path in paths}
    return name in paths


def named_runs(arguments: Sequence[Path]) -> list[Run]:
    """Return the runs that arguments name, in their order, without grouping or a limit.

    An argument is as for ``gather``, but a run's directory names that run alone.

    Raises:
        UsageError: an argument matches no run, or a run is named twice.
        CorruptError: a run is damaged.
    """
    runs = [run for argument in arguments for run in _matching_runs(_with_name(argument))]
    _check_distinct(runs)
    return runs


def _with_name(path: Path) -> Path:
    """Return a path that ends in a directory's name, which "." and ".." do not."""
    return path.resolve() if path.name in {"", ".."} else path


def _matching_runs(argument: Path) -> list[Run]:
    return [at(run.path) for run in matching(argument)]


def matching(argument: Path) -> list[Run]:
    """Return the runs that an argument names, damaged ones included.

    Args:
        argument: a run's directory, the common name of the runs of an experiment without
            ``-s<seed>``, or a pattern.

    Raises:
        UsageError: it matches no run, or is the common name of runs of several experiments.
    """
    if stat.S_ISDIR(disk.mode(argument)):
        return [Run(argument)]
    is_pattern = any(character in argument.name for character in "*?[")
    if is_pattern:
        names = [name for name in _runs_in(argument.parent) if fnmatchcase(name, argument.name)]
        problem = "no run matches"
    else:
        names = [run for run in _runs_in(argument.parent) if _is_seed_of(argument.name, run)]
        problem = "there is no such run, with or without -s and a seed"
    if not names:
        if argument.parent == Path() and _is_known(argument.name, DEFAULT_FOLDER):
            problem += f"; did you mean {DEFAULT_FOLDER / argument}?"
        raise UsageError(f"{argument}: {problem}")
    runs = [Run(argument.parent / name) for name in names]
    if not is_pattern and len(_intact_experiments(runs)) > 1:
        raise UsageError(f"{argument}: its runs differ in config or data; name them one by one")
    return runs


def _intact_experiments(runs: Iterable[Run]) -> set[str]:
    """Return the digests of runs' experiments, without those of damaged runs."""
    digests = set()
    for run in runs:
        with suppress(CorruptError):
            digests.add(run.record.experiment_sha256)
    return digests


def _other_seeds(run: Run, named: Container[Path]) -> Iterator[Run]:
    """Yield the runs X-s<seed> of the experiment of a run X, with other seeds and not named."""
    for name in listing.names(run.path.parent):
        path = run.path.with_name(name)
        if _is_seed_of(run.name, name) and disk.exists(path / RUN):
            other = at(path)
            is_same = other.record.experiment_sha256 == run.record.experiment_sha256
            if is_same and seed(other) != seed(run) and _place(other) not in named:
                yield other


def _is_seed_of(name: str, run: str) -> bool:
    return without_seed(run) == name != run


def _is_known(name: str, folder: Path) -> bool:
    return any(name == run or _is_seed_of(name, run) for run in _runs_in(folder))


def _runs_in(folder: Path) -> Iterator[str]:
    yield from (name for name in listing.names(folder) if disk.exists(folder / name / RUN))


def _by_experiment(runs: Iterable[Run]) -> list[list[Run]]:
    parts: dict[str, list[Run]] = {}
    for run in runs:
        parts.setdefault(run.record.experiment_sha256, []).append(run)
    return list(parts.values())


def _check_distinct(runs: Iterable[Run]) -> None:
    """Check that no run is named twice. Raises: UsageError."""
    seen: set[Path] = set()
    for run in runs:
        path = _place(run)
        if path in seen:
            raise UsageError(f"{run.path}: is named twice")
        seen.add(path)


def _check(parts: Sequence[Sequence[Run]]) -> None:
    _check_distinct(run for part in parts for run in part)
    for part in parts:
        by_seed: dict[int, Run] = {}
        for run in part:
            twin = by_seed.setdefault(seed(run), run)
            if twin is not run:
                raise UsageError(
                    f"{twin.path} and {run.path} have the same config and seed: "
                    "a repeated result is not independent evidence; name only one of them"
                )
    if len(parts) > len(LABELS):
        raise UsageError(
            f"{len(parts)} experiments are too many for one table: at most {len(LABELS)}"
        )


def _place(run: Run) -> Path:
    """Return the place of a run's directory, whichever way leads to it. Raises: DiskError."""
    with disk.errors(run.path):
        return run.path.resolve(strict=True)


def _common_name(runs: Sequence[Run]) -> str:
    """Return a common name for runs: the name without seed, if they share it."""
    if len(runs) == 1:
        return str(runs[0].path)
    stems = {str(run.path.with_name(without_seed(run.name))) for run in runs}
    return stems.pop() if len(stems) == 1 else f"{runs[0].path} and {len(runs) - 1} more"


class ExperimentRow(NamedTuple):
    """An experiment in a listing: entries of runs whose configs differ only in the seed."""

    names: tuple[str, ...]
    """A run's name, or names that several share before ``-s<seed>``; most frequent first."""
    runs: tuple[Entry, ...]

    @property
    def path(self) -> Path:
        """The argument with which ``nnexp compare`` names it."""
        return Path(self.runs[0].path).with_name(self.names[0])

    @property
    def config(self) -> dict[str, Any]:
        """The config by dotted key, with the seed of the first run."""
        return self.runs[0].config

    @property
    def content(self) -> dict[str, str | None]:
        """The digests of the data, and of another run's weights, by their keys in tables."""
        first = self.runs[0]
        return {"data.sha256": first.data_sha256, "initializer.sha256": first.weights_sha256}

    @property
    def seeds(self) -> list[int]:
        """The distinct seeds, sorted."""
        return sorted({run.seed for run in self.runs if run.seed is not None})

    @property
    def statuses(self) -> dict[str, int]:
        """Number of runs by status."""
        counts = Counter[str](run.status for run in self.runs)
        return {status: counts[status] for status in query.STATUSES if counts[status]}

    @property
    def epochs(self) -> tuple[int, int]:
        """The smallest and largest number of epochs of its runs."""
        trained = [run.epochs for run in self.runs]
        return min(trained), max(trained)

    @property
    def tags(self) -> list[str]:
        """The tags of its runs, sorted."""
        return sorted({tag for run in self.runs for tag in run.tags})

    @property
    def started(self) -> str | None:
        """When the first of its runs was started; None if not known."""
        return min((run.started for run in self.runs if run.started), default=None)

    @property
    def size(self) -> int | None:
        """Bytes of all its runs; None if not read."""
        sizes = [run.size for run in self.runs if run.size is not None]
        return sum(sizes) if sizes else None

    def spread(self, column: str) -> Spread | None:
        """Return a column's mean and standard deviation over the seeds, or None without values.

        If any run is finished, only finished ones count. A repeated seed counts once.
        """
        finished = [run for run in self.runs if run.status == "finished"] or self.runs
        by_seed: dict[int | None, float] = {}
        for run in finished:
            value = query.value(run, column)
            if value is not UNSET and value is not None:
                by_seed.setdefault(run.seed, value)
        return spread(list(by_seed.values()))

    def value(self, key: str) -> Any:  # noqa: ANN401 - any value of a config
        """Return the value by which a key sorts the experiment; None or UNSET if it has none."""
        if key in OF_EXPERIMENT:
            return OF_EXPERIMENT[key](self)
        if key in {*query.ACCURACIES, "best-epoch"}:
            spread = self.spread(key)
            return spread and spread.mean
        return query.value(self.runs[0], key)


OF_EXPERIMENT: dict[str, Callable[[ExperimentRow], Any]] = {
    "name": lambda row: row.names[0],
    "epochs": lambda row: row.epochs[1],
    "started": lambda row: row.started,
    "size": lambda row: row.size,
    "tags": lambda row: ",".join(row.tags) or None,
}
"""The values by which columns sort experiments, if not those of a run or a mean."""


def listed(entries: Iterable[Entry], *, each: bool = False) -> list[ExperimentRow]:
    """Group runs by experiment, or list each run by itself."""
    if each:
        return [ExperimentRow((entry.name,), (entry,)) for entry in entries]
    return [ExperimentRow(_names(group), tuple(group)) for group in by_experiment(entries)]


def _names(group: list[Entry]) -> tuple[str, ...]:
    stems: dict[str, list[str]] = {}
    for run in group:
        stems.setdefault(stem(run.name, run.seed), []).append(run.name)
    ordered = sorted(stems.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(shared if len(names) > 1 else names[0] for shared, names in ordered)


def ordered(
    experiments: Sequence[ExperimentRow], key: str, *, reverse: bool
) -> list[ExperimentRow]:
    """Return experiments sorted by a key; those without a value come last."""
    values = [(row.value(key), row) for row in experiments]
    known = [(_rank(v), row) for v, row in values if v is not None and v is not UNSET]
    unknown = [row for v, row in values if v is None or v is UNSET]
    known.sort(key=lambda pair: (pair[0], pair[1].names), reverse=reverse)
    return [row for _, row in known] + unknown


def _rank(value: Any) -> tuple[bool, Any]:  # noqa: ANN401 - any value of a config
    """Return a sort key that puts numbers before text; lists sort as text."""
    is_number = isinstance(value, int | float)
    return (False, value) if is_number else (True, value if isinstance(value, str) else repr(value))


def best(experiments: Sequence[ExperimentRow], count: int) -> list[ExperimentRow]:
    """Return the experiments with the best validation accuracy, best first."""
    scored = [row for row in experiments if row.value("validation") is not None]
    return sorted(scored, key=lambda row: (-row.value("validation"), row.names))[:count]


def differing(experiments: Sequence[ExperimentRow], *, seed: bool) -> list[str]:
    """Return the config keys that differ, in the config's order; the seed only if ``seed``.

    Configs without a key do not count: their component has no such setting, which its name
    shows, or an older nnexp did not have the key, and the run used its default.
    """
    configs = [row.config for row in experiments if row.config]
    keys = dict.fromkeys(key for config in configs for key in config)
    parents = {key.rpartition(".")[0] for key in keys}
    return [key for key in keys if (seed or key != "seed") and _differs(key, configs, parents)]


def differing_content(experiments: Sequence[ExperimentRow]) -> list[str]:
    """Return the keys of contents that differ between experiments of the same config."""
    contents: dict[tuple[str, str], set[str | None]] = {}
    for row in experiments:
        config = repr({key: value for key, value in row.config.items() if key != "seed"})
        for key, digest in row.content.items():
            contents.setdefault((key, config), set()).add(digest)
    return list(dict.fromkeys(key for (key, _), found in contents.items() if len(found) > 1))


def _differs(key: str, configs: list[dict[str, Any]], parents: set[str]) -> bool:
    get = query.setting if key in parents else lambda config, key: config.get(key, UNSET)
    values = (value for config in configs if (value := get(config, key)) is not UNSET)
    first = next(values, None)
    return any(value != first for value in values)


def telling(keys: Sequence[str], cells: Callable[[str], Sequence[str]]) -> list[str]:
    """Order keys so that the first ones distinguish the most experiments."""
    columns_of = {key: cells(key) for key in keys}
    chosen: list[str] = []
    classes: Sequence[object] = [()] * len(next(iter(columns_of.values()), ()))
    while len(chosen) < len(keys):
        left = [key for key in keys if key not in chosen]
        joined = {key: list(zip(classes, columns_of[key], strict=True)) for key in left}
        most = max(left, key=lambda key: len(set(joined[key])))
        numbers: dict[object, int] = {}
        classes = [numbers.setdefault(pair, len(numbers)) for pair in joined[most]]
        chosen.append(most)
    return chosen
