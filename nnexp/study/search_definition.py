"""Define a search: a config, the space to search, the method and its budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from nnexp.config import canonical, load, overrides
from nnexp.config.argument import required_stem
from nnexp.config.document import YamlDocument
from nnexp.config.model import CheckedConfig
from nnexp.config.overrides import Override
from nnexp.config.problem import Place, refusal
from nnexp.errors import ConfigError, UsageError
from nnexp.runner.naming import RunNames, check_stem
from nnexp.study import samplers, sweep_file
from nnexp.study.confirmation import fresh_seeds
from nnexp.study.job import Job
from nnexp.study.samplers import Method, MethodName
from nnexp.study.space import Space, Values
from nnexp.study.trials import Trial

TRIALS = 20
FACTOR = 3


class Definition(NamedTuple):
    """A search that has been checked and can be run."""

    config: str
    """The config's file, as the user named it."""
    base: YamlDocument
    fixed: tuple[Override, ...]
    """Overrides of the file's values in every trial."""
    space: Space
    method: MethodName
    trials: int
    """Maximum number of trials."""
    seeds: tuple[int, ...] | None
    """Seeds of each trial; None for the config's own."""
    seed: int
    """Seed of the search, from which it draws its points."""
    factor: int | None
    """Reduction factor of successive halving; None to train every trial fully."""
    examples: int | None
    """Propose no more trials once they have seen this many training examples."""
    has_baseline: bool
    """Whether the unchanged config is trained as well."""
    confirm: int
    """Number of fresh seeds with which the best trial is confirmed; 0 for no confirmation."""

    def configs(self, values: Values | None) -> tuple[CheckedConfig, ...]:
        """Return a point's config for each seed; ``None`` is the unchanged config.

        Raises: ConfigError with every problem.
        """
        choices = () if values is None else self.space.overrides(values)
        config = load.with_overrides(self.base, [*self.fixed, *choices])
        if self.seeds is None:
            return (config,)
        source = "--seeds" if self.space.seeds is None else str(self.space.seeds.place)
        largest = load.changed(config, source, seed=max(self.seeds))
        return tuple(load.changed(largest, seed=seed) for seed in self.seeds)

    @property
    def fresh_seeds(self) -> tuple[int, ...]:
        """The seeds of the confirmation: the smallest ones that no trial has."""
        return fresh_seeds({config.seed for config in self.configs(None)}, self.confirm)

    @property
    def stem(self) -> str:
        """The beginning of the runs' names."""
        return required_stem(self.config)

    def trial(self, number: int, values: Values | None, names: RunNames) -> Trial:
        """Return a trial; its runs are named as by ``nnexp train``.

        Raises: ConfigError, DataError, UsageError.
        """
        jobs = (Job(c, names.run(c), content=names.content(c)) for c in self.configs(values))
        return Trial(number, values or (), tuple(jobs))

    def data_configs(self) -> list[CheckedConfig]:
        """Return one config for each different requirement that trials have of the data.

        For tpe, whose points are not known beforehand, the ends of each range are used.
        """
        points: Iterable[Values | None] = [None]
        if {key.partition(".")[0] for key in self.space.keys} & {"data", "monitor", "rng"}:
            is_known = self.method != "tpe"
            varied = iter(self.new_method().ask, None) if is_known else self.space.ends()
            points = chain([None] if self.has_baseline or self.confirm else [], varied)
        configs = (self.configs(values)[0] for values in points)
        return list({(c.data, c.monitor, c.rng): c for c in configs}.values())

    def new_method(self) -> Method:
        """Return the method in its initial state. Raises: UsageError."""
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
    confirm: int = 0,
) -> Definition:
    """Define a search and check it as far as is possible without training.

    Args:
        config: the config's file.
        sources: the space: files, and settings ``KEY=RANGE``.
        settings: ``KEY=VALUE`` overrides of the config.
        method: chooses the points.
        trials: maximum number of trials.
        seeds: seeds of each trial; None for the space's, or the config's own.
        seed: of the search, from which it draws its points.
        factor: of successive halving; None to train every trial fully.
        examples: budget of training examples, after which no more trials are proposed.
        has_baseline: also train the unchanged config.
        confirm: number of fresh seeds with which the best trial is confirmed.

    Raises:
        ConfigError: with the problems of the config, the settings and the space.
        UsageError: the options contradict each other.
        DiskError: a file cannot be read.
    """
    fixed = tuple(map(overrides.parse, settings))
    base = load.document(config)
    space, problems = sweep_file.read_space(sources)
    problems += map(str, overrides.without_effect(fixed))
    if space.seeds is not None:
        if seeds is not None:
            message = "seeds are also given by --seeds; remove one of the two"
            problems += refusal(space.seeds.place, message).problems
        seeds = space.seeds.numbers
    definition = Definition(
        config=config,
        base=base,
        fixed=fixed,
        space=space,
        method=method,
        trials=trials,
        seeds=None if seeds is None else tuple(seeds),
        seed=seed,
        factor=factor,
        examples=examples,
        has_baseline=has_baseline,
        confirm=confirm,
    )
    _check(definition, problems)
    return definition


def _check(definition: Definition, problems: Sequence[str]) -> None:
    """Check a search, and report the problems already found in its space as well.

    Raises: ConfigError, UsageError.
    """
    check_stem(definition.stem)
    _check_options(definition)
    problems = [*problems, *_faults(definition, [None, *definition.space.ends()])]
    problems += (
        fault for setting in definition.fixed for fault in _replaced(definition.space, setting)
    )
    if problems:
        raise ConfigError(problems)
    method = definition.new_method()
    planned = [] if definition.method == "tpe" else list(iter(method.ask, None))
    if problems := _faults(definition, planned):
        raise ConfigError(problems)
    if definition.factor is not None:
        _check_rungs(definition, definition.factor, planned)
    check_stem(definition.stem, max(definition.fresh_seeds, default=0))


def _check_options(definition: Definition) -> None:
    """Check that the options are compatible with halving. Raises: UsageError."""
    if definition.factor is None:
        return
    if definition.method == "tpe":
        raise UsageError(
            "--halving needs --method random or grid: tpe learns from earlier scores, which under "
            "halving come from different epochs"
        )
    if definition.examples is not None:
        raise UsageError("--halving and --examples both limit the search: give one of them")
    if "epochs" in definition.space.keys:
        raise UsageError("--halving: all trials need the same epochs, so epochs cannot be searched")
    if "evaluate_every" in definition.space.keys:
        raise UsageError(
            "--halving: trials are ranked at the same epochs, so evaluate_every cannot be searched"
        )


def _check_rungs(definition: Definition, factor: int, planned: Sequence[Values]) -> None:
    """Check that there is something to halve; points with the same config count once.

    Raises: UsageError.
    """
    count = len({canonical.digest(definition.configs(values)[0]) for values in planned})
    epochs = definition.configs(None)[0].epochs
    if factor > min(count, epochs):
        raise UsageError(
            f"--halving: {count:,} trials of {epochs:,} epochs are too few to halve; "
            f"--factor {factor} needs at least {factor} of both"
        )


def _replaced(space: Space, setting: Override) -> list[str]:
    """Return the problem of a fixed setting that is part of a searched key, if it is."""
    for key in space.keys:
        outer = tuple(key.split("."))
        if len(outer) < len(setting.path) and setting.path[: len(outer)] == outer:
            message = f"{key} is searched and replaces this; put the setting into its values"
            return refusal(setting.value.source, message, setting.path).problems
    return []


def _faults(definition: Definition, points: Iterable[Values | None]) -> list[str]:
    """Return the problems of points, without those that differ only in the value."""
    problems: dict[str, str] = {}
    for values in points:
        try:
            config = definition.configs(values)[0]
            if "validation" not in config.monitor and (values or definition.has_baseline):
                message = "a search ranks by validation accuracy; add validation"
                raise refusal(_place(definition, values, "monitor"), message, ("monitor",))
        except ConfigError as error:
            for text in error.problems:
                problems.setdefault(text.rpartition(", got ")[0] or text, text)
    return list(problems.values())


def _place(definition: Definition, values: Values | None, key: str) -> Place:
    """Return the place that sets a point's key: the space, a setting, or the config's file."""
    if values is not None:
        for column in definition.space.columns:
            if column.key == key:
                return column.place
    for path, value in reversed(definition.fixed):
        if path == (key,):
            source: Place = value.source
            return source
    return definition.base.place((key,))
