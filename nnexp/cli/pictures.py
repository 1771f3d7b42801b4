"""Draw pictures for commands, without the user's settings of matplotlib; errors are one line.

A command prints its result before it draws, so that no result is lost if drawing fails.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp import paths
from nnexp.errors import DrawingError, NnexpError

if TYPE_CHECKING:
    from nnexp.report.figure import Figure

SETTINGS = Path("matplotlibrc")
"""The file of settings that matplotlib reads from the working directory, before all others."""


def save(make: Callable[[], Figure], path: Path) -> None:
    """Draw a figure into a file.

    Args:
        make: returns the figure.
        path: the file, whose suffix is the format.

    Raises:
        DiskError: the file cannot be written.
        DrawingError: matplotlib failed.
    """
    with drawing(path):
        from nnexp.report import renderer

        renderer.save(make(), path)


@contextmanager
def drawing(path: Path) -> Iterator[None]:
    """Import matplotlib, and convert errors within the block to a DrawingError that names path."""
    try:
        with _hidden_settings():
            import nnexp.report.renderer  # noqa: F401 - it imports matplotlib
        yield
    except (NnexpError, MemoryError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0]
        raise DrawingError(f"{path}: cannot be drawn: {reason}") from error


@contextmanager
def _hidden_settings() -> Iterator[None]:
    """Hide the user's settings, which matplotlib reads when it is imported.

    Jupyter, for example, sets MPLBACKEND to a backend that is not installed here. Settings of the
    working directory cannot be turned off, so that it is left for a moment if it has any.
    """
    if "matplotlib" in sys.modules:
        yield
        return
    hidden = {"MPLBACKEND": None, "MATPLOTLIBRC": os.devnull}
    before = {name: os.environ.get(name) for name in hidden}
    _set(hidden)
    try:
        with _elsewhere():
            yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    """Set environment variables; None removes one."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Leave the working directory within the block, if it has settings of matplotlib."""
    if not paths.exists(SETTINGS):
        yield
        return
    with paths.errors(Path()):
        here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY)
    try:
        os.chdir(Path(os.devnull).parent)
        yield
    finally:
        os.fchdir(here)
        os.close(here)
