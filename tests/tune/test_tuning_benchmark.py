"""The benchmark of tune: how searches are judged and pooled."""

from __future__ import annotations

import pytest

from benchmarks import tuning
from benchmarks.tuning import Found, Judged
from nnexp.config.model import Config
from nnexp.optim.schedules import HalveOnPlateau
from nnexp.training.stopping import Accuracy, Cost


def judged(problem: str, seed: int, *points: float) -> Judged:
    """Return a search in which tune is ahead by some points, in turn over the judging seeds."""
    found = Found("grid", Config(), 100)
    ours = {j: 0.9 + 0.01 * points[i % len(points)] for i, j in enumerate(tuning.JUDGES)}
    theirs = dict.fromkeys(tuning.JUDGES, 0.9)
    return Judged(problem, seed, found, found, 200, ours, theirs, theirs)


def test_problems_count_alike_whatever_their_searches() -> None:
    searches = [judged("a", 0, 1.0), judged("a", 1, 1.0), judged("a", 2, 1.0), judged("b", 0, -2.0)]
    assert tuning.pooled(searches) == pytest.approx((-0.5, -0.5, -0.5))


def test_searches_and_judging_seeds_both_widen_the_pooled_interval() -> None:
    """Two searches that differ by 2 points are drawn alike in half of the draws."""
    mean, low, high = tuning.pooled([judged("a", 0, 1.0), judged("a", 1, -1.0)])
    assert (mean, low, high) == pytest.approx((0.0, -1.0, 1.0))
    mean, low, high = tuning.pooled([judged("a", 0, 1.0, -1.0)])
    assert mean == pytest.approx(0.0)
    assert high == pytest.approx(-low, abs=0.21)
    assert 0.4 <= high <= 0.8  # 1.96 / √10 is 0.62


def test_criteria_name_what_is_missed() -> None:
    worse, noisy = judged("a", 0, -1.0, -1.1), judged("b", 0, 1.0, -1.1)
    assert tuning.criteria([worse, noisy], [noisy])[0] == (
        "Nowhere worse beyond the noise: missed, for a."
    )
    assert tuning.criteria([noisy], [worse])[0] == "Nowhere worse beyond the noise: holds."
    better = judged("c", 0, 0.5)
    assert tuning.criteria([noisy], [better])[1] == (
        "With at most 60 % of the examples, the pooled interval begins above -0.3 points: "
        "holds (+0.50)."
    )
    assert "missed (-1.0" in tuning.criteria([noisy], [worse])[1]


def test_all_are_judged_with_the_same_end() -> None:
    """Unless tune chose a schedule, which ends a training by itself."""
    for config in (Config(epochs=30, patience=10), Config(patience=None, stopping=Cost())):
        ended = tuning.ended_alike(config)
        assert (ended.epochs, ended.patience, ended.stopping) == (100, 30, Accuracy())
    assert tuning.ended_alike(Config(schedule=HalveOnPlateau(patience=5))).patience is None
