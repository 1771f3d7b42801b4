"""A parsed YAML document: plain values, and the place of every key and value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from nnexp.config.problem import Path, Place, Problem


class Invalid:
    """A value that could not be read or converted and whose problem is already reported."""


INVALID: Final = Invalid()


class YamlDocument(NamedTuple):
    """A tree of plain values, the places of its values and keys, and the problems so far."""

    root: Any
    values: dict[Path, Place]
    keys: dict[Path, Place]
    problems: list[Problem]
    source: Place

    def at(self, path: Path) -> Any:  # noqa: ANN401 - any value of a document
        """Return the value at a path of keys, or None if there is none."""
        value = self.root
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def place(self, path: Path) -> Place:
        """Return the place of the value at path, or of the innermost value that contains it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, self.source)
