"""Searches over a small space: the command, its options, and the runs that it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.study.spaces import RATE

if TYPE_CHECKING:
    from tests.conftest import Bench, Said

UNCONFIRMED = ("search", "tiny.yaml", "--confirm", "0")
LAMBDA = "lambda=uniform(0, 2)"


def search(bench: Bench, *arguments: str, runs: str = "runs") -> Said:
    """Search, without confirming the best trial unless the arguments say otherwise."""
    return bench(*UNCONFIRMED, "--space", RATE, "--runs", runs, *arguments)


def tree(bench: Bench, runs: str) -> dict[str, bytes]:
    """Return all files of all runs that must be the same, by path."""
    return {
        f"{name}/{path}": content
        for name in names(bench, runs)
        for path, content in bench.files(f"{runs}/{name}").items()
    }


def names(bench: Bench, runs: str = "runs") -> list[str]:
    return sorted(run.name for run in (bench.folder / runs).iterdir() if run.name[0] != ".")
