"""JSON output of every command matches the schema that nnexp schema --of prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest

from nnexp.cli.schema import output_types

if TYPE_CHECKING:
    from tests.conftest import Bench

QUICK = ("--set", "data.train=100", "--set", "epochs=3", "-q")
COMMANDS: dict[str, tuple[str, ...]] = {
    "compare": ("runs/a", "runs/b", "--check", "A.epochs = 3 and B.epochs = 3"),
    "evaluate": ("runs/a-s0", "runs/a-s1"),
    "find-rate": ("tiny.yaml", "-q", "--epochs", "10"),
    "inspect": ("tiny.yaml",),
    "replay": ("runs/a-s0",),
    "report": ("runs/a", "-o", "r.html"),
    "reproduce": (),
    "reproduce FIGURE": ("overfitting", *QUICK),
    "runs": (),
    "runs --each": (),
    "search": ("tiny.yaml", "--space", "lambda=0,1", "--method", "grid", "-q"),
    "show": ("runs/a-s0",),
    "sweep": ("tiny.yaml", "--grid", "lambda=0,1", "-q"),
    "sweep --dry-run": ("tiny.yaml", "--grid", "lambda=0,1", "-q"),
    "train": ("tiny.yaml", "-q"),
    "tune": ("tiny.yaml", "--only", "eta", "--full", "-q"),
    "tune --explain": ("tiny.yaml",),
    "verify": ("runs/a-s0", "-q"),
}


@pytest.fixture
def trained(bench: Bench) -> Bench:
    """Two experiments of two seeds each."""
    bench.config(epochs=3, patience=None)
    for name, rate in (("a", "0.5"), ("b", "0.1")):
        rates = ("--set", f"learning_rate={rate}", "--name", name)
        assert bench("train", "tiny.yaml", *rates, "--seeds", "2", "-q").code == 0
    return bench


def schema(bench: Bench, command: str) -> dict[str, object]:
    tree: dict[str, object] = json.loads(bench("schema", "--of", command).out)
    return tree


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_prints_fits_its_schema(trained: Bench, command: str) -> None:
    words = command.removesuffix(" FIGURE").split()
    code, out, _ = trained(*words, *COMMANDS[command], "--json")
    assert code == 0
    printed = json.loads(out)
    for each in printed if isinstance(printed, list) else [printed]:
        jsonschema.validate(each, schema(trained, command))


def test_a_schema_refuses_other_values(trained: Bench) -> None:
    """So that the test above can fail."""
    tree = json.loads(trained("evaluate", "runs/a-s0", "--json").out)
    tree["runs"][0]["accuracy"] = "high"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, schema(trained, "evaluate"))


@pytest.mark.parametrize("command", output_types())
def test_every_command_with_json_has_a_schema(bench: Bench, command: str) -> None:
    assert command in COMMANDS
    assert "--json" in bench(command.split(maxsplit=1)[0], "--help").out
    assert schema(bench, command)["$ref"]


def test_an_unknown_command_gets_a_suggestion(bench: Bench) -> None:
    code, out, err = bench("schema", "--of", "comare")
    assert (code, out) == (2, "")
    assert err.startswith("--of: unknown command with --json 'comare'; did you mean 'compare'?")
