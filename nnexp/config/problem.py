"""Problems of a config with their places: in a file, or in the ``--set`` that gave the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from nnexp.config.messages import shortened
from nnexp.errors import ConfigError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

Path: TypeAlias = tuple[str | int, ...]
"""The keys and list indices from the top of a config down to a value."""

MAX_PROBLEMS = 50
"""Maximum problems reported for one config; a file with more is probably not a config."""


class Place(NamedTuple):
    """The position of a value: a file's line and column (from 1), or a whole ``--set``."""

    source: str
    line: int = 0
    column: int = 0
    is_setting: bool = False

    def at(self, line: int, column: int) -> Place:
        """Return the place of a line and column in the same source; a setting has only one."""
        return self if self.is_setting else Place(self.source, line, column)

    def __str__(self) -> str:
        source = printable(self.source)
        return f"{source}:{self.line}:{self.column}" if self.line else source


class Problem(NamedTuple):
    """One problem, printed as ``file:line:column: path.to.key: message``."""

    place: Place
    path: Path
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, [str(self.place), dotted(self.path), self.message]))


def dotted(path: Path) -> str:
    """Return a path in dotted notation: ``data.classes[1]``."""
    keys = "".join(f"[{key}]" if isinstance(key, int) else f".{printable(key)}" for key in path)
    return shortened(keys.removeprefix("."))


def error(problems: Iterable[Problem]) -> ConfigError:
    """Return the error that reports all problems: those of the file in its order, then --set's."""
    ordered = sorted(
        problems,
        key=lambda problem: (problem.place.is_setting, problem.place.line, problem.place.column),
    )
    lines = list(dict.fromkeys(map(str, ordered)))
    if len(lines) > MAX_PROBLEMS:
        more = len(lines) - MAX_PROBLEMS
        lines[MAX_PROBLEMS:] = [f"{printable(ordered[0].place.source)}: … and {more} more"]
    return ConfigError(lines)


def refusal(place: Place, message: str, path: Path = ()) -> ConfigError:
    """Return the error that reports one problem."""
    return error([Problem(place, path, message)])
