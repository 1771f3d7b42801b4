"""Waiting for what another process does, without a guess how long it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SECONDS = 60.0
"""Time after which a wait fails."""


def until(happens: Callable[[], T], seconds: float = SECONDS) -> T:
    """Wait until a condition holds, and return what it then is.

    The condition may read files that another process renames or removes meanwhile: one that
    vanishes between being listed and being read means "not yet".
    """
    end = time.monotonic() + seconds
    while True:
        try:
            if found := happens():
                return found
        except FileNotFoundError:
            pass
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)
