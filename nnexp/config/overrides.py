"""``--set KEY=VALUE``: override values of the config file on the command line.

Values are parsed by the same rules as in the file. A dotted key leads into a component's
settings; a component in short form is expanded first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nnexp.config import problem, reader
from nnexp.config.messages import shortened
from nnexp.config.problem import Path, Place, Problem, refusal
from nnexp.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nnexp.config.document import YamlDocument


class Override(NamedTuple):
    """One ``--set``: the key's parts, and its value as a document of its own."""

    path: tuple[str, ...]
    value: YamlDocument


def parse(setting: str) -> Override:
    """Parse a setting.

    Raises: ConfigError if it is not KEY=VALUE with a YAML value.
    """
    place = Place(f"--set {shortened(printable(setting))}", is_setting=True)
    key, equals, text = setting.partition("=")
    path = tuple(key.strip().split("."))
    if not equals:
        raise refusal(place, "must have the form KEY=VALUE, such as --set learning_rate=0.5")
    if not all(path) or len(path) > reader.MAX_DEPTH:
        raise refusal(place, "the key must be a name, or names joined by dots")
    value = reader.read(text, place)
    if value.problems:
        raise problem.error(fault._replace(path=(*path, *fault.path)) for fault in value.problems)
    return Override(path, value)


def apply(
    base: YamlDocument, overrides: Sequence[Override], defaults: Mapping[str, object]
) -> None:
    """Apply the overrides to the base document, in place and in order.

    defaults names the components that the document leaves out.
    """
    for path, value in overrides:
        tree = _settings(base, path[:-1], value.source, defaults)
        tree[path[-1]] = value.root
        _replace_places(base, path, value)


def without_effect(overrides: Sequence[Override]) -> Iterator[Problem]:
    """Yield a problem for each override that a later one of an outer or inner key replaces."""
    for index, (path, value) in enumerate(overrides):
        for later, replacement in overrides[index + 1 :]:
            is_outer = len(later) < len(path) and path[: len(later)] == later
            is_inner = len(later) > len(path) and later[: len(path)] == path
            if is_outer or (is_inner and not isinstance(value.root, dict | str | None)):
                message = (
                    f"has no effect: {replacement.source} comes later and replaces it; "
                    f"{'give them in the other order' if is_outer else 'remove one of the two'}"
                )
                yield Problem(value.source, path, message)


def _settings(
    base: YamlDocument, path: tuple[str, ...], place: Place, defaults: object
) -> dict[str, Any]:
    """Return the mapping at path; expand short forms and create missing mappings on the way."""
    tree: dict[str, Any] = base.root
    for depth, key in enumerate(path, start=1):
        defaults = defaults.get(key) if isinstance(defaults, dict) else None
        present = tree.get(key)
        if not isinstance(present, dict):
            tree[key] = _long_form(present, defaults)
        if not isinstance(present, dict | str):
            base.values[path[:depth]] = base.keys[path[:depth]] = place
        tree = tree[key]
    return tree


def _long_form(present: object, default: object) -> dict[str, object]:
    """Return the long form of a component, with the default's name if it has no name."""
    if isinstance(present, str):
        return {"name": present}
    if isinstance(default, dict) and "name" in default:
        return {"name": default["name"]}
    return {}


def _replace_places(base: YamlDocument, path: Path, value: YamlDocument) -> None:
    """Replace the places at and below path by that of the setting."""
    for places in (base.values, base.keys):
        for old in [known for known in places if known[: len(path)] == path]:
            del places[old]
        places[path] = value.source
    base.values.update({(*path, *inner): value.source for inner in value.values})
    base.keys.update({(*path, *inner): value.source for inner in value.keys})
