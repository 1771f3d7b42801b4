"""nnexp examples: the example configs of the package."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import click

from nnexp.cli.output import put


@click.command()
def examples() -> None:
    """List the example configs, which every command takes by name in place of a file.

    \b
    Example:
      nnexp examples
      nnexp train book/eta-0.25 --set epochs=5
    """
    from nnexp.config.examples import examples as packaged
    from nnexp.report.document import Table, as_text, plain

    rows = [[name, _purpose(path)] for name, path in packaged().items()]
    put(as_text(plain(Table(["example", "purpose"], rows, left=2))))


def _purpose(path: Path) -> str:
    """Return the first sentence of the comment at the top of an example."""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text("utf-8").splitlines())
    text = " ".join(line.removeprefix("#").strip() for line in lines)
    return text.partition(". ")[0].rstrip(".;")
