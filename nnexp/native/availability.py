"""Whether this installation and this processor can run the native kernels."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

NOTE = Path(__file__).with_name("not-built.txt")
"""The reason why nnexp was built without the extension; exists only then."""

VARIABLE = "NNEXP_BACKEND"
"""The environment variable with the user's choice of a backend, which processes inherit."""


def kernels() -> str:
    """Return the kind of processor whose kernels are used: avx512, avx2 or neon."""
    from nnexp.native import _kernels  # noqa: PLC0415 - may fail

    return _kernels.NAME


@functools.cache
def why_unavailable() -> str | None:
    """Return why the native kernels cannot be used, in one line, or None if they can."""
    if importlib.util.find_spec("nnexp.native._kernels") is None:
        try:
            reason = NOTE.read_text("utf-8").strip()
        except OSError:
            return "the extension is not built: run python -m nnexp.native.build"
        return f"nnexp was built without its extension: {reason}"
    try:
        import nnexp.native._kernels  # noqa: F401, PLC0415 - may fail
    except ImportError as error:
        return str(error)
    return None
