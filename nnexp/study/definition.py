"""What a sweep is, before its points are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nnexp.config.document import Document
from nnexp.config.problem import Place, Problem
from nnexp.study.axes import Axis, Choice


class Exclusion(NamedTuple):
    """Points that are left out: those that have, for every key, one of its values."""

    values: dict[str, list[Any]]
    place: Place

    def fits(self, point: Mapping[str, Any]) -> bool:
        """Return whether a point, its values by key, is left out."""
        return all(
            any(_same(point.get(key), each) for each in wanted)
            for key, wanted in self.values.items()
        )


class Definition(NamedTuple):
    """A sweep, before its points are made."""

    config: str
    """The base config's file, as it was written."""
    base: Document
    fixed: list[Choice]
    """What every point has in place of the file's values."""
    axes: list[Axis]
    seeds: list[int] | None
    """None: the config's own."""
    exclusions: list[Exclusion]

    @property
    def stem(self) -> str:
        """What the runs' names begin with, as under ``nnexp train``."""
        return Path(self.config).stem

    @property
    def keys(self) -> list[str]:
        """The keys that the axes vary, in their order."""
        return [key for axis in self.axes for key in axis.keys]


class Exclusions:
    """The exclusions of a definition, and how many points each of them fits."""

    def __init__(self, exclusions: Sequence[Exclusion]) -> None:
        self._exclusions = exclusions
        self._fitted = [0] * len(exclusions)
        self.left_out = 0
        """Points that one of them, or several, fit."""

    def fit(self, values: Mapping[str, Any]) -> bool:
        """Return whether a point is left out, and count it for each exclusion that says so."""
        fitting = [number for number, each in enumerate(self._exclusions) if each.fits(values)]
        for number in fitting:
            self._fitted[number] += 1
        self.left_out += bool(fitting)
        return bool(fitting)

    def idle(self) -> Iterator[Problem]:
        """Generate what is wrong with those that fit no point."""
        for number, (each, count) in enumerate(zip(self._exclusions, self._fitted, strict=True)):
            if not count:
                message = "leaves out nothing: no point is so"
                yield Problem(each.place, ("exclude", number), message)


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any values
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
