"""The folder that relative paths of data start from: the working directory, or ``--data-root``."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.errors import DataError

if TYPE_CHECKING:  # the command line imports this module for --help
    from collections.abc import Iterator

    from nnexp.datasets.sources import Source

VARIABLE = "NNEXP_DATA_ROOT"
"""The environment variable with the folder, which processes inherit."""


def chosen() -> str:
    """Return the folder that the user chose; empty for the working directory."""
    return os.environ.get(VARIABLE, "")


def located(source: Source) -> Source:
    """Return a source whose relative paths start from the chosen folder."""
    import msgspec  # noqa: PLC0415 - which --help does without

    root = chosen()
    given = {field: getattr(source, field) for field in source.path_fields if root}
    paths = {field: str(Path(root, path)) for field, path in given.items() if path is not None}
    return msgspec.structs.replace(source, **paths) if paths else source


@contextmanager
def naming_root(source: Source) -> Iterator[None]:
    """Complete an error about missing data with where its relative path starts from.

    Args:
        source: as in the config.
    """
    try:
        yield
    except DataError as error:
        if not _lacks_relative_path(source):
            raise
        raise DataError(f"{error}{_explanation()}") from error


def _lacks_relative_path(source: Source) -> bool:
    for field in source.path_fields:
        path = getattr(source, field)
        if path is not None and not os.path.isabs(path):  # noqa: PTH117 - as it is written
            try:
                Path(chosen(), path).stat()
            except FileNotFoundError:
                return True
            except (OSError, ValueError):  # the error says more
                continue
    return False


def _explanation() -> str:
    folder = "the working directory"
    with suppress(OSError):  # it may have been removed
        folder += f" {Path.cwd()}"
    if chosen():
        return f" ({VARIABLE} or --data-root is {chosen()}; {folder})"
    return f" (relative paths start from {folder}, or from --data-root DIR)"
