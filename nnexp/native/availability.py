"""The user's choice of a backend, and whether the native kernels can run here."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from nnexp.errors import UsageError

SOURCES = Path(__file__).parent / "src"

NOTE = Path(__file__).with_name("not-built.txt")
"""The reason why nnexp was built without the extension; exists only then."""

Choice: TypeAlias = Literal["auto", "native", "numpy"]
CHOICES: dict[str, Choice] = {choice: choice for choice in get_args(Choice)}

VARIABLE = "NNEXP_BACKEND"
"""The environment variable with the user's choice of a backend, which processes inherit."""

KERNELS = "NNEXP_NATIVE_KERNELS"
"""The environment variable with the kind of kernels to use in place of the fastest."""


def chosen() -> Choice:
    """Return the user's choice: by default auto, native where that is possible.

    Raises: UsageError if the environment variable has another value.
    """
    value = os.environ.get(VARIABLE) or "auto"
    if value not in CHOICES:
        raise UsageError(f"{VARIABLE} must be auto, native or numpy, got {value!r}")
    return CHOICES[value]


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
            return "it is not built; run python -m nnexp.native.build"
        return f"it was not built, since {reason}"
    try:
        from nnexp.native import _kernels  # noqa: PLC0415 - may fail
    except ImportError as error:
        return str(error)
    if getattr(_kernels, "SOURCES", None) != digest():
        return "it was built from other sources; run python -m nnexp.native.build"
    return None


def description() -> str:
    """Return the backend of configs that both can train, with the reason, in one line.

    Raises: UsageError if the user's choice is none.
    """
    choice, missing = chosen(), why_unavailable()
    if choice == "numpy":
        return f"numpy ({VARIABLE} is numpy)"
    if missing is None:
        return f"native ({kernels()})"
    return f"{'numpy' if choice == 'auto' else 'none'} (native is not available: {missing})"
