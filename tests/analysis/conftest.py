"""Fixtures of comparisons: two runs, and three experiments over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.analysis.histories import ROWS_A, ROWS_B, ending, history, seeds

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.fixture
def two(bench: Bench) -> Bench:
    """Two interrupted runs with curves that were made up, so that the answers are known."""
    for name, rows, *settings in (
        ("a", ROWS_A),
        ("b", ROWS_B, "learning_rate=1", "lambda=5", "data.train=100", "patience=null"),
    ):
        given = [argument for each in settings for argument in ("--set", str(each))]
        bench("train", "tiny.yaml", *given, "--name", name, "--until", "1", "-q")
        (bench.folder / f"runs/{name}-s0").rename(bench.folder / f"runs/{name}")
        (bench.folder / f"runs/{name}/metrics.jsonl").write_bytes(history(rows))
        bench.commit(f"runs/{name}")
    return bench


@pytest.fixture
def many(bench: Bench) -> Bench:
    """Three experiments: b beats a by 1 to 3 points at every seed, c is a with noise."""
    seeds(bench, "a", ending(0.90, 0.91, 0.92, 0.90, 0.91))
    seeds(bench, "b", ending(0.91, 0.93, 0.94, 0.93, 0.93), "learning_rate=1")
    seeds(bench, "c", ending(0.91, 0.90, 0.92, 0.91, 0.90), "learning_rate=0.1")
    return bench
