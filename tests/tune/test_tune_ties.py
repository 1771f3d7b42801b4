"""Close candidates of tune: which are trained on, what a choice loses, how often it is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from nnexp.tune import choice, final, weight_decay

if TYPE_CHECKING:
    from nnexp.tune.choice import Scores

N = 1000
"""Validation images: a standard error of a difference is 1.50 points at 87 %."""
SE = math.sqrt(2 * 0.87 * 0.13 / N)


def scores(**values: Sequence[float]) -> Scores:
    """Return the accuracies of candidates a, b and c, which are 0.1, 1 and 10."""
    return {{"a": 0.1, "b": 1.0, "c": 10.0}[k]: dict(enumerate(v)) for k, v in values.items()}


def test_two_standard_errors_behind_is_worse() -> None:
    near, far = scores(a=[0.841], b=[0.87]), scores(a=[0.839], b=[0.87])
    assert choice.standings(near, N)[0.1].words == "inside the noise: 2.90 points less"
    assert choice.standings(far, N)[0.1].words == "worse: 3.10 points, beyond the noise of 3.01"
    assert choice.standings(far, N)[1.0] == ("best", "highest")


def test_the_best_and_the_largest_inside_its_noise_are_trained_on() -> None:
    """What is behind by more than 3.01 points is out, however large."""
    found = {0.1: {0: 0.865}, 0.3: {0: 0.87}, 1.0: {0: 0.86}, 3.0: {0: 0.85}, 10.0: {0: 0.83}}
    assert choice.finalists(found, N, 3) == [0.3, 1.0, 3.0]
    assert choice.finalists(found, N, 2) == [0.3, 3.0]
    assert choice.finalists(found, N, 9) == [0.1, 0.3, 1.0, 3.0]
    assert choice.finalists(found, 100_000, 9) == [0.3]


def test_of_equals_the_smallest_is_the_best() -> None:
    assert choice.best(scores(a=[0.86], b=[0.87], c=[0.87])) == 1.0


def test_a_smaller_one_that_is_hardly_behind_needs_no_seeds_and_is_chosen() -> None:
    """One standard error is 1.50 points: less is not worth further seeds."""
    close = scores(a=[0.856], b=[0.87])
    assert choice.needed_trials(close, N, 3) == []
    assert choice.choose(close, N, 3) == 0.1


def test_between_one_and_two_standard_errors_further_seeds_decide() -> None:
    open_ = scores(a=[0.85], b=[0.87])
    assert choice.standings(open_, N, 3)[0.1].words == "too close to call: 2.00 points less"
    assert choice.needed_trials(open_, N, 3) == [
        (candidate, seed) for seed in (1, 2, 3) for candidate in (1.0, 0.1)
    ]
    far = scores(a=[0.839], b=[0.87])
    assert choice.needed_trials(far, N, 3) == []
    assert choice.choose(far, N, 3) == 1.0


def test_a_larger_one_that_is_no_better_needs_no_seeds() -> None:
    assert choice.needed_trials(scores(a=[0.87], b=[0.85]), N, 3) == []
    assert choice.choose(scores(a=[0.87], b=[0.85]), N, 3) == 0.1


def test_further_seeds_are_judged_by_the_usual_t_test_without_the_first() -> None:
    """Of three differences, whose t is decided by 4.303."""
    for centre, standing in ((0.0026, "worse"), (0.0023, "tie"), (-0.0026, "better")):
        values = [0.87 - centre + each for each in (-0.001, 0.0, 0.001)]
        found = scores(a=[0.85, *values], b=[0.87, *[0.87] * 3])
        t, p = stats.ttest_rel(values, [0.87] * 3)
        assert (abs(t) > 4.303) == (p < 0.05) == (standing != "tie")
        assert choice.needed_trials(found, N, 3) == []
        assert choice.standings(found, N, 3)[0.1].standing == standing
        assert choice.choose(found, N, 3) == (1.0 if standing == "worse" else 0.1)


def schedule_by_chance(ahead: float, sd: float, rng: np.random.Generator) -> bool:
    """Return whether tune chooses a schedule where accuracies are normally distributed.

    Args:
        ahead: the schedule's advantage, in standard errors of a difference.
        sd: the standard deviation of a difference by seed, in the same unit.
        rng: draws the accuracies.
    """
    found: dict[float, dict[int, float]] = {}
    needed = [(final.CONSTANT, 0), (final.SCHEDULE, 0)]
    while needed:
        for arm, seed in needed:
            own = ahead * (arm == final.SCHEDULE) + rng.normal(0, sd / math.sqrt(2))
            found.setdefault(arm, {})[seed] = round((0.87 + SE * own) * N) / N
        needed = choice.needed_trials(found, N, final.SEEDS)
    return choice.choose(found, N, final.SEEDS) == final.SCHEDULE


@pytest.mark.parametrize("sd", [0.5, 1.0])
def test_a_schedule_that_is_no_better_is_chosen_in_at_most_5_percent(sd: float) -> None:
    rng = np.random.default_rng(1)
    assert np.mean([schedule_by_chance(0.0, sd, rng) for _ in range(400)]) <= 0.05


def test_a_schedule_that_is_better_is_found() -> None:
    """If it is ahead by two standard errors of a difference, in two of three cases."""
    rng = np.random.default_rng(1)
    assert np.mean([schedule_by_chance(2.0, 0.5, rng) for _ in range(400)]) >= 0.6


def loss(slope: float, rng: np.random.Generator) -> float:
    """Return what the choice among eight λ loses to the best, in standard errors of a difference.

    Args:
        slope: by which accuracies fall from one to the next, on both sides of a random best one.
        rng: draws the accuracies; a difference by seed varies by half a standard error.
    """
    truth = -slope * np.abs(np.arange(8) - rng.integers(8))

    def tried(candidates: Sequence[int]) -> Scores:
        values = 0.87 + SE * (truth + rng.normal(0, 0.5 / math.sqrt(2), 8))
        return {float(c): {0: round(values[c] * N) / N} for c in candidates}

    close = choice.finalists(tried(range(8)), N, weight_decay.FINALISTS)
    chosen = choice.best(tried([int(c) for c in close])) if len(close) > 1 else close[0]
    return float(-truth[int(chosen)])


@pytest.mark.parametrize("slope", [0.03, 0.1, 0.3, 1.0])
def test_a_choice_of_lambda_loses_little_though_it_proves_nothing(slope: float) -> None:
    """The loss is largest if accuracies fall by 0.1 to 0.3 standard errors from λ to λ."""
    rng = np.random.default_rng(1)
    assert np.mean([loss(slope, rng) for _ in range(400)]) <= 0.2
