"""Axes: what is varied of a config, one row of values at a time; a sweep is their product."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from nnexp.config import reader
from nnexp.config.document import Document
from nnexp.config.problem import Path, Place, error, refusal
from nnexp.config.wording import listed, shortened, shown, unknown

MOST = 1_000_000
"""Rows of an axis, and trials of a sweep."""


class Choice(NamedTuple):
    """One value of one key, with its place for messages."""

    key: str
    value: Any
    place: Place

    @property
    def path(self) -> tuple[str, ...]:
        """The key's parts."""
        return tuple(self.key.split("."))


Row: TypeAlias = tuple[Choice, ...]


class Axis(NamedTuple):
    """Rows of values for the same keys."""

    keys: tuple[str, ...]
    rows: Sequence[Row]


def from_setting(setting: str) -> Axis:
    """Return the axis that ``--grid KEY=V`` says, V being a YAML list without its brackets.

    Raises: ConfigError for a setting that has not this form.
    """
    place = Place(f"--grid {setting}", is_setting=True)
    key, equals, text = setting.partition("=")
    if not equals:
        raise refusal(place, "must have the form KEY=VALUES, such as --grid learning_rate=0.1,1")
    found = reader.read(f"[{text}]", place)
    if found.problems:
        raise error(problem._replace(path=(key,)) for problem in found.problems)
    check_key(key.strip(), place)
    return grid(key.strip(), found, ())


def check_key(key: str, place: Place) -> None:
    """Refuse what is no key, or names joined by dots.

    Raises: ConfigError.
    """
    parts = key.split(".")
    if not all(parts) or len(parts) > reader.MAX_DEPTH:
        raise refusal(place, f"a key must be a name, or names joined by dots, got {shown(key)}")


def grid(key: str, document: Document, path: Path) -> Axis:
    """Return the axis of the list that stands at a path.

    Raises: ConfigError where there is no list, or an empty one.
    """
    return Axis((key,), [(choice,) for choice in choices(key, document, path)])


def choices(key: str, document: Document, path: Path) -> list[Choice]:
    """Return the values of a list, each with its place.

    Raises: ConfigError where there is no list, or an empty one.
    """
    values = at(document, path)
    if not isinstance(values, list) or not values:
        message = f"must be a list of values, got {shown(values)}"
        raise refusal(document.place(path), message, path)
    return [Choice(key, v, document.place((*path, n))) for n, v in enumerate(values)]


def at(document: Document, path: Path) -> Any:  # noqa: ANN401 - any value of a document
    """Return the value at a path of a document."""
    value = document.root
    for key in path:
        value = value[key]
    return value


def zipped(columns: Sequence[list[Choice]], place: Place) -> Axis:
    """Return the axis whose rows take the first of all lists, then the second of all, and so on.

    Raises: ConfigError where the lists are not equally long.
    """
    lengths = {column[0].key: len(column) for column in columns}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise refusal(place, f"lists that go together are equally long, got {told}", ("zip",))
    return Axis(tuple(lengths), list(zip(*columns, strict=True)))


def drawn(ranges: dict[str, Range], draws: int, seed: int) -> Axis:
    """Return the axis of random draws, each key from its own stream.

    More draws begin with the same ones, and a further key changes none of the others.
    """
    import numpy as np  # noqa: PLC0415 - only where there is something to draw

    columns = []
    for key, found in ranges.items():
        digest = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
        stream = np.random.SeedSequence(seed, spawn_key=(digest,))
        uniform = np.random.Generator(np.random.PCG64(stream)).random(draws).tolist()
        columns.append([Choice(key, found.value(u), found.place) for u in uniform])
    return Axis(tuple(ranges), list(zip(*columns, strict=True)))


class Range(NamedTuple):
    """What values are drawn from."""

    value: Callable[[float], Any]
    """From a number of [0, 1) to the value."""
    place: Place


def read_range(document: Document, path: Path) -> Range:
    """Return the range that a mapping such as ``{log-uniform: [0.001, 1]}`` says.

    Raises: ConfigError where it says none.
    """
    tree, place = at(document, path), document.place(path)
    if not isinstance(tree, dict) or len(tree) != 1:
        message = f"must be a mapping of one of {listed(RANGES)}, got {shown(tree)}"
        raise refusal(place, message, path)
    ((kind, bounds),) = tree.items()
    if kind not in RANGES:
        raise refusal(place, unknown("range", kind, RANGES), path)
    try:
        return Range(RANGES[kind](bounds), place)
    except ValueError as reason:
        raise refusal(document.place((*path, kind)), str(reason), (*path, kind)) from None


def _two(bounds: object, *, whole: bool = False) -> tuple[Any, Any]:
    """Return the two bounds of a range.

    Raises: ValueError.
    """
    types = {int} if whole else {int, float}
    if isinstance(bounds, list) and len(bounds) == 2 and set(map(type, bounds)) <= types:  # noqa: PLR2004 - low, high
        low, high = bounds
        if -math.inf < low < high < math.inf:
            return low, high
    noun = "whole numbers" if whole else "numbers"
    raise ValueError(f"must be two {noun}, the smaller first, got {shortened(repr(bounds))}")


def _uniform(bounds: object) -> Callable[[float], float]:
    low, high = _two(bounds)
    return lambda u: _rounded(low * (1 - u) + high * u, low, high)


def _log_uniform(bounds: object) -> Callable[[float], float]:
    low, high = _two(bounds)
    if not low > 0:
        raise ValueError(f"must be two numbers > 0, got {shortened(repr(bounds))}")
    logs = math.log(low), math.log(high)
    return lambda u: _rounded(math.exp(logs[0] * (1 - u) + logs[1] * u), low, high)


def _rounded(value: float, low: float, high: float) -> float:
    """Return a value with six digits: what a table shows is what was trained."""
    return float(min(max(float(f"{value:.6g}"), low), high))


def _integers(bounds: object) -> Callable[[float], int]:
    low, high = _two(bounds, whole=True)
    return lambda u: low + int(u * (high - low + 1))


def _choice(values: object) -> Callable[[float], Any]:
    if not isinstance(values, list) or not values:
        raise ValueError(f"must be a list of values, got {shown(values)}")
    return lambda u: values[int(u * len(values))]


RANGES: dict[str, Callable[[object], Callable[[float], Any]]] = {
    "uniform": _uniform,
    "log-uniform": _log_uniform,
    "integers": _integers,
    "choice": _choice,
}
"""What a range may be; both bounds of integers belong to it."""
