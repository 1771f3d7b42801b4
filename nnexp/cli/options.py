"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

CONFIG = click.Path(path_type=Path)

settings = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a key of the config, as in learning_rate=0.1 or data.train=1000; repeatable.",
)
runs = click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="The folder of the run directories.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress, only results and errors.")
