"""Runs with histories that were made up, for comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.conftest import Bench

ROWS_A = [(0.25, 0.90), (0.2, 0.9499), (0.15, 0.93), (0.125, 0.976)]
ROWS_B = [(0.5, 0.5), (0.25, 0.95), (0.2, 0.95)]


def history(rows: list[tuple[float, float]]) -> bytes:
    """Return metrics of (cost, accuracy) on the validation data, and twice the cost in training."""
    lines = [
        {"epoch": epoch, "learning_rate": 0.5}
        | {"train_cost": 2 * cost, "train_accuracy": 1.0}
        | {"validation_cost": cost, "validation_accuracy": accuracy}
        for epoch, (cost, accuracy) in enumerate(rows, 1)
    ]
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


Curve = list[tuple[float, float]]


def seeds(bench: Bench, name: str, curves: dict[int, Curve], *settings: str) -> None:
    """Make interrupted runs over seeds, with curves that were made up."""
    given = [argument for each in settings for argument in ("--set", each)]
    for seed, rows in curves.items():
        own = (*given, "--set", f"seed={seed}", "--name", f"{name}-s{seed}", "--until", "1", "-q")
        assert bench("train", "tiny.yaml", *own).code == 0
        (bench.folder / f"runs/{name}-s{seed}/metrics.jsonl").write_bytes(history(rows))
        bench.commit(f"runs/{name}-s{seed}")


def ending(*accuracies: float) -> dict[int, Curve]:
    """Return a curve for each seed: one epoch, of a cost and an accuracy."""
    return {seed: [(1.0, accuracy)] for seed, accuracy in enumerate(accuracies)}


def verdict(bench: Bench, *arguments: str) -> str:
    """Return what the fixed test says, before what looks at every seed say."""
    code, out, err = bench("compare", *arguments)
    assert (code, err) == (0, "")
    return out.partition("\nif you looked after every seed:")[0].splitlines()[-1]


LOOKED = "if you looked after every seed: B is still better (p = 0.0497)"
# On 60 examples, sd counts as 1/120, so that t² = 5 · 0.02² / (1/120)² = 28.8. With k = 4 · 5:
# e = 21^(-1/2) ((1 + 7.2) / (1 + 7.2 / 21))^(5/2) = 20.1, and p = 1/e.
PAIRED = "B is better: +2.00 ± 0.88 points (5 seeds, p = 0.003)"
# Differences 1, 2, 2, 3, 2: mean 2, sd 0.7071, t = 2 / (0.7071 / √5) = 6.325 on 4 degrees of
# freedom; p = 0.0032; 2.7764 · 0.3162 = 0.878.
