"""Pages whose commands are run one after another, and show what each prints.

A block of commands is fenced as ``sh``; the block after it, indented in ``<!-- output: name -->``,
is everything that the commands print. A block of commands without one prints nothing.

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
    r"|^<!-- output: (?P<name>\S+) -->\n(?P<output>.*?)^<!-- end -->$",
    re.DOTALL | re.MULTILINE,
)
MARK = "=== end of step"
INSTALLATION = "pip install"


class Step(NamedTuple):
    """A block of commands, and what it prints according to the page."""

    commands: str
    output: str


def steps(page: str) -> list[Step]:
    """Return the steps of a page in Markdown."""
    blocks = [
        (match["commands"] is not None, match["commands"] or _outdented(match["output"]))
        for match in BLOCK.finditer(page)
    ]
    return _paired(blocks)


def steps_of_html(page: str) -> list[Step]:
    """Return the steps of a built page: ``sh`` blocks, and the blocks of text after them."""
    parser = _Blocks()
    parser.feed(page)
    return _paired(parser.blocks)


def _paired(blocks: list[tuple[bool, str]]) -> list[Step]:
    """Pair blocks, of commands or not, in the order of the page."""
    pairs = zip_longest(blocks, blocks[1:], fillvalue=(True, ""))
    return [
        Step(text, "" if is_next else following)
        for (is_commands, text), (is_next, following) in pairs
        if is_commands
    ]


def _outdented(block: str) -> str:
    return "\n".join(line[4:] for line in block.strip("\n").splitlines()) + "\n"


class _Blocks(HTMLParser):
    """Collect the blocks of code in a page that Sphinx built."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[tuple[bool, str]] = []
        self._is_commands = self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = dict(attrs).get("class") or ""
        if found := re.search(r"\bhighlight-(\w+)", classes):
            self._is_commands = found[1] == "sh"
        if tag == "pre":
            self._is_inside = True
            self.blocks.append((self._is_commands, ""))

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            is_commands, text = self.blocks[-1]
            self.blocks[-1] = (is_commands, text + data)


class Result(NamedTuple):
    """Exit code and output of a step; errors and progress are part of the output."""

    code: int
    output: str


def run(found: list[Step], folder: Path, home: Path, path: str) -> list[Result]:
    """Run steps in one shell, as a reader does, and return a result for each.

    Args:
        found: the steps.
        folder: where the shell starts.
        home: an empty folder, so that no setting or cache of the user has a part in it.
        path: the value of PATH.
    """
    script = ["exec 2>&1"]
    for number, step in enumerate(found):
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


def run_without_installation(found: list[Step], folder: Path) -> list[Result]:
    """Run all steps but the installation, with this interpreter's nnexp, in a new folder."""
    places = {name: folder / name for name in ("bin", "home", "work")}
    for place in places.values():
        place.mkdir()
    command = places["bin"] / "nnexp"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec "{sys.executable}" -m nnexp "$@"\n')
    command.chmod(0o755)
    path = f"{places['bin']}{os.pathsep}{os.environ['PATH']}"
    kept = [step for step in found if INSTALLATION not in step.commands]
    return run(kept, places["work"], places["home"], path)


def rewritten(page: str, outputs: list[str]) -> str:
    """Return a page with other outputs, in its order."""
    left = iter(outputs)

    def block(match: re.Match[str]) -> str:
        if match["name"] is None:
            return match[0]
        lines = "\n".join(f"    {line}".rstrip() for line in next(left).strip("\n").splitlines())
        return f"<!-- output: {match['name']} -->\n\n{lines}\n\n<!-- end -->"

    return BLOCK.sub(block, page)


def main(pages: list[Path]) -> None:
    """Run the commands of the first page, and write what they print into all of them."""
    from tests.study.studies import without_times  # noqa: PLC0415 - NumPy, after the environment

    found = [
        step for step in steps(pages[0].read_text("utf-8")) if INSTALLATION not in step.commands
    ]
    with tempfile.TemporaryDirectory() as folder:
        results = run_without_installation(found, Path(folder))
    shown = [
        without_times(result.output)
        for step, result in zip(found, results, strict=True)
        if step.output
    ]
    for step, result in zip(found, results, strict=True):
        if result.code or (result.output and not step.output):
            sys.stderr.write(f"{step.commands}{result.output}exit code {result.code}\n")
    for page in pages:
        page.write_text(rewritten(page.read_text("utf-8"), shown), "utf-8")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
