"""Close candidates of tune: which are trained on, what a choice loses, how often it is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.tune import choice, final
from nnexp.tune.choice import Score

if TYPE_CHECKING:
    import numpy.typing as npt

N = 1000
"""Validation images: a standard error of a difference is 1.50 points at 87 %."""
SE = math.sqrt(2 * 0.87 * 0.13 / N)


def scores(accuracies: Sequence[float], costs: Sequence[float]) -> dict[float, Score]:
    """Return the scores of λ of 0.1, 0.3, 1, 3 and 10, or of the first of these."""
    values = map(Score, accuracies, costs)
    return dict(zip((0.1, 0.3, 1.0, 3.0, 10.0), values, strict=False))


def test_two_standard_errors_behind_is_worse() -> None:
    near, far = ({0.1: Score(low, 0.5), 1.0: Score(0.87, 0.5)} for low in (0.841, 0.839))
    assert choice.standings(near, N)[0.1].words == "inside the noise: 2.90 points less"
    assert choice.standings(far, N)[0.1].words == "worse: 3.10 points, beyond the noise of 3.01"
    assert choice.standings(far, N)[1.0] == ("best", "highest")


def test_the_best_and_its_neighbours_above_inside_its_noise_are_trained_on() -> None:
    """On 1,000 images what is behind by more than 3.01 points is out, on 36 hardly anything."""
    found = scores([0.865, 0.87, 0.86, 0.83, 0.85], [0.5, 0.4, 0.5, 0.5, 0.5])
    assert choice.finalists(found, N) == [0.3, 1.0]
    assert choice.finalists(found, 36) == [0.3, 1.0, 3.0]
    assert choice.finalists(found, 100_000) == [0.3]
    assert choice.finalists({0.3: Score(0.8, 0.5), 3.0: Score(0.87, 0.5)}, N) == [3.0]


def test_of_accuracies_inside_the_noise_the_lowest_cost_is_the_best() -> None:
    """Means of eight networks with 1,000 images of MNIST, after thirty epochs with η = 1.

    On 10,000 images, 0.91 points at 88.9 % are noise. Judged by the test accuracies of 100 epochs,
    87.98, 88.14, 88.26 and 87.74 %, the third is the best.
    """
    costs = [0.7470, 0.7116, 0.6943, 0.7815]
    found = scores([0.8889, 0.8893, 0.8889, 0.8828], costs)
    assert choice.best(found, 10_000) == 1.0
    assert choice.highest(found) == 0.3
    worse = {**found, 1.0: Score(0.8799, 0.6943)}
    assert choice.best(worse, 10_000) == 0.3


def test_of_costs_5_percent_apart_the_larger_lambda_is_the_best() -> None:
    assert choice.best(scores([0.87] * 4, [0.41, 0.40, 0.42, 0.43]), N) == 1.0
    assert choice.best(scores([0.87] * 4, [0.41, 0.40, 0.421, 0.43]), N) == 0.3


def test_of_those_that_all_diverged_the_smallest_is_the_best() -> None:
    assert choice.best(scores([0.0] * 3, [math.inf] * 3), N) == 0.1
    assert choice.best(scores([0.0, 0.5, 0.0], [math.inf, 2.0, math.inf]), N) == 0.3


def test_of_equal_accuracies_the_first_is_called_the_highest() -> None:
    assert choice.highest(scores([0.86, 0.87, 0.87], [0.5] * 3)) == 0.3


@pytest.mark.parametrize(
    ("constant", "schedule", "is_better"),
    [(0.87, 0.85, False), (0.87, 0.87, False), (0.856, 0.87, False), (0.854, 0.87, True)],
)
def test_a_schedule_is_better_a_standard_error_ahead(
    constant: float, schedule: float, *, is_better: bool
) -> None:
    """A standard error of a difference is 1.50 points."""
    assert final.is_schedule_better(constant, schedule, N) is is_better


@pytest.mark.parametrize(("ahead", "least", "most"), [(0.0, 0.0, 0.05), (2.0, 0.95, 1.0)])
def test_how_often_a_schedule_is_chosen(ahead: float, least: float, most: float) -> None:
    """If it is ahead by so many standard errors, and differences vary by half a one by seed."""
    rng = np.random.default_rng(1)
    chosen = [
        final.is_schedule_better(0.87, round((0.87 + SE * luck) * N) / N, N)
        for luck in rng.normal(ahead, 0.5, 400)
    ]
    assert least <= np.mean(chosen) <= most


def losses(slope: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return what a choice among eight λ loses to the best, in standard errors of a difference.

    After ten epochs one is best, after thirty the next larger one or the second next. Accuracies
    fall by the slope from one λ to the next, on both sides of the peak; costs rise by 8 %, and
    vary by 3 % with the seed.

    Args:
        slope: in standard errors of a difference.
        rng: draws the accuracies; a difference by seed varies by half a standard error.

    Returns: the losses of tune, of the best after ten epochs, and of a random one.
    """
    strengths = [
        choice.rounded(factor * 10.0**power) for power in range(-2, 2) for factor in (1, 3)
    ]
    peak = rng.integers(6)
    late = -slope * np.abs(np.arange(8) - peak - rng.integers(1, 3))

    def tried(truth: npt.NDArray[np.float64]) -> dict[float, Score]:
        accuracies = 0.87 + SE * (truth + rng.normal(0, 0.5 / math.sqrt(2), 8))
        costs = 0.5 * (1 - 0.08 * truth / slope) * rng.normal(1, 0.03, 8)
        values = zip(strengths, accuracies, costs, strict=True)
        return {c: Score(round(value * N) / N, cost) for c, value, cost in values}

    short, long = tried(-slope * np.abs(np.arange(8) - peak)), tried(late)
    close = choice.finalists(short, N)
    chosen = choice.best({c: long[c] for c in close}, N)
    picks = (chosen, choice.best(short, N))
    ours, early = (float(-late[strengths.index(pick)]) for pick in picks)
    return ours, early, float(-late.mean())


@pytest.mark.parametrize("slope", [0.1, 0.3, 1.0])
def test_a_choice_of_lambda_loses_little_though_it_proves_nothing(slope: float) -> None:
    """Less than a random choice, and less than that of the best after ten epochs."""
    rng = np.random.default_rng(1)
    ours, early, by_chance = np.mean([losses(slope, rng) for _ in range(400)], axis=0)
    assert ours < 0.8 * by_chance
    assert ours < 0.9 * early
