"""The space of a search: which keys of the config it varies, and within what.

A range is written as in a sweep file's random section, ``{log-uniform: [0.001, 10]}``, and a
list stands for a choice of its values. On the command line ``log-uniform(0.001, 10)`` says the
same as the mapping, since a shell has its own ideas of braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nnexp.checks import printable
from nnexp.config import axes, load, reader
from nnexp.config.axes import Range
from nnexp.config.document import Document
from nnexp.config.overrides import Override
from nnexp.config.problem import Place, error, refusal
from nnexp.config.wording import listed, shortened, shown
from nnexp.errors import ConfigError, UsageError

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
        """Return a point as what is to be put over a config."""
        return [
            Override(tuple(each.key.split(".")), _document(value, each.range.place))
            for each, value in zip(self.dimensions, values, strict=True)
        ]


def read(sources: Sequence[str]) -> Space:
    """Return the space that files and ``KEY=RANGE`` settings describe together.

    Raises:
        ConfigError: with every problem of them all.
        UsageError: there is nothing to vary.
        DiskError: a file cannot be read.
    """
    problems: list[str] = []
    dimensions: dict[str, Dimension] = {}
    for source in sources:
        try:
            for found in _setting(source) if "=" in source else _file(source):
                if found.key in dimensions:
                    raise refusal(found.range.place, "is searched twice", (found.key,))
                dimensions[found.key] = found
        except ConfigError as faults:
            problems += faults.problems
    if problems:
        raise ConfigError(problems)
    if not dimensions:
        raise UsageError(
            "a search needs a space, such as --space 'learning_rate=log-uniform(0.01, 10)'"
        )
    return Space(tuple(dimensions.values()))


def _setting(setting: str) -> Iterator[Dimension]:
    key, _, text = setting.partition("=")
    key, place = key.strip(), Place(f"--space {shortened(printable(setting))}", is_setting=True)
    axes.check_key(key, place)
    call = _CALL.fullmatch(text)
    found = reader.read(f"{{{call[1]}: [{call[2]}]}}" if call else text, place)
    if found.problems:
        raise error(each._replace(path=(key, *each.path)) for each in found.problems)
    yield _dimension(key, found._replace(root={key: found.root}))


def _file(path: str) -> Iterator[Dimension]:
    document = load.document(path)
    problems = [str(each) for each in document.problems]
    for key in document.root:
        try:
            axes.check_key(key, document.keys[key,])
            yield _dimension(key, document)
        except ConfigError as faults:
            problems += faults.problems
    if problems:
        raise ConfigError(problems)


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
    return Dimension(key, kind, bounds, found)


def _document(value: Any, place: Place) -> Document:  # noqa: ANN401 - any value of a config
    return Document(value, {(): place}, {}, [], place)
