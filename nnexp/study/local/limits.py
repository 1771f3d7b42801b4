"""What a trial may take: time, and memory as it is resident."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)


class Limits(NamedTuple):
    """What each trial may take; None: whatever it wants."""

    seconds: float | None = None
    memory: int | None = None
    """Bytes that are resident, as ``ps`` and ``top`` show them: those shared with others count."""


def size(text: str) -> int:
    """Return the bytes that ``500M`` or ``1.5G`` stands for; K, M, G, T are powers of 1024.

    Raises:
        ValueError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    number = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if not number:
        raise ValueError(f"{text!r} is no size, such as 500M or 1.5G")
    return number


def in_words(number: int) -> str:
    """Return a number of bytes as people read it."""
    if number < UNITS["K"]:
        return f"{number} bytes"
    unit = "M" if number >= UNITS["M"] else "K"
    amount = number / UNITS[unit]
    digits = 1 if amount < 10 and amount % 1 else 0  # noqa: PLR2004 - from there on it is no matter
    return f"{amount:,.{digits}f} {unit}B"


def resident(pid: int) -> int:
    """Return the bytes of a process that are in memory, 0 where it is gone.

    An address space says little: libraries reserve much that they never touch.
    """
    if sys.platform == "linux":
        try:
            pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    command = ["/bin/ps", "-o", "rss=", "-p", str(pid)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - a number
    return int(told or 0) * 1024
