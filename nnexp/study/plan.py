"""The plan of a sweep: every point as a config of its own, checked and named before any starts."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from nnexp.config import canonical, convert, dump, load, overrides, problem, rules
from nnexp.config.document import INVALID, YamlDocument
from nnexp.config.model import CheckedConfig, Config
from nnexp.config.problem import Place, Problem
from nnexp.errors import ConfigError, UsageError
from nnexp.names import is_run_name
from nnexp.runner import train
from nnexp.store.run import named
from nnexp.study.job import Job
from nnexp.study.space import MOST, Choice, PointRow, by_key, copied
from nnexp.study.sweep_file import Sweep

SHOWN = 3
"""Points named of those that share a problem."""


class PlannedRun(NamedTuple):
    """One run of a sweep."""

    config: CheckedConfig
    name: str
    values: tuple[Any, ...]
    """Of the plan's keys."""
    experiment: int
    """Trials that differ in the seed alone have the same."""


class Plan(NamedTuple):
    """All that a sweep is to do."""

    definition: Sweep
    keys: list[str]
    """The keys that are varied."""
    trials: list[PlannedRun]
    excluded: int
    repeated: int
    """Points that were the same config as an earlier one."""

    def settings(self, trial: PlannedRun) -> list[str]:
        """Return what ``nnexp train`` must be told to train a trial, as KEY=VALUE."""
        fixed = [f"{key}={dump.inline(value)}" for key, value, _ in self.definition.fixed]
        pairs = zip(self.keys, trial.values, strict=True)
        varied = [f"{key}={dump.inline(value)}" for key, value in pairs]
        seeds = self.definition.seeds is not None
        return [*fixed, *varied, *([f"seed={trial.config.seed}"] if seeds else [])]

    def jobs(self, runs: Path) -> list[Job]:
        """Return the job of each trial, in a folder of runs."""
        return [Job(trial.config, named(runs, trial.name)) for trial in self.trials]

    def cells(self, place: int) -> list[str]:
        """Return what tells a trial from others: its values of the keys, and its seed."""
        trial = self.trials[place]
        return [*map(dump.inline, trial.values), str(trial.config.seed)]


def plan(definition: Sweep) -> Plan:
    """Return the trials of a sweep: the seeds vary fastest, the first dimension slowest.

    Raises: ConfigError with the problems of all points, those that share one together;
    UsageError if nothing is left to train, or too much.
    """
    count = len(definition.seeds or [0])
    for dimension in definition.space.dimensions:
        count *= len(dimension.rows)
    if count > MOST:
        raise UsageError(f"a sweep has at most {MOST:,} trials, this one {count:,}")
    return _Planner(definition).plan()


class _Planner:
    """Makes the points of one definition; what is wrong with them gathers by message."""

    def __init__(self, definition: Sweep) -> None:
        self._definition = definition
        self._keys = definition.space.keys
        self._defaults = canonical.to_builtins(Config())
        self._faults: dict[str, None] = {}
        """What is wrong with values, each told once."""
        self._clashes: dict[str, list[str]] = {}
        """What is wrong with points, and which."""
        self._converted: dict[tuple[int, ...], Any] = {}
        base, varied = definition.base, {key.partition(".")[0] for key in self._keys}
        overrides.apply(base, [each.override for each in definition.fixed], self._defaults)
        self._given = {*base.root, *varied}
        self._groups: dict[str, list[int]] = {}
        """The config's keys that are varied, and which of a point's choices concern each."""
        for place, key in enumerate(self._keys):
            self._groups.setdefault(key.partition(".")[0], []).append(place)
        rest = {key: value for key, value in base.root.items() if key not in varied}
        fixed, found = convert.convert(base._replace(root=rest), Config)
        if fixed is None or found or base.problems:
            raise problem.error([*base.problems, *found])
        self._fixed = fixed
        if definition.seeds is not None:  # each point is checked with the largest
            self._fixed = msgspec.structs.replace(fixed, seed=_largest(definition.seeds))
        self._parts = {key: _part(base, key) for key in self._groups}
        self._trees: dict[str, dict[str, Any]] = {}  # parts to put another point's values into
        self._repeated = self._excluded = 0
        self._fitted = Counter[int]()
        """How many points each exclusion fits, by its number."""

    def plan(self) -> Plan:
        """Return the plan, or raise ConfigError with all that is wrong."""
        exclusions = self._definition.space.exclusions
        trials = list(self._trials())
        if self._faults or self._clashes:
            told = [f"{message} ({_such(points)})" for message, points in self._clashes.items()]
            raise ConfigError([*self._faults, *told])
        if idle := [each.idle for n, each in enumerate(exclusions) if n not in self._fitted]:
            raise problem.error(idle)
        if not trials:
            raise UsageError("the sweep's exclusions leave nothing to train")
        longest = max(trials, key=lambda trial: trial.config.seed)
        if not is_run_name(longest.name):
            raise UsageError(f"{longest.name!r} cannot name a run; rename the config's file")
        return Plan(self._definition, self._keys, trials, self._excluded, self._repeated)

    def _trials(self) -> Iterator[PlannedRun]:
        definition, stem = self._definition, self._definition.stem
        numbers: dict[str, int] = {}
        seen: set[tuple[str, int]] = set()
        for rows in product(*(each.rows for each in definition.space.dimensions)):
            choices: PointRow = tuple(choice for row in rows for choice in row)
            seeds = self._seeds(choices)
            config = self._config(choices) if seeds else None
            if config is None:
                continue
            digest = canonical.digest(config)
            number = numbers.setdefault(digest, len(numbers))
            values = tuple(choice.value for choice in choices)
            for seed in seeds:
                if (digest, seed) in seen:
                    self._repeated += 1
                    continue
                seen.add((digest, seed))
                each = load.changed(config, seed=seed)
                name = train.run_name(each, stem, digest)
                yield PlannedRun(each, name, values, number)

    def _seeds(self, choices: PointRow) -> Sequence[int]:
        """Return the seeds of a point that are not excluded; the config's own is one."""
        seeds = self._definition.seeds or [self._fixed.seed]
        if not self._definition.space.exclusions:
            return seeds
        values = by_key(choices)
        return [seed for seed in seeds if not self._excludes({"seed": seed, **values})]

    def _excludes(self, point: dict[str, Any]) -> bool:
        """Return whether a point is left out, and count it for each exclusion that it fits."""
        every = enumerate(self._definition.space.exclusions)
        fitting = [number for number, each in every if each.fits(point)]
        self._fitted.update(fitting)
        self._excluded += bool(fitting)
        return bool(fitting)

    def _config(self, choices: PointRow) -> CheckedConfig | None:
        """Return a point's config, or None and note what is wrong with it.

        This is ``load``'s check, but a value that several points share is converted once.
        """
        fields = {
            _name(key): self._value(key, tuple(choices[place] for place in places))
            for key, places in self._groups.items()
        }
        if INVALID in fields.values():
            return None
        config = msgspec.structs.replace(self._fixed, **fields)
        config = rules.with_dependent_defaults(config, self._given)
        clashes = rules.problems(config)
        for clash in clashes:
            path = clash.paths[0]
            place = self._place(choices, path)
            text = str(Problem(place, path, clash.message))
            self._clashes.setdefault(text, []).append(described(choices))
        return None if clashes else cast("CheckedConfig", config)

    def _place(self, choices: PointRow, path: problem.Path) -> Place:
        for choice in choices:
            if choice.path[0] == path[0]:
                return choice.place
        return self._definition.base.place(path)

    def _value(self, key: str, group: PointRow) -> Any:  # noqa: ANN401 - a field's value
        """Return what a field of the config holds at a point, or INVALID and note why."""
        known = tuple(map(id, group))  # choices live as long as their dimensions
        if known not in self._converted:
            try:
                self._converted[known] = self._made(key, group)
            except ConfigError as error:
                self._faults |= dict.fromkeys(error.problems)
                self._converted[known] = INVALID
        return self._converted[known]

    def _made(self, key: str, group: PointRow) -> Any:  # noqa: ANN401 - a field's value
        if len(group) == 1 and "." not in group[0].key:
            document = YamlDocument({key: group[0].value}, {}, {}, [], group[0].place)
            return convert.convert_key(document, Config, key)
        is_flat = all(c.key.count(".") == 1 and not isinstance(c.value, dict | list) for c in group)
        if is_flat and key in self._trees:  # places are for what is wrong: most points are sound
            tree = {**self._trees[key], **{choice.path[1]: choice.value for choice in group}}
            sound = YamlDocument({key: tree}, {}, {}, [], group[0].place)
            with contextlib.suppress(ConfigError):
                return convert.convert_key(sound, Config, key)
        root, base = copied(self._parts[key].root), self._parts[key]
        document = base._replace(root=root, values={**base.values}, keys={**base.keys})
        overrides.apply(document, [each.override for each in group], self._defaults)
        if is_flat:
            self._trees[key] = root[key]
        return convert.convert_key(document, Config, key)


def _largest(seeds: Sequence[int]) -> int:
    """Return the largest of the seeds. Raises: ConfigError if it is out of range."""
    document = YamlDocument({"seed": max(seeds)}, {}, {}, [], Place("seeds"))
    return cast("int", convert.convert_key(document, Config, "seed"))


def described(choices: Iterable[Choice]) -> str:
    """Return a point as people write it: its swept keys and values."""
    return " ".join(f"{choice.key}={dump.inline(choice.value)}" for choice in choices)


def _name(key: str) -> str:
    return "lambda_" if key == "lambda" else key


def _part(base: YamlDocument, key: str) -> YamlDocument:
    """Return what a document says of one key."""
    return base._replace(
        root={key: base.root[key]} if key in base.root else {},
        values={path: place for path, place in base.values.items() if path[:1] == (key,)},
        keys={path: place for path, place in base.keys.items() if path[:1] == (key,)},
    )


def _such(points: Sequence[str]) -> str:
    """Return which points have a problem, a few of many."""
    if points == [""]:
        return "every point"
    more = f" and {len(points) - SHOWN:,} more" if len(points) > SHOWN else ""
    return f"at {'; '.join(points[:SHOWN])}{more}"
