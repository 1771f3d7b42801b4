"""Differences, intervals and p-values against published answers, SciPy and mathematical laws.

Values called statsmodels' were computed once with statsmodels 0.15, which is too large an oracle
to install with the tests.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from nnexp.analysis import power
from nnexp.analysis.power import seeds_needed
from nnexp.analysis.statistics import (
    Difference,
    TooFewError,
    farthest,
    hommel,
    hommel_level,
    mcnemar,
    paired_t,
    welch,
)
from nnexp.analysis.verdicts import between
from tests.analysis.samples import PLAIN, right, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

# Student (1908): hours of sleep gained by ten patients under two drugs.
SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)
# Far from the limits of floating point: what shifts and factors do to digits is not of interest.
numbers = st.integers(-1000, 1000).map(lambda k: k / 8)


def samples(fewest: int = 3) -> st.SearchStrategy[list[float]]:
    return st.lists(numbers, min_size=fewest, max_size=12)


def pairs(fewest: int = 3) -> st.SearchStrategy[tuple[list[float], list[float]]]:
    both = st.lists(st.tuples(numbers, numbers), min_size=fewest, max_size=12)
    return both.map(lambda rows: ([a for a, _ in rows], [b for _, b in rows]))


# --- known answers ---


def test_student_s_sleep_in_pairs() -> None:
    found = paired_t(*SLEEP)
    assert found.kind == "paired t"
    assert found.difference == pytest.approx(1.58)
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    assert found.half_width() == pytest.approx((2.4598858 - 0.7001142) / 2, abs=1e-7)
    assert (found.sizes, found.degrees_of_freedom) == ((10, 10), 9)
    assert found.sd == pytest.approx(1.229995, abs=1e-6)


def test_student_s_sleep_as_if_of_twenty_patients() -> None:
    found = welch(*SLEEP)
    assert found.degrees_of_freedom == pytest.approx(17.776, abs=5e-4)
    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert found.half_width() == pytest.approx((0.2054832 + 3.3654832) / 2, abs=1e-7)


def test_bonett_s_and_price_s_interval() -> None:
    """statpsych's ci.prop.ps(.05, 12, 4, 26, 6), the authors' own example: 0.2548067, 0.6251933.

    The difference observed is 22/48; its half-width reaches as far as the farther, lower end.
    """
    a, b = right(6, 4, 26, 12)
    found = mcnemar(a, b)
    assert found.difference == pytest.approx(22 / 48)
    assert found.difference - (found.half_width() or 0.0) == pytest.approx(0.2548067, abs=5e-8)


def test_agresti_s_approval_ratings() -> None:
    """Agresti (1990), p. 350: McNemar's chi-squared is 17.36; the exact p is statsmodels'."""
    found = mcnemar(*right(794, 150, 86, 570))
    assert found.difference == pytest.approx(-64 / 1600)
    assert found.p == pytest.approx(3.7159361395713866e-05, rel=1e-12)
    assert found.half_width() == pytest.approx(0.0187, abs=2e-4)


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005, 0.6], [0.04, 0.08, 0.06, 0.025, 0.6]),  # by hand
        ([0.02, 0.02, 0.5], [0.04, 0.04, 0.5]),  # by hand
        ([0.01, 0.02, 0.03, 0.04], [0.04, 0.04, 0.04, 0.04]),  # by hand: Simes, 4 times 4 / 4
        ([0.7, 0.8], [0.8, 0.8]),
        ([0.04], [0.04]),
        ([], []),
    ],
)
def test_hommel_s_correction(p: list[float], adjusted: list[float]) -> None:
    assert hommel(p) == pytest.approx(adjusted, abs=1e-15)


def simes(p: list[float]) -> float:
    return min(len(p) * each / rank for rank, each in enumerate(sorted(p), 1))


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1).map(lambda p: p**3), max_size=6), st.sampled_from([0.05, 0.3]))
def test_hommel_s_is_closed_testing_by_simes(p: list[float], alpha: float) -> None:
    """Each p is adjusted to the largest of Simes' over all sets that contain it."""
    sets = [
        chosen
        for size in range(1, len(p) + 1)
        for chosen in itertools.combinations(range(len(p)), size)
    ]
    oracle = [
        max(simes([p[i] for i in chosen]) for chosen in sets if index in chosen)
        for index in range(len(p))
    ]
    adjusted, level = hommel(p), hommel_level(p, alpha)
    assert adjusted == pytest.approx(oracle)
    for own, after in zip(p, adjusted, strict=True):
        assert (own < level) == (after < alpha) or after == pytest.approx(alpha)


def test_grubbs_s_own_example() -> None:
    """Grubbs (1969), example 2: the strengths of ten wires; T = 2.39 of the highest, 596.

    To one side, that is between his points of 5 %, 2.18, and of 1 %, 2.41; p is for both sides.
    """
    strengths = [568, 570, 570, 570, 572, 572, 572, 578, 584, 596]
    index, p = farthest(strengths)
    assert index == 9
    highest = (596 - np.mean(strengths)) / np.std(strengths, ddof=1)
    assert highest == pytest.approx(2.39, abs=0.01)
    n = len(strengths)
    t = highest * ((n * (n - 2)) / ((n - 1) ** 2 - n * highest**2)) ** 0.5
    assert p == pytest.approx(2 * n * stats.t.sf(t, n - 2))
    assert 0.02 < p < 0.10


def test_of_equal_values_one_is_far_by_rounding_alone() -> None:
    """One step beside four that are equal: t is 1 / sqrt(1/12 · 5/4), on three degrees."""
    index, p = farthest([5.0, 5.0, 6.0, 5.0, 5.0], 1.0)
    assert index == 2
    assert p == pytest.approx(10 * stats.t.sf((12 / 1.25) ** 0.5, 3))
    assert farthest([1.0, 1.0, 1.0])[1] == 1.0
    assert farthest([1.0, 1.0, 2.0]) == (2, 0.0)


@pytest.mark.slow
def test_of_normal_samples_grubbs_finds_one_in_a_hundred() -> None:
    rng = np.random.default_rng(5)
    told = [farthest(values)[1] < 0.01 for values in rng.normal(size=(20_000, 5))]
    assert np.mean(told) == pytest.approx(0.01, abs=0.002)


@pytest.mark.parametrize(
    ("effect", "in_pairs", "on_a_side"),
    [
        (0.1, 787, 1571),
        (0.2, 199, 394),
        (0.5, 34, 64),
        (0.8, 15, 26),
        (1.0, 10, 17),
        (1.5, 6, 9),
        (2.0, 5, 6),
        (3.0, 4, 4),
        (50.0, 3, 3),
        (0.02, None, None),
        (0.0, None, None),
    ],
)
def test_seeds_that_tell_a_difference(
    effect: float, in_pairs: int | None, on_a_side: int | None
) -> None:
    """statsmodels' TTestPower and TTestIndPower; 64 and 26 are Cohen's (1988, table 2.4.1) too."""
    assert seeds_needed(effect, 1.0, "paired t") == in_pairs
    assert seeds_needed(-effect / 3, 1 / 3, "Welch") == on_a_side


@pytest.mark.parametrize(("seeds", "effect", "chance"), [(10, 1.0, 0.8030969), (5, 1.6, 0.7621105)])
def test_the_power_of_a_paired_t(seeds: int, effect: float, chance: float) -> None:
    """The chances are statsmodels' TTestPower's."""
    assert power.power(effect, seeds, "paired t") == pytest.approx(chance, abs=1e-6)


@pytest.mark.parametrize("design", ["paired t", "Welch"])
def test_a_huge_difference_is_told_for_sure(design: power.Design) -> None:
    """Where the noncentral t's own series ends in nan or in nonsense."""
    for effect in (13.0, 1e3, 1e300):
        assert power.power(effect, 10, design) == pytest.approx(1.0)


# --- scipy.stats as the oracle ---


@given(pairs())
def test_paired_t_is_scipy_s(both: tuple[list[float], list[float]]) -> None:
    a, b = both
    assume(np.ptp(np.subtract(b, a)) > 0)
    found, oracle = paired_t(a, b), stats.ttest_rel(b, a)
    low, high = oracle.confidence_interval(0.95)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-9)
    assert found.half_width() == pytest.approx((high - low) / 2, rel=1e-9)
    assert found.difference == pytest.approx((high + low) / 2, abs=1e-9)


@given(samples(2), samples(2))
def test_welch_is_scipy_s(a: list[float], b: list[float]) -> None:
    assume(np.ptp(a) > 0 and np.ptp(b) > 0)  # scipy warns of a constant side
    found, oracle = welch(a, b), stats.ttest_ind(b, a, equal_var=False)
    low, high = oracle.confidence_interval(0.95)
    assert found.degrees_of_freedom == pytest.approx(oracle.df, rel=1e-9)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-9)
    assert found.half_width() == pytest.approx((high - low) / 2, rel=1e-9)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_s_p_is_the_binomial_test_s(lost: int, won: int) -> None:
    found = mcnemar(*right(5, lost, won, 3))
    oracle = stats.binomtest(won, lost + won).pvalue if lost + won else 1.0
    assert found.p == pytest.approx(oracle, rel=1e-9)
    assert found.difference == pytest.approx((won - lost) / (lost + won + 8))
    assert found.identical == (lost + won == 0)


# --- laws ---


@given(pairs(), st.integers(-100, 100), st.sampled_from([0.25, 2.0, 1024.0]))
def test_shift_and_scale_change_no_p(
    both: tuple[list[float], list[float]], shift: int, scale: float
) -> None:
    a, b = (np.array(side) for side in both)
    for test in (paired_t, welch):
        plain, other = test(a, b), test(scale * (a + shift), scale * (b + shift))
        assert other.p == pytest.approx(plain.p, rel=1e-6, abs=1e-300)
        assert other.half_width() == pytest.approx(scale * (plain.half_width() or 0.0), rel=1e-6)


@given(pairs())
def test_swapping_the_sides_turns_the_sign_alone(both: tuple[list[float], list[float]]) -> None:
    a, b = both
    flags = np.array(a) > 0, np.array(b) > 0
    for forth, back in (
        (paired_t(a, b), paired_t(b, a)),
        (welch(a, b), welch(b, a)),
        (mcnemar(*flags), mcnemar(*flags[::-1])),
    ):
        assert back.difference == -forth.difference
        assert back.p == pytest.approx(forth.p)
        assert back.half_width() == pytest.approx(forth.half_width())
    turned = {"better": "worse", "worse": "better"}
    outcome = verdict(a, b).outcome
    assert verdict(b, a).outcome == turned.get(outcome, outcome)


@given(pairs(), st.sampled_from([0.05, 0.05 / 7, 0.2]))
def test_the_interval_leaves_zero_out_where_p_is_small(
    both: tuple[list[float], list[float]], alpha: float
) -> None:
    for found in (paired_t(*both), welch(*both)):
        width = found.half_width(alpha)
        assert width is not None
        assert found.p is not None
        assume(abs(found.p - alpha) > 1e-9)
        assert (abs(found.difference) > width) == (found.p < alpha)


def test_mcnemar_s_interval_agrees_with_its_test() -> None:
    """It leaves zero out where p is below 5 %, and nowhere else."""
    for lost, won in itertools.combinations(range(60), 2):
        found = mcnemar(*right(900, lost, won, 0))
        width = found.half_width()
        assert width is not None
        assert found.p is not None
        assert (found.difference > width) == (found.p < 0.05)


# --- what is degenerate, and what is refused ---


@pytest.mark.parametrize("test", [paired_t, welch])
@pytest.mark.parametrize("resolution", [0.0, 1.0])
def test_no_difference_at_all_is_identical(
    test: Callable[..., Difference], resolution: float
) -> None:
    found = test([0.1] * 4, [0.1] * 4, resolution)
    assert found.identical
    assert (found.difference, found.half_width(), found.p, found.sd) == (0.0, 0.0, 1.0, 0.0)


@pytest.mark.parametrize("test", [paired_t, welch])
def test_equal_differences_are_as_sure_as_the_rounding_allows(
    test: Callable[..., Difference],
) -> None:
    """Without a resolution p is the formula's limit; in whole epochs the variance is 1/6."""
    for constant in (0.75, 0.1):  # numpy's variance of three times 0.1 is not zero
        limit = test([0.0] * 3, [constant] * 3)
        assert limit.difference == pytest.approx(constant)
        assert (limit.half_width(), limit.p) == (0.0, 0.0)
    epochs = test([8.0] * 3, [7.0] * 3, 1.0)
    error = (1 / 6 / 3) ** 0.5
    freedom = 2 if test is paired_t else 4
    assert epochs.p == pytest.approx(2 * stats.t.sf(1 / error, freedom))
    assert not epochs.identical


def test_one_constant_side_is_no_trouble_for_welch() -> None:
    found = welch([1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0])
    assert found.degrees_of_freedom == pytest.approx(3)


@pytest.mark.parametrize(
    ("test", "first", "second", "error", "said"),
    [
        (paired_t, [1.0], [2.0], TooFewError, "a test needs at least 2 values on each side, got 1"),
        (
            welch,
            [1.0, 2.0],
            [2.0],
            TooFewError,
            "a test needs at least 2 values on each side, got 1",
        ),
        (paired_t, [1.0, 2.0], [1.0], TooFewError, "got 1"),
        (paired_t, [1.0, 2.0], [1.0, 2.0, 3.0], ValueError, "same size, got 2 and 3"),
        (paired_t, [1.0, np.nan], [1.0, 2.0], ValueError, "not a finite number"),
        (welch, [1.0, 2.0], [1.0, np.inf], ValueError, "not a finite number"),
        (mcnemar, [True], [True, False], ValueError, "the same examples, got 1 and 2"),
        (mcnemar, [], [], TooFewError, "at least one example, got none"),
    ],
)
def test_what_no_test_can_take_is_refused(
    test: Callable[..., Difference],
    first: list[float],
    second: list[float],
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        test(first, second)


@pytest.mark.parametrize("values", [{}, {0: np.nan}])
def test_a_comparison_needs_finite_values_on_both_sides(values: dict[int, float]) -> None:
    for sides in ((values, {0: 1.0}), ({0: 1.0}, values)):
        with pytest.raises(ValueError, match=r"got none|not a finite number"):
            between(*sides, PLAIN)


def test_importing_it_imports_no_scipy() -> None:
    """scipy.special takes a tenth of a second, scipy.stats nearly a whole one."""
    script = (
        "import sys, nnexp.analysis.verdicts as v\n"
        "assert 'scipy' not in sys.modules\n"
        "v.judge({'B': v.between({0: 1, 1: 2, 2: 3}, {0: 1, 1: 2, 2: 4}, v.COST)}, v.COST)\n"
        "assert 'scipy.special' in sys.modules and 'scipy.stats' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
