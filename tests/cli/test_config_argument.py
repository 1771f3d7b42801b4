"""What CONFIG may be: a file, a run, standard input or another pipe, or a packaged example."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.config.examples import examples

if TYPE_CHECKING:
    from tests.conftest import Bench

ROOT = Path(__file__).parents[2]


def test_a_run_stands_for_its_config_and_its_runs_keep_the_stem(bench: Bench) -> None:
    first = bench("train", "tiny.yaml", "-q").out.strip()
    again = bench("train", first)
    assert (again.out, again.err) == (f"{first}\n", f"{first}: already done\n")
    second = bench("train", first, "-q", "--set", "lambda=1").out
    assert second == bench("train", "tiny.yaml", "-q", "--set", "lambda=1").out
    planned = json.loads(bench("sweep", first, "--grid", "lambda=1", "--dry-run", "--json").out)
    assert planned["runs"][0]["name"].startswith("tiny-")


def test_a_named_run_s_stem_is_its_name_without_the_seed(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "mine", "--seeds", "1")
    assert bench("train", "runs/mine-s0", "-q", "--set", "lambda=1").out.startswith("runs/mine-")


def test_an_example_goes_by_name_and_a_file_of_that_name_wins(bench: Bench) -> None:
    said = bench("sweep", "book/eta-0.25", "--grid", "lambda=1", "--dry-run", "--json")
    assert json.loads(said.out)["runs"][0]["name"].startswith("eta-0.25-")
    bench.config("quickstart", epochs=0)
    said = bench("train", "quickstart")
    assert (said.code, said.err.partition(":")[0]) == (2, "quickstart")


def test_the_examples_are_the_files_of_configs(bench: Bench) -> None:
    files = {
        path.relative_to(ROOT / "configs").with_suffix("").as_posix()
        for path in (ROOT / "configs").rglob("*.yaml")
    }
    assert examples().keys() == files
    listed = [line.split()[0] for line in bench("examples").out.splitlines()[1:]]
    assert set(listed) == files


def test_init_copies_an_example(bench: Bench) -> None:
    assert bench("init", "mine.yaml", "--from", "book/eta-0.25").code == 0
    assert (bench.folder / "mine.yaml").read_text() == (
        ROOT / "configs/book/eta-0.25.yaml"
    ).read_text()
    said = bench("init", "other.yaml", "--from", "quikstart")
    assert (said.code, said.out) == (2, "")
    assert said.err == "--from: there is no example 'quikstart'; did you mean quickstart?\n"


def test_standard_input_needs_a_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (bench.folder / "tiny.yaml").read_bytes()

    def train(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return bench("train", "-", "-q", *words)

    assert train("--name", "x") == (0, "runs/x-s0\n", "")
    code, out, err = train()
    assert (code, out) == (2, "")
    assert err == "-: a config from a pipe has no name for its runs; give one with --name\n"


@pytest.mark.parametrize("command", ["sweep", "search", "find-rate", "tune"])
def test_commands_without_name_need_a_file(bench: Bench, command: str) -> None:
    space = "--space lambda=[0,1]" if command == "search" else ""
    line = f"{sys.executable} -m nnexp {command} <(cat tiny.yaml) -q {space}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=bench.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "a config from a pipe has no name for its runs; write it to a file\n" in done.stderr


def test_a_pipe_can_be_trained_with_a_name(bench: Bench) -> None:
    line = f"{sys.executable} -m nnexp train <(cat tiny.yaml) -q --name x"
    done = subprocess.run(
        ["bash", "-c", line], cwd=bench.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs/x-s0\n", "")


@pytest.mark.parametrize("command", ["train", "sweep", "search", "find-rate"])
def test_a_file_s_name_that_no_run_can_have_says_what_to_do(bench: Bench, command: str) -> None:
    bench.config("my config (1).yaml")
    more = {"sweep": ["--grid", "lambda=0,1"], "search": ["--space", "lambda=[0, 1]"]}
    said = bench(command, "my config (1).yaml", *more.get(command, []))
    assert (said.code, said.out) == (2, "")
    assert "cannot begin a run's name" in said.err
    assert "rename the config's file" in said.err
    assert not os.path.lexists("runs")


@pytest.mark.parametrize("given", ["configs/quickstart.yaml", "quickstrt"])
def test_a_missing_file_that_resembles_an_example_is_said(bench: Bench, given: str) -> None:
    told = f"{given}: there is no such file; did you mean the example quickstart?\n"
    assert bench("train", given) == (2, "", told)


def test_a_wheel_has_the_examples_where_the_package_looks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lie beside the package in a checkout, and within it in a wheel."""
    beside = examples()
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    package = tmp_path / "nnexp"
    monkeypatch.setattr("nnexp.__file__", str(package / "__init__.py"))
    within = examples()
    assert within.keys() == beside.keys()
    assert all(path.is_relative_to(package) for path in within.values())
