"""Tables that fit the terminal: columns may be left out, but numbers are never truncated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

CUT = "…"
GAP = 2
NAME = 8
"""Minimum width of the first column, at which names remain distinguishable."""


def fitted(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Table:
    """Return a table that is at most ``width`` characters wide.

    The first column's names may be cut, but not where they differ. Others lose their headers'
    ends, then those before the last two are dropped, from the right; cells are never cut.
    """
    from rich.table import Table

    shown = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    widths = _widths(header, rows, width)
    for index, wide in widths.items():
        shown.add_column(header[index], width=wide, no_wrap=True, overflow="ellipsis")
    names = _cut([row[0] for row in rows], widths.get(0, 0))
    for name, row in zip(names, rows, strict=True):
        shown.add_row(*(row[index] if index else name for index in widths))
    return shown


def _cut(names: Sequence[str], width: int) -> list[str]:
    """Shorten wider names, but keep where they differ and how they end, as in tiny-0fe5…-s3."""
    letters = takewhile(lambda several: len(set(several)) == 1, zip(*names, strict=False))
    common = sum(1 for _ in letters) if len(names) > 1 else 0
    return [name if len(name) <= width else _shortened(name, common, width) for name in names]


def _shortened(name: str, common: int, width: int) -> str:
    """Shorten a name to ``width``; keep some characters after the common beginning."""
    begin, dash, end = name.rpartition("-")
    tail = dash + end
    room = width - len(tail) - len(CUT)
    if not begin or room < len(CUT):
        return name
    if not room <= common < len(begin):
        return begin[:room] + CUT + tail
    until = common + room - len(CUT)  # the beginning alone would not tell names apart
    return CUT + begin[common:until] + (CUT if until < len(begin) else "") + tail


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> dict[int, int]:
    """Return the widths of the columns that are shown, by index."""
    from rich.cells import cell_len

    needed = [max(map(cell_len, column), default=1) for column in zip(*rows, strict=True)]
    kept: dict[int, int] = {}
    left = width + GAP
    last = len(header) - 1
    for index in (last, last - 1, *range(1, last - 1)):
        if left >= needed[index] + GAP:
            kept[index] = needed[index]
            left -= needed[index] + GAP
    if left >= min(needed[0], NAME) + GAP:
        kept[0] = min(needed[0], left - GAP)
        left -= kept[0] + GAP
    for index in sorted(kept, reverse=True):  # headers get the rest of the width
        more = min(left, max(0, cell_len(header[index]) - kept[index]))
        kept[index] += more
        left -= more
    return dict(sorted(kept.items()))
