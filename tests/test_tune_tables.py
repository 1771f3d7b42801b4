"""The rules behind the protocol, on numbers worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nnexp.analysis import decay
from nnexp.analysis.diagnosis import diagnose
from nnexp.config import rules
from nnexp.config.model import Config, PerExample
from nnexp.tune import choice

if TYPE_CHECKING:
    from nnexp.tune.choice import Scores

N = 1000
"""Validation images: two standard errors of a difference are 2.68 points at 90 %."""


def test_a_slow_descent_ends_the_search_once_it_is_beyond_the_noise_of_the_best() -> None:
    """From 90 % two points are lost by each decade: four are beyond the noise, two never."""
    accuracies = {1.0: 0.90, 10.0: 0.88, 100.0: 0.86, 1000.0: 0.84, 10_000.0: 0.82}
    scores: dict[float, dict[int, float]] = {}
    while (strength := choice.walk(scores, 1.0, N, (1e-4, 1e4))) is not None:
        scores[strength] = {0: accuracies.get(strength, 0.5)}
    assert list(scores)[:3] == [1.0, 10.0, 100.0]
    assert set(scores) <= {1.0, 10.0, 100.0, 0.1, 0.01, 0.001, 0.0001}


def test_only_seeds_that_both_have_are_paired() -> None:
    """Three seeds against one are no three pairs: the noise of the images decides."""
    far: Scores = {0.1: {0: 0.80, 1: 0.81, 2: 0.82}, 1.0: {0: 0.90}}
    assert choice.standings(far, N)[0.1].standing == "worse"
    near: Scores = {0.1: {0: 0.89, 1: 0.88, 2: 0.88}, 1.0: {0: 0.90}}
    assert choice.standings(near, N)[0.1].standing == "unsure"


def test_a_curve_s_end_is_the_median_of_its_last_third() -> None:
    """Of nine costs the last three: 2, 2, 3."""
    found = diagnose([10.0, 6.0, 5.0, 4.0, 3.0, 2.5, 2.0, 2.0, 3.0])
    assert found is not None
    assert found.change == -0.8
    assert (found.kind, found.last) == ("falling", 3.0)


@pytest.mark.parametrize(
    ("n", "batch", "expected"),
    [(105, 10, 11), (100, 10, 10), (101, 10, 11), (9, 10, 1), (105, "all", 1)],
)
def test_the_last_mini_batch_is_a_step_however_small(n: int, batch: int, expected: int) -> None:
    """ηλ/n = 0.01: an epoch of 11 steps leaves 0.99 to the eleventh, 0.8953."""
    config = Config(learning_rate=0.1, lambda_=0.1 * n, batch_size=batch)
    found = decay.decay(config, n)
    assert found is not None
    assert found.steps == expected
    assert found.epoch == pytest.approx(0.99**expected)


@pytest.mark.parametrize(
    ("eta", "strength", "warned"),
    [(2.0, 10.0, True), (2.0, 9.99, False), (4.0, 10.0, True), (0.5, 0.0, False)],
)
def test_a_decay_that_flips_weights_and_does_not_shrink_them_is_warned_of(
    eta: float, strength: float, *, warned: bool
) -> None:
    """n = 10: η = 2 and λ = 10 make 1 - ηλ/n exactly -1."""
    config = Config(learning_rate=eta, lambda_=strength)
    assert any("flip sign" in said for said in rules.doomed(config, 10)) == warned
    same = Config(learning_rate=eta, lambda_=PerExample(strength / 10))
    assert any("flip sign" in said for said in rules.doomed(same, 10)) == warned
