"""The packaged examples, which every command takes by name in place of a file."""

from __future__ import annotations

from pathlib import Path

import nnexp
from nnexp import paths


def examples() -> dict[str, Path]:
    """Return the packaged examples' files by name, such as quickstart or book/eta-0.25.

    They lie beside the package in a checkout, and within it where it was installed from a wheel.
    """
    package = Path(nnexp.__file__).parent
    folder = next(
        (f for f in (package / "configs", package.parent / "configs") if paths.is_folder(f)), None
    )
    files = [] if folder is None else sorted(folder.rglob("*.yaml"))
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files if folder}
