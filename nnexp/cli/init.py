"""nnexp init: a config to start from."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli import options
from nnexp.cli.output import put
from nnexp.errors import DiskError, UsageError


@click.command()
@click.argument("file", default="config.yaml", type=options.CONFIG, metavar="[FILE]")
def init(file: Path) -> None:
    """Write a config to FILE (default: config.yaml) with every key, its default and meaning.

    \b
    Example:
      nnexp init my.yaml

    An existing file is never overwritten.
    """
    from nnexp.config.schema import starter

    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(starter())
    except FileExistsError:
        raise UsageError(f"{file}: already exists; choose another name") from None
    except OSError as error:
        raise DiskError(f"{file}: {(error.strerror or str(error)).lower()}") from error
    put(str(file))
