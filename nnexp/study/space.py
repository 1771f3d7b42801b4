"""Spaces of configs: keys with lists of values, zipped lists, and ranges.

A sweep trains all points of a space; a search samples points from one. ``sweep_file`` parses
spaces from files and options.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, permutations, product
from typing import Any, NamedTuple, TypeAlias

from nnexp import names
from nnexp.config import dump
from nnexp.config.document import YamlDocument
from nnexp.config.messages import listed, shown
from nnexp.config.overrides import Override
from nnexp.config.problem import Path, Place, Problem
from nnexp.study.ranges import RANGES

MOST = 1_000_000
"""Maximum number of random points, and of runs of a sweep."""

Values: TypeAlias = tuple[Any, ...]
"""A point of a space: a value for each of its keys."""


class Choice(NamedTuple):
    """One value of one key, with the place in a file or option that error messages name."""

    key: str
    value: Any
    place: Place

    @property
    def path(self) -> tuple[str, ...]:
        """The key's parts."""
        return tuple(self.key.split("."))

    @property
    def override(self) -> Override:
        """The choice as an override of a config, with a value of its own that may be modified."""
        value = YamlDocument(deep_copy(self.value), {(): self.place}, {}, [], self.place)
        return Override(self.path, value)


PointRow: TypeAlias = tuple[Choice, ...]


class Dimension(NamedTuple):
    """One key with its list or range, or several keys with zipped lists."""

    keys: tuple[str, ...]
    kind: str
    """One of ``RANGES``, "choice" for a list, or "zip" for zipped lists."""
    place: Place
    rows: Sequence[PointRow] = ()
    """For lists: the values of the keys, row by row."""
    ends: tuple[Any, ...] = ()
    """For a range: its smallest and its largest value."""

    @property
    def key(self) -> str:
        """The first key, which names the dimension."""
        return self.keys[0]

    @property
    def is_choice(self) -> bool:
        """Whether its values are listed."""
        return not self.ends

    @property
    def levels(self) -> list[Values]:
        """All rows of the lists, or the two ends of a range, with a value for each key."""
        return [values_of(row) for row in self.rows] or [(end,) for end in self.ends]

    @property
    def bounds(self) -> list[Any]:
        """The levels of the first key."""
        return [level[0] for level in self.levels]

    @property
    def first(self) -> PointRow:
        """A choice for each key, with its place: the first row; for a range, one without value."""
        return self.rows[0] if self.rows else (Choice(self.key, None, self.place),)

    @property
    def columns(self) -> list[Dimension]:
        """A separate dimension for each key."""
        if len(self.keys) == 1:
            return [self]
        lists = [[(choice,) for choice in column] for column in zip(*self.rows, strict=True)]
        return [Dimension((rows[0][0].key,), self.kind, rows[0][0].place, rows) for rows in lists]

    @property
    def call(self) -> str:
        """A range as written in an option, such as uniform(0, 1)."""
        return f"{self.kind}({', '.join(map(dump.inline, self.ends))})"

    def at(self, u: float) -> PointRow:
        """Map u in [0, 1) to values of the keys."""
        if self.rows:
            return self.rows[int(u * len(self.rows))]
        low, high = self.ends
        return (Choice(self.key, RANGES[self.kind].value(low, high, u), self.place),)

    def allows(self, exclusion: Exclusion) -> bool:
        """Return whether values of the keys can match an exclusion."""
        if self.rows:
            return any(exclusion.fits(by_key(row)) for row in self.rows)
        low, high = self.ends
        excluded = exclusion.values.get(self.key, [low])
        return any(type(value) in {int, float} and low <= value <= high for value in excluded)


class Exclusion(NamedTuple):
    """Points to leave out: those that have one of the given values for every given key."""

    values: dict[str, list[Any]]
    place: Place
    path: Path
    places: dict[str, Place]
    """Places of the keys."""

    @property
    def idle(self) -> Problem:
        """The problem of an exclusion that matches no point."""
        return Problem(self.place, self.path, "excludes nothing: no point matches")

    def fits(self, point: Mapping[str, Any]) -> bool:
        """Return whether a point, or the keys it has so far, matches."""
        return all(
            any(_same(point[key], value) for value in values)
            for key, values in self.values.items()
            if key in point
        )


class Seeds(NamedTuple):
    """The seeds with which every point is trained."""

    numbers: tuple[int, ...]
    place: Place


def parse_seeds(value: object) -> list[int]:
    """Parse a file's seeds: 7 means seeds 0 to 6, and [7] means seed 7. Raises: ValueError."""
    numbers: list[Any] = value if isinstance(value, list) else [value]
    if not numbers or any(type(number) not in {int, str} for number in numbers):
        raise ValueError(f"must be seeds, such as 5, 0-4 or [1, 3], got {shown(value)}")
    return names.seeds(numbers if isinstance(value, list) else str(value))


class Space(NamedTuple):
    """The dimensions of a sweep or search, its exclusions and its seeds."""

    dimensions: tuple[Dimension, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    seeds: Seeds | None = None
    """None for those of ``--seeds``, or the config's own."""

    @property
    def keys(self) -> list[str]:
        """The config's keys, dotted as for ``--set``."""
        return list(keys_of(self.dimensions))

    @property
    def columns(self) -> list[Dimension]:
        """A separate dimension for each key, with zipped lists taken apart."""
        return [column for dimension in self.dimensions for column in dimension.columns]

    def excludes(self, values: Values) -> bool:
        """Return whether a point is excluded."""
        point = dict(zip(self.keys, values, strict=True))
        return any(exclusion.fits(point) for exclusion in self.exclusions)

    def overrides(self, values: Values) -> list[Override]:
        """Return a point as overrides of a config, a component before its settings."""
        pairs = zip(self.columns, values, strict=True)
        choices = [Choice(column.key, value, column.place) for column, value in pairs]
        return [choice.override for choice in sorted(choices, key=lambda c: len(c.path))]

    def ends(self) -> Iterator[Values]:
        """Yield, for each level of each dimension, a point with the others at their first level.

        If that point is excluded, up to a thousand further levels of the others are tried.
        """
        levels = [dimension.levels for dimension in self.dimensions]
        for index, own in enumerate(levels):
            for level in own:
                points = map(flat, product(*levels[:index], [level], *levels[index + 1 :]))
                allowed = (point for point in islice(points, 1000) if not self.excludes(point))
                yield from islice(allowed, 1)

    def describe(self, values: Values) -> str:
        """Return a point as KEY=VALUE pairs, separated by spaces."""
        pairs = zip(self.keys, values, strict=True)
        return " ".join(f"{key}={dump.inline(value)}" for key, value in pairs)

    def problems(self) -> Iterator[Problem]:
        """Yield the problems of a search: overlapping keys, and exclusions that match nothing."""
        yield from overlaps(self.dimensions, "searched")
        for exclusion in self.exclusions:
            if not all(dimension.allows(exclusion) for dimension in self.dimensions):
                yield exclusion.idle


def keys_of(dimensions: Iterable[Dimension]) -> tuple[str, ...]:
    """Return the keys of all dimensions."""
    return tuple(key for dimension in dimensions for key in dimension.keys)


def by_key(row: PointRow) -> dict[str, Any]:
    """Return the values of a row by key."""
    return {choice.key: choice.value for choice in row}


def flat(levels: Iterable[Values]) -> Values:
    """Concatenate one level of each dimension into a point."""
    return tuple(chain.from_iterable(levels))


def draw(dimensions: Sequence[Dimension], count: int, seed: int) -> list[PointRow]:
    """Draw random points, each dimension from its own random stream.

    The first points stay the same if more are drawn, and so do the values of a dimension if
    others are added.
    """
    import numpy as np  # noqa: PLC0415 - only where there is something to draw

    columns = []
    for dimension in dimensions:
        digest = int.from_bytes(hashlib.sha256(dimension.key.encode()).digest()[:8], "big")
        stream = np.random.SeedSequence(seed, spawn_key=(digest,))
        uniform = np.random.Generator(np.random.PCG64(stream)).random(count).tolist()
        columns.append(map(dimension.at, uniform))
    return [tuple(chain.from_iterable(rows)) for rows in zip(*columns, strict=True)]


def fixed_and_swept(fixed: Iterable[Choice], varied: Iterable[Dimension]) -> Iterator[Problem]:
    """Yield the problem of each key that has a fixed value and is also swept."""
    swept = {choice.key: choice.place for dimension in varied for choice in dimension.first}
    for choice in fixed:
        if choice.key in swept:
            message = f"is also swept ({swept[choice.key]}); remove one of the two"
            yield Problem(choice.place, choice.path, message)


def duplicates(varied: Iterable[Dimension], verb: str) -> Iterator[Problem]:
    """Yield the problem of each key that is varied more than once."""
    places: dict[str, Place] = {}
    for choice in (choice for dimension in varied for choice in dimension.first):
        if choice.key in places:
            message = f"is {verb} twice, here and at {places[choice.key]}; remove one of the two"
            yield Problem(choice.place, choice.path, message)
        places.setdefault(choice.key, choice.place)


def overlaps(varied: Iterable[Dimension], verb: str) -> Iterator[Problem]:
    """Yield the problem of each varied key that is part of another varied key's values.

    A component's name and a setting of the component do not overlap, so both may be varied.
    """
    for outer, inner in permutations([column for d in varied for column in d.columns], 2):
        path, prefix = inner.first[0].path, outer.first[0].path
        rest = path[len(prefix) :]
        if not rest or not _is_within(path, prefix):
            continue
        if not (outer.is_choice and all(_takes(value, rest) for value in outer.bounds)):
            message = (
                f"would replace values of {outer.key}, which is also {verb} "
                f"({outer.place}); remove one of the two"
            )
            yield Problem(inner.place, (inner.key,), message)


def conflicts(
    fixed: Sequence[Choice], varied: Sequence[Dimension], seeds: Seeds | None
) -> Iterator[Problem]:
    """Yield the problems of a sweep: duplicate or overlapping keys, and seeds swept as a key.

    Seeds are not a key of a sweep, since it is ranked by means over the seeds.
    """
    yield from duplicates(varied, "swept")
    swept = [choice for dimension in varied for choice in dimension.first]
    for choice in [choice for choice in fixed if choice.key == "seed" and seeds is not None]:
        message = f"seeds are also given ({seeds and seeds.place}); remove one of the two"
        yield Problem(choice.place, (), message)
    for choice in [choice for choice in swept if choice.key == "seed"]:
        message = "cannot be swept; give --seeds, or seeds in the sweep file"
        yield Problem(choice.place, choice.path, message)
    yield from (overlapping := list(overlaps(varied, "swept")))
    reported = {problem.path[0] for problem in overlapping}
    given = [*fixed, *swept]
    for index, inner in enumerate(given):
        for outer in given[max(index + 1, len(fixed)) :]:
            is_within = inner.key != outer.key and _is_within(inner.path, outer.path)
            if is_within and inner.key not in reported:
                message = (
                    f"has no effect: {outer.key} ({outer.place}) is set after it and replaces "
                    f"it; sweep {outer.key} first, or put the setting into its values, "
                    f"as in {{name: ..., {'.'.join(inner.path[len(outer.path) :])}: ...}}"
                )
                yield Problem(inner.place, inner.path, message)


def unknown_exclusions(
    exclusions: Iterable[Exclusion], known: Sequence[str], verb: str
) -> Iterator[Problem]:
    """Yield the problem of each key in an exclusion that is not varied."""
    for exclusion in exclusions:
        for key, place in exclusion.places.items():
            if key not in known:
                message = f"{key} is not {verb} ({verb}: {listed(known)})"
                yield Problem(place, (*exclusion.path, key), message)


def deep_copy(value: Any) -> Any:  # noqa: ANN401 - any value of a document
    """Return a copy of a value that can be modified without affecting its document."""
    if isinstance(value, dict):
        return {key: deep_copy(inner) for key, inner in value.items()}
    return [deep_copy(item) for item in value] if isinstance(value, list) else value


def values_of(row: PointRow) -> Values:
    """Return the values of a row."""
    return tuple(choice.value for choice in row)


def _is_within(path: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
    return path[: len(prefix)] == prefix


def _same(a: Any, b: Any) -> bool:  # noqa: ANN401 - any values
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _takes(value: object, path: tuple[str, ...]) -> bool:
    """Return whether a value can take a setting at a path without losing one it has."""
    if isinstance(value, str):
        return path != ("name",)
    if not isinstance(value, dict) or not path:
        return False
    return path[0] not in value or (len(path) > 1 and _takes(value[path[0]], path[1:]))
