"""What a search is: a config, a space around it, and how it is gone through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from nnexp import experiment
from nnexp.checks import is_run_name
from nnexp.config import dump, load, overrides
from nnexp.config.document import Document
from nnexp.config.model import Config
from nnexp.config.overrides import Override
from nnexp.errors import ConfigError, UsageError
from nnexp.search import methods, space
from nnexp.search.methods import Method, Name
from nnexp.search.space import Space, Values
from nnexp.search.trials import Trial
from nnexp.store import run as store
from nnexp.trials import Job

TRIALS = 20
FACTOR = 3


class Definition(NamedTuple):
    """A search, before anything is trained."""

    config: str
    """The config's file, as it was written."""
    base: Document
    fixed: tuple[Override, ...]
    """What every trial has in place of the file's values."""
    space: Space
    method: Name
    trials: int
    """At most."""
    seeds: tuple[int, ...] | None
    """Of each trial; None: the config's own."""
    seed: int
    """Of the search: where it draws its points from."""
    factor: int | None
    """Of successive halving; None: every trial is trained to its end."""
    examples: int | None
    """Ask for no more trials once these have seen so many training examples."""
    has_baseline: bool
    """Whether the config as given is trained beside them."""

    def configs(self, values: Values | None) -> tuple[Config, ...]:
        """Return a point's config for each seed; None stands for the config as given.

        Raises: ConfigError with every problem.
        """
        given = [*self.fixed, *(() if values is None else self.space.overrides(values))]
        config = load.overridden(self.base, given)
        if self.seeds is None:
            return (config,)
        load.check(msgspec.structs.replace(config, seed=max(self.seeds)), "--seeds")
        return tuple(msgspec.structs.replace(config, seed=seed) for seed in self.seeds)

    def trial(self, number: int, values: Values | None, runs: Path) -> Trial:
        """Return a trial, whose runs have the names that ``nnexp train`` would give them.

        Raises: ConfigError, UsageError.
        """
        configs = self.configs(values)
        stem = Path(self.config).stem
        named = (store.named(runs, experiment.run_name(each, stem)) for each in configs)
        return Trial(number, values or (), tuple(map(Job, configs, named)))

    def asked(self) -> Method:
        """Return the method, from its first point on. Raises: UsageError."""
        return methods.method(self.method, self.space, self.trials, self.seed)


def define(
    config: str,
    sources: Sequence[str],
    settings: Sequence[str] = (),
    *,
    method: Name = "random",
    trials: int = TRIALS,
    seeds: Sequence[int] | None = None,
    seed: int = 0,
    factor: int | None = None,
    examples: int | None = None,
    has_baseline: bool = True,
) -> Definition:
    """Return a search, all that can be known of it beforehand checked.

    Args:
        config: the config's file.
        sources: the space: files, and settings ``KEY=RANGE``.
        settings: ``KEY=VALUE`` put over the config's values.
        method: how points are chosen.
        trials: how many, at most.
        seeds: that each trial is trained with; None: the config's own.
        seed: where the search draws its points from.
        factor: of successive halving; None: every trial is trained to its end.
        examples: no more trials are asked for once they have seen so many training examples.
        has_baseline: train the config as given as well.

    Raises:
        ConfigError: with the problems of the config, the settings and the space.
        UsageError: what is asked for cannot be done.
        DiskError: a file cannot be read.
    """
    fixed = tuple(map(overrides.parse, settings))
    found = Definition(
        config=config,
        base=load.document(config),
        fixed=fixed,
        space=space.read(sources),
        method=method,
        trials=trials,
        seeds=None if seeds is None else tuple(seeds),
        seed=seed,
        factor=factor,
        examples=examples,
        has_baseline=has_baseline,
    )
    _check(found)
    return found


def _check(found: Definition) -> None:
    """Refuse what cannot be done, before anything is trained.

    Raises: ConfigError, UsageError.
    """
    if not is_run_name(stem := Path(found.config).stem):
        raise UsageError(f"{stem!r} cannot begin a run's name; rename the config's file")
    if found.factor is not None and found.method == "tpe":
        raise UsageError(
            "--halving goes with random and grid: tpe chooses a trial by what the ones before "
            "came to, and under halving they came to different epochs"
        )
    if found.factor is not None and found.examples is not None:
        raise UsageError("--halving and --examples: give one of them, both say when to stop")
    if found.factor is not None and "epochs" in found.space.keys:
        raise UsageError("--halving: every trial has the same epochs, so they cannot be searched")
    baseline = found.configs(None)[0]
    if "validation" not in baseline.monitor:
        raise UsageError("monitor: a search goes by the validation accuracy; add validation to it")
    if found.factor is not None and found.factor > min(found.trials, baseline.epochs):
        raise UsageError(
            f"--halving: {found.trials:,} trials of {baseline.epochs:,} epochs leave nothing to "
            f"halve; it takes {found.factor} (--factor) of both"
        )
    method = found.asked()
    _check_points(found, _ends(found.space))
    if found.method != "tpe":
        _check_points(found, iter(method.ask, None))


def _check_points(found: Definition, points: Iterator[Values]) -> None:
    """Refuse a search some of whose points are no configs; of values alike, name the first.

    Raises: ConfigError.
    """
    problems: dict[str, str] = {}
    for values in points:
        try:
            found.configs(values)
        except ConfigError as error:
            for each in error.problems:
                problems.setdefault(each.rpartition(", got ")[0] or each, each)
    if problems:
        raise ConfigError(list(problems.values()))


def _ends(space: Space) -> Iterator[Values]:
    """Yield the ends of each key, and every choice, with the other keys at their first."""
    first = [each.bounds[0] for each in space.dimensions]
    for place, dimension in enumerate(space.dimensions):
        for value in dimension.bounds:
            yield (*first[:place], value, *first[place + 1 :])


def described(space: Space, values: Values) -> str:
    """Return a point as people write it."""
    pairs = zip(space.keys, values, strict=True)
    return " ".join(f"{key}={dump.inline(value)}" for key, value in pairs)
