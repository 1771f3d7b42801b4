"""Skip a test whose packages, of the extra ``interop``, are not installed."""

from __future__ import annotations

import importlib.util
import os

import pytest

MUST_RUN = "NNEXP_INTEROP_MUST_RUN"
"""Set where the extra is installed: a missing package then fails the test."""


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def require(*packages: str) -> None:
    """Skip or fail the test unless all packages are installed."""
    if missing := [package for package in packages if not is_installed(package)]:
        reason = f"{', '.join(missing)} of the extra interop is not installed"
        if os.environ.get(MUST_RUN):
            pytest.fail(f"{MUST_RUN} is set, but {reason}")
        pytest.skip(reason)
