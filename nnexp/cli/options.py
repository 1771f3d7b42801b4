"""Options that several commands share."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click


class NameParam(click.Path):
    """A path as it was given, unlike click's, which treats errors of the disk as a missing file."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401 - click's own
        """Return the path."""
        del param, ctx
        return Path(value)


CONFIG = RUN = NameParam()


class Folder(click.Path):
    """A directory that exists or can be created."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401 - click's own
        """Return the path.

        Raises:
            DiskError: the path cannot be read.
        """
        from nnexp.store import disk

        path = Path(value)
        if (mode := disk.mode(path)) and not stat.S_ISDIR(mode):
            self.fail(f"Directory {value!r} is a file.", param, ctx)
        return path


def sets(settings: Iterable[str], key: str) -> bool:
    """Return whether ``--set`` sets a key."""
    return any(setting.partition("=")[0].strip() == key for setting in settings)


settings = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a key of the config, as in learning_rate=0.1 or data.train=1000; repeatable.",
)
runs = click.option(
    "--runs",
    type=Folder(),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="The folder of the run directories.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress, only results and errors.")
