"""A space: what is varied of a config, by lists, by lists that go together, and by ranges.

A sweep trains all points of a space; a search draws points from one, or goes through a grid of it.
``sweep_file`` reads spaces from files and options.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, permutations, product
from typing import Any, NamedTuple, TypeAlias

from nnexp.config import dump
from nnexp.config.document import YamlDocument
from nnexp.config.messages import listed
from nnexp.config.overrides import Override
from nnexp.config.problem import Path, Place, Problem
from nnexp.study.ranges import RANGES

MOST = 1_000_000
"""Random points, and trials of a sweep."""

Values: TypeAlias = tuple[Any, ...]
"""A point of a space: a value for each of its keys."""


class Choice(NamedTuple):
    """One value of one key, with its place for messages."""

    key: str
    value: Any
    place: Place

    @property
    def path(self) -> tuple[str, ...]:
        """The key's parts."""
        return tuple(self.key.split("."))

    @property
    def override(self) -> Override:
        """The choice as an override of a config, whose value may be changed."""
        value = YamlDocument(copied(self.value), {(): self.place}, {}, [], self.place)
        return Override(self.path, value)


PointRow: TypeAlias = tuple[Choice, ...]


class Dimension(NamedTuple):
    """One key with its list or range; or several keys, whose lists go together."""

    keys: tuple[str, ...]
    kind: str
    """One of ``RANGES``, "choice" for a list, or "zip" for lists that go together."""
    place: Place
    rows: Sequence[PointRow] = ()
    """Of lists: what the keys are, in turn."""
    ends: tuple[Any, ...] = ()
    """Of a range: its smallest and its largest value."""

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
        """All values of lists, or the ends of a range: a value for each key."""
        return [values_of(row) for row in self.rows] or [(end,) for end in self.ends]

    @property
    def bounds(self) -> list[Any]:
        """The levels of the first key."""
        return [level[0] for level in self.levels]

    @property
    def first(self) -> PointRow:
        """The place of each key: of a list's first value, or of a range."""
        return self.rows[0] if self.rows else (Choice(self.key, None, self.place),)

    @property
    def columns(self) -> list[Dimension]:
        """A dimension for each key by itself."""
        if len(self.keys) == 1:
            return [self]
        lists = [[(choice,) for choice in column] for column in zip(*self.rows, strict=True)]
        return [Dimension((e[0][0].key,), self.kind, e[0][0].place, e) for e in lists]

    @property
    def call(self) -> str:
        """A range as an option has it, such as uniform(0, 1)."""
        return f"{self.kind}({', '.join(map(dump.inline, self.ends))})"

    def at(self, u: float) -> PointRow:
        """Return what the keys are at a number of [0, 1)."""
        if self.rows:
            return self.rows[int(u * len(self.rows))]
        low, high = self.ends
        return (Choice(self.key, RANGES[self.kind].value(low, high, u), self.place),)

    def allows(self, exclusion: Exclusion) -> bool:
        """Return whether the keys may be what is excluded."""
        if self.rows:
            return any(exclusion.fits(by_key(row)) for row in self.rows)
        low, high = self.ends
        wanted = exclusion.values.get(self.key, [low])
        return any(type(each) in {int, float} and low <= each <= high for each in wanted)


class Exclusion(NamedTuple):
    """Points that are left out: those that have, for every key, one of its values."""

    values: dict[str, list[Any]]
    place: Place
    path: Path
    places: dict[str, Place]
    """Of the keys."""

    @property
    def idle(self) -> Problem:
        """The problem of an exclusion that fits no point."""
        return Problem(self.place, self.path, "leaves out nothing: no point is so")

    def fits(self, point: Mapping[str, Any]) -> bool:
        """Return whether a point, or a part of one, has what is excluded."""
        return all(
            any(_same(point[key], each) for each in wanted)
            for key, wanted in self.values.items()
            if key in point
        )


class Seeds(NamedTuple):
    """The seeds that every point is trained with."""

    numbers: tuple[int, ...]
    place: Place


class Space(NamedTuple):
    """All that is varied."""

    dimensions: tuple[Dimension, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    seeds: Seeds | None = None
    """None: those of ``--seeds``, or the config's own."""

    @property
    def keys(self) -> list[str]:
        """The config's keys, dotted as for ``--set``."""
        return list(keys_of(self.dimensions))

    @property
    def columns(self) -> list[Dimension]:
        """A dimension for each key; it is no longer known which lists go together."""
        return [column for each in self.dimensions for column in each.columns]

    def excludes(self, values: Values) -> bool:
        """Return whether a point is left out."""
        point = dict(zip(self.keys, values, strict=True))
        return any(each.fits(point) for each in self.exclusions)

    def overrides(self, values: Values) -> list[Override]:
        """Return a point as overrides of a config: a component before its settings."""
        pairs = zip(self.columns, values, strict=True)
        choices = [Choice(each.key, value, each.place) for each, value in pairs]
        return [each.override for each in sorted(choices, key=lambda each: len(each.path))]

    def ends(self) -> Iterator[Values]:
        """Yield points that have all levels of each dimension, and the first ones of the others.

        Where that is excluded, the next ones are tried, a thousand at most.
        """
        levels = [each.levels for each in self.dimensions]
        for place, every in enumerate(levels):
            for level in every:
                points = map(flat, product(*levels[:place], [level], *levels[place + 1 :]))
                sound = (each for each in islice(points, 1000) if not self.excludes(each))
                yield from islice(sound, 1)

    def described(self, values: Values) -> str:
        """Return a point as KEY=VALUE, separated by spaces."""
        pairs = zip(self.keys, values, strict=True)
        return " ".join(f"{key}={dump.inline(value)}" for key, value in pairs)

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with a search: values that are lost, exclusions that are idle."""
        yield from lost(self.dimensions, "searched")
        for each in self.exclusions:
            if not all(dimension.allows(each) for dimension in self.dimensions):
                yield each.idle


def keys_of(dimensions: Iterable[Dimension]) -> tuple[str, ...]:
    """Return the keys of all dimensions."""
    return tuple(key for each in dimensions for key in each.keys)


def by_key(row: PointRow) -> dict[str, Any]:
    """Return the values of a row by key."""
    return {choice.key: choice.value for choice in row}


def flat(levels: Iterable[Values]) -> Values:
    """Return a point from the levels of all dimensions."""
    return tuple(chain.from_iterable(levels))


def draw(dimensions: Sequence[Dimension], count: int, seed: int) -> list[PointRow]:
    """Return random rows, each dimension from a stream of its own.

    More rows begin with the same ones, and a further dimension changes none of the others.
    """
    import numpy as np  # noqa: PLC0415 - only where there is something to draw

    columns = []
    for each in dimensions:
        digest = int.from_bytes(hashlib.sha256(each.key.encode()).digest()[:8], "big")
        stream = np.random.SeedSequence(seed, spawn_key=(digest,))
        uniform = np.random.Generator(np.random.PCG64(stream)).random(count).tolist()
        columns.append(map(each.at, uniform))
    return [tuple(chain.from_iterable(rows)) for rows in zip(*columns, strict=True)]


def overruled(fixed: Iterable[Choice], varied: Iterable[Dimension]) -> Iterator[Problem]:
    """Yield the problem of each key that has a value for every point and is swept, too."""
    swept = {choice.key: choice.place for each in varied for choice in each.first}
    message = "is swept at {}, so that this value would have no say: leave one of them out"
    for each in fixed:
        if each.key in swept:
            yield Problem(each.place, each.path, message.format(swept[each.key]))


def twice(varied: Iterable[Dimension], verb: str) -> Iterator[Problem]:
    """Yield the problem of each key that is varied again."""
    places: dict[str, Place] = {}
    for choice in (choice for each in varied for choice in each.first):
        if choice.key in places:
            message = f"is {verb} twice, here and at {places[choice.key]}: leave one of them out"
            yield Problem(choice.place, choice.path, message)
        places.setdefault(choice.key, choice.place)


def lost(varied: Iterable[Dimension], verb: str) -> Iterator[Problem]:
    """Yield the problem of each key that is part of another one, whose values it would replace.

    A component's name loses nothing by a setting of the component, so both may be varied.
    """
    for outer, inner in permutations([column for each in varied for column in each.columns], 2):
        path, whole = inner.first[0].path, outer.first[0].path
        rest = path[len(whole) :]
        if not rest or not _is_within(path, whole):
            continue
        if not (outer.is_choice and all(_takes(value, rest) for value in outer.bounds)):
            message = (
                f"would replace values of {outer.key}, which is {verb} as well "
                f"({outer.place}): leave one of them out"
            )
            yield Problem(inner.place, (inner.key,), message)


def clashes(
    fixed: Sequence[Choice], varied: Sequence[Dimension], seeds: Seeds | None
) -> Iterator[Problem]:
    """Yield what is wrong with a sweep: keys that are swept twice, or lost; seeds that are no axis.

    Its ranking is the mean over the seeds.
    """
    yield from twice(varied, "swept")
    swept = [choice for each in varied for choice in each.first]
    for each in [choice for choice in fixed if choice.key == "seed" and seeds is not None]:
        message = f"seed and seeds, which are at {seeds and seeds.place}: leave one of them out"
        yield Problem(each.place, (), message)
    for each in [choice for choice in swept if choice.key == "seed"]:
        message = "is no key to rank by: give --seeds, or a sweep file's seeds"
        yield Problem(each.place, each.path, message)
    yield from (losses := list(lost(varied, "swept")))
    told = {problem.path[0] for problem in losses}
    given = [*fixed, *swept]
    for place, part in enumerate(given):
        for whole in given[max(place + 1, len(fixed)) :]:
            if part.key != whole.key and _is_within(part.path, whole.path) and part.key not in told:
                message = (
                    f"has no say, since {whole.key} comes after it and replaces it "
                    f"({whole.place}): sweep {whole.key} first, or say it in its values, "
                    f"as in {{name: ..., {'.'.join(part.path[len(whole.path) :])}: ...}}"
                )
                yield Problem(part.place, part.path, message)


def unvaried(exclusions: Iterable[Exclusion], known: Sequence[str], verb: str) -> Iterator[Problem]:
    """Yield the problem of each key that is excluded and not varied."""
    for each in exclusions:
        for key, place in each.places.items():
            if key not in known:
                message = f"{key} is not {verb} ({verb}: {listed(known)})"
                yield Problem(place, (*each.path, key), message)


def copied(value: Any) -> Any:  # noqa: ANN401 - any value of a document
    """Return a value that can be changed without changing the document's."""
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def values_of(row: PointRow) -> Values:
    """Return the values of a row."""
    return tuple(choice.value for choice in row)


def _is_within(path: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return path[: len(whole)] == whole


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any values
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _takes(value: object, path: tuple[str, ...]) -> bool:
    """Return whether a value can be given a setting at a path, and loses nothing by it."""
    if isinstance(value, str):
        return path != ("name",)
    if not isinstance(value, dict) or not path:
        return False
    return path[0] not in value or (len(path) > 1 and _takes(value[path[0]], path[1:]))
