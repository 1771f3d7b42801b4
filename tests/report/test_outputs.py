"""JSON output of every command matches the schema that nnexp schema --of prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import jsonschema  # type: ignore[import-untyped]
import pytest

from nnexp import cli
from nnexp.cli.schema import output_types

if TYPE_CHECKING:
    from tests.conftest import Bench, Once

QUICK = ("--set", "data.train=100", "--set", "epochs=3", "-q")
RATES = ("--grid", "learning_rate=1e30,0.1", "--seeds", "2", "-q", "-j", "1")
SPACE = ("--space", "learning_rate=[1e30, 0.1]", "--method", "grid", "-q")
TEST_ONLY = ("--set", "monitor=[test]", "--set", "patience=null", "-q")
CASES: dict[str, list[tuple[str, ...]]] = {
    "compare": [("runs/a", "runs/b", "--check", "A.epochs = 3 and B.epochs = 3")],
    "evaluate": [("runs/a-s0", "runs/a-s1"), ("runs/a-s0", "--data", "tiny.npz")],
    "find-rate": [("tiny.yaml", "-q", "--epochs", "10")],
    "inspect": [("tiny.yaml",), ("tiny.yaml", "--set", "lambda=1")],
    "inspect --data": [("tiny.yaml",)],
    "note": [("runs/a", "-m", "good", "--tag", "keep"), ("runs/a-s0",)],
    "predict": [("runs/a-s0", "tiny.npz"), ("runs/a", "tiny.npz", "--top", "3")],
    "race": [("runs/a", "runs/b", "--at-most", "4", "-q"), ("runs/a", "runs/d-s0", "-q")],
    "replay": [("runs/a-s0",)],
    "report": [("runs/a", "-o", "r.html")],
    "reproduce": [()],
    "reproduce FIGURE": [("overfitting", *QUICK)],
    "runs": [()],
    "runs --each": [()],
    "search": [("tiny.yaml", *SPACE), ("tiny.yaml", *SPACE, "--confirm", "0")],
    "show": [("runs/a-s0",), ("runs/d-s0",)],
    "sweep": [
        ("tiny.yaml", *RATES),
        ("tiny.yaml", *RATES, *TEST_ONLY),
        ("tiny.yaml", *RATES, "--confirm", "1"),
    ],
    "sweep --dry-run": [("tiny.yaml", "--grid", "lambda=0,1", "-q", "--confirm", "1")],
    "train": [("tiny.yaml", "-q"), ("tiny.yaml", "-q", "--until", "1")],
    "tune": [("tiny.yaml", "--only", "eta", "--full", "-q")],
    "tune --explain": [("tiny.yaml",)],
    "verify": [("runs/a-s0", "-q")],
}
"""Arguments that each command is run with, by the name of its schema."""
FAILING = {"race": 7, "sweep": 3}
"""Commands that exit with an error and print their result nonetheless."""


@pytest.fixture
def trained(once: Once) -> Bench:
    """Two experiments of two seeds each, and a run that diverged in its first epoch."""
    return once(train)


def train(bench: Bench) -> None:
    """Train them."""
    bench.config(epochs=3, patience=None)
    for name, rate in (("a", "0.5"), ("b", "0.1")):
        rates = ("--set", f"learning_rate={rate}", "--name", name)
        assert bench("train", "tiny.yaml", *rates, "--seeds", "2", "-q").code == 0
    diverging = ("--set", "learning_rate=1e300", "--set", "cost=quadratic", "--set")
    linear = ("output=linear", "--set", "activation=relu", "--name", "d", "-q")
    assert bench("train", "tiny.yaml", *diverging, *linear).code == 3


def schema(bench: Bench, command: str) -> dict[str, Any]:
    """Return a schema that refuses the keys that it does not name."""
    tree: dict[str, Any] = json.loads(bench("schema", "--of", command).out)
    for definition in tree["$defs"].values():
        assert definition["type"] == "object"
        definition["additionalProperties"] = False
    return tree


@pytest.mark.parametrize(
    ("command", "arguments"),
    [(command, arguments) for command, cases in CASES.items() for arguments in cases],
)
def test_what_a_command_prints_fits_its_schema(
    trained: Bench, command: str, arguments: tuple[str, ...]
) -> None:
    words = command.removesuffix(" FIGURE").split()
    code, out, err = trained(*words, *arguments, "--json")
    assert code == FAILING.get(command, 0), err
    jsonschema.validate(json.loads(out), schema(trained, command))


def test_train_prints_a_line_for_each_seed(bench: Bench) -> None:
    lines = bench("train", "tiny.yaml", "--seeds", "2", "-q", "--json").out.splitlines()
    assert len(lines) == 2
    described = schema(bench, "train")
    assert "with --seeds, each run's is on a line of its own" in json.dumps(described)
    for line in lines:
        jsonschema.validate(json.loads(line), described)


def test_a_schema_refuses_other_values(trained: Bench) -> None:
    """So that the test above can fail."""
    tree = json.loads(trained("evaluate", "runs/a-s0", "--json").out)
    tree["runs"][0]["validation_accuracy"] = "high"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, schema(trained, "evaluate"))


def test_every_command_with_json_has_a_schema_and_is_run() -> None:
    group, context = cli.cli, click.Context(cli.cli)
    with_json = {
        name
        for name in cli.COMMANDS
        if (command := group.get_command(context, name))
        and any("--json" in parameter.opts for parameter in command.params)
    }
    assert with_json == {command.split(maxsplit=1)[0] for command in output_types()}
    assert output_types().keys() == CASES.keys()


def test_an_unknown_command_gets_a_suggestion(bench: Bench) -> None:
    code, out, err = bench("schema", "--of", "comare")
    assert (code, out) == (2, "")
    assert err.startswith("--of: unknown command with --json 'comare'; did you mean 'compare'?")
