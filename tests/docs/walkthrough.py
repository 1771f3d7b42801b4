"""Pages whose commands are run one after another, and show what each prints.

A block of commands is fenced as ``sh``; the block after it, indented in ``<!-- output: name -->``,
is what the commands print. ``<!-- output: name, exit 2 -->`` also has the exit code. A block of
YAML whose first line is a comment with a file's name is that file.

``python -m tests.docs.walkthrough docs/first-hour.md docs/first-hour.zh-CN.md`` runs the commands
of the first page, and writes what they print into all of them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^```sh\n(?P<commands>.*?)^```$"
    r"|^(?P<head><!-- output: [\w-]+(?:, exit (?P<exit>\d+))? -->)\n(?P<output>.*?)^<!-- end -->$",
    re.DOTALL | re.MULTILINE,
)
FILE = re.compile(r"^```yaml\n(# (\S+\.yaml)\n.*?)^```$", re.DOTALL | re.MULTILINE)
MARK = "=== end of step"
INSTALLATION = "pip install"


class Step(NamedTuple):
    """A block of commands, and what it prints according to the page."""

    commands: str
    output: str
    code: int = 0


class _Block(NamedTuple):
    """A block of commands, or of what they print."""

    is_commands: bool
    text: str
    code: int = 0


def steps(page: str) -> list[Step]:
    """Return the steps of a page in Markdown."""
    blocks = [
        _Block(is_commands=True, text=match["commands"])
        if match["head"] is None
        else _Block(False, _outdented(match["output"]), int(match["exit"] or 0))
        for match in BLOCK.finditer(page)
    ]
    heads = page.count("<!-- output:")
    assert sum(not block.is_commands for block in blocks) == heads, "an output is malformed"
    return _paired(blocks)


def write_files(page: str, folder: Path) -> None:
    """Write the YAML files that a page shows."""
    for content, name in FILE.findall(page):
        (folder / name).write_text(content, "utf-8")


def steps_of_html(page: str) -> list[Step]:
    """Return the steps of a built page: ``sh`` blocks, and the blocks of text after them."""
    parser = _Blocks()
    parser.feed(page)
    return _paired(parser.blocks)


def _paired(blocks: list[_Block]) -> list[Step]:
    """Pair blocks, of commands or not, in the order of the page."""
    nothing = _Block(is_commands=True, text="")
    pairs = zip_longest(blocks, blocks[1:], fillvalue=nothing)
    return [
        Step(block.text, "") if after.is_commands else Step(block.text, after.text, after.code)
        for block, after in pairs
        if block.is_commands
    ]


def _outdented(block: str) -> str:
    return "\n".join(line[4:] for line in block.strip("\n").splitlines()) + "\n"


class _Blocks(HTMLParser):
    """Collect the blocks of code in a page that Sphinx built."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[_Block] = []
        self._is_commands = self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = dict(attrs).get("class") or ""
        if language := re.search(r"\bhighlight-(\w+)", classes):
            self._is_commands = language[1] == "sh"
        if tag == "pre":
            self._is_inside = True
            self.blocks.append(_Block(self._is_commands, ""))

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            is_commands, text, code = self.blocks[-1]
            self.blocks[-1] = _Block(is_commands, text + data, code)


class Result(NamedTuple):
    """Exit code and output of a step; errors and progress are part of the output."""

    code: int
    output: str


def run(blocks: list[Step], folder: Path, home: Path, path: str) -> list[Result]:
    """Run steps in one shell, as a reader does, and return a result for each.

    Args:
        blocks: the steps.
        folder: where the shell starts.
        home: an empty folder, so that no setting or cache of the user has a part in it.
        path: the value of PATH.
    """
    script = ["exec 2>&1"]
    for number, step in enumerate(blocks):
        script += [step.commands, f'echo "{MARK} {number}: $?"']
    kept = {key: os.environ[key] for key in os.environ if not key.startswith(("NNEXP", "PYTHON"))}
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env={**kept, "HOME": str(home), "PATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    ends = list(re.finditer(rf"^{MARK} \d+: (\d+)\n", done.stdout, re.MULTILINE))
    starts = [0, *(end.end() for end in ends)]
    return [
        Result(int(end[1]), done.stdout[start : end.start()])
        for start, end in zip(starts, ends, strict=False)
    ]


def run_without_installation(blocks: list[Step], folder: Path) -> list[Result]:
    """Run all steps but the installation, with this interpreter's nnexp, in a new folder."""
    work, home = folder / "work", folder / "home"
    for directory in (work, home):
        directory.mkdir()
    kept = [step for step in blocks if INSTALLATION not in step.commands]
    return run(kept, work, home, path_with_nnexp(folder / "bin"))


def path_with_nnexp(binaries: Path) -> str:
    """Write the commands nnexp and python of this interpreter, and return a PATH that has them."""
    binaries.mkdir()
    for name, module in (("nnexp", " -m nnexp"), ("python", "")):
        command = binaries / name
        command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}"{module} "$@"\n')
        command.chmod(0o755)
    return f"{binaries}{os.pathsep}{os.environ['PATH']}"


def rewritten(page: str, outputs: list[str]) -> str:
    """Return a page with other outputs, in its order."""
    left = iter(outputs)

    def block(match: re.Match[str]) -> str:
        if match["head"] is None:
            return match[0]
        lines = "\n".join(f"    {line}".rstrip() for line in next(left).strip("\n").splitlines())
        return f"{match['head']}\n\n{lines}\n\n<!-- end -->"

    return BLOCK.sub(block, page)


def main(pages: list[Path]) -> None:
    """Run the commands of the first page, and write what they print into all of them."""
    from tests.study.studies import without_times  # noqa: PLC0415 - NumPy, after the environment

    blocks = [
        step for step in steps(pages[0].read_text("utf-8")) if INSTALLATION not in step.commands
    ]
    with tempfile.TemporaryDirectory() as folder:
        results = run_without_installation(blocks, Path(folder))
    shown = [
        without_times(result.output)
        for step, result in zip(blocks, results, strict=True)
        if step.output
    ]
    for step, result in zip(blocks, results, strict=True):
        if result.code or (result.output and not step.output):
            sys.stderr.write(f"{step.commands}{result.output}exit code {result.code}\n")
    for page in pages:
        page.write_text(rewritten(page.read_text("utf-8"), shown), "utf-8")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
