"""Small pieces of text output: lines, tables, percentages, JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import click

from nnexp.errors import DiskError


def put(text: str) -> None:
    """Write a line to stdout; that its reader has gone, as ``head`` does, is no error.

    Raises:
        DiskError: it cannot be written.
    """
    try:
        click.echo(text)
    except BrokenPipeError:
        _give_up(sys.stdout)
    except OSError as error:
        _give_up(sys.stdout)
        raise DiskError(f"standard output: {(error.strerror or str(error)).lower()}") from error


def say(line: str) -> None:
    """Write a line to stderr; that nobody reads it any more is no reason to stop a training."""
    if sys.stderr is None:  # it was closed before nnexp began
        return
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Let what a stream still holds vanish: Python would fail on it once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage with two decimals, or a dash."""
    return "-" if fraction is None else f"{100 * fraction:.2f} %"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return aligned columns: the first ``left`` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    if not os.environ.get("NO_COLOR"):
        lines[0] = click.style(lines[0], bold=True)
    return "\n".join(lines)


def as_json(value: Any) -> str:  # noqa: ANN401 - anything that JSON can say
    """Return a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
