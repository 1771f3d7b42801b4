"""Checks of things that come from outside, shared by all who read them."""

from __future__ import annotations

import re
import unicodedata

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def is_run_name(name: str) -> bool:
    """Return whether a run may be called so: letters, digits, ``._-``, at most 100."""
    return NAME.fullmatch(name) is not None


def printable(text: str) -> str:
    """Return text with everything escaped that could steer a terminal or reorder a line."""
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in text)


def _is_harmless(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"
