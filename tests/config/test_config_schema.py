"""The JSON Schema for editors, and the starter config."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from nnexp.config import convert, load, schema
from nnexp.config.model import Config
from nnexp.errors import ConfigError

GOOD = [
    "",
    "data: mnist\noptimizer: sgd\nlambda: {per_example: 1e-4}",
    "data: {name: mnist, train: 1000, classes: [0, 1]}\nhidden: []\nbatch_size: all",
    "data: {name: npz, file: a.npz}\npatience: null",
    "schedule: {name: piecewise, rates: {1: 0.5, 16: 0.1, 1000000: 9}}",
]
BAD = [
    "learning_rte: 1",
    "learning_rate: 0",
    "data: npz",
    "data: {name: mnist, trian: 3}",
    "data: {train: 3}",
    "optimizer: momentun",
    "hidden: [0]",
    "epochs: 2.5",
    "seed: true",
    "lambda: {}",
    "schedule: piecewise",
    "schedule: {name: piecewise, rates: 0.5}",
    "schedule: {name: piecewise, rates: {}}",
    "schedule: {name: piecewise, rates: {2: 0.5}}",
    "schedule: {name: piecewise, rates: {1: 0.5, 0: 0.1}}",
    "schedule: {name: piecewise, rates: {1: 0.5, 1000001: 0.1}}",
    "schedule: {name: piecewise, rates: {1: 0.5, 16: 0}}",
    "schedule: {name: piecewise, rates: {1: 0.5, '02': 0.1}}",
]


def properties(node: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    every = [*node["properties"].items()]
    for definition in node.get("$defs", {}).values():
        every += definition["properties"].items()
    return every


def test_every_property_is_explained_and_has_its_default() -> None:
    described = schema.schema()
    every = properties(described)
    assert len(every) > 40
    assert [key for key, node in every if not node.get("description")] == []
    required = {"name", "file", "train_file", "per_example", "normals", "examples", "epochs"}
    required |= {"directory", "path", "rates"}
    assert {key for key, node in every if "default" not in node} == required


def test_unknown_keys_are_forbidden_at_every_level() -> None:
    described = schema.schema()
    levels = [described, *described["$defs"].values()]
    assert [level["title"] for level in levels if level["additionalProperties"] is not False] == []


def test_the_schema_says_which_it_is_and_names_the_keys_of_the_model() -> None:
    described = schema.schema()
    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert described["title"] == "nnexp config"
    keys = [field.encode_name for field in convert.info(Config).fields]
    assert list(described["properties"]) == keys
    json.dumps(described, allow_nan=False)


def test_a_component_s_bare_name_is_offered_where_it_needs_no_settings() -> None:
    described = schema.schema()["properties"]
    assert described["data"]["anyOf"][0] == {"enum": ["mnist", "idx"]}
    assert "sgd" in described["optimizer"]["anyOf"][0]["enum"]
    assert {"$ref": "#/$defs/Sgd"} in described["optimizer"]["anyOf"][1:]
    assert described["rng"]["anyOf"][0] == {"enum": ["pcg64", "network2"]}
    assert len(described["lambda"]["anyOf"]) == 2


@pytest.mark.parametrize("text", [*GOOD, *BAD, schema.starter()])
def test_an_editor_and_the_loader_agree(text: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema.schema())
    tree = (
        {} if not text else json.loads(json.dumps(yaml.safe_load(text.replace("1e-4", "1.0e-4"))))
    )
    assert validator.is_valid(tree) is (text not in BAD)


@pytest.mark.parametrize("text", BAD)
def test_the_loader_refuses_what_the_schema_does(text: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.yaml:1"):
        load.parse(text, "a.yaml")


def test_the_starter_is_the_default_config() -> None:
    assert load.parse(schema.starter(), "starter.yaml") == Config()


def test_the_starter_names_and_explains_every_key_in_the_model_s_order() -> None:
    text = schema.starter()
    lines = text.splitlines()
    assert lines[0] == "# yaml-language-server: $schema=./nnexp.schema.json"
    assert max(map(len, lines)) <= 100
    told = [line.split(":")[0] for line in lines if line and line[0] not in "# "]
    assert told == [field.encode_name for field in convert.info(Config).fields]
    flat = " ".join(line.partition("#")[2].strip() for line in lines)
    for _, node in properties({"properties": schema.schema()["properties"]}):
        assert node["description"] in flat
    assert (
        "  train: null                     # Use the first n training examples; null: all." in lines
    )
    assert "glorot-normal, glorot-uniform, he-normal" in text
