"""Every option of every command rejects a wrong value in one line that names both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import pytest

import nnexp
from nnexp.cli import COMMANDS, cli, options, quantities
from nnexp.cli.export import Format
from nnexp.cli.tune import Only
from nnexp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Bench

WRONG: dict[type[click.ParamType[Any]], str] = {
    options.WholeNumber: "x1",
    options.OneOf: "gird",
    options.SeedList: "x1",
    options.File: ".",
    options.NewFile: ".",
    options.Folder: "tiny.yaml",
    options.AnyPath: "no-run",
    quantities.Amount: "nan",
    quantities.Seconds: "nan",
    quantities.Size: "much",
    Format: "foo",
    quantities.Spending: "foo",
    Only: "foo",
}
"""A wrong value of each type."""

TEXTS = {
    "--set": "foo",
    "--grid": "foo",
    "--space": "foo=1",
    "--name": "a/b",
    "--metric": "foo",
    "--where": "foo",
    "--sort": "foo",
    "--columns": "foo",
    "--tag": "a b",
    "--untag": "a b",
    "-m": " ",
    "--message": " ",
    "--check": "foo",
    "--of": "foo",
    "--from": "foo",
    "--scheduler": "foo",
}
"""A wrong value of each option whose values the library parses."""

ARGUMENTS = {
    "search": ["tiny.yaml", "--space", "lambda=[0, 1]"],
    "compare": ["runs/a", "runs/b"],
    "race": ["runs/a", "runs/b"],
    "report": ["runs/a"],
    "runs": [],
    "schema": [],
    "init": [],
    "examples": [],
    "reproduce": ["weight_initialization_30"],
    "show": ["runs/a"],
    "evaluate": ["runs/a"],
    "predict": ["runs/a", "tiny.npz"],
    "export": ["runs/a", "--to", "csv"],
    "replay": ["runs/a"],
    "note": ["runs/a"],
    "rm": ["runs/a"],
    "verify": ["runs/a"],
}
"""Arguments with which a command would work; a config for all others."""


def values() -> Iterator[tuple[str, str, str]]:
    """Yield a command, an option and a wrong value, for all options that take one."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.is_flag:
                is_text = isinstance(parameter.type, click.types.StringParamType)
                for option in parameter.opts:
                    yield name, option, TEXTS[option] if is_text else WRONG[type(parameter.type)]


@pytest.mark.parametrize(("command", "option", "value"), list(values()))
def test_a_wrong_value_is_rejected_in_a_line_that_names_it(
    bench: Bench, command: str, option: str, value: str
) -> None:
    if command in {"compare", "race", "report", "runs"}:
        for name, cost in (("a", "cross-entropy"), ("b", "quadratic")):
            bench("train", "tiny.yaml", "-q", "--name", name, "--set", f"cost={cost}")
    dask = ["--engine", "dask"] if option == "--scheduler" else []
    code, out, err = bench(command, *ARGUMENTS.get(command, ["tiny.yaml"]), *dask, option, value)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert {"--output": "-o", "--jobs": "-j", "--message": "-m"}.get(option, option) in err
    assert value in err


def test_a_misspelt_choice_gets_a_suggestion(bench: Bench) -> None:
    arguments = ("search", "tiny.yaml", "--space", "lambda=[0, 1]", "--method", "gird")
    assert bench(*arguments) == (
        2,
        "",
        "--method must be grid, random or tpe, got 'gird'; did you mean 'grid'?\n",
    )


def test_a_number_that_is_too_large_names_both_limits(bench: Bench) -> None:
    assert bench("find-rate", "tiny.yaml", "--epochs", "1001") == (
        2,
        "",
        "--epochs must be a whole number from 10 to 1000, got '1001'\n",
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_no_range_of_the_library(bench: Bench, name: str) -> None:
    assert "x>=" not in bench(name, "--help").out
    assert "<=x" not in bench(name, "--help").out


def test_python_is_not_told_of_an_option(bench: Bench) -> None:
    config = nnexp.load_config(bench.config())
    with pytest.raises(UsageError, match="'a/b' cannot name a run") as caught:
        nnexp.train(config, name="a/b")
    assert "--" not in str(caught.value)
    bench("train", "tiny.yaml", "-q", "--name", "a")
    bench("train", "tiny.yaml", "-q", "--name", "b", "--set", "lambda=1")
    with pytest.raises(UsageError, match="metric: unknown metric 'foo'"):
        nnexp.compare("runs/a", "runs/b", metric="foo")


def test_an_unknown_figure_gets_a_suggestion(bench: Bench) -> None:
    code, out, err = bench("reproduce", "overfiting")
    assert (code, out) == (2, "")
    assert err.startswith("unknown figure 'overfiting'; did you mean 'overfitting'? (known: ")


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--epochs", "epochs is a key of the config: --set epochs=VALUE"),
        ("--lr", "learning_rate is a key of the config: --set learning_rate=VALUE"),
        ("--batch-size", "batch_size is a key of the config: --set batch_size=VALUE"),
        ("--quite", "did you mean --quiet? (nnexp train --help lists all)"),
        ("--foo", "(nnexp train --help lists all)"),
    ],
)
def test_an_unknown_option_says_how_keys_are_set(bench: Bench, option: str, hint: str) -> None:
    code, out, err = bench("train", "tiny.yaml", option, "5")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"unknown option {option}")
    assert err.endswith(f"{hint}\n")
