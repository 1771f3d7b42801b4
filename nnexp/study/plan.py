"""Plan a sweep: expand its points into configs, checked and named before any run starts."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from nnexp.config import canonical, convert, dump, load, overrides, problem, rules
from nnexp.config.document import INVALID, YamlDocument
from nnexp.config.model import CheckedConfig, Config
from nnexp.config.problem import Place, Problem
from nnexp.datasets.loading import Data
from nnexp.errors import ConfigError, UsageError
from nnexp.runner.naming import RunNames, check_stem
from nnexp.study.job import Job
from nnexp.study.space import MOST, Choice, PointRow, by_key, deep_copy
from nnexp.study.sweep_file import Sweep

SHOWN = 3
"""How many of the points that share a problem a message lists."""


class PlannedRun(NamedTuple):
    """One run of a sweep."""

    config: CheckedConfig
    digest: str
    """Of the config without the seed."""
    values: tuple[Any, ...]
    """Values of the plan's keys."""
    experiment: int
    """Number of its experiment; runs that differ only in the seed share it."""


class Plan(NamedTuple):
    """All runs of a sweep."""

    definition: Sweep
    keys: list[str]
    """The keys that are varied."""
    trials: list[PlannedRun]
    excluded: int
    repeated: int
    """Runs left out because an earlier one has the same config."""

    def settings(self, trial: PlannedRun) -> list[str]:
        """Return the ``--set KEY=VALUE`` arguments with which ``nnexp train`` trains a trial."""
        fixed = [f"{key}={dump.inline(value)}" for key, value, _ in self.definition.fixed]
        pairs = zip(self.keys, trial.values, strict=True)
        varied = [f"{key}={dump.inline(value)}" for key, value in pairs]
        seeds = self.definition.seeds is not None
        return [*fixed, *varied, *([f"seed={trial.config.seed}"] if seeds else [])]

    def jobs(self, runs: Path, data: Data | None = None) -> list[Job]:
        """Return the job of each trial.

        Args:
            runs: the folder of the runs.
            data: the cache of loaded datasets, whose content is part of the runs' names.

        Raises: DataError.
        """
        names = RunNames(runs, self.definition.stem, data)
        jobs = [
            Job(
                trial.config,
                names.run(trial.config, trial.digest),
                content=names.content(trial.config),
            )
            for trial in self.trials
        ]
        varied = {key.partition(".")[0] for key in self.keys}
        return chained(jobs) if varied & canonical.ENDING_KEYS else jobs

    def cells(self, index: int) -> list[str]:
        """Return a trial's table cells: its values of the keys, and its seed."""
        trial = self.trials[index]
        return [*map(dump.inline, trial.values), str(trial.config.seed)]


def chained(jobs: Sequence[Job]) -> list[Job]:
    """Let jobs whose runs can grow from each other wait for one another, the shortest first.

    Then each epoch that they share is trained once, however many jobs run at a time.
    """
    groups: dict[tuple[bytes, str], list[int]] = {}
    for index, job in enumerate(jobs):
        key = canonical.growth_json(job.config), repr((job.config.schedule, job.content))
        groups.setdefault(key, []).append(index)
    result = list(jobs)
    for indices in groups.values():
        indices.sort(key=lambda index: _length(jobs[index].config))
        for before, after in pairwise(indices):
            result[after] = jobs[after]._replace(after=(jobs[before].run.path,))
    return result


def _length(config: Config) -> tuple[int, float]:
    """Return a sort key of configs by how long they probably train."""
    return config.epochs, float("inf") if config.patience is None else config.patience


def plan(definition: Sweep) -> Plan:
    """Expand a sweep into its runs; seeds vary fastest, the first dimension slowest.

    Raises: ConfigError with the problems of all points, grouped by message;
    UsageError if there are no runs, or too many.
    """
    count = len(definition.seeds or [0])
    for dimension in definition.space.dimensions:
        count *= len(dimension.rows)
    if count > MOST:
        raise UsageError(f"a sweep has at most {MOST:,} trials, this one {count:,}")
    return _Planner(definition).plan()


class _Planner:
    """Expands one sweep and collects the problems of its points by message."""

    def __init__(self, definition: Sweep) -> None:
        self._definition = definition
        self._keys = definition.space.keys
        self._defaults = canonical.to_builtins(Config())
        self._faults: dict[str, None] = {}
        """Problems of single values, without repetition."""
        self._conflicts: dict[str, list[str]] = {}
        """Problems of combinations of values, with the points that have them."""
        self._converted: dict[tuple[int, ...], Any] = {}
        base, varied = definition.base, {key.partition(".")[0] for key in self._keys}
        load.check_is_config(base)
        given = [choice.override for choice in definition.fixed]
        swept = [choice.override for d in definition.space.dimensions for choice in d.first]
        base.problems.extend(overrides.without_effect([*given, *swept]))
        overrides.apply(base, given, self._defaults)
        self._given = {*base.root, *varied}
        self._groups: dict[str, list[int]] = {}
        """For each varied top-level key, the indices of the choices that set it or its settings."""
        for index, key in enumerate(self._keys):
            self._groups.setdefault(key.partition(".")[0], []).append(index)
        rest = {key: value for key, value in base.root.items() if key not in varied}
        fixed, problems = convert.convert(base._replace(root=rest), Config)
        if fixed is None or problems or base.problems:
            raise problem.error([*base.problems, *problems])
        self._fixed = fixed
        if definition.seeds is not None:  # check each point with the largest
            self._fixed = msgspec.structs.replace(fixed, seed=_largest(definition.seeds))
        self._parts = {key: _part(base, key) for key in self._groups}
        self._trees: dict[str, dict[str, Any]] = {}  # sections reused for the next point's values
        self._repeated = self._excluded = 0
        self._excluded_by = Counter[int]()
        """Number of points that each exclusion matches, by its index."""

    def plan(self) -> Plan:
        """Return the plan, or raise ConfigError with all problems."""
        exclusions = self._definition.space.exclusions
        trials = list(self._trials())
        if self._faults or self._conflicts:
            conflicts = [f"{text} ({_at(points)})" for text, points in self._conflicts.items()]
            raise ConfigError([*self._faults, *conflicts])
        if idle := [e.idle for n, e in enumerate(exclusions) if n not in self._excluded_by]:
            raise problem.error(idle)
        if not trials:
            raise UsageError("the sweep's exclusions leave nothing to train")
        check_stem(self._definition.stem, max(trial.config.seed for trial in trials))
        return Plan(self._definition, self._keys, trials, self._excluded, self._repeated)

    def _trials(self) -> Iterator[PlannedRun]:
        definition = self._definition
        numbers: dict[str, int] = {}
        seen: set[tuple[str, int]] = set()
        for rows in product(*(dimension.rows for dimension in definition.space.dimensions)):
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
                seeded = load.changed(config, seed=seed)
                yield PlannedRun(seeded, digest, values, number)

    def _seeds(self, choices: PointRow) -> Sequence[int]:
        """Return the seeds with which a point is not excluded."""
        seeds = self._definition.seeds or [self._fixed.seed]
        if not self._definition.space.exclusions:
            return seeds
        values = by_key(choices)
        return [seed for seed in seeds if not self._excludes({"seed": seed, **values})]

    def _excludes(self, point: dict[str, Any]) -> bool:
        """Return whether a point is excluded, and count it for each exclusion that matches."""
        exclusions = self._definition.space.exclusions
        matches = [index for index, e in enumerate(exclusions) if e.fits(point)]
        self._excluded_by.update(matches)
        self._excluded += bool(matches)
        return bool(matches)

    def _config(self, choices: PointRow) -> CheckedConfig | None:
        """Return a point's config, or note its problems and return None.

        This is the check of ``load``, except that values shared by points are converted once.
        """
        fields = {
            _name(key): self._value(key, tuple(choices[index] for index in indices))
            for key, indices in self._groups.items()
        }
        if INVALID in fields.values():
            return None
        config = msgspec.structs.replace(self._fixed, **fields)
        config = rules.with_dependent_defaults(config, self._given)
        conflicts = rules.problems(config)
        for conflict in conflicts:
            path = conflict.paths[0]
            place = self._place(choices, path)
            text = str(Problem(place, path, conflict.message))
            self._conflicts.setdefault(text, []).append(describe_point(choices))
        return None if conflicts else cast("CheckedConfig", config)

    def _place(self, choices: PointRow, path: problem.Path) -> Place:
        for choice in choices:
            if choice.path[0] == path[0]:
                return choice.place
        return self._definition.base.place(path)

    def _value(self, key: str, group: PointRow) -> Any:  # noqa: ANN401 - a field's value
        """Return a config field's value at a point, or note the problem and return INVALID."""
        ids = tuple(map(id, group))  # choices live as long as their dimensions
        if ids not in self._converted:
            try:
                self._converted[ids] = self._convert(key, group)
            except ConfigError as error:
                self._faults |= dict.fromkeys(error.problems)
                self._converted[ids] = INVALID
        return self._converted[ids]

    def _convert(self, key: str, group: PointRow) -> Any:  # noqa: ANN401 - a field's value
        if len(group) == 1 and "." not in group[0].key:
            document = YamlDocument({key: group[0].value}, {}, {}, [], group[0].place)
            return convert.convert_key(document, Config, key)
        is_flat = all(c.key.count(".") == 1 and not isinstance(c.value, dict | list) for c in group)
        if is_flat and key in self._trees:  # fast path without places, which only messages need
            tree = {**self._trees[key], **{choice.path[1]: choice.value for choice in group}}
            document = YamlDocument({key: tree}, {}, {}, [], group[0].place)
            with contextlib.suppress(ConfigError):
                return convert.convert_key(document, Config, key)
        root, base = deep_copy(self._parts[key].root), self._parts[key]
        document = base._replace(root=root, values={**base.values}, keys={**base.keys})
        overrides.apply(document, [choice.override for choice in group], self._defaults)
        if is_flat:
            self._trees[key] = root[key]
        return convert.convert_key(document, Config, key)


def _largest(seeds: Sequence[int]) -> int:
    """Return the largest of the seeds. Raises: ConfigError if it is out of range."""
    document = YamlDocument({"seed": max(seeds)}, {}, {}, [], Place("seeds"))
    return cast("int", convert.convert_key(document, Config, "seed"))


def describe_point(choices: Iterable[Choice]) -> str:
    """Return a point as KEY=VALUE pairs, separated by spaces."""
    return " ".join(f"{choice.key}={dump.inline(choice.value)}" for choice in choices)


def _name(key: str) -> str:
    return "lambda_" if key == "lambda" else key


def _part(base: YamlDocument, key: str) -> YamlDocument:
    """Return the part of a document with one top-level key."""
    return base._replace(
        root={key: base.root[key]} if key in base.root else {},
        values={path: place for path, place in base.values.items() if path[:1] == (key,)},
        keys={path: place for path, place in base.keys.items() if path[:1] == (key,)},
    )


def _at(points: Sequence[str]) -> str:
    """Return which points have a problem, listing at most ``SHOWN``."""
    if points == [""]:
        return "every point"
    more = f" and {len(points) - SHOWN:,} more" if len(points) > SHOWN else ""
    return f"at {'; '.join(points[:SHOWN])}{more}"
