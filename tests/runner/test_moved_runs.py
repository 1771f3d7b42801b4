"""Runs that were moved, or are read from elsewhere, serve all that their files can answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from nnexp.cli import COMMANDS, cli
from nnexp.datasets import data_root
from tests.conftest import missing_path_hint

if TYPE_CHECKING:
    from tests.conftest import Bench, Once


@pytest.fixture
def moved(once: Once, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Runs in ``elsewhere/kept``, far from their data in ``here``; the first is the directory."""
    bench = once(move)
    monkeypatch.chdir(bench.folder / "elsewhere")
    return bench


def move(bench: Bench) -> None:
    """Train the runs and move them and their data."""
    bench("train", "tiny.yaml", "-q", "--name", "a", "--seeds", "2")
    bench("train", "tiny.yaml", "-q", "--name", "b", "--set", "lambda=1")
    bench("train", "tiny.yaml", "-q", "--name", "c", "--until", "1")
    (bench.folder / "here").mkdir()
    for name in ("tiny.npz", "tiny.yaml"):
        (bench.folder / name).rename(bench.folder / "here" / name)
    (bench.folder / "elsewhere").mkdir()
    (bench.folder / "runs").rename(bench.folder / "elsewhere/kept")


@pytest.mark.parametrize(
    "command",
    [
        "runs --runs kept",
        "show kept/a-s0",
        "show kept/a-s0 --on test --json",
        "compare kept/a kept/b",
        "report kept/a kept/b -o r.html",
        "replay kept/a-s0",
        "predict kept/a ../here/tiny.npz",
        "export kept/a-s0 --to csv -o a.csv",
        "note kept/a --tag keep",
        "rm kept/a",
        "rm kept/a --checkpoints all-but-best",
    ],
)
def test_what_the_files_answer_works(moved: Bench, command: str) -> None:
    said = moved(*command.split())
    assert (said.code, "tiny.npz:" in said.err) == (0, False), said


NEEDS_DATA = [
    "evaluate kept/a-s0",
    "verify kept/a-s0 -q",
    "show kept/a-s0 --images x.png",
    "train kept/c-s0 -q --runs kept",
    "train kept/a-s0 -q --runs kept",
    "inspect kept/a-s0",
    "inspect kept/a-s0 --data",
    "find-rate kept/a-s0 -q --epochs 10",
    "sweep kept/a-s0 -q --grid lambda=0,1 --runs other",
    "sweep kept/a-s0 -q --grid lambda=0,1 --runs other -j 2",
    "search kept/a-s0 -q --space lambda=[0] --method grid --runs other",
    "tune kept/a-s0 -q --only eta --full --runs other",
]


@pytest.mark.parametrize("command", NEEDS_DATA)
def test_what_needs_data_names_the_path_and_what_helps(moved: Bench, command: str) -> None:
    words = [word.replace(",", ", ") if "[" in word else word for word in command.split()]
    code, out, err = moved(*words)
    assert (code, out) == (2, "")
    told = f"tiny.npz: No such file or directory{missing_path_hint(Path.cwd())}"
    assert told in err.replace("; did you mean '../here/tiny.npz'?", "")
    said = moved(*words, "--data-root", "../here")
    assert said.code == 0 or "are no images to draw" in said.err, said
    assert data_root.chosen() == ""


def test_every_command_that_reads_data_has_the_option() -> None:
    """They are those that train, and those that are tested above."""

    def options(name: str) -> set[str]:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        return {option for parameter in command.params for option in parameter.opts}

    with_it = {name for name in COMMANDS if "--data-root" in options(name)}
    that_train = {name for name in COMMANDS if {"--set", "--backend"} & options(name)} - {"init"}
    assert with_it == {command.split()[0] for command in NEEDS_DATA} | that_train
    assert "reproduce" in with_it


def test_a_run_moved_with_a_data_root_is_the_run_that_it_was(moved: Bench) -> None:
    """The root is no part of the config, and of nothing that is recorded."""
    root = ("--data-root", "../here")
    assert moved("train", "kept/c-s0", "-q", "--runs", "kept", *root).out == "kept/c-s0\n"
    recorded = json.loads(Path("kept/c-s0/run.json").read_text())
    assert recorded["config"]["data"]["file"] == "tiny.npz"
    assert "here" not in Path("kept/c-s0/run.json").read_text()
    moved("train", "../here/tiny.yaml", "-q", "--name", "c", "--runs", "straight", *root)
    assert moved.files("elsewhere/kept/c-s0") == moved.files("elsewhere/straight/c-s0")


def test_other_data_under_the_root_is_recognized(moved: Bench) -> None:
    shutil.copytree("../here", "../there")
    moved.data(1, "there/tiny.npz")
    said = moved("evaluate", "kept/a-s0", "--data-root", "../there")
    assert said.code == 6
    assert "the data changed since this run was trained" in said.err


def test_the_variable_serves_all_commands(moved: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data_root.VARIABLE, "../here")
    assert moved("evaluate", "kept/a-s0").code == 0
    monkeypatch.setenv(data_root.VARIABLE, "../nowhere")
    code, _, err = moved("evaluate", "kept/a-s0")
    assert code == 2
    assert err.startswith("../nowhere/tiny.npz: No such file or directory")
    root = "NNEXP_DATA_ROOT or --data-root is ../nowhere"
    assert f"({root}; the working directory {Path.cwd()})" in err
    assert moved("evaluate", "kept/a-s0", "--data-root", "../here").code == 0


def test_commands_for_other_schedulers_have_the_option(moved: Bench) -> None:
    grid = ("sweep", "../here/tiny.yaml", "--grid", "lambda=0,1", "--emit", "commands")
    lines = moved(*grid, "--data-root", "../here").out.splitlines()
    assert len(lines) == 2
    assert all(" --data-root ../here " in line for line in lines)
