"""The config's JSON Schema, by which editors complete, explain and check a YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from nnexp.config.model import Config

Schema: TypeAlias = dict[str, Any]


def schema() -> Schema:
    """Return the JSON Schema (2020-12) of a config file, short forms included."""
    whole = msgspec.json.schema(Config)
    definitions: dict[str, Schema] = whole["$defs"]
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
    """Return a component's schema with the bare name beside the mapping; others as they are."""
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
    """Generate the schemas of which a value must fit one, a component that may be null included."""
    if "$ref" in field:
        yield {"$ref": field["$ref"]}
    elif "anyOf" in field:
        for choice in field["anyOf"]:
            yield from _alternatives(choice)
    else:
        yield field
