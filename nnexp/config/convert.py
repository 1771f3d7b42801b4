"""From a tree of plain values to a config's types, with every problem reported at once.

All that is known of keys, ranges and names comes from the types themselves, so a
component added to the model is converted, checked and explained without a change here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec
from msgspec import inspect
from msgspec.inspect import LiteralType, NoneType, StructType, TupleType, VarTupleType

from nnexp.config import fields, messages, problem
from nnexp.config.document import INVALID, Invalid, YamlDocument
from nnexp.config.problem import Path, Place, Problem

if TYPE_CHECKING:
    from nnexp.config.fields import Kind

T = TypeVar("T", bound=msgspec.Struct)
Components: TypeAlias = Mapping[str, StructType]

NAME = "name"
"""The key that tells which component a mapping is."""


@functools.cache
def info(model: type[msgspec.Struct]) -> StructType:
    """Return the kinds of a struct's fields."""
    kind = inspect.type_info(model)
    assert isinstance(kind, StructType)  # noqa: S101 - true of every struct; for the type checker
    return kind


def convert(document: YamlDocument, model: type[T]) -> tuple[T | None, list[Problem]]:
    """Return the struct that a document describes, or None, and all that is wrong with it."""
    converter = _Converter(document)
    made = converter.struct(info(model), document.root, ())
    return (made if isinstance(made, model) else None), converter.problems


def convert_key(document: YamlDocument, model: type[msgspec.Struct], key: str) -> object:
    """Return what a document's value of one key of a struct becomes.

    Raises: ConfigError with all that is wrong with it.
    """
    converter = _Converter(document)
    made = converter.key(model, document.root, key)
    if converter.problems:
        raise problem.error(converter.problems)
    return made


@functools.cache
def _choices(model: type[msgspec.Struct]) -> dict[str, tuple[Kind, ...]]:
    """Return the kinds that each key of a struct takes."""
    return {field.encode_name: fields.alternatives(field.type) for field in info(model).fields}


class _Converter:
    """Walks kinds and values side by side; what is wrong gathers in ``problems``."""

    def __init__(self, document: YamlDocument) -> None:
        self.problems: list[Problem] = []
        self._document = document

    def struct(
        self,
        kind: StructType,
        tree: Mapping[str, object],
        path: Path,
        siblings: Components | None = None,
    ) -> object:
        """Return the struct that a mapping describes, or ``INVALID``."""
        before = len(self.problems)
        self._check_keys(kind, tree, path, siblings or {})
        given = {
            field.name: self._value(field.type, tree[field.encode_name], (*path, field.encode_name))
            for field in kind.fields
            if field.encode_name in tree
        }
        if len(self.problems) > before or INVALID in given.values():
            return INVALID
        return self._made(kind, given, path)

    def key(self, model: type[msgspec.Struct], tree: Mapping[str, object], key: str) -> object:
        """Return what a struct's field holds when a mapping gives it, or ``INVALID``."""
        if key not in _choices(model):
            self._check_keys(info(model), {key: tree[key]}, (), {})
            return INVALID
        return self._one_of(_choices(model)[key], tree[key], (key,))

    def _made(self, kind: StructType, given: Mapping[str, object], path: Path) -> object:
        try:
            made = kind.cls(**given)
            msgspec.convert(msgspec.to_builtins(made), kind.cls)
        except ValueError as error:  # a constraint that kinds does not know, or __post_init__'s
            return self._fault(path, str(error))
        return made

    def _check_keys(
        self, kind: StructType, tree: Mapping[str, object], path: Path, siblings: Components
    ) -> None:
        known = [field.encode_name for field in kind.fields]
        name = [NAME] if kind.tag is not None else []
        for key in tree:
            if key not in known and key not in name:
                owners = [tag for tag, sibling in siblings.items() if key in _keys(sibling)]
                message = messages.unknown_key(key, known, owners, str(kind.tag))
                self._fault((*path, key), message, self._document.keys.get((*path, key)))
        for field in kind.fields:
            if field.required and field.encode_name not in tree:
                whose = f"{kind.tag} needs" if name else "needs"
                self._fault(path, f"{whose} '{field.encode_name}'{_told(field.type)}")

    def _value(self, kind: Kind, value: object, path: Path) -> object:
        return self._one_of(fields.alternatives(kind), value, path)

    def _one_of(self, choices: tuple[Kind, ...], value: object, path: Path) -> object:
        if value is INVALID:
            return INVALID
        if isinstance(value, str | dict):  # numbers are most of what a sweep has
            components = {str(each.tag): each for each in choices if fields.is_component(each)}
            if components:
                return self._component(components, value, path)
        for choice in choices:
            if isinstance(choice, StructType) and isinstance(value, dict):
                return self.struct(choice, value, path)
            if isinstance(choice, VarTupleType | TupleType) and isinstance(value, list | tuple):
                return self._items(choice, value, path)
            if (converted := fields.scalar(choice, value)) is not INVALID:
                return converted
        return self._mismatch(choices, value, path)

    def _mismatch(self, choices: tuple[Kind, ...], value: object, path: Path) -> Invalid:
        words = all(isinstance(choice, LiteralType | NoneType) for choice in choices)
        if isinstance(value, str) and words:
            known = [name for choice in choices for name in fields.names(choice)]
            return self._fault(path, messages.unknown(_noun(path), value, known))
        wanted, got = fields.wanted(choices, value), messages.shown(value)
        meant = f" (did you mean [{got}]?)" if fields.is_item(choices, value) else ""
        return self._fault(path, f"must be {wanted}, got {got}{meant}")

    def _component(
        self, components: Components, value: str | Mapping[str, object], path: Path
    ) -> object:
        tree = {NAME: value} if isinstance(value, str) else value
        known = list(components)
        if NAME not in tree:
            return self._fault(path, f"needs a '{NAME}' (known: {messages.listed(known)})")
        name = tree[NAME]
        if not isinstance(name, str | Invalid):
            message = f"must be one of {messages.listed(known)}, got {messages.shown(name)}"
            return self._fault((*path, NAME), message)
        if isinstance(name, str) and name not in components:
            return self._fault((*path, NAME), messages.unknown(_noun(path), name, known))
        if isinstance(name, Invalid):
            return INVALID
        return self.struct(components[name], tree, path, components)

    def _items(
        self, kind: VarTupleType | TupleType, values: Sequence[object], path: Path
    ) -> tuple[object, ...] | Invalid:
        size = len(values)
        if isinstance(kind, TupleType):
            if size != len(kind.item_types):
                return self._fault(path, f"must have {len(kind.item_types)} items, got {size}")
            item_kinds = list(kind.item_types)
        else:
            most = size if kind.max_length is None else kind.max_length
            if not (kind.min_length or 0) <= size <= most:
                bounds = fields.size(kind.min_length or 0, kind.max_length)
                return self._fault(path, f"must have {bounds} items, got {size}")
            item_kinds = [kind.item_type] * size
        pairs = enumerate(zip(item_kinds, values, strict=True))
        made = tuple(self._value(each, value, (*path, index)) for index, (each, value) in pairs)
        return INVALID if INVALID in made else made

    def _fault(self, path: Path, message: str, place: Place | None = None) -> Invalid:
        self.problems.append(Problem(place or self._document.place(path), path, message))
        return INVALID


def _keys(kind: StructType) -> list[str]:
    return [field.encode_name for field in kind.fields]


def _noun(path: Path) -> str:
    """Return what a path's value is called: its last key, not an index into a list."""
    return next(key for key in reversed(path) if isinstance(key, str))


def _told(kind: Kind) -> str:
    """Return a field's description, as it follows the field's name."""
    description = fields.description(kind)
    return f" ({description.rstrip('.')})" if description else ""
