"""Every command of the guides runs in an empty folder and prints what the page shows.

Numbers may differ, as they do on other processors; words, verdicts and names may not.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from nnexp.analysis.power import power
from nnexp.cli import cli
from tests.export.requirements import is_installed

pytestmark = pytest.mark.docs

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [*sorted((DOCS / "guides").glob("*.md")), DOCS / "equal-bytes.md"]
PART = re.compile(
    r"^```(?P<language>sh|yaml)\n(?P<code>.*?)^```$"
    r"|^<!-- output: (?P<name>[\w-]+)(?:, exit (?P<exit>\d+))? -->\n(?P<shown>.*?)^<!-- end -->$",
    re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"\d[\d.,]*(?:e[+-]?\d+)?(?:-\d+)?")


class Step(NamedTuple):
    """A block of commands, with the output that the page shows below it, if any."""

    script: str
    name: str = ""
    shown: str = ""
    code: int = 0


def steps(page: str, folder: Path) -> list[Step]:
    """Return a page's steps; write the files that its YAML blocks name in their first lines."""
    found: list[Step] = []
    for part in PART.finditer(page):
        if part["language"] == "yaml":
            if name := re.match(r"# (\S+\.yaml)\n", part["code"]):
                (folder / name[1]).write_text(part["code"])
        elif part["language"] == "sh":
            found.append(Step(part["code"]))
        else:
            lines = [line.removeprefix("    ") for line in part["shown"].strip("\n").splitlines()]
            code = int(part["exit"] or 0)
            found[-1] = Step(found[-1].script, part["name"], "\n".join(lines), code)
    return found


def run(step: Step, folder: Path) -> str:
    """Run a step; return its stdout or, if the page shows an error, its stderr."""
    binaries = folder / ".bin"
    binaries.mkdir(exist_ok=True)
    for name, module in (("nnexp", " -m nnexp"), ("python", "")):
        command = binaries / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}"{module} "$@"\n')
        command.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", step.script],
        cwd=folder,
        env={**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == step.code, done.stderr
    return done.stderr if step.code else done.stdout


def words(text: str) -> list[str]:
    """Return a text's words, with a sign for each number; names that contain digits stay."""
    return [
        word if re.search(r"[a-df-z]", word, re.IGNORECASE) else NUMBER.sub("#", word)
        for word in text.split()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_guide_s_commands_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    found = steps(page.read_text("utf-8"), tmp_path)
    assert any(step.name for step in found)
    for step in found:
        if "onnx" in step.script and not all(map(is_installed, ("onnx", "onnxruntime"))):
            continue
        printed = run(step, tmp_path)
        if step.name:
            assert words(printed) == words(step.shown), step.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_within_sentences_exist_with_their_options(page: Path) -> None:
    context = click.Context(cli)
    lines = re.findall(r"`nnexp ([a-z][a-z-]*)([^`]*)`", page.read_text("utf-8"))
    for name, rest in lines:
        command = cli.get_command(context, name)
        assert command is not None, name
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest.split() if word.startswith("-")} <= known


def test_the_differences_that_seeds_find_are_those_of_the_power_of_the_test() -> None:
    page = (DOCS / "inside-the-noise.md").read_text("utf-8")
    rows = re.findall(r"^\| (?:seeds|difference found in 80 %) \| (.*) \|$", page, re.MULTILINE)
    seeds, differences = (row.split(" | ") for row in rows)
    for count, difference in zip(seeds, differences, strict=True):
        assert power(float(difference), int(count), "paired t") == pytest.approx(0.8, abs=0.005)
