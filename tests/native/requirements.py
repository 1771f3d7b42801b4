"""Skip a test that needs a compiler, an emulator or an extension which this machine lacks."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from nnexp.native.availability import why_unavailable

MUST_RUN = "NNEXP_NATIVE_MUST_RUN"
"""Set where everything is installed: a missing requirement then fails the test."""


def lacking(what: str) -> NoReturn:
    """Skip a test whose requirements are missing, or fail it if they must be present."""
    if os.environ.get(MUST_RUN):
        pytest.fail(f"{MUST_RUN} is set, but {what}")
    pytest.skip(what, allow_module_level=True)


def require_extension() -> None:
    """Skip or fail a module whose tests use the extension if that cannot be loaded."""
    if (reason := why_unavailable()) is not None:
        lacking(reason)
