"""Every command and snippet of docs/export.md runs, where the packages that it needs are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.export.page import COMMANDS, PACKAGES, PAGE, Program, programs
from tests.export.requirements import is_installed, require

if TYPE_CHECKING:
    from tests.conftest import Bench

ROOT = Path(__file__).parents[2]
EXTRAS = {"onnx": "onnx", "safetensors": "safetensors", "tensorboard": "tensorboardX"}
"""The package that an export to a format needs."""
QUICK = ("--set", "data.train=2000", "--set", "epochs=2")
PROGRAMS = programs()
NUMPY = [program for program in PROGRAMS if not program.packages]
OTHERS = [program for program in PROGRAMS if program.packages]


def run(folder: Path, program: str) -> str:
    """Return what a program prints, warnings being errors of the page."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout
    return done.stdout


def command(folder: Path, line: str) -> None:
    """Run a command of the page, on less data and for fewer epochs."""
    words = shlex.split(line)
    target = words[words.index(">") + 1] if ">" in words else None
    arguments = words[1 : words.index(">")] if target else words[1:]
    quick = QUICK if words[1] == "train" else ()
    printed = subprocess.run(
        [sys.executable, "-m", "nnexp", *arguments, *quick],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stderr == ""
    if target:
        (folder / target).write_text(printed.stdout)


def needed(line: str) -> str | None:
    """Return the package that a command needs."""
    words = shlex.split(line)
    return EXTRAS.get(words[words.index("--to") + 1]) if "--to" in words else None


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's commands were run, as far as their packages are there."""
    folder = tmp_path_factory.mktemp("page")
    for line in COMMANDS:
        package = needed(line)
        if package is None or is_installed(package):
            command(folder, line)
    run(folder, PROGRAMS[0].text)
    return folder


def test_numpy_alone_predicts_the_classes_of_the_run(bench: Bench) -> None:
    command(bench.folder, COMMANDS[0].replace("--seeds 2", ""))
    images, steps = NUMPY
    assert run(bench.folder, images.text) == "(10000, 784)\n"
    lines = run(bench.folder, steps.text).splitlines()
    assert lines[:2] == ["[('weights_1', (784, 30)), ('weights_2', (30, 10))]", "[7, 2, 1, 0, 4]"]
    same, right = map(float, lines[2].split())
    assert same >= 0.9999  # a tie may go the other way
    assert right > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("program", OTHERS, ids=lambda program: "-".join(program.packages))
def test_a_snippet_runs(exported: Path, program: Program) -> None:
    require(*program.packages)
    if "logs/" in program.text:
        require("tensorboardX")
    if "digits.onnx" in program.text:
        require("onnx")
    printed = run(exported, program.text)
    if "images.npy" in program.text:
        assert re.search(r"7\D+2\D+1\D+0\D+4", printed)
    else:
        assert re.search(r"0\.[89]\d", printed), "accuracies"


def test_every_snippet_is_in_a_program_and_every_package_in_the_extra() -> None:
    assert sum(program.text.count("\nprint(") for program in PROGRAMS) == PAGE.count("\nprint(")
    assert {name for program in PROGRAMS for name in program.packages} == {*PACKAGES}
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    interop = re.search(r"^interop = \[.*?^\]", project, re.DOTALL | re.MULTILINE)
    assert interop is not None
    for package in {*PACKAGES} - {"safetensors"}:
        assert f'"{package}' in interop[0]
    assert '"nnexp[onnx,safetensors,tensorboard]"' in interop[0]


def test_every_extra_is_in_the_readme() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    section = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    extras = set(re.findall(r"^(\w+) = \[", section, re.MULTILINE))
    assert "interop" in extras
    readme = (ROOT / "README.md").read_text("utf-8")
    sentence = readme.partition("Large packages are extras")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == extras | {"export"}


def test_the_figures_are_bounds_that_the_tests_hold() -> None:
    from tests.export.networks import BOUNDS, NEAR  # noqa: PLC0415 - trains

    rows = re.findall(r"^\| (float\d+) \| (\S+) \| (\S+) \| (\S+) \|", PAGE, re.MULTILINE)
    assert {row[0] for row in rows} == BOUNDS.keys()
    for dtype, *figures in rows:
        assert all(float(figure) <= BOUNDS[dtype] <= NEAR for figure in figures)
