"""Tables as other programs read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from nnexp.errors import printable


def as_csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as CSV (RFC 4180), a missing value as nothing between two commas."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return content.getvalue().rstrip("\n")


def as_markdown(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return a table as GitHub's Markdown: the first ``left`` columns to the left, others right."""
    lines = [header, ["---"] * left + ["---:"] * (len(header) - left), *rows]
    return "\n".join(f"| {' | '.join(map(escaped, line))} |" for line in lines)


def escaped(text: str) -> str:
    """Return text that Markdown shows as it stands."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#&~" else c for c in printable(text)).strip()
