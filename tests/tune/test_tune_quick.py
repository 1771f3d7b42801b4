"""The quick problem: its examples, its chance accuracy, and the search for λ that starts there."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.tune import choice, quick_problem
from nnexp.tune.quick_problem import LEVEL, ChanceLevel, chance_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnexp.datasets.dataset import Labels
    from tests.conftest import Bench

ENDS = (1e-4, 1e4)


@pytest.mark.parametrize(
    ("labels", "n"),
    [
        (np.arange(50_000) % 10, 1000),
        (np.arange(400) % 10, 400),
        (np.sort(np.arange(50_000) % 10), 50_000),  # the last class begins at 45,000
        (np.repeat([0, 1, 0, 1], 1500), 2000),  # 500 of class 1, of 1,000
        (np.append(np.arange(5000) % 2, [2]), 1000),  # one example has no fair share
        (np.append(np.zeros(1000, int), np.arange(9000) % 2), 2000),
    ],
)
def test_the_quick_problem_has_half_of_each_class_s_share(labels: Labels, n: int) -> None:
    assert quick_problem.representative_count(labels) == n
    counts, held = np.bincount(labels), np.bincount(labels[:n], minlength=labels.max() + 1)
    assert (held >= np.floor(counts * n / len(labels) / 2)).all()


@pytest.mark.parametrize(
    ("counts", "share", "limit"),
    [
        ((10, 10), 0.5, 17 / 20),  # P(17 or more of 20) is 0.0013, P(18 or more) 0.0002
        ((5, 5), 0.5, 10 / 10),
        ((4, 4), 0.5, None),  # all 8 right by chance once in 256
        ((49, 1), 0.98, None),
        ((12,), 1.0, None),
    ],
)
def test_guessing(counts: tuple[int, ...], share: float, limit: float | None) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    n = len(labels)
    found = chance_level(labels)
    assert found.share == share
    tails = [
        sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(right, n + 1))
        for right in range(n + 1)
    ]
    enough = [right / n for right, tail in enumerate(tails) if tail <= LEVEL and share < 1]
    assert found.limit == min(enough, default=None)
    assert found.limit is None or found.is_beaten_by(found.limit)
    assert found.limit is None or not found.is_beaten_by(found.limit - 1 / n)
    assert limit is None or found.limit == pytest.approx(limit, abs=1 / n + 1e-9)
    assert (limit is None) == (found.limit is None)


def test_nothing_beats_what_cannot_be_told() -> None:
    assert not ChanceLevel(0.5, None).is_beaten_by(1.0)


def walked(accuracy: Callable[[float], float], chance: float) -> list[float]:
    """Return the λ that are tried where accuracy is a function of it."""
    scores: dict[float, choice.Score] = {}

    def learned(value: float) -> bool:
        return value > chance

    while strengths := choice.next_strengths(scores, 1.0, 1000, ENDS, learned):
        scores |= {s: choice.Score(accuracy(s), 1 - accuracy(s)) for s in strengths}
    return list(scores)


def test_where_nothing_is_learned_lambda_goes_down_until_something_is() -> None:
    tried = walked(lambda strength: 0.1 if strength >= 0.01 else 0.9, chance=0.12)
    assert tried == [1.0, 0.1, 0.01, 0.001, 0.0001]
    assert walked(lambda _: 0.0, chance=0.12) == [1.0, 0.1, 0.01, 0.001, 0.0001]


def test_where_something_is_learned_both_sides_are_tried() -> None:
    peak = walked(lambda strength: {0.1: 0.9, 1.0: 0.95, 10.0: 0.8}.get(strength, 0.5), chance=0.12)
    assert peak == [1.0, 0.1, 10.0]


@pytest.mark.slow
def test_data_in_the_order_of_its_classes_is_tuned(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    labels = np.sort(np.arange(2400) % 3)
    features = rng.normal(0, 0.3, (2400, 4)) + np.eye(3, 4)[labels]
    seen: Any = {"x_validation": features[::2], "y_validation": labels[::2]}
    np.savez(bench.folder / "sorted.npz", x_train=features, y_train=labels, **seen)
    bench.config("sorted.yaml", data={"name": "npz", "file": "sorted.npz", "scale": 1})
    code, out, err = bench("tune", "sorted.yaml", "-q", "--only", "eta")
    assert (code, err) == (0, "")
    assert "% on a quick problem with all classes, where guessing gives 40.00 %" in out
    told = (bench.folder / "sorted-tuned" / "decisions.md").read_text()
    assert "so 2,000 are used" in told.replace("\n", " ")


def test_too_few_validation_examples_are_told_from_bad_ones(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    features = rng.normal(0, 0.1, (400, 4)) + np.eye(2, 4)[labels]
    few: Any = {"x_validation": features[:8], "y_validation": labels[:8]}
    np.savez(bench.folder / "few.npz", x_train=features, y_train=labels, **few)
    bench.config("few.yaml", data={"name": "npz", "file": "few.npz", "scale": 1})
    code, out, err = bench("tune", "few.yaml", "-q", "--only", "eta")
    assert (code, out) == (1, "")
    assert err.startswith("there are too few validation examples")


def test_other_data_is_another_problem(bench: Bench) -> None:
    command = ("find-rate", "tiny.yaml", "-q", "--epochs", "10")
    assert bench(*command).code == 0
    before = set(bench.folder.glob("runs/tiny-*")), set(bench.folder.glob("runs/.thresholds/*"))
    bench.data(seed=1)
    assert bench(*command).code == 0
    after = set(bench.folder.glob("runs/tiny-*")), set(bench.folder.glob("runs/.thresholds/*"))
    assert len(after[0]) >= len(before[0]) + 3
    assert len(after[1]) == len(before[1]) + 1
