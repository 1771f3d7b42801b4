"""The space of a search: which keys of the config it varies, and within what.

A range is written as in a sweep file's random section, ``{log-uniform: [0.001, 10]}``, and a
list stands for a choice of its values. On the command line ``log-uniform(0.001, 10)`` says the
same as the mapping, since a shell has its own ideas of braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from typing import Any, NamedTuple

from nnexp.checks import printable
from nnexp.config import dump, keys, load, reader
from nnexp.config.document import INVALID, Document
from nnexp.config.overrides import Override
from nnexp.config.problem import Place, error, refusal
from nnexp.config.wording import listed, shortened, shown, unknown_key
from nnexp.errors import ConfigError, UsageError
from nnexp.study import axes
from nnexp.study.axes import Range

Values = tuple[Any, ...]
"""A point of a space: a value for each of its keys."""

_CALL = re.compile(r"\s*([A-Za-z-]+)\s*\((.*)\)\s*", re.DOTALL)


class Dimension(NamedTuple):
    """One key of the config, and what it may be."""

    key: str
    kind: str
    """Of ``axes.RANGES``."""
    bounds: list[Any]
    """The two ends, or the values of a choice."""
    range: Range

    @property
    def path(self) -> tuple[str, ...]:
        """The key's parts."""
        return tuple(self.key.split("."))

    @property
    def is_choice(self) -> bool:
        """Whether its values are named one by one."""
        return self.kind == "choice"

    @property
    def is_log(self) -> bool:
        """Whether ratios of its values count, not differences."""
        return self.kind == "log-uniform"


class Space(NamedTuple):
    """All that a search varies."""

    dimensions: tuple[Dimension, ...]

    @property
    def keys(self) -> list[str]:
        """The config's keys, dotted as for ``--set``."""
        return [each.key for each in self.dimensions]

    def overrides(self, values: Values) -> list[Override]:
        """Return a point as what is to be put over a config: a component before its settings."""
        pairs = zip(self.dimensions, values, strict=True)
        return [
            Override(each.path, _document(value, each.range.place))
            for each, value in sorted(pairs, key=lambda pair: len(pair[0].path))
        ]

    def ends(self) -> Iterator[Values]:
        """Yield the ends of each key, and every choice, with the other keys at their first."""
        first = [each.bounds[0] for each in self.dimensions]
        for place, dimension in enumerate(self.dimensions):
            for value in dimension.bounds:
                yield (*first[:place], value, *first[place + 1 :])

    def described(self, values: Values) -> str:
        """Return a point as people write it."""
        pairs = zip(self.keys, values, strict=True)
        return " ".join(f"{key}={dump.inline(value)}" for key, value in pairs)


def gather(sources: Sequence[str]) -> tuple[Space, list[str]]:
    """Return what is sound of a space, and the problems of the rest.

    Raises:
        UsageError: there is nothing to vary.
        DiskError: a file cannot be read.
    """
    problems: list[str] = []
    dimensions: dict[str, Dimension] = {}
    for source in sources:
        for found in _setting(source, problems) if "=" in source else _file(source, problems):
            if found.key in dimensions:
                problems += refusal(found.range.place, "is searched twice", (found.key,)).problems
            else:
                dimensions[found.key] = found
    if not dimensions and not problems:
        raise UsageError(
            "a search needs a space, such as --space 'learning_rate=log-uniform(0.01, 10)'"
        )
    problems += _overlaps(dimensions.values())
    return Space(tuple(dimensions.values())), problems


def _overlaps(dimensions: Iterable[Dimension]) -> Iterator[str]:
    """Yield what is wrong where a key and one within it are searched: one's value would be lost."""
    for outer, inner in permutations(dimensions, 2):
        depth = len(outer.path)
        if inner.path[:depth] != outer.path or len(inner.path) == depth:
            continue
        rest = inner.path[depth:]
        if not (outer.is_choice and all(_takes(value, rest) for value in outer.bounds)):
            message = f"takes the place of what {outer.key} is, which is searched as well"
            yield from refusal(inner.range.place, message, (inner.key,)).problems


def _takes(value: object, path: tuple[str, ...]) -> bool:
    """Return whether a value can be given a setting at a path, and loses nothing by it."""
    if isinstance(value, str):
        return path != ("name",)
    if not isinstance(value, dict):
        return False
    return path[0] not in value or (len(path) > 1 and _takes(value[path[0]], path[1:]))


def _setting(setting: str, problems: list[str]) -> Iterator[Dimension]:
    key, _, text = setting.partition("=")
    key, place = key.strip(), Place(f"--space {shortened(printable(setting))}", is_setting=True)
    call = _CALL.fullmatch(text)
    try:
        axes.check_key(key, place)
        problems += _unknown(key, place)
        found = reader.read(f"{{{call[1]}: [{call[2]}]}}" if call else text, place)
        if found.problems:
            raise error(each._replace(path=(key, *each.path)) for each in found.problems)
        dimension = _dimension(key, found._replace(root={key: found.root}))
    except ConfigError as faults:
        problems += faults.problems
    else:
        yield from _known(dimension)


def _file(path: str, problems: list[str]) -> Iterator[Dimension]:
    if path.removesuffix(".name") in keys.known():
        raise UsageError(f"--space {path}: a key has its range behind it, {path}=RANGE")
    try:
        document = load.document(path)
    except ConfigError as faults:
        problems += faults.problems
        return
    problems += map(str, document.problems)
    for key, tree in document.root.items():
        try:
            axes.check_key(key, document.keys[key,])
            problems += _unknown(key, document.keys[key,])
            dimension = None if tree is INVALID else _dimension(key, document)
        except ConfigError as faults:
            problems += faults.problems
            continue
        if dimension is not None and not document.problems:  # what could not be read is no value
            yield from _known(dimension)


def _unknown(key: str, place: Place) -> list[str]:
    """Return what is to be said of a key that no config has."""
    if key.removesuffix(".name") in (known := keys.known()):
        return []
    return refusal(place, unknown_key(key, known, (), "a config"), (key,)).problems


def _known(dimension: Dimension) -> Iterator[Dimension]:
    if dimension.key.removesuffix(".name") in keys.known():
        yield dimension


def _dimension(key: str, document: Document) -> Dimension:
    if key == "seed":
        message = "is not searched; --seeds says which seeds each trial is trained with"
        raise refusal(document.place((key,)), message, (key,))
    tree = document.root[key]
    if isinstance(tree, list):
        tree = {"choice": tree}
    if not isinstance(tree, dict):
        message = (
            f"must be a list of values, or a range of {listed(axes.RANGES)}, got {shown(tree)}"
        )
        raise refusal(document.place((key,)), message, (key,))
    found = axes.read_range(document._replace(root={key: tree}), (key,))
    ((kind, bounds),) = tree.items()
    if alone := [each for each in bounds if keys.could_be_in(key, each)]:
        whole = dump.inline([[each] if each in alone else each for each in bounds])
        written = f"{key}{'=' if found.place.is_setting else ': '}{shortened(whole)}"
        message = f"must be a list of lists, such as {written}, got {shown(alone[0])}"
        raise refusal(found.place, message, (key,))
    return Dimension(key, kind, bounds, found)


def _document(value: Any, place: Place) -> Document:  # noqa: ANN401 - any value of a config
    return Document(value, {(): place}, {}, [], place)
