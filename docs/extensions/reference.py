"""Sphinx extension that writes the reference from the code.

A page has a comment such as ``<!-- reference: config -->`` in place of a part that is written
here, as Markdown: the commands, the keys of configs, the fields of JSON. Every entry has an
anchor. It also lists the external links of the site in external-links.txt, and finds the names
of Python that docstrings mention.

sphinx-click reads help as reStructuredText, where ``'runs/eta-*'`` is an error, and has no
examples as code; so commands are written here, too.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import msgspec
from docutils import nodes

from nnexp import api
from nnexp.cli import cli
from nnexp.cli.schema import output_types
from nnexp.config import dump
from nnexp.config.schema import schema
from nnexp.errors import InterruptedRunError

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

Schema: TypeAlias = Mapping[str, Any]

COMMENT = re.compile(r"^<!-- reference: (\w+) -->$", re.MULTILINE)
SPECIAL = re.compile(r"([\\*_\[\]<>|#])")


def escaped(text: str) -> str:
    """Return plain text as Markdown; what is between backquotes is code already."""
    parts = re.split(r"(`+[^`]+`+)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else SPECIAL.sub(r"\\\1", part) for part in parts
    )


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
        assert command is not None
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
            yield entry(f"{name}--{option}", names, escaped(text))


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
        yield from _settings(key, name, [struct], definitions, lambda item: repr(item) not in shared)


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
    return [name for each in inner if isinstance(each, dict) for name in _referenced(each)]


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
        items = ", ".join(allowed(each, definitions) for each in inner)
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
    parts = ["## By command", "\n".join(rows)]
    parts.append("## Objects")
    classes = {kind.__name__: kind for kind in _structs()}
    for name, definition in OUTPUTS.items():
        remarks = _remarks(classes[name])
        parts += [f"(json-{name})=\n### {name}", escaped(definition.get("description", ""))]
        for key, field in definition["properties"].items():
            absent = [] if key in definition.get("required", []) else ["may be absent"]
            facts = _facts(field, OUTPUTS, *absent)
            parts.append(entry(f"json-{name}-{key}", key, escaped(remarks.get(key, "")), facts))
    return "\n\n".join(parts)


def _structs() -> Iterator[type]:
    """Yield every struct under nnexp."""
    stack: list[type] = [msgspec.Struct]
    while stack:
        kind = stack.pop()
        yield kind
        stack += kind.__subclasses__()


def _remarks(kind: type) -> dict[str, str]:
    """Return the strings below a struct's fields, inherited ones included."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("nnexp."):
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            assert isinstance(tree, ast.ClassDef)
            for field, remark in pairwise(tree.body):
                match field, remark:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str() as text)),
                    ):
                        found[name] = text
    return found


# Sphinx

GENERATORS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "config": config_keys,
    "outputs": outputs,
}


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace a page's comments by the parts that they name."""
    del app, docname
    source[0] = COMMENT.sub(lambda comment: GENERATORS[comment[1]](), source[0])


def outdated(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> Iterable[str]:
    """Return the pages that are written from the code, which may have changed."""
    del app, changes
    pages = (name for name in env.found_docs if name.startswith("docs/reference/"))
    return list(pages)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Find a class that a signature or docstring names by its private module, or without any."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].rpartition(".")[2]
    documented = {
        full.rpartition(".")[2]: (found.docname, found.node_id)
        for full, found in env.domains.python_domain.objects.items()
    }
    documented |= {each: ("docs/reference/json", f"json-{each.lower()}") for each in OUTPUTS}
    documented |= {each: ("docs/reference/config-keys", "") for each in ("Config", "CheckedConfig")}
    if name not in documented:
        return None
    page, anchor = documented[name]
    uri = app.builder.get_relative_uri(node["refdoc"], page)
    return nodes.reference("", "", content, internal=True, refuri=f"{uri}#{anchor}".rstrip("#"))


def shorten(app: Sphinx, *args: Any) -> tuple[str, str] | None:
    """Return a signature with defaults as a caller would write them."""
    del app
    *_, signature, result = args
    if not signature:
        return None
    plain = re.sub(r"PosixPath\((.*?)\)", r"\1", signature)
    return plain.replace("mappingproxy({})", "{}"), result


def complete(app: Sphinx, kind: str, name: str, subject: object, *args: Any) -> None:
    """Make a field of a docstring's "Returns: ...", and add an error's exit code."""
    del app, name
    *_, lines = args
    if kind == "exception":
        signal = subject is InterruptedRunError
        code = "128 + signal_number" if signal else getattr(subject, "exit_code", None)
        lines += ["", f"Exit code {code}."]
    lines[:] = [re.sub("^Returns: ", ":returns: ", line) for line in lines]


def list_links(app: Sphinx, exception: Exception | None) -> None:
    """Write the external links of all pages to external-links.txt, each with its pages."""
    if exception is not None:
        return
    links: dict[str, set[str]] = {}
    for page in app.env.found_docs:
        for node in app.env.get_doctree(page).findall(nodes.reference):
            if str(node.get("refuri", "")).startswith(("http:", "https:", "mailto:")):
                links.setdefault(node["refuri"], set()).add(page)
    lines = [f"{link}  {' '.join(sorted(pages))}\n" for link, pages in sorted(links.items())]
    (Path(app.outdir) / "external-links.txt").write_text("".join(lines), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx's events."""
    api.TrainedRun.__name__ = api.TrainedRun.__qualname__ = "Run"  # as users call it
    app.connect("source-read", fill)
    app.connect("env-get-outdated", outdated)
    app.connect("autodoc-process-signature", shorten)
    app.connect("autodoc-process-docstring", complete, priority=400)  # before napoleon
    app.connect("missing-reference", resolve)
    app.connect("build-finished", list_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
