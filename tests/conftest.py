"""What all tests share. It is imported first, so that what it sets holds when NumPy loads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for library in ("OPENBLAS", "OMP", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # two threads give other last bits

BOOK = Path(__file__).resolve().parents[2] / "shared" / "book"


@pytest.fixture(scope="session")
def book() -> Path:
    """The folder of the book's published curves, which are no part of the project."""
    if not BOOK.is_dir():
        pytest.skip(f"the book's curves are not at {BOOK}")
    return BOOK
