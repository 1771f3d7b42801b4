"""A sweep file in the place of a config is recognized, and its command is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import nnexp
from nnexp.errors import ConfigError

if TYPE_CHECKING:
    from tests.conftest import Bench

MESSAGE = "sweep.yaml:2:1: config: this is a sweep file: nnexp sweep sweep.yaml"


@pytest.fixture
def sweep_file(bench: Bench) -> str:
    (bench.folder / "sweep.yaml").write_text("grid: {lambda: [0, 1]}\nconfig: tiny.yaml\n")
    return "sweep.yaml"


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "--seeds", "2"],
        ["tune"],
        ["inspect"],
        ["find-rate"],
        ["search", "--space", "lambda=[0, 1]"],
    ],
)
def test_a_command_that_needs_a_config_names_the_one_for_sweeps(
    bench: Bench, sweep_file: str, arguments: list[str]
) -> None:
    name, *options = arguments
    assert bench(name, sweep_file, *options) == (2, "", f"{MESSAGE}\n")
    assert not (bench.folder / "runs").exists()


def test_so_does_python(sweep_file: str) -> None:
    with pytest.raises(ConfigError) as caught:
        nnexp.load_config(sweep_file)
    assert str(caught.value) == MESSAGE


def test_a_sweep_of_a_sweep_names_the_inner_one(bench: Bench, sweep_file: str) -> None:
    (bench.folder / "outer.yaml").write_text(f"config: {sweep_file}\n")
    assert bench("sweep", "outer.yaml") == (2, "", f"{MESSAGE}\n")


def test_an_unknown_option_in_the_settings_stays_an_unknown_key(bench: Bench) -> None:
    code, _, err = bench("train", "tiny.yaml", "--set", "config=x")
    assert (code, err.startswith("--set config=x: config: unknown key 'config'")) == (2, True)
