"""Generate the config's JSON Schema, for completion in editors, and a starter config.

Both are generated from the model and therefore always up to date.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.inspect import Field, StructType

from nnexp.config import canonical, dump, fields
from nnexp.config.convert import info
from nnexp.config.model import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema: TypeAlias = dict[str, Any]


def schema() -> Schema:
    """Return the JSON Schema (2020-12) of a config file, including short forms."""
    definitions: dict[str, Schema] = msgspec.json.schema(Config)["$defs"]
    for definition in definitions.values():
        if name := definition["properties"].get("name"):
            name["description"] = definition.get("description", "The component's name.")
    for definition in definitions.values():
        definition["properties"] = {
            key: _with_short_form(field, definitions)
            for key, field in definition["properties"].items()
        }
    config = definitions.pop("Config")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **config,
        "title": "nnexp config",
        "$defs": definitions,
    }


def _with_short_form(field: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return a field's schema; that of a component also accepts the bare name."""
    alternatives = list(_alternatives(field))
    references = [choice for choice in alternatives if "$ref" in choice]
    components = [definitions[choice["$ref"].rpartition("/")[2]] for choice in references]
    names = [
        component["properties"]["name"]["enum"][0]
        for component in components
        if component.get("required") == ["name"]
    ]
    if not names:
        return field
    rest = {key: field[key] for key in field if key not in {"$ref", "anyOf", "discriminator"}}
    return {**rest, "anyOf": [{"enum": names}, *alternatives]}


def _alternatives(field: Schema) -> Iterator[Schema]:
    """Yield the alternative schemas of a field, flattened."""
    if "$ref" in field:
        yield {"$ref": field["$ref"]}
    elif "anyOf" in field:
        for choice in field["anyOf"]:
            yield from _alternatives(choice)
    else:
        yield field


WIDTH = 100
COLUMN = 34
"""Column where comments begin, counted from 0."""

HEAD = """\
# yaml-language-server: $schema=./nnexp.schema.json
#
# An experiment of nnexp: every key with its default. Keep what you change, delete the rest.
# The first line lets an editor complete and check keys: nnexp schema > nnexp.schema.json
"""


def starter() -> str:
    """Return a config file with every key, its default and a comment that explains it."""
    lines = _section(info(Config), canonical.to_builtins(Config()), "")
    return "\n".join([HEAD, *lines]) + "\n"


def _section(kind: StructType, tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for field in kind.fields:
        key, value = field.encode_name, tree[field.encode_name]
        comment = _comment(field.type)
        if not isinstance(value, dict) or set(value) == {"name"}:
            yield from _line(f"{indent}{key}: {dump.inline(value)}", comment, indent)
            yield from _alternative_lines(field.type, value, indent)
            continue
        yield from _line(f"{indent}{key}:", comment, indent)
        if "name" in value:
            yield f"{indent}  name: {value['name']}"
        yield from _section(_struct_of(field.type, value), value, f"{indent}  ")
        yield from _alternative_lines(field.type, value, indent)


def _struct_of(kind: fields.Kind, value: Mapping[str, Any]) -> StructType:
    """Return the struct type, among a field's kinds, of a value."""
    structs = [choice for choice in fields.alternatives(kind) if isinstance(choice, StructType)]
    return next(struct for struct in structs if struct.tag == value.get("name"))


def _alternative_lines(kind: fields.Kind, value: object, indent: str) -> Iterator[str]:
    """Yield a comment for each other component that has settings of its own."""
    structs = [choice for choice in fields.alternatives(kind) if isinstance(choice, StructType)]
    current = next((s for s in structs if isinstance(value, dict) and s.tag == value["name"]), None)
    common = {field.name for field in current.fields} if current else set()
    for struct in structs:
        own = [field for field in struct.fields if field.name not in common]
        if struct is current or struct.tag is None or not own:
            continue
        settings = ", ".join(f"{field.encode_name}: {_default(field)}" for field in own)
        text = f"or {{name: {struct.tag}, {settings}}}"
        wrapped = textwrap.wrap(text, WIDTH - len(indent) - 2, break_on_hyphens=False)
        yield from (f"{indent}# {line}" for line in wrapped)


def _default(field: Field) -> str:
    """Return a setting's default as YAML, or dots if there is none."""
    if field.required:
        return "..."
    default = field.default
    return dump.inline(canonical.changed(default) if isinstance(default, Struct) else default)


def _comment(kind: fields.Kind) -> str:
    """Return a field's description, followed by its names unless it mentions all of them."""
    text, names = fields.description(kind), fields.names(kind)
    is_complete = len(names) < 2 or all(name in text for name in names)  # noqa: PLR2004 - a choice
    return text if is_complete else f"{text} One of {', '.join(names)}."


def _line(setting: str, comment: str, indent: str) -> Iterator[str]:
    """Yield a setting with its comment beside it, or above it if the line would be too long."""
    line = f"{setting:<{COLUMN - 1}} # {comment}"
    if len(line) <= WIDTH and len(setting) < COLUMN:
        yield line
        return
    comment_lines = textwrap.wrap(comment, WIDTH - len(indent) - 2, break_on_hyphens=False)
    yield from (f"{indent}# {text}" for text in comment_lines)
    yield setting
