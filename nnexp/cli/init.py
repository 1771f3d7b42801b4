"""nnexp init: a config to start from."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli import candidates, options
from nnexp.cli.output import put
from nnexp.errors import DiskError, UsageError


@click.command()
@click.argument("file", default="config.yaml", type=options.AnyPath(), metavar="[FILE]")
@click.option(
    "--from",
    "example",
    metavar="NAME",
    shell_complete=candidates.examples,
    help="Copy this example (see nnexp examples).",
)
def init(file: Path, example: str | None) -> None:
    """Write a config to FILE (default: config.yaml) with every key, its default and meaning.

    \b
    Example:
      nnexp init my.yaml
      nnexp init my.yaml --from book/eta-0.25

    An existing file is never overwritten.
    """
    from nnexp import paths
    from nnexp.config.schema import starter
    from nnexp.store import disk

    if not paths.is_folder(file.parent):
        raise DiskError(f"{file}: {paths.no_folder(file.parent)}")
    content = starter() if example is None else _example(example)
    if not disk.create(file, content.encode("utf-8")):
        raise UsageError(f"{file}: already exists; choose another name")
    put(str(file))


def _example(name: str) -> str:
    from nnexp.config import messages
    from nnexp.config.examples import examples

    known = examples()
    if name not in known:
        hint = messages.hint(name, known, "nnexp examples lists them")
        raise UsageError(f"--from: there is no example {messages.shown(name)}{hint}")
    return known[name].read_text("utf-8")
