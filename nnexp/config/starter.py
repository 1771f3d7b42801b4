"""The commented config that ``nnexp init`` writes, made from the model and never by hand."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from msgspec.inspect import Field, StructType

from nnexp.config import canonical, dump, kinds
from nnexp.config.convert import info
from nnexp.config.model import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WIDTH = 100
COLUMN = 34
"""Where comments begin, counted from 0."""

HEAD = """\
# yaml-language-server: $schema=./nnexp.schema.json
#
# An experiment of nnexp: every key with its default. Keep what you change, delete the rest.
# The first line lets an editor complete and check keys: nnexp schema > nnexp.schema.json
"""


def starter() -> str:
    """Return a config file that names every key with its default and explains it."""
    lines = _section(info(Config), canonical.to_builtins(Config()), "")
    return "\n".join([HEAD, *lines]) + "\n"


def _section(kind: StructType, tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for field in kind.fields:
        key, value = field.encode_name, tree[field.encode_name]
        comment = _comment(field.type)
        if not isinstance(value, dict) or set(value) == {"name"}:
            yield from _line(f"{indent}{key}: {dump.inline(value)}", comment, indent)
            yield from _alternatives(field.type, value, indent)
            continue
        yield from _line(f"{indent}{key}:", comment, indent)
        if "name" in value:
            yield f"{indent}  name: {value['name']}"
        yield from _section(_chosen(field.type, value), value, f"{indent}  ")
        yield from _alternatives(field.type, value, indent)


def _chosen(kind: kinds.Kind, value: Mapping[str, Any]) -> StructType:
    """Return the struct among a field's kinds that the value is of."""
    structs = [each for each in kinds.alternatives(kind) if isinstance(each, StructType)]
    return next(struct for struct in structs if struct.tag == value.get("name"))


def _alternatives(kind: kinds.Kind, value: object, indent: str) -> Iterator[str]:
    """Generate a comment for each other component that has settings of its own, with these."""
    structs = [each for each in kinds.alternatives(kind) if isinstance(each, StructType)]
    chosen = next((s for s in structs if isinstance(value, dict) and s.tag == value["name"]), None)
    common = {field.name for field in chosen.fields} if chosen else set()
    for struct in structs:
        own = [field for field in struct.fields if field.name not in common]
        if struct is chosen or struct.tag is None or not own:
            continue
        settings = ", ".join(f"{field.encode_name}: {_default(field)}" for field in own)
        text = f"or {{name: {struct.tag}, {settings}}}"
        wrapped = textwrap.wrap(text, WIDTH - len(indent) - 2, break_on_hyphens=False)
        yield from (f"{indent}# {line}" for line in wrapped)


def _default(field: Field) -> str:
    """Return a setting's default as YAML; dots stand where there is none."""
    return "..." if field.required else dump.inline(field.default)


def _comment(kind: kinds.Kind) -> str:
    """Return a field's description, with the names it knows unless they are all told."""
    text, names = kinds.description(kind), kinds.names(kind)
    told = len(names) < 2 or all(name in text for name in names)  # noqa: PLR2004 - a choice
    return text if told else f"{text} One of {', '.join(names)}."


def _line(setting: str, comment: str, indent: str) -> Iterator[str]:
    """Generate a setting with its comment beside it, or above it where the line is too long."""
    beside = f"{setting:<{COLUMN - 1}} # {comment}"
    if len(beside) <= WIDTH and len(setting) < COLUMN:
        yield beside
        return
    above = textwrap.wrap(comment, WIDTH - len(indent) - 2, break_on_hyphens=False)
    yield from (f"{indent}# {line}" for line in above)
    yield setting
