"""Small pieces of text output: tables, percentages, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click


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
    lines[0] = click.style(lines[0], bold=True)
    return "\n".join(lines)


def as_json(value: Any) -> str:  # noqa: ANN401 - anything that JSON can say
    """Return a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
