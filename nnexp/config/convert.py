"""Convert a tree of plain values to a config's types, and report all problems at once.

Keys, ranges and names come from the types themselves, so that a component added to the model
is converted, checked and explained without a change here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec
from msgspec import inspect
from msgspec.inspect import DictType, LiteralType, NoneType, StructType, TupleType, VarTupleType

from nnexp.config import fields, messages, problem, scalars
from nnexp.config.document import INVALID, Invalid, YamlDocument
from nnexp.config.problem import Path, Place, Problem

if TYPE_CHECKING:
    from nnexp.config.fields import Kind

T = TypeVar("T", bound=msgspec.Struct)
Components: TypeAlias = Mapping[str, StructType]

NAME = "name"
"""The key that names a mapping's component."""


@functools.cache
def info(model: type[msgspec.Struct]) -> StructType:
    """Return msgspec's description of a struct's fields."""
    kind = inspect.type_info(model)
    assert isinstance(kind, StructType)  # noqa: S101 - true of every struct; for the type checker
    return kind


def convert(document: YamlDocument, model: type[T]) -> tuple[T | None, list[Problem]]:
    """Convert a document to a struct; return it, or None, and all problems found."""
    converter = _Converter(document)
    struct = converter.struct(info(model), document.root, ())
    return (struct if isinstance(struct, model) else None), converter.problems


def convert_key(document: YamlDocument, model: type[msgspec.Struct], key: str) -> object:
    """Convert a document's value of one key of a struct.

    Raises: ConfigError with every problem of the value.
    """
    converter = _Converter(document)
    value = converter.key(model, document.root, key)
    if converter.problems:
        raise problem.error(converter.problems)
    return value


@functools.cache
def _choices(model: type[msgspec.Struct]) -> dict[str, tuple[Kind, ...]]:
    """Return the kinds that each key of a struct accepts."""
    return {field.encode_name: fields.alternatives(field.type) for field in info(model).fields}


class _Converter:
    """Walks a struct's kinds and a tree of values in parallel, and collects ``problems``."""

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
        """Convert a mapping to a struct, or return ``INVALID``."""
        problems_before = len(self.problems)
        self._check_keys(kind, tree, path, siblings or {})
        values = {
            field.name: self._value(field.type, tree[field.encode_name], (*path, field.encode_name))
            for field in kind.fields
            if field.encode_name in tree
        }
        if len(self.problems) > problems_before or INVALID in values.values():
            return INVALID
        return self._create(kind, values, path)

    def key(self, model: type[msgspec.Struct], tree: Mapping[str, object], key: str) -> object:
        """Convert a mapping's value of one key of a struct, or return ``INVALID``."""
        if key not in _choices(model):
            self._check_keys(info(model), {key: tree[key]}, (), {})
            return INVALID
        return self._one_of(_choices(model)[key], tree[key], (key,))

    def _create(self, kind: StructType, values: Mapping[str, object], path: Path) -> object:
        try:
            struct = kind.cls(**values)
            msgspec.convert(msgspec.to_builtins(struct), kind.cls)
        except ValueError as error:  # constraints that only msgspec or __post_init__ checks
            return self._add_problem(path, str(error))
        return struct

    def _check_keys(
        self, kind: StructType, tree: Mapping[str, object], path: Path, siblings: Components
    ) -> None:
        known = [field.encode_name for field in kind.fields]
        name = [NAME] if kind.tag is not None else []
        for key in tree:
            if key not in known and key not in name:
                owners = [tag for tag, sibling in siblings.items() if key in _keys(sibling)]
                message = messages.unknown_key(key, known, owners, str(kind.tag))
                self._add_problem((*path, key), message, self._document.keys.get((*path, key)))
        for field in kind.fields:
            if field.required and field.encode_name not in tree:
                subject = f"{kind.tag} needs" if name else "needs"
                explanation = _description_in_brackets(field.type)
                self._add_problem(path, f"{subject} '{field.encode_name}'{explanation}")

    def _value(self, kind: Kind, value: object, path: Path) -> object:
        return self._one_of(fields.alternatives(kind), value, path)

    def _one_of(self, choices: tuple[Kind, ...], value: object, path: Path) -> object:
        if value is INVALID:
            return INVALID
        if isinstance(value, str | dict):  # skips the search for numbers, the bulk of a sweep
            components = {str(kind.tag): kind for kind in choices if fields.is_component(kind)}
            if components:
                return self._component(components, _literals(choices), value, path)
        for choice in fields.numeric_choices(choices, value):
            if isinstance(choice, StructType | DictType) and isinstance(value, dict):
                return self._mapping(choice, value, path)
            if isinstance(choice, VarTupleType | TupleType) and isinstance(value, list | tuple):
                return self._items(choice, value, path)
            if (converted := fields.scalar(choice, value)) is not INVALID:
                return converted
        return self._mismatch(choices, value, path)

    def _mismatch(self, choices: tuple[Kind, ...], value: object, path: Path) -> Invalid:
        only_names = all(isinstance(choice, LiteralType | NoneType) for choice in choices)
        if isinstance(value, str) and only_names:
            known = [name for choice in choices for name in fields.names(choice)]
            return self._add_problem(path, messages.unknown(_noun(path), value, known))
        expected, got = fields.expectation(choices, value), messages.shown(value)
        suggestion = f" (did you mean [{got}]?)" if fields.is_item(choices, value) else ""
        return self._add_problem(path, f"must be {expected}, got {got}{suggestion}")

    def _component(
        self,
        components: Components,
        literals: Sequence[str],
        value: str | Mapping[str, object],
        path: Path,
    ) -> object:
        """Convert the name of a component, or its mapping; literals are names without settings."""
        tree = {NAME: value} if isinstance(value, str) else value
        known = [*literals, *components]
        if NAME not in tree:
            return self._add_problem(path, f"needs a '{NAME}' (known: {messages.listed(known)})")
        name = tree[NAME]
        if not isinstance(name, str | Invalid):
            message = f"must be one of {messages.listed(known)}, got {messages.shown(name)}"
            return self._add_problem((*path, NAME), message)
        if name in literals:
            for key in tree.keys() - {NAME}:
                owners = [tag for tag, kind in components.items() if key in _keys(kind)]
                message = messages.unknown_key(key, [], owners, str(name))
                self._add_problem((*path, key), message, self._document.keys.get((*path, key)))
            return name if tree.keys() == {NAME} else INVALID
        if isinstance(name, str) and name not in components:
            near = _as_file(components, name)
            message = messages.unknown(_noun(path), name, known, near)
            return self._add_problem((*path, NAME), message)
        if isinstance(name, Invalid):
            return INVALID
        return self.struct(components[name], tree, path, components)

    def _items(
        self, kind: VarTupleType | TupleType, values: Sequence[object], path: Path
    ) -> tuple[object, ...] | Invalid:
        size = len(values)
        if isinstance(kind, TupleType):
            if size != len(kind.item_types):
                message = f"must have {len(kind.item_types)} items, got {size}"
                return self._add_problem(path, message)
            item_kinds = list(kind.item_types)
        else:
            largest = size if kind.max_length is None else kind.max_length
            if not (kind.min_length or 0) <= size <= largest:
                bounds = fields.size(kind.min_length or 0, kind.max_length)
                return self._add_problem(path, f"must have {bounds} items, got {size}")
            item_kinds = [kind.item_type] * size
        pairs = enumerate(zip(item_kinds, values, strict=True))
        items = tuple(self._value(kind_, value, (*path, index)) for index, (kind_, value) in pairs)
        return INVALID if INVALID in items else items

    def _mapping(
        self, kind: StructType | DictType, tree: Mapping[str, object], path: Path
    ) -> object:
        """Convert a mapping to a struct, or one of whole numbers to a dict that they sort."""
        if isinstance(kind, StructType):
            return self.struct(kind, tree, path)
        values, (key_kind,) = {}, fields.alternatives(kind.key_type)
        for key, value in tree.items():
            number = scalars.value(key)
            converted = fields.scalar(key_kind, number) if str(number) == key else INVALID
            if converted is INVALID:
                got = messages.shown(number if str(number) == key else key)
                message = f"the key must be {fields.expectation((key_kind,), number)}, got {got}"
                self._add_problem((*path, key), message, self._document.keys.get((*path, key)))
            values[converted] = self._value(kind.value_type, value, (*path, key))
        if INVALID in {*values, *values.values()}:
            return INVALID
        return dict(sorted(values.items()))

    def _add_problem(self, path: Path, message: str, place: Place | None = None) -> Invalid:
        self.problems.append(Problem(place or self._document.place(path), path, message))
        return INVALID


def _as_file(components: Components, name: str) -> str | None:
    """Return the component that a file's name was probably meant to be, with its one setting."""
    component = components.get(name.rpartition(".")[2])
    required = [field for field in component.fields if field.required] if component else []
    if component is None or not required:
        return None
    return f"{{name: {component.tag}, {required[0].encode_name}: {name}}}"


def _literals(choices: Sequence[Kind]) -> list[str]:
    """Return the names among a field's kinds that have no settings."""
    return [str(name) for kind in choices if isinstance(kind, LiteralType) for name in kind.values]


def _keys(kind: StructType) -> list[str]:
    return [field.encode_name for field in kind.fields]


def _noun(path: Path) -> str:
    """Return the noun for a path's value: the last key that is not an index into a list."""
    return next(key for key in reversed(path) if isinstance(key, str))


def _description_in_brackets(kind: Kind) -> str:
    """Return a field's description in brackets, to follow its name, or nothing."""
    description = fields.description(kind)
    return f" ({description.rstrip('.')})" if description else ""
