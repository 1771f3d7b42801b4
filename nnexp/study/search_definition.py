"""What a search is: a config, a space around it, and how it is gone through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from nnexp.config import canonical, load, overrides
from nnexp.config.document import YamlDocument
from nnexp.config.model import CheckedConfig
from nnexp.config.overrides import Override
from nnexp.config.problem import Place, refusal
from nnexp.errors import ConfigError, UsageError
from nnexp.names import is_run_name
from nnexp.runner import train
from nnexp.store import run as store
from nnexp.study import samplers, sweep_file
from nnexp.study.job import Job
from nnexp.study.samplers import Method, MethodName
from nnexp.study.space import Space, Values
from nnexp.study.trials import Trial

TRIALS = 20
FACTOR = 3


class Definition(NamedTuple):
    """A search, before anything is trained."""

    config: str
    """The config's file, as it was written."""
    base: YamlDocument
    fixed: tuple[Override, ...]
    """What every trial has in place of the file's values."""
    space: Space
    method: MethodName
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

    def configs(self, values: Values | None) -> tuple[CheckedConfig, ...]:
        """Return a point's config for each seed; None stands for the config as given.

        Raises: ConfigError with every problem.
        """
        given = [*self.fixed, *(() if values is None else self.space.overrides(values))]
        config = load.with_overrides(self.base, given)
        if self.seeds is None:
            return (config,)
        source = "--seeds" if self.space.seeds is None else str(self.space.seeds.place)
        largest = load.changed(config, source, seed=max(self.seeds))
        return tuple(load.changed(largest, seed=seed) for seed in self.seeds)

    def trial(self, number: int, values: Values | None, runs: Path) -> Trial:
        """Return a trial, whose runs have the names that ``nnexp train`` would give them.

        Raises: ConfigError, UsageError.
        """
        configs = self.configs(values)
        stem = Path(self.config).stem
        named = (store.named(runs, train.run_name(each, stem)) for each in configs)
        return Trial(number, values or (), tuple(map(Job, configs, named)))

    def suited(self) -> list[CheckedConfig]:
        """Return of the trials' configs those that ask different things of the data.

        Of tpe, whose points are not known beforehand, those at the ends of each range count.
        """
        points: Iterable[Values | None] = [None]
        if {key.partition(".")[0] for key in self.space.keys} & {"data", "monitor", "rng"}:
            is_known = self.method != "tpe"
            varied = iter(self.asked().ask, None) if is_known else self.space.ends()
            points = chain([None] if self.has_baseline else [], varied)
        configs = (self.configs(values)[0] for values in points)
        return list({(each.data, each.monitor, each.rng): each for each in configs}.values())

    def asked(self) -> Method:
        """Return the method, from its first point on. Raises: UsageError."""
        return samplers.method(self.method, self.space, self.trials, self.seed)


def define(
    config: str,
    sources: Sequence[str],
    settings: Sequence[str] = (),
    *,
    method: MethodName = "random",
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
        seeds: that each trial is trained with; None: the space's, or the config's own.
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
    base = load.document(config)
    if "config" in base.root:
        place = base.keys["config",]
        raise refusal(place, f"this is a sweep file: nnexp sweep {config}", ("config",))
    sound, problems = sweep_file.read_space(sources)
    if sound.seeds is not None:
        if seeds is not None:
            message = "seeds are also given by --seeds: leave one of the two out"
            problems += refusal(sound.seeds.place, message).problems
        seeds = sound.seeds.numbers
    found = Definition(
        config=config,
        base=base,
        fixed=fixed,
        space=sound,
        method=method,
        trials=trials,
        seeds=None if seeds is None else tuple(seeds),
        seed=seed,
        factor=factor,
        examples=examples,
        has_baseline=has_baseline,
    )
    _check(found, problems)
    return found


def _check(found: Definition, problems: Sequence[str]) -> None:
    """Refuse what cannot be done, before anything is trained.

    Args:
        found: what is asked for.
        problems: of the space.

    Raises: ConfigError, UsageError.
    """
    if not is_run_name(stem := Path(found.config).stem):
        raise UsageError(f"{stem!r} cannot begin a run's name; rename the config's file")
    _check_options(found)
    problems = [*problems, *_faults(found, [None, *found.space.ends()])]
    problems += (fault for each in found.fixed for fault in _replaced(found.space, each))
    if problems:
        raise ConfigError(problems)
    method = found.asked()
    planned = [] if found.method == "tpe" else list(iter(method.ask, None))
    if problems := _faults(found, planned):
        raise ConfigError(problems)
    if found.factor is not None:
        _check_rungs(found, found.factor, planned)


def _check_options(found: Definition) -> None:
    """Refuse what does not go with halving. Raises: UsageError."""
    if found.factor is None:
        return
    if found.method == "tpe":
        raise UsageError(
            "--halving goes with random and grid: tpe chooses a trial by what the ones before "
            "came to, and under halving they came to different epochs"
        )
    if found.examples is not None:
        raise UsageError("--halving and --examples: give one of them, both say when to stop")
    if "epochs" in found.space.keys:
        raise UsageError("--halving: every trial has the same epochs, so they cannot be searched")
    if "evaluate_every" in found.space.keys:
        raise UsageError(
            "--halving: trials are ranked by what they came to at the same epochs, so "
            "evaluate_every cannot be searched"
        )


def _check_rungs(found: Definition, factor: int, planned: Sequence[Values]) -> None:
    """Refuse a halving that halves nothing; points that are one config count once.

    Raises: UsageError.
    """
    count = len({canonical.digest(found.configs(values)[0]) for values in planned})
    epochs = found.configs(None)[0].epochs
    if factor > min(count, epochs):
        raise UsageError(
            f"--halving: {count:,} trials of {epochs:,} epochs leave nothing to "
            f"halve; it takes {factor} (--factor) of both"
        )


def _replaced(space: Space, setting: Override) -> list[str]:
    """Return what is wrong with a setting of every trial that is within a searched key."""
    for key in space.keys:
        outer = tuple(key.split("."))
        if len(outer) < len(setting.path) and setting.path[: len(outer)] == outer:
            message = f"{key} is searched, and none of its values has this; say it in the values"
            return refusal(setting.value.source, message, setting.path).problems
    return []


def _faults(found: Definition, points: Iterable[Values | None]) -> list[str]:
    """Return why some points are no configs that can be ranked; of values alike, the first."""
    problems: dict[str, str] = {}
    for values in points:
        try:
            config = found.configs(values)[0]
            if "validation" not in config.monitor and (values or found.has_baseline):
                message = "a search goes by the validation accuracy; add validation to it"
                raise refusal(_place(found, values, "monitor"), message, ("monitor",))
        except ConfigError as error:
            for each in error.problems:
                problems.setdefault(each.rpartition(", got ")[0] or each, each)
    return list(problems.values())


def _place(found: Definition, values: Values | None, key: str) -> Place:
    """Return where a point has a key from: the space, a setting, or the config's file."""
    if values is not None:
        for each in found.space.columns:
            if each.key == key:
                return each.place
    for path, value in reversed(found.fixed):
        if path == (key,):
            source: Place = value.source
            return source
    return found.base.place((key,))
