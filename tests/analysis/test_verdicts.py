"""Verdicts choose a test by the seeds, word its result, and keep the error rates they promise."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy import stats

from nnexp.analysis.power import seeds_needed
from nnexp.analysis.statistics import Difference, mcnemar, paired_t
from nnexp.analysis.verdicts import ACCURACY, COST, EPOCHS, Unit, between, judge, judge_others
from tests.analysis.samples import PLAIN, right, seeds, verdict


@pytest.mark.parametrize(
    ("first", "second", "kind", "sizes"),
    [
        (range(5), range(5), "paired t", (5, 5)),
        (range(5), range(2, 9), "paired t", (3, 3)),
        (range(5), range(3, 9), "none", (2, 2)),
        (range(5), range(4, 9), "none", (1, 1)),
        (range(5), range(5, 8), "Welch", (5, 3)),
        (range(8), range(8, 10), "none", (8, 2)),
        (range(5), range(5, 6), "none", (5, 1)),
    ],
)
def test_the_seeds_decide_on_the_test(
    first: range, second: range, kind: str, sizes: tuple[int, int]
) -> None:
    a, b = ({seed: float(seed * seed % 7) for seed in side} for side in (first, second))
    found = between(a, b, PLAIN)
    assert (found.kind, found.sizes) == (kind, sizes)
    assert (found.p is None) == (kind == "none")


def test_pairs_are_matched_by_seed_not_by_place() -> None:
    first, second = {0: 1.0, 1: 2.0, 2: 4.0}, {2: 5.0, 0: 2.0, 1: 3.5, 9: 100.0}
    assert between(first, second, PLAIN) == paired_t([1.0, 2.0, 4.0], [2.0, 3.5, 5.0])


def test_better_in_words() -> None:
    a = [0.9600, 0.9612, 0.9590, 0.9605, 0.9598]
    b = [0.9640, 0.9645, 0.9641, 0.9643, 0.9631]
    assert verdict(a, b, ACCURACY).words == "B is better: +0.39 ± 0.09 points (5 seeds, p < 0.001)"
    assert verdict(b, a, ACCURACY).words == "B is worse: -0.39 ± 0.09 points (5 seeds, p < 0.001)"


def test_noise_in_words() -> None:
    """By hand: the differences' mean is 0.06, their sd 0.15166; nobody has a table for d = 0.4."""
    found = verdict([0.95] * 5, [0.951, 0.953, 0.949, 0.95, 0.95], ACCURACY)
    assert found.words == (
        "~ inside the noise: +0.06 ± 0.19 points; about 53 seeds would detect it"
    )
    assert (found.outcome, found.amount, found.needed) == ("noise", "+0.06 ± 0.19", 53)


def test_unpaired_in_words() -> None:
    a, b = [0.950, 0.952, 0.951], [0.953, 0.949, 0.951, 0.952]
    assert verdict(a, b, ACCURACY, 7).words.endswith("seeds each would detect it")
    far = [0.960, 0.961, 0.962, 0.963]
    assert verdict(a, far, ACCURACY, 7).words == (
        "B is better: +1.05 ± 0.22 points (3 and 4 seeds, p < 0.001)"
    )
    assert "(3 seeds each, p < 0.001)" in verdict(a, far[:3], ACCURACY, 7).words


def test_where_smaller_is_better_the_words_turn() -> None:
    slow, quick = [8.0, 9.0, 7.0, 8.0, 8.0], [2.0, 2.0, 3.0, 2.0, 2.0]
    assert verdict(slow, quick, EPOCHS).words.startswith("B is better: -5.8 ± 1.4 epochs (5 seeds,")
    low, high = [0.2113, 0.2131, 0.2120], [0.2213, 0.2233, 0.2225]
    assert verdict(low, high, COST).words == "B is worse: +0.01023 ± 0.00063 (3 seeds, p < 0.001)"


def test_digits_suit_the_size() -> None:
    high = [k + 1.0 for k in (10_000, 30_000, 20_000)]
    assert verdict([0.0, 0.0, 0.0], high, COST).amount == "+20001 ± 24841"
    assert verdict([0.0, 0.0], [3e-5, 3e-5], COST).amount == "+0.000030"
    assert verdict([0.5] * 3, [0.5] * 3, COST).amount == "+0 ± 0"
    nothing = verdict([0.95] * 3, [0.95001, 0.94998, 0.95], ACCURACY)
    assert nothing.amount.startswith("+0.00 ")  # never -0.00


def test_identical_in_words() -> None:
    same = [0.95, 0.96, 0.97]
    found = verdict(same, same, ACCURACY)
    assert found.words == "identical: B equals A (3 seeds)"
    assert (found.outcome, found.p, found.needed) == ("identical", 1.0, None)


@pytest.mark.parametrize(
    ("first", "second", "start", "words"),
    [
        (
            [0.95],
            [0.9539],
            0,
            "these two networks: B minus A is +0.39 points; to judge the configs, 5 seeds would do",
        ),
        ([0.95, 0.95], [0.95, 0.95], 0, "too few seeds: +0.00 points with 2; 5 would do"),
        ([0.95, 0.95], [0.96, 0.9602], 0, "too few seeds: +1.01 points with 2; 5 would do"),
        ([0.95, 0.95], [0.951, 0.953], 0, "too few seeds: +0.20 points with 2; about 7 would do"),
        ([0.95], [0.951, 0.953], 5, "too few seeds: +0.20 points with 1 and 2; 5 would do"),
        (
            [0.95, 0.95],
            [0.9601, 0.94],
            0,
            "too few seeds: +0.00 points with 2; more than 10,000 would do",
        ),
    ],
)
def test_too_few_in_words(first: list[float], second: list[float], start: int, words: str) -> None:
    found = verdict(first, second, ACCURACY, start)
    assert (found.outcome, found.words, found.p) == ("too few", words, None)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (range(5), range(4, 8), "too few common seeds (1: seed 4): +3.00 points; 5 would do"),
        (range(1), range(2), "too few common seeds (1: seed 0): +3.00 points; 5 would do"),
        (range(5), range(3, 8), "too few common seeds (2: seeds 3-4): +3.00 points; 5 would do"),
    ],
)
def test_few_common_seeds_of_many_are_neither_two_networks_nor_all(
    first: range, second: range, words: str
) -> None:
    a, b = dict.fromkeys(first, 0.9), dict.fromkeys(second, 0.93)
    found = judge({"B": between(a, b, ACCURACY)}, ACCURACY)["B"]
    assert (found.outcome, found.words) == ("too few", words)


def test_two_nets_alone_in_words() -> None:
    """No word about methods: of one config, two seeds differ significantly in 39 of 100 cases."""
    far = judge({"B": mcnemar(*right(9500, 20, 59, 421))}, ACCURACY)["B"]
    assert far.words == (
        "these two networks: B minus A is +0.39 ± 0.18 points (10,000 examples, McNemar's "
        "p < 0.001); to judge the configs, 5 seeds would do"
    )
    near = judge({"B": mcnemar(*right(9500, 40, 47, 413))}, ACCURACY)["B"]
    assert near.words == (
        "these two networks: B minus A is +0.07 ± 0.18 points, inside the noise (10,000 examples, "
        "McNemar's p = 0.520); to judge the configs, 5 seeds would do"
    )
    assert far.outcome == near.outcome == "too few"
    assert far.needed == near.needed == 5
    assert not far.is_judged
    same = judge({"B": mcnemar(*right(9500, 0, 0, 500))}, ACCURACY)["B"]
    assert same.outcome == "identical"
    assert same.words == "these two networks: B equals A (10,000 examples)"


def test_several_are_adjusted_with_their_intervals_and_the_method_is_named() -> None:
    """p of 0.028 alone is significant; as one of two it is 0.057, and its interval agrees."""
    a, b = [0.0, 0.1, 0.2, 0.3, 0.4], [0.1, 0.15, 0.4, 0.4, 0.7]
    alone = verdict(a, b)
    assert (alone.outcome, alone.alpha) == ("better", 0.05)
    differences = {name: between(seeds(a), seeds(b), PLAIN) for name in "BC"}
    one_seed = {"D": Difference("none", 0.003, (1, 1))}
    found = judge(differences | one_seed, PLAIN)
    assert [each.outcome for each in found.values()] == ["noise", "noise", "too few"]
    assert alone.p is not None
    assert found["B"].p == pytest.approx(2 * alone.p)
    assert "(5 seeds, p = 0.057, Bonferroni over 2); about" in found["B"].words
    low, high = stats.ttest_rel(b, a).confidence_interval(0.975)
    assert found["B"].half_width == pytest.approx((high - low) / 2)
    assert (found["B"].half_width or 0.0) > found["B"].difference.difference
    assert (alone.half_width or 0.0) < alone.difference.difference


def test_noise_beside_others_takes_more_seeds_than_there_are() -> None:
    """Five seeds would tell 1.7 deviations at 5 %, but not at the third of it that is asked."""
    assert seeds_needed(1.7, 1.0, "paired t") == 5
    p = 2 * float(stats.t.sf(1.7 * 5**0.5, 4))
    found = judge(
        {name: Difference("paired t", 1.7, (5, 5), p, 5**-0.5, 4, 1.0) for name in "BCD"}, PLAIN
    )["B"]
    assert p < 0.05 < (found.p or 0)
    assert found.outcome == "noise"
    assert found.needed == seeds_needed(1.7, 1.0, "paired t", 0.05 / 3)
    assert (found.needed or 0) > 5


def student(p: float) -> Difference:
    """Return a difference of 0.3 points that has a p in a paired test of five seeds."""
    error = 0.003 / float(stats.t.isf(p / 2, 4))
    return Difference("paired t", 0.003, (5, 5), p, error, 4, error * 5**0.5)


def test_other_rows_are_silent_unless_the_headline_speaks() -> None:
    others = {"x": (student(0.001), ACCURACY), "y": (student(0.9), ACCURACY)}
    noise = judge({"B": student(0.2)}, ACCURACY)["B"]
    for found in judge_others(others, "B", noise).values():
        assert (found.outcome, found.p, found.needed) == ("unjudged", None, None)
        assert found.half_width is not None
        assert found.words.startswith("not judged: +0.30 ± ")
    better = judge({"B": student(0.04)}, ACCURACY)["B"]
    judged = judge_others(others, "B", better)
    assert {key: each.outcome for key, each in judged.items()} == {"x": "better", "y": "noise"}
    assert judged["x"].p == pytest.approx(0.04)  # no row is surer than the headline


def test_without_a_verdict_on_the_headline_other_rows_have_intervals_and_no_words() -> None:
    others = {"x": (student(0.001), ACCURACY), "y": (student(0.9), ACCURACY)}
    found = judge_others(others, "B", None, 0.025)
    assert [each.outcome for each in found.values()] == ["unjudged", "unjudged"]
    assert found["x"].alpha == 0.025
    assert found["x"].half_width == student(0.001).half_width(0.025)


def test_rows_that_are_identical_do_not_count_among_those_that_are_judged() -> None:
    """Beside a p of 1, that of 0.03 would be 0.06 by Hommel's method."""
    same = paired_t([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    others = {"x": (student(0.03), ACCURACY), "y": (same, ACCURACY)}
    found = judge_others(others, "B", judge({"B": student(0.001)}, ACCURACY)["B"])
    assert found["x"].p == pytest.approx(0.03)
    assert {key: each.outcome for key, each in found.items()} == {"x": "better", "y": "identical"}


def test_other_rows_are_judged_by_hommel_and_so_are_their_intervals() -> None:
    """Of 0.01, 0.02, 0.03 and 0.9 at 5 %: by hand, 0.03 and 0.9 are a set that Simes keeps.

    So j is 2, the level 0.025, and the adjusted values are 0.04, 0.045, 0.06 and 0.9.
    """
    ps = {"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.9}
    others = {key: (student(p), ACCURACY) for key, p in ps.items()}
    headline = judge({"B": student(0.001)}, ACCURACY)["B"]
    found = judge_others(others, "B", headline)
    assert [each.outcome for each in found.values()] == ["better", "better", "noise", "noise"]
    assert [each.p for each in found.values()] == pytest.approx([0.04, 0.045, 0.06, 0.9])
    assert {each.alpha for each in found.values()} == {0.025}
    for each in found.values():
        assert ((each.half_width or 0.0) < 0.003) == each.differs
    assert "p = 0.040, Hommel)" in found["a"].words
    of_two = judge({name: student(0.001) for name in "BC"}, ACCURACY)["B"]
    halved = judge_others(
        others, "B", of_two, of_two.alpha
    )  # at 2.5 %: 0.02 and 0.03 are kept as well
    assert [each.p for each in halved.values()] == pytest.approx([0.08, 0.09, 0.12, 1.0])
    assert not any(each.differs for each in halved.values())


@pytest.mark.parametrize(
    ("kind", "words"),
    [("paired t", "; about 790 seeds would detect"), ("Welch", "; about 1,600 seeds each would")],
)
def test_many_seeds_are_rounded_up_to_two_digits(
    kind: Literal["paired t", "Welch"], words: str
) -> None:
    found = Difference(kind, 0.1, (5, 5), 0.8, 0.4, 4, 1.0)
    assert words in judge({"B": found}, PLAIN)["B"].words


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.0496, "B is better: +0.30 ± 0.30 points (5 seeds, p = 0.0496)"),
        (0.04999, "B is better: +0.30 ± 0.30 points (5 seeds, p = 0.04999)"),
        (0.0004, "B is better: +0.30 ± 0.08 points (5 seeds, p < 0.001)"),
    ],
)
def test_p_shows_on_which_side_of_the_limit_it_is(p: float, words: str) -> None:
    found = student(p)
    assert judge({"B": found}, ACCURACY)["B"].words == words


def test_five_per_cent_itself_is_not_under_five_per_cent() -> None:
    found = student(0.05)
    assert judge({"B": found}, ACCURACY)["B"].outcome == "noise"


# --- simulations: what the verdicts promise, through the functions that give them ---


@pytest.mark.parametrize("start", [0, 5], ids=["paired", "unpaired"])
@pytest.mark.parametrize("unit", [PLAIN, ACCURACY], ids=["plain", "images"])
def test_identical_methods_are_told_apart_in_one_of_twenty(start: int, unit: Unit) -> None:
    """123 of 2,000 is what a true 5 % keeps to in 99 of 100 cases: not every seed does.

    Over 120,000 comparisons 4.99 % of the paired and 4.47 % of the unpaired were told apart.
    """
    assert stats.binom.ppf(0.99, 2000, 0.05) == 123
    rng = np.random.default_rng(0)
    values = rng.normal(0.95, 0.002, (2000, 2, 5))
    values = values.round(4) if unit is ACCURACY else values
    told = [verdict(a, b, unit, start).outcome in {"better", "worse"} for a, b in values]
    assert 50 < sum(told) <= 123


def test_the_paired_test_is_neither_bolder_nor_shyer_than_it_says() -> None:
    rng = np.random.default_rng(1)
    told = [
        verdict(*pair).outcome in {"better", "worse"} for pair in rng.normal(size=(10_000, 2, 5))
    ]
    assert sum(told) == pytest.approx(500, abs=3 * (10_000 * 0.05 * 0.95) ** 0.5)


def test_of_four_identical_methods_one_is_told_apart_in_one_of_twenty() -> None:
    rng = np.random.default_rng(21)
    told = 0
    for baseline, *others in rng.normal(size=(2000, 4, 5)):
        differences = {
            name: between(seeds(baseline), seeds(other), PLAIN)
            for name, other in zip("BCD", others, strict=True)
        }
        found = judge(differences, PLAIN).values()
        told += any(each.outcome in {"better", "worse"} for each in found)
    assert 50 < told <= 123


def test_a_difference_of_one_deviation_is_found_with_ten_seeds() -> None:
    rng = np.random.default_rng(22)
    first = rng.normal(size=(4000, 10))
    second = first + rng.normal(1.0, 1.0, (4000, 10))
    found = [verdict(a, b).outcome == "better" for a, b in zip(first, second, strict=True)]
    assert sum(found) >= 0.78 * 4000


@pytest.mark.parametrize(("design", "start"), [("paired t", 0), ("Welch", 100)])
def test_as_many_seeds_as_would_tell_do_tell(
    design: Literal["paired t", "Welch"], start: int
) -> None:
    needed = seeds_needed(0.7, 1.0, design)
    assert needed is not None
    rng = np.random.default_rng(23)
    first = rng.normal(size=(2000, needed)) * (design == "Welch")
    second = rng.normal(0.7, 1.0, (2000, needed))
    found = [
        verdict(a, b, start=start).outcome == "better" for a, b in zip(first, second, strict=True)
    ]
    assert 0.77 < np.mean(found) < 0.84  # a fewest number: over 80 %, by little
