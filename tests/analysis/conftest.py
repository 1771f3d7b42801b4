"""Fixtures of comparisons: two runs, and three experiments over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.analysis.histories import ROWS_A, ROWS_B, ending, history, seeds

if TYPE_CHECKING:
    from tests.conftest import Bench, Once


@pytest.fixture
def two(once: Once) -> Bench:
    """Two interrupted runs with curves that were made up, so that the answers are known."""
    return once(make_two)


def make_two(bench: Bench) -> None:
    """Train two runs for an epoch, and replace their histories."""
    for name, rows, *settings in (
        ("a", ROWS_A),
        ("b", ROWS_B, "learning_rate=1", "lambda=5", "data.train=100", "patience=null"),
    ):
        given = [argument for each in settings for argument in ("--set", str(each))]
        bench("train", "tiny.yaml", *given, "--name", name, "--until", "1", "-q")
        (bench.folder / f"runs/{name}-s0").rename(bench.folder / f"runs/{name}")
        (bench.folder / f"runs/{name}/metrics.jsonl").write_bytes(history(rows))
        bench.commit(f"runs/{name}")


@pytest.fixture
def many(once: Once) -> Bench:
    """Three experiments: b beats a by 1 to 3 points at every seed, c is a with noise."""
    return once(make_many)


def make_many(bench: Bench) -> None:
    """Train fifteen runs for an epoch, and replace their histories."""
    seeds(bench, "a", ending(0.90, 0.91, 0.92, 0.90, 0.91))
    seeds(bench, "b", ending(0.91, 0.93, 0.94, 0.93, 0.93), "learning_rate=1")
    seeds(bench, "c", ending(0.91, 0.90, 0.92, 0.91, 0.90), "learning_rate=0.1")
