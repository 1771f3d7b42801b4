"""Tunings by the command line: their decisions, runs and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import Bench, Said


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def trials(bench: Bench) -> set[str]:
    return {path.parent.name for path in bench.folder.glob("runs/*/metrics.jsonl")}


def decisions(said: Said) -> dict[str, Any]:
    assert said.code == 0, said.err
    tree: dict[str, Any] = json.loads(said.out)
    return tree
