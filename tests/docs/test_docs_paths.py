"""Files, functions and classes named in the developer documents exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.test_architecture import ORDER, PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MAP = ROOT / "docs" / "architecture.md"
DOCUMENTS = [MAP, ROOT / "CONTRIBUTING.md"]
CODE = re.compile(r"`([\w./-]+?(?:\.(?:py|md|yaml|toml|json|css)|/))(?:: ([\w., ]+))?`")
PLACEHOLDERS = {"my.yaml", "my-sweep.yaml", "result.json", "run.json", "site/"}


def mentions(page: Path) -> list[tuple[str, str]]:
    """Return the paths that a page names, each with the names that it holds."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return [(path, names) for path, names in CODE.findall(text) if path not in PLACEHOLDERS]


def defined(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    """Generate the names that a module defines, and those of its classes as Class.name."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from defined(node, f"{prefix}{node.name}.")
        if isinstance(node, ast.Assign):
            yield from (prefix + each.id for each in node.targets if isinstance(each, ast.Name))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_paths_and_names_exist(page: Path) -> None:
    wrong = []
    found = mentions(page)
    for path, names in found:
        file = next((each for each in (PACKAGE / path, ROOT / path) if each.exists()), None)
        if file is None:
            wrong.append(path)
        elif names:
            known = set(defined(ast.parse(file.read_text("utf-8"))))
            wrong += [f"{path}: {name}" for name in names.split(", ") if name not in known]
    assert not wrong
    assert len(found) > 20


def test_the_map_has_every_layer_in_its_order() -> None:
    table = MAP.read_text("utf-8").partition("## Layers")[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if re.match(r"\| \d", line)]
    layers = [
        {name.rstrip("/").removesuffix(".py") for name in re.findall(r"`(.*?)`", row)}
        for row in rows
    ]
    assert {name for layer in layers for name in layer} == set(ORDER)
    height = {name: -place for place, layer in enumerate(layers) for name in layer}
    assert [height[name] for name in ORDER] == sorted(height[name] for name in ORDER)
