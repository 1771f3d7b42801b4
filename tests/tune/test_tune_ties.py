"""Ties of tune: how seeds are added, and how often a choice between equal candidates is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from nnexp.tune import choice, final

if TYPE_CHECKING:
    from nnexp.tune.choice import Scores

N = 1000
"""Validation images: four standard errors of a difference are 6.02 points at 87 %."""


def scores(**values: Sequence[float]) -> Scores:
    """Return the accuracies of candidates a, b and c, which are 0.1, 1 and 10."""
    return {{"a": 0.1, "b": 1.0, "c": 10.0}[k]: dict(enumerate(v)) for k, v in values.items()}


def spread(centre: float, by: float) -> list[float]:
    """Return four values, whose t is 2 · centre / (by · sqrt(4/3))."""
    return [centre - by, centre + by, centre - by, centre + by]


def test_far_behind_with_the_first_seed_is_worse_and_needs_no_other() -> None:
    far = scores(a=[0.80], b=[0.87], c=[0.868])
    assert choice.standings(far, N)[0.1].words == "worse: 7.00 points, beyond the noise of 6.02"
    assert choice.needed_trials(far, N) == []
    assert choice.choose(far, N) == 1.0
    near = scores(a=[0.81], b=[0.87], c=[0.868])
    assert choice.standings(near, N)[0.1].words == "too close to call: 6.00 points less"
    assert len(choice.needed_trials(near, N)) == 8


def test_seeds_are_added_to_the_best_and_the_smallest_that_is_close_up_to_the_first_look() -> None:
    close = scores(a=[0.865], b=[0.868], c=[0.87])
    first = [(candidate, seed) for seed in (1, 2, 3, 4) for candidate in (10.0, 0.1)]
    assert choice.needed_trials(close, N) == first
    more = scores(a=[0.865, *spread(0.86, 0.01)], b=[0.868], c=[0.87, *[0.87] * 4])
    assert choice.needed_trials(more, N) == [(10.0, 5), (0.1, 5)]


def test_larger_ones_need_no_seeds() -> None:
    assert choice.needed_trials(scores(a=[0.87], b=[0.869], c=[0.87]), N) == []
    assert choice.choose(scores(a=[0.87], b=[0.869], c=[0.87]), N) == 0.1


def test_the_next_one_is_tested_once_a_smaller_one_is_worse_and_the_seeds_of_the_best_serve() -> (
    None
):
    worse = [0.865, *spread(0.83, 0.001)]
    after = scores(a=worse, b=[0.868], c=[0.87, *[0.87] * 4])
    assert choice.standings(after, N)[0.1].standing == "worse"
    assert choice.needed_trials(after, N) == [(1.0, seed) for seed in (1, 2, 3, 4)]
    both = scores(a=worse, b=worse, c=[0.87, *[0.87] * 4])
    assert choice.needed_trials(both, N) == []
    assert choice.choose(both, N) == 10.0


@pytest.mark.parametrize(
    ("behind", "standing"), [(0.0085, "worse"), (0.0081, "unsure"), (-0.0085, "better")]
)
def test_four_seeds_decide_from_t_7_21_on(behind: float, standing: str) -> None:
    """With deviations of 0.2 points, t is 7.36 for 0.85 points and 7.01 for 0.81."""
    found = scores(a=[0.86, *spread(0.87 - behind, 0.002)], b=[0.87, *[0.87] * 4])
    assert choice.standings(found, N)[0.1].standing == standing
    assert choice.choose(found, N) == (1.0 if standing == "worse" else 0.1)


def test_the_words_are_the_difference_with_its_confidence_sequence() -> None:
    """For four seeds it is 7.21 standard errors: 0.231 / 2 points each."""
    found = scores(a=[0.86, *spread(0.85, 0.002)], b=[0.87, *[0.87] * 4])
    words = "worse: -2.00 ± 0.83 points over 4 further seeds"
    assert choice.standings(found, N)[0.1].words == words


def test_three_further_seeds_never_decide() -> None:
    found = scores(a=[0.87, *[0.5] * 3], b=[0.871, *[0.9] * 3])
    assert choice.needed_trials(found, N) == [(1.0, 4), (0.1, 4)]


def test_after_ten_further_seeds_it_is_a_tie_which_goes_to_the_smaller() -> None:
    tens = [0.86, 0.88] * 5
    for count in range(4, 10):
        found = scores(a=[0.86, *tens[:count]], b=[0.87, *[0.87] * count])
        assert choice.needed_trials(found, N) == [(1.0, count + 1), (0.1, count + 1)]
    found = scores(a=[0.86, *tens], b=[0.87, *[0.87] * 10])
    assert choice.needed_trials(found, N) == []
    assert choice.standings(found, N)[0.1].standing == "tie"
    assert choice.choose(found, N) == 0.1


def test_the_seed_that_named_the_best_does_not_judge_it() -> None:
    rest = {"a": spread(0.85, 0.003), "b": spread(0.86, 0.006)}
    found = {
        choice.standings(scores(a=[first, *rest["a"]], b=[0.87, *rest["b"]]), N)[0.1]
        for first in (0.82, 0.85, 0.8699)
    }
    assert len(found) == 1


def test_a_single_look_is_the_usual_t_test() -> None:
    """Of five differences, whose t is decided by 2.776."""
    first = scores(a=[0.86], b=[0.87])
    assert choice.needed_trials(first, N, [5]) == [
        (candidate, seed) for seed in (1, 2, 3, 4, 5) for candidate in (1.0, 0.1)
    ]
    for centre, standing in ((0.0025, "worse"), (0.0019, "tie"), (-0.0025, "better")):
        values = [0.87 - centre + each for each in (-0.002, -0.001, 0.0, 0.001, 0.002)]
        found = scores(a=[0.86, *values], b=[0.87, *[0.87] * 5])
        t, p = stats.ttest_rel(values, [0.87] * 5)
        assert (abs(t) > 2.776) == (p < 0.05) == (standing != "tie")
        assert choice.needed_trials(found, N, [5]) == []
        assert choice.standings(found, N, [5])[0.1].standing == standing


SE = math.sqrt(2 * 0.87 * 0.13 / N)
"""Standard error of a difference."""


def choice_by_chance(
    truth: Sequence[float], sd: float, rng: np.random.Generator, looks: Sequence[int] = choice.LOOKS
) -> int:
    """Return which candidate tune chooses where accuracies are normally distributed.

    Args:
        truth: the candidates' means, in standard errors of a difference, beside 87 %.
        sd: the standard deviation of a difference by seed, in the same unit.
        rng: draws the accuracies.
        looks: the numbers of further seeds after which tune may decide.
    """
    found: dict[float, dict[int, float]] = {}
    needed = [(float(candidate), 0) for candidate in range(len(truth))]
    while needed:
        for candidate, seed in needed:
            own = truth[int(candidate)] + rng.normal(0, sd / math.sqrt(2))
            found.setdefault(candidate, {})[seed] = round((0.87 + SE * own) * N) / N
        needed = choice.needed_trials(found, N, looks)
    return int(choice.choose(found, N, looks))


@pytest.mark.slow
@pytest.mark.parametrize("sd", [0.5, 1.0, 1.25])
@pytest.mark.parametrize("count", [2, 8])
def test_the_smallest_of_equals_is_passed_over_in_at_most_5_percent(count: int, sd: float) -> None:
    """Fixed tests after 3, 4 and 5 seeds, with all seeds, pass it over in 13 to 28 % of eight."""
    rng = np.random.default_rng(1)
    wrong = [choice_by_chance([0.0] * count, sd, rng) != 0 for _ in range(400)]
    assert np.mean(wrong) <= 0.05


def test_of_two_equal_schedules_the_second_is_chosen_in_at_most_5_percent() -> None:
    rng = np.random.default_rng(1)
    wrong = [choice_by_chance([0.0, 0.0], 1.0, rng, [final.SEEDS]) for _ in range(400)]
    assert np.mean(wrong) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("looks", "least"), [(choice.LOOKS, 0.92), ([final.SEEDS], 0.85)])
def test_twice_the_standard_deviation_is_found(looks: Sequence[int], least: float) -> None:
    """In 97 % by ten seeds and, if they are fixed, in 91 % by five.

    The larger candidate is not even the best with the first seed in 2 %.
    """
    rng = np.random.default_rng(1)
    right = [choice_by_chance([0.0, 1.0], 0.5, rng, looks) for _ in range(400)]
    assert np.mean(right) >= least
