"""Sizes in bytes, as options take them and tables show them: ``500M``, ``1.5 MB``."""

from __future__ import annotations

import re

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)


def parse_size(text: str) -> int:
    """Parse a size such as ``500M`` or ``1.5G`` into bytes; K, M, G, T are powers of 1024.

    Raises:
        ValueError: the text is malformed.
    """
    match = _SIZE.fullmatch(text.strip())
    number = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if not number:
        raise ValueError(f"{text!r} is not a size, such as 500M or 1.5G")
    return number


def format_size(number: int) -> str:
    """Format a number of bytes with a unit, such as ``1.5 MB``."""
    if number < UNITS["K"]:
        return f"{number} bytes"
    unit = "M" if number >= UNITS["M"] else "K"
    amount = number / UNITS[unit]
    digits = 1 if amount < 10 and amount % 1 else 0  # noqa: PLR2004 - two digits suffice
    return f"{amount:,.{digits}f} {unit}B"
