"""Make a process do without what only Linux has: fork, prctl, O_TMPFILE.

Python imports this module when it starts, if its folder is on PYTHONPATH. macOS has a fork, but
what a process used before it may not be used after it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any


class Library(ctypes.CDLL):
    """A library without prctl."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - ctypes's type is private
        if name == "prctl":
            raise AttributeError(name)
        return super().__getattr__(name)


ctypes.CDLL = Library  # type: ignore[misc]
vars(os).pop("O_TMPFILE", None)
IS_TEST = "pytest" in sys.orig_argv or any("exec(eval(" in word for word in sys.orig_argv)
"""Tests themselves may fork, nnexp in them may not: ``no_fork``. By such a command, pytest-xdist
starts its workers."""
if not IS_TEST:
    vars(os).pop("fork", None)
