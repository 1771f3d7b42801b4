"""The snippets of docs/export.md, by section, as one program each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text("utf-8")
PACKAGES = ("duckdb", "onnxruntime", "pandas", "polars", "safetensors", "tensorboard", "torch")
"""Packages of the extra ``interop``, which snippets import."""


class Program(NamedTuple):
    """Snippets that belong together: one that needs a package, and those that continue it."""

    section: str
    packages: tuple[str, ...]
    text: str


def programs() -> list[Program]:
    """Return the programs of the page, in order; the first one saves the images."""
    found: list[Program] = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE):
        heading = section.partition("\n")[0]
        for snippet in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
            imported = re.findall(r"^(?:import|from) (\w+)", snippet, re.MULTILINE)
            packages = tuple(name for name in PACKAGES if name in imported)
            if found and found[-1].section == heading and not packages:
                before = found.pop()
                found.append(before._replace(text=f"{before.text}\n{snippet}"))
            else:
                found.append(Program(heading, packages, snippet))
    return found


def program(section: str) -> str:
    """Return the text of a section that has one program."""
    (only,) = (each.text for each in programs() if each.section == section)
    return only


COMMANDS = re.findall(r"^nnexp .*", PAGE, re.MULTILINE)
"""The commands that write what the snippets read."""
