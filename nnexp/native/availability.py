"""Whether this installation and this processor can run the native kernels."""

from __future__ import annotations

import functools
import importlib.util

VARIABLE = "NNEXP_BACKEND"
"""The environment variable with the user's choice of a backend, which processes inherit."""


def kernels() -> str:
    """Return the kind of processor whose kernels are used: avx512, avx2 or neon."""
    from nnexp.native import _kernels  # noqa: PLC0415 - may fail

    return _kernels.NAME


@functools.cache
def why_unavailable() -> str | None:
    """Return why the native kernels cannot be used, or None if they can."""
    if importlib.util.find_spec("nnexp.native._kernels") is None:
        return "the extension is not built: run python -m nnexp.native.build"
    try:
        import nnexp.native._kernels  # noqa: F401, PLC0415 - may fail
    except ImportError as error:
        return str(error)
    return None
