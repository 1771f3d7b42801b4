"""Experiments, the runs of one config and data over seeds: find them by name, or group them."""

from __future__ import annotations

import stat
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nnexp.errors import CorruptError, UsageError
from nnexp.names import stem, without_seed
from nnexp.store import disk, listing
from nnexp.store.run import RUN, Run, at, hint

if TYPE_CHECKING:
    from nnexp.config.model import Config

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LABELS = [*LETTERS, *(f"{first}{second}" for first in LETTERS for second in LETTERS)]
"""A to Z, then AA to ZZ: the experiments of a comparison in their order."""


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
        known = _places(experiments)
        raise UsageError(f"--baseline {baseline}: is not among the experiments: {known}")
    others = [experiment for experiment in experiments if experiment not in first]
    return _labelled((each.place, each.runs) for each in (*first, *others))


FEW = 4
"""Maximum number of experiments that a message names."""


def _places(experiments: Sequence[Experiment]) -> str:
    """Return the names of the first experiments, for a message."""
    known = ", ".join(experiment.place for experiment in experiments[:FEW])
    return f"{known}, …" if len(experiments) > FEW else known


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
        raise UsageError(f"{argument}: {problem}{hint(argument)}")
    runs = [Run(argument.parent / name) for name in names]
    if not is_pattern and len(intact_experiments(runs)) > 1:
        raise UsageError(f"{argument}: its runs differ in config or data; name them one by one")
    return runs


def is_common_name(path: Path) -> bool:
    """Return whether a path is the name of runs in its folder without ``-s`` and their seeds."""
    return any(_is_seed_of(path.name, run) for run in _runs_in(path.parent))


def intact_experiments(runs: Iterable[Run]) -> set[str]:
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
