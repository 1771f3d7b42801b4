"""Checks of things that come from outside, shared by all who read them."""

from __future__ import annotations

import re

NAME_LENGTH = 100
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_LENGTH - 1}}}", re.ASCII)


def is_run_name(name: str) -> bool:
    """Return whether a run may be called so: letters, digits, ``._-``, at most 100."""
    return NAME.fullmatch(name) is not None


LONGEST = 1000
"""Characters of a line: enough for any message about any path that is not made to annoy."""


def one_line(text: str) -> str:
    """Return text as a line that is harmless and not endless: the middle of a long one goes."""
    line = printable(text)
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def printable(text: str) -> str:
    """Return text as one line, all escaped that could steer a terminal or reorder a line.

    What Python calls printable is neither control character, nor bidi override, nor line
    or paragraph separator, nor half a surrogate pair.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
