"""The reference as Markdown, written from the code: commands, config keys, JSON, files of a run.

Every entry has an anchor. sphinx-click is not used: it reads help as reStructuredText, where
``'runs/eta-*'`` is an error, and shows examples as prose.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

import click
import msgspec

from nnexp.analysis.metrics import METRICS, SECONDS, Metric
from nnexp.analysis.verdicts import ACCURACY, COST
from nnexp.cli import cli
from nnexp.cli.schema import output_types
from nnexp.config import dump
from nnexp.config.schema import schema
from nnexp.store.records import Result, RunRecord
from nnexp.training.history import Row

Schema: TypeAlias = Mapping[str, Any]

SPECIAL = re.compile(r"([\\*_\[\]<>|#])")


def escaped(text: str) -> str:
    """Return plain text as Markdown; what is between backquotes is code already."""
    parts = re.split(r"(`+[^`]+`+)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else SPECIAL.sub(r"\\\1", part) for part in parts)


def entry(anchor: str, term: str, *paragraphs: str) -> str:
    """Return an entry of a definition list, whose term has an anchor."""
    text = "\n\n  ".join(filter(None, paragraphs))
    return f"[`{term}`]{{#{anchor}}}\n: {text}\n"


# Commands


def commands() -> str:
    """Return the commands with their usage, help, examples and options."""
    context = click.Context(cli, info_name="nnexp")
    parts = [*_command(context, "nnexp")]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is not None:
            child = click.Context(command, info_name=name, parent=context)
            parts += [f"## nnexp {name}", *_command(child, name)]
    return "\n\n".join(parts)


def _command(context: click.Context, name: str) -> Iterator[str]:
    pieces = " ".join(context.command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {pieces}\n```"
    for paragraph in inspect.cleandoc(context.command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):
            title, _, lines = paragraph[2:].partition("\n")
            yield escaped(title)
            yield f"```sh\n{inspect.cleandoc(lines)}\n```"
        else:
            yield escaped(paragraph)
    for parameter in context.command.get_params(context):
        names, text = parameter.get_help_record(context) or ("", "")
        if text:
            option = max(parameter.opts, key=len).lstrip("-")
            fields = f"[Its fields](json.md#json-{name})." if option == "json" else ""
            yield entry(f"option-{name}-{option}", names, f"{escaped(text)} {fields}".rstrip())


# Keys of configs


def config_keys() -> str:
    """Return the keys of a config, and the settings of each component that a key can name."""
    whole = schema()
    definitions = whole.pop("$defs")
    parts = []
    for key, field in whole["properties"].items():
        parts += [f"(key-{key})=\n## {key}", escaped(field["description"])]
        parts += [_facts(field, definitions), *_components(key, field, definitions)]
    return "\n\n".join(parts)


def _facts(field: Schema, definitions: Schema, *more: str) -> str:
    """Return the values that a field allows, and its default."""
    facts = [allowed(field, definitions), *more]
    if "default" in field:
        value = field["default"]
        name = value.get("name", value) if isinstance(value, dict) else value
        facts.append(f"default: `{dump.inline(name)}`")
    return f"[{'; '.join(facts)}]{{.facts}}"


def _components(key: str, field: Schema, definitions: Schema) -> Iterator[str]:
    """Yield the settings of all components that a key can name, and then those of each."""
    structs = [definitions[name] for name in _referenced(field)]
    own = [set(map(repr, struct["properties"].items())) for struct in structs]
    shared = set.intersection(*own) if len(own) > 1 else set()
    yield from _settings(key, "", structs[:1], definitions, lambda item: repr(item) in shared)
    for struct in structs:
        name = struct["properties"].get("name", {}).get("enum", [""])[0]
        if name:
            yield f"({_anchor(key, name)})=\n### {key}: {name}"
            yield from map(escaped, re.split(r"\n\n|\n(?=Source:)", struct["description"]))
        yield from _settings(
            key, name, [struct], definitions, lambda item: repr(item) not in shared
        )


def _settings(
    key: str,
    name: str,
    structs: list[Schema],
    definitions: Schema,
    is_wanted: Callable[[tuple[str, Schema]], bool],
) -> Iterator[str]:
    components: list[str] = []
    for struct in structs:
        for setting, field in filter(is_wanted, struct["properties"].items()):
            if setting == "name":
                continue
            dotted = f"{key}.{setting}"
            required = ["required"] if setting in struct.get("required", []) else []
            facts = _facts(field, definitions, *required)
            yield entry(
                _anchor(key, name, setting), dotted, escaped(field.get("description", "")), facts
            )
            components += _components(dotted, field, definitions)
    yield from components


def _anchor(*names: str) -> str:
    return "-".join(["key", *filter(None, names)]).replace(".", "-")


def _referenced(field: Schema) -> list[str]:
    """Return the names of the structs that a field may be."""
    if "$ref" in field:
        return [field["$ref"].rpartition("/")[2]]
    inner = [*field.get("anyOf", []), field.get("items"), field.get("additionalProperties")]
    return [name for part in inner if isinstance(part, dict) for name in _referenced(part)]


# Values that a JSON Schema allows, in words

NAMES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "`true` or `false`",
    "null": "`null`",
    "object": "a mapping",
}
SIGNS = {"minimum": "≥", "exclusiveMinimum": "\\>", "maximum": "≤", "exclusiveMaximum": "\\<"}
LARGEST = 2**63 - 1


def allowed(field: Schema, definitions: Schema) -> str:
    """Return the values that a schema allows, as Markdown."""
    *others, last = dict.fromkeys(_choices(field, definitions))
    return f"{', '.join(others)} or {last}" if others else last


def _choices(field: Schema, definitions: Schema) -> Iterator[str]:
    """Yield the alternatives that a schema allows."""
    if "anyOf" in field:
        for choice in field["anyOf"]:
            yield from _choices(choice, definitions)
    elif "enum" in field:
        yield from (f"`{value}`" for value in field["enum"])
    elif "$ref" in field:
        yield _struct(field["$ref"].rpartition("/")[2], definitions)
    elif field.get("type") == "array":
        inner = field.get("prefixItems", [field.get("items", {})])
        items = ", ".join(allowed(item, definitions) for item in inner)
        yield "a list of " + items.replace("a whole number", "whole numbers").replace(
            "a number", "numbers"
        )
    elif isinstance(field.get("additionalProperties"), dict):
        yield f"a mapping from names to {allowed(field['additionalProperties'], definitions)}"
    else:
        yield f"{NAMES.get(field.get('type', ''), 'any value')} {_bounds(field)}".strip()


def _bounds(field: Schema) -> str:
    bounds = {key: field[key] for key in SIGNS if key in field and field[key] != LARGEST}
    if bounds.keys() == {"minimum", "maximum"}:
        return f"from {bounds['minimum']:,} to {bounds['maximum']:,}"
    return " and ".join(f"{SIGNS[key]} {bound:,}" for key, bound in bounds.items())


def _struct(name: str, definitions: Schema) -> str:
    """Return a component's name, the keys of a mapping, or a link to the fields of an object."""
    properties = definitions[name]["properties"]
    if definitions is OUTPUTS:
        return f"[{name}](#json-{name})"
    if definitions is RECORDS:
        return f"[{name}](#record-{name})"
    if "name" in properties:
        return f"`{properties['name']['enum'][0]}`"
    return f"a mapping of {', '.join(f'`{key}`' for key in properties)}"


# JSON of commands

TYPES = output_types()
_ROOTS, OUTPUTS = msgspec.json.schema_components(TYPES.values())


def outputs() -> str:
    """Return what each command prints with --json, and the fields of all objects in it."""
    rows = ["| command | prints |", "| --- | --- |"]
    for command, root in zip(TYPES, _ROOTS, strict=True):
        anchor = f"json-{command.replace(' ', '-').replace('--', '')}"
        rows.append(f"| [`nnexp {command} --json`]{{#{anchor}}} | {allowed(root, OUTPUTS)} |")
    metrics = ["| metric | label in tables | values |", "| --- | --- | --- |"]
    metrics += [
        f"| `{name}` | {escaped(metric.label)} | {_values(metric)} |"
        for name, metric in METRICS.items()
    ]
    parts = ["## By command", "\n".join(rows), "## Metrics", "\n".join(metrics)]
    parts += ["## Objects", *_objects("json", "###", OUTPUTS)]
    return "\n\n".join(parts)


# Files of a run

FILES = {"run.json": RunRecord, "metrics.jsonl": Row, "result.json": Result}
_FILE_ROOTS, RECORDS = msgspec.json.schema_components(FILES.values())


def records() -> str:
    """Return the object in each of a run's JSON files, and the fields of all objects in them."""
    rows = ["| file | contains |", "| --- | --- |"]
    for file, root in zip(FILES, _FILE_ROOTS, strict=True):
        rows.append(f"| `{file}` | {allowed(root, RECORDS)} |")
    return "\n\n".join(["\n".join(rows), *_objects("record", "##", RECORDS)])


def _objects(prefix: str, level: str, definitions: Schema) -> Iterator[str]:
    """Yield the fields of all objects; prefix begins their anchors, level their headings."""
    classes = {kind.__name__: kind for kind in _structs()}
    for name, definition in definitions.items():
        remarks = _remarks(classes[name])
        yield f"({prefix}-{name})=\n{level} {name}"
        yield escaped(definition.get("description", ""))
        for key, field in definition["properties"].items():
            absent = [] if key in definition.get("required", []) else ["may be absent"]
            facts = _facts(field, definitions, *absent)
            yield entry(f"{prefix}-{name}-{key}", key, escaped(remarks.get(key, "")), facts)


def _values(metric: Metric) -> str:
    """Return the unit of a metric's values in JSON."""
    names = {ACCURACY: "fractions", COST: "costs", SECONDS: "seconds"}
    return names.get(metric.unit, metric.unit.name)


def _structs() -> Iterator[type]:
    """Yield every struct under nnexp."""
    stack: list[type] = [msgspec.Struct]
    while stack:
        kind = stack.pop()
        yield kind
        stack += kind.__subclasses__()


def _remarks(kind: type) -> dict[str, str]:
    """Return the strings below a struct's fields, inherited ones included."""
    remarks: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("nnexp."):
            module = ast.parse(textwrap.dedent(inspect.getsource(base)))
            fields = (node for node in ast.walk(module) if isinstance(node, ast.ClassDef))
            for field, remark in pairwise(next(fields).body):
                match field, remark:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str() as text)),
                    ):
                        remarks[name] = text
    return remarks


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "config": config_keys,
    "outputs": outputs,
    "records": records,
}
"""The parts of pages that are written here, by the name that a page gives them."""
