"""Experiments: the runs of one config over seeds, found by what a user calls them."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nnexp.checks import stem, without_seed
from nnexp.errors import UsageError
from nnexp.store import disk, listing
from nnexp.store.run import RUN, USUAL, Run, at

if TYPE_CHECKING:
    from nnexp.config.model import Config

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Experiment(NamedTuple):
    """One side of a comparison."""

    label: str
    """The letter it is called by."""
    place: str
    """What a user would call it by on the command line."""
    runs: tuple[Run, ...]
    """By seed, of which none is there twice."""

    @property
    def config(self) -> Config:
        """The config of all its runs, but for the seed."""
        return self.runs[0].config

    @property
    def seeds(self) -> tuple[int, ...]:
        """The runs' seeds."""
        return tuple(map(seed, self.runs))

    @property
    def stems(self) -> list[str]:
        """Its runs' names without ``-s`` and their own seed, each once."""
        return list(dict.fromkeys(stem(run.name, seed(run)) for run in self.runs))


def seed(run: Run) -> int:
    """Return a run's seed."""
    return run.config.seed


def gather(arguments: Sequence[Path]) -> list[Experiment]:
    """Return the experiments that arguments name, in their order.

    An argument is a run's directory; the name of several without ``-s<seed>``; or a pattern with
    ``* ? [``, which stands for the experiments that its runs belong to. Directories of runs that
    differ only in their seed, as a shell makes of a pattern, are one experiment, unless all are:
    then seeds are what is compared.

    Raises:
        UsageError: an argument names no run, a run is named twice, or there are too many.
        CorruptError: a run is damaged.
    """
    named = [_named(each) for each in arguments]
    digests = {run.record.config_sha256 for runs in named for run in runs}
    parts: list[list[Run]] = []
    alone: dict[str, list[Run]] = {}
    for runs in named:
        for part in _by_config(runs) if len(digests) > 1 else [runs]:
            digest = part[0].record.config_sha256
            if len(runs) > 1 or len(digests) == 1:
                parts.append(part)
            elif digest in alone:
                alone[digest].extend(part)
            else:
                parts.append(alone.setdefault(digest, part))
    _check(parts)
    return [
        Experiment(letter, _place(part), tuple(sorted(part, key=seed)))
        for letter, part in zip(LETTERS, parts, strict=False)
    ]


def _named(argument: Path) -> list[Run]:
    if stat.S_ISDIR(disk.mode(argument)):
        return [at(argument)]
    if any(character in argument.name for character in "*?["):
        found = [each for each in _runs_in(argument.parent) if fnmatchcase(each, argument.name)]
        problem = "no run's name fits"
    else:
        found = [each for each in _runs_in(argument.parent) if _is_seed_of(argument.name, each)]
        problem = "there is no such run, nor runs of this name with -s and a seed"
    if not found:
        if argument.parent == Path() and _is_known(argument.name, USUAL):
            problem += f"; did you mean {USUAL / argument}?"
        raise UsageError(f"{argument}: {problem}")
    runs = [at(argument.parent / name) for name in found]
    if problem.startswith("there") and len(_by_config(runs)) > 1:
        raise UsageError(f"{argument}: its runs are of different configs; name them one by one")
    return runs


def _is_seed_of(name: str, run: str) -> bool:
    return without_seed(run) == name != run


def _is_known(name: str, folder: Path) -> bool:
    return any(name == each or _is_seed_of(name, each) for each in _runs_in(folder))


def _runs_in(folder: Path) -> Iterator[str]:
    yield from (name for name in listing.names(folder) if disk.exists(folder / name / RUN))


def _by_config(runs: Iterable[Run]) -> list[list[Run]]:
    parts: dict[str, list[Run]] = {}
    for run in runs:
        parts.setdefault(run.record.config_sha256, []).append(run)
    return list(parts.values())


def _check(parts: Sequence[Sequence[Run]]) -> None:
    seen: set[Path] = set()
    for run in (run for part in parts for run in part):
        with disk.errors(run.path):
            place = run.path.resolve(strict=True)
        if place in seen:
            raise UsageError(f"{run.path}: is named twice")
        seen.add(place)
    for part in parts:
        by_seed: dict[int, Run] = {}
        for run in part:
            twin = by_seed.setdefault(seed(run), run)
            if twin is not run:
                raise UsageError(
                    f"{twin.path} and {run.path} have the same config and seed: "
                    "the same result twice is no second one"
                )
    if len(parts) > len(LETTERS):
        raise UsageError(
            f"{len(parts)} experiments are too many for one table: at most {len(LETTERS)}"
        )


def _place(runs: Sequence[Run]) -> str:
    """Return a name for all of some runs: the one they share, if they have one."""
    if len(runs) == 1:
        return str(runs[0].path)
    stems = {str(run.path.with_name(without_seed(run.name))) for run in runs}
    return stems.pop() if len(stems) == 1 else f"{runs[0].path} and {len(runs) - 1} more"
