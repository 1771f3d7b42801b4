"""Every command of the guides runs in an empty folder and prints what the page shows.

Numbers may differ, as they do on other processors; words, verdicts and names may not.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import click
import pytest

from nnexp.analysis.power import power
from nnexp.cli import cli
from tests.docs import walkthrough
from tests.docs.walkthrough import Step
from tests.export.requirements import is_installed

pytestmark = pytest.mark.docs

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = sorted((DOCS / "guides").glob("*.md"))
PAGES = [*GUIDES, DOCS / "equal-bytes.md"]
NUMBER = re.compile(r"\d[\d.,]*(?:e[+-]?\d+)?(?:-\d+)?")


def run(step: Step, folder: Path, path: str) -> str:
    """Run a step; return its stdout or, if the page shows an error, its stderr."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", step.commands],
        cwd=folder,
        env={**os.environ, "PATH": path},
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
    text = page.read_text("utf-8")
    steps = walkthrough.steps(text)
    assert any(step.output for step in steps)
    walkthrough.write_files(text, tmp_path)
    path = walkthrough.path_with_nnexp(tmp_path / ".bin")
    for step in steps:
        if "onnx" in step.commands and not all(map(is_installed, ("onnx", "onnxruntime"))):
            continue
        printed = run(step, tmp_path, path)
        if step.output:
            assert words(printed) == words(step.output), step.commands


def test_a_page_s_blocks_are_its_steps(tmp_path: Path) -> None:
    page = """```sh
one
```

<!-- output: first, exit 3 -->

    a
      b

<!-- end -->

```yaml
# x.yaml
epochs: 3
```

```sh
two
```

```sh
three
```

<!-- output: third -->

    c

<!-- end -->
"""
    assert walkthrough.steps(page) == [
        Step("one\n", "a\n  b\n", 3),
        Step("two\n", ""),
        Step("three\n", "c\n"),
    ]
    walkthrough.write_files(page, tmp_path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("x.yaml", "# x.yaml\nepochs: 3\n")
    ]
    assert walkthrough.rewritten(page, ["d\n", "e\nf\n"]) == page.replace(
        "    a\n      b\n", "    d\n"
    ).replace("    c\n", "    e\n    f\n")
    with pytest.raises(AssertionError, match="malformed"):
        walkthrough.steps(page.replace("exit 3", "exits 3"))


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_commands_within_sentences_exist_with_their_options(page: Path) -> None:
    context = click.Context(cli)
    lines = re.findall(r"`nnexp ([a-z][a-z-]*)([^`]*)`", page.read_text("utf-8"))
    assert lines
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
