"""Skip a test that needs a compiler, an emulator or an extension which this machine lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
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


def run_with_kernels(
    kernels: str, *arguments: str, cwd: Path | None = None, **variables: str
) -> str:
    """Run this Python with some kernels, and return its output; skip if they cannot run here."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "NNEXP_NATIVE_KERNELS": kernels, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if f"no kernels named '{kernels}'" in done.stderr:
        pytest.skip(f"this processor cannot run the {kernels} kernels")
    assert done.returncode == 0, done.stderr
    return done.stdout


def require_extension() -> None:
    """Skip or fail a module whose tests use the extension if that cannot be loaded."""
    if (reason := why_unavailable()) is not None:
        lacking(reason)
