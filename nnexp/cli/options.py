"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

CONFIG = click.Path(path_type=Path)
PLACE = click.Path(path_type=Path)

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


class ManyNumbers(click.Command):
    """A command with an option that takes several whole numbers at once: ``--patience 5 10``.

    Args:
        several: the option, declared with ``multiple=True``.
        arguments: click's own.
    """

    def __init__(self, *, several: str, **arguments: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**arguments)
        self._several = several

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the option's name before each number that follows its first one."""
        return super().parse_args(ctx, list(self._spelled_out(args)))

    def _spelled_out(self, args: list[str]) -> Iterator[str]:
        words = iter(args)
        follows = False
        for word in words:
            if word == "--":
                yield from (word, *words)
            elif follows and word.isdecimal():
                yield from (self._several, word)
            elif word == self._several:
                yield from (word, *islice(words, 1))
                follows = True
            else:
                yield word
                follows = word.startswith(f"{self._several}=")
