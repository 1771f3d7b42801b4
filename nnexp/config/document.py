"""What YAML text holds: plain values, and the place of every key and value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from nnexp.config.problem import Path, Place, Problem


class Invalid:
    """A value that could not be read or converted; the problem is already reported."""


INVALID: Final = Invalid()


class YamlDocument(NamedTuple):
    """A tree of plain values, where each value and key stands, and what is wrong so far."""

    root: Any
    values: dict[Path, Place]
    keys: dict[Path, Place]
    problems: list[Problem]
    source: Place

    def at(self, path: Path) -> Any:  # noqa: ANN401 - any value of a document
        """Return the value that keys lead to; None where there is none."""
        value = self.root
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def place(self, path: Path) -> Place:
        """Return where the value at path stands, or the nearest value around it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, self.source)
