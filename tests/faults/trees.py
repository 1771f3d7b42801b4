"""Contents of a runs folder: the bytes that must be equal, and how often epochs were trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Bench


def runs(bench: Bench, folder: str = "runs") -> dict[str, dict[str, bytes]]:
    """Return the reproducible files of a folder's runs, by name."""
    names = [path.name for path in (bench.folder / folder).glob("[!.]*")]
    return {name: bench.files(f"{folder}/{name}") for name in sorted(names)}


def epochs_trained(bench: Bench, folder: str) -> int:
    """Return the number of epochs committed, including repeated ones, from timing.jsonl."""
    files = (bench.folder / folder).glob("*/timing.jsonl")
    return sum(len(path.read_text().splitlines()) for path in files)
