"""Whether this installation and this processor can run the native kernels."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path

SOURCES = Path(__file__).parent / "src"

NOTE = Path(__file__).with_name("not-built.txt")
"""The reason why nnexp was built without the extension; exists only then."""

VARIABLE = "NNEXP_BACKEND"
"""The environment variable with the user's choice of a backend, which processes inherit."""


def kernels() -> str:
    """Return the kind of processor whose kernels are used: avx512, avx2 or neon."""
    from nnexp.native import _kernels  # noqa: PLC0415 - may fail

    return _kernels.NAME


def digest() -> str:
    """Return a digest of the extension's sources, which it contains when it is built."""
    sha256 = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        sha256.update(path.name.encode() + b"\0" + path.read_bytes())
    return sha256.hexdigest()[:16]


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
        from nnexp.native import _kernels  # noqa: PLC0415 - may fail
    except ImportError as error:
        return str(error)
    if getattr(_kernels, "SOURCES", None) != digest():
        return "the extension was built from other sources: run python -m nnexp.native.build"
    return None
