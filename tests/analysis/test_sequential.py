"""Verdicts that are valid at every look: known thresholds, an integral, Holm's method, races."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import integrate, stats

from nnexp.analysis.sequential import Look, SequentialVerdict, judge_looks, looks
from nnexp.analysis.statistics import welch


def by_seed(values: Sequence[float], start: int = 0) -> dict[int, float]:
    return dict(enumerate(values, start))


def paired(*differences: float, resolution: float = 0.0) -> tuple[Look, ...]:
    return looks(by_seed([0.0] * len(differences)), by_seed(differences), resolution)


def verdict(
    seen: Sequence[Look], *, larger_is_better: bool = True, smallest_effect: float = 0.0
) -> SequentialVerdict:
    return judge_looks(
        {"B": seen}, larger_is_better=larger_is_better, smallest_effect=smallest_effect
    )["B"]


THRESHOLDS = [(4, 7.21), (5, 5.36), (6, 4.73), (8, 4.20), (10, 3.97), (15, 3.73), (30, 3.56)]
"""|t| at which n pairs decide: computed independently, for g = 4 and e = 20."""


@pytest.mark.parametrize(("seeds", "t"), THRESHOLDS)
def test_a_difference_is_called_at_the_known_t(seeds: int, t: float) -> None:
    below, above = (Look(seeds, t + step, 1.0, seeds - 1) for step in (-0.01, 0.01))
    assert below.e < 20 < above.e
    assert Look(seeds, -t - 0.01, 1.0, seeds - 1).e == above.e
    assert Look(seeds, 0.0, 1.0, seeds - 1).half_width() == pytest.approx(t, abs=0.01)


@pytest.mark.parametrize("seeds", [2, 3])
def test_no_three_seeds_can_decide(seeds: int) -> None:
    assert Look(seeds, 1.0, 0.0, seeds - 1).e < 20
    assert math.isinf(Look(seeds, 1.0, 1.0, seeds - 1).half_width())


@pytest.mark.parametrize("t", [0.0, 1.3, 5.0])
@pytest.mark.parametrize("seeds", [2, 5, 20])
def test_e_is_the_likelihood_ratio_averaged_over_effects(seeds: int, t: float) -> None:
    """An independent way: the density of t with an effect from N(0, 4), over that without."""
    freedom = seeds - 1

    def density(effect: float) -> float:
        shifted = stats.nct.pdf(t, freedom, effect * math.sqrt(seeds))
        return float(shifted * stats.norm.pdf(effect, 0, 2))

    average, _ = integrate.quad(density, -12, 12, points=[0.0, t / math.sqrt(seeds)], limit=200)
    assert Look(seeds, t, 1.0, freedom).e == pytest.approx(
        average / stats.t.pdf(t, freedom), rel=1e-6
    )


def test_the_confidence_sequence_has_what_the_test_does_not_reject() -> None:
    look = paired(0.2, 1.4, 0.7, 0.9, 0.1, 0.6)[-1]
    for alpha in (0.05, 0.01):
        end = look.difference - look.half_width(alpha)
        moved = look._replace(difference=look.difference - end)
        assert moved.e == pytest.approx(1 / alpha)


def test_looks_are_at_pairs_in_the_order_of_seeds() -> None:
    first, second = {3: 1.0, 0: 2.0, 7: 5.0, 1: 9.0}, {0: 3.0, 1: 9.5, 3: 4.0, 4: 100.0}
    two, three = looks(first, second)
    assert (two.seeds, two.difference, two.degrees_of_freedom) == (2, 0.75, 1)
    assert two.error == pytest.approx(np.std([1.0, 0.5], ddof=1) / math.sqrt(2))
    assert (three.seeds, three.difference) == (3, 1.5)


def test_other_seeds_are_taken_equally_many_a_side_with_welchs_degrees_of_freedom() -> None:
    a, b = [1.0, 2.0, 4.0, 4.5, 9.0], [2.0, 7.0, 3.0]
    seen = looks(by_seed(a), by_seed(b, start=10))
    assert [look.seeds for look in seen] == [2, 3]
    expected = welch(a[:3], b)
    assert seen[-1].difference == pytest.approx(expected.difference)
    assert seen[-1].error == pytest.approx(expected.error)
    assert seen[-1].degrees_of_freedom == pytest.approx(expected.degrees_of_freedom)


def test_one_step_more_with_every_seed_decides_at_the_sixth_as_a_sign_test_does() -> None:
    steps = [1e-4] * 6
    assert verdict(paired(*steps[:5], resolution=1e-4)).decision == "undecided"
    assert verdict(paired(*steps, resolution=1e-4)).decision == "better"
    assert verdict(paired(*steps[:4])).decision == "better", "a cost has no steps"
    both = by_seed([0.5] * 6), by_seed([0.5 + 1e-4] * 6, start=10)
    assert [look.error for look in looks(*both, 1e-4)] == pytest.approx(
        [5e-5 / math.sqrt(n) for n in range(2, 7)]
    )


def test_equal_values_are_never_different_and_soon_the_same() -> None:
    seen = paired(*[0.0] * 30, resolution=0.01)
    assert max(look.e for look in seen) < 1
    same = verdict(seen, smallest_effect=0.01)  # sd counts as 0.005, of which it is 1.93 at six
    assert (same.decision, same.looks[-1].seeds) == ("same", 6)
    assert verdict(paired(*[0.0] * 4), smallest_effect=1e-9).decision == "same"


def test_a_smaller_cost_is_better() -> None:
    seen = paired(-1.0, -1.1, -0.9, -1.05, -1.0)
    assert verdict(seen, larger_is_better=False).decision == "better"
    assert verdict(seen).decision == "worse"


def test_a_decision_stays_whatever_comes_later() -> None:
    found = verdict(paired(1.0, 1.1, 0.9, 1.05, 1.0, -8.0, -9.0, -9.0, -9.0))
    assert found.decision == "better"
    assert found.looks[-1].seeds == 4
    assert found.p == pytest.approx(1 / found.looks[-1].e)


def test_the_largest_e_value_so_far_counts() -> None:
    """After the seventh seed, e is smaller than after the sixth, but not the evidence."""
    seen = paired(1.0, 3.0, 0.5, 2.0, 1.0, 1.5, -2.0)
    found = verdict(seen)
    assert found.decision == "undecided"
    assert seen[-1].e < max(look.e for look in seen) == pytest.approx(1 / found.p)


def test_several_methods_are_judged_by_holms_method() -> None:
    """Of three, one needs e = 60; then one of two needs 40, and the last one 20."""

    def reaching(e: float) -> list[Look]:
        t, step = 0.0, 8.0
        while step > 1e-12:  # bisect for the t of this e
            step /= 2
            t += step if Look(9, t + step, 1.0, 8).e < e else 0
        return [Look(9, t, 1.0, 8)]

    def decisions(*values: float) -> str:
        seen = dict(zip("BCD", map(reaching, values), strict=False))
        return " ".join(v.decision for v in judge_looks(seen, larger_is_better=True).values())

    assert decisions(61, 41, 21) == "better better better"
    assert decisions(21, 41, 61) == "better better better"
    assert decisions(59, 59, 59) == "undecided undecided undecided"
    assert decisions(61, 39, 30) == "better undecided undecided"
    assert decisions(61, 41, 19) == "better better undecided"
    three = judge_looks(
        dict(zip("BCD", map(reaching, (61, 30, 2)), strict=True)), larger_is_better=True
    )
    assert [three[name].p for name in "BCD"] == pytest.approx([3 / 61, 2 / 30, 1 / 2])
    assert [three[name].level for name in "BCD"] == pytest.approx([0.05 / 3] * 3)


def test_p_is_that_of_holms_method_whenever_methods_are_decided() -> None:
    """B is decided after five seeds at e = 45, C after six at e = 1,000: p of C is 2 / 1,000."""

    def look(seeds: int, e: float) -> Look:
        low, high = 0.0, 1e4
        while high - low > 1e-9:
            t = (low + high) / 2
            low, high = (t, high) if Look(seeds, t, 1.0, seeds - 1).e < e else (low, t)
        return Look(seeds, high, 1.0, seeds - 1)

    seen = {"B": [look(5, 45)], "C": [look(5, 1), look(6, 1000)]}
    found = judge_looks(seen, larger_is_better=True)
    assert [found[name].decision for name in "BC"] == ["better", "better"]
    assert [found[name].p for name in "BC"] == pytest.approx([1 / 45, 2 / 1000], rel=1e-6)
    reversed_order = judge_looks({"B": [look(6, 1000)], "C": [look(7, 21)]}, larger_is_better=True)
    assert [reversed_order[name].p for name in "BC"] == pytest.approx([2 / 1000, 1 / 21], rel=1e-6)


def test_the_interval_of_a_difference_is_that_of_the_look_that_decides() -> None:
    """B waits for C: by then its interval at the last look contains zero, but not at its best."""
    b = [*paired(1.0, 1.2, 0.8, 1.1, 1.0)[-1:], *paired(1.0, 1.2, 0.8, 1.1, 1.0, -9.0)[-1:]]
    assert b[0].e > 1 / 0.05
    c = [Look(6, 10.0, 1.0, 5)]
    alone = judge_looks({"B": b}, larger_is_better=True, ends_at_decision=False)["B"]
    assert alone.look == b[0]
    assert alone.look.difference - alone.half_width > 0
    weak = [b[0]._replace(error=b[0].difference / 6), b[1]]
    assert 20 < weak[0].e < 40
    both = judge_looks({"B": weak, "C": c}, larger_is_better=True)
    assert both["B"].looks == tuple(weak)
    assert both["B"].look == weak[0]
    assert weak[0].difference - both["B"].half_width > 0 > weak[1].difference - weak[1].half_width()


def test_a_method_found_to_be_the_same_still_counts_as_one_that_does_not_differ() -> None:
    """Otherwise the last of many equal methods would be tested at 5 % by itself."""
    same = paired(*[0.0, 1e-3] * 3)
    later = [Look(9, 4.3, 1.0, 8)]  # e is above 20 and below 40
    assert 20 < later[0].e < 40
    found = judge_looks({"B": same, "C": later}, larger_is_better=True, smallest_effect=0.1)
    assert [found[name].decision for name in "BC"] == ["same", "undecided"]
    assert judge_looks({"C": later}, larger_is_better=True)["C"].decision == "better"


def test_without_looks_nothing_is_decided() -> None:
    found = judge_looks({"B": paired(1.0), "C": ()}, larger_is_better=True, smallest_effect=1.0)
    assert {(v.decision, v.p, v.half_width) for v in found.values()} == {
        ("undecided", 1.0, math.inf)
    }
    assert judge_looks({}, larger_is_better=True) == {}


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        paired(1.0, math.nan, 2.0)


def test_races_between_equal_methods_end_in_a_false_verdict_in_at_most_four_per_cent() -> None:
    """Normal differences: 2.7 % by 30 seeds; t-tests at 5 % after every seed err in 27 %."""
    rng = np.random.default_rng(5)
    false = missed = 0
    for _ in range(1000):
        seen = paired(*map(float, rng.normal(size=30)))
        false += verdict(seen).decision != "undecided"
        missed += any(abs(look.difference) > look.half_width() for look in seen)
    assert 10 <= false <= 40
    assert missed == false, "the confidence sequence and the test are one"


def test_races_of_five_equal_methods_have_a_false_verdict_in_at_most_four_per_cent() -> None:
    rng = np.random.default_rng(6)
    false = 0
    for _ in range(300):
        baseline = rng.normal(size=20)
        seen = {name: paired(*map(float, rng.normal(size=20) - baseline)) for name in "BCDEF"}
        found = judge_looks(seen, larger_is_better=True)
        false += any(v.decision != "undecided" for v in found.values())
    assert false <= 12
