"""A race stops where it is decided, and its runs do not depend on how many run at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.analysis.power import ALPHA
from nnexp.analysis.sequential import looks, seeds_expected, soonest_verdict
from nnexp.study.race import RaceResult
from tests.study.races import ROUND, configs, plant, run, sampler

if TYPE_CHECKING:
    from tests.conftest import Bench

NOISE = [0.0, 1e-5, -1e-5, 2e-5, -2e-5]


def noisy(seed: int) -> float:
    return NOISE[seed % 5]


def words(result: RaceResult) -> dict[str, tuple[str, int]]:
    """Return the decision on each config, and its seeds."""
    return {
        letter: (verdict.decision, len(result.values[letter]))
        for letter, verdict in result.verdicts.items()
    }


@pytest.mark.parametrize(
    ("others", "seeds"),
    [(1, 4), (3, 4), (4, 5)],
    # With equal differences, e = (1 + 4n)^((n - 1)/2): 13 for three seeds, 70 for four, 441 for
    # five. One config needs 20, three need 60, four need 80.
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clear_difference_is_decided_with_the_fewest_seeds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, others: int, seeds: int, sign: int
) -> None:
    plant(monkeypatch, lambda name, s: 0.5 + (name != "a") * (sign * 0.05 + noisy(s)))
    race = sampler(configs(bench, *"abcde"[: others + 1]))
    started = run(race)
    decision = "better" if sign > 0 else "worse"
    assert words(race.result) == {"BCDE"[n]: (decision, seeds) for n in range(others)}
    assert started == [(letter, s) for s in range(seeds) for letter in "ABCDE"[: others + 1]]


def test_of_costs_the_smaller_one_is_better(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = ROUND._replace(larger_is_better=False)
    plant(monkeypatch, lambda name, s: 0.5 + (name == "b") * (0.05 + noisy(s)), cost)
    race = sampler(configs(bench, "a", "b"))
    run(race)
    assert words(race.result) == {"B": ("worse", 4)}


def test_differences_that_do_not_matter_are_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-widths after four and five seeds are 3.61 and 2.40 standard deviations.

    By hand, for n = 4: a = (√17/0.05)^(1/2) = 9.08, tau² = 3 · 8.08/(1 - 9.08/17) = 52.06.
    For n = 5: a = (√21/0.05)^(2/5) = 6.09, tau² = 4 · 5.09/(1 - 6.09/21) = 28.7.
    """
    plant(monkeypatch, lambda name, s: 0.5 + (name == "b") * 0.01 * (-1) ** s)
    files = configs(bench, "a", "b")
    # 1, -1, 1, -1: mean 0, sd 1.1547, half-width 4.17 points; 1, …, 1: 0.2, 1.0954, 2.62.
    for effect, decision in ((4.3, ("same", 4)), (4.0, ("same", 5))):
        race = sampler(files, smallest_effect=effect)
        run(race)
        assert words(race.result) == {"B": decision}
    race = sampler(files, at_most=6)
    run(race)
    assert words(race.result) == {"B": ("undecided", 6)}


def test_a_decided_config_gets_no_more_seeds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"a": 0.0, "b": 0.05, "c": 0.0}
    plant(monkeypatch, lambda name, s: values[name] + 10 * noisy(s + len(name) + ord(name)))
    race = sampler(configs(bench, "a", "b", "c"), at_most=12)
    started = run(race, 5)
    assert words(race.result) == {"B": ("better", 4), "C": ("undecided", 12)}
    assert sorted(started) == [
        *(("A", s) for s in range(12)),
        *(("B", s) for s in range(4)),
        *(("C", s) for s in range(12)),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("effect", [None, 0.5])
@pytest.mark.parametrize("lacking", [False, True])
def test_runs_and_verdicts_do_not_depend_on_the_jobs_or_on_which_ends_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, effect: float | None, *, lacking: bool
) -> None:
    files = configs(bench, "a", "b", "c")
    rng = np.random.default_rng(2)
    ends = set()
    for _ in range(8):
        drawn = rng.normal([0.5, 0.505, 0.5], 0.005, (25, 3))
        missing = (int(rng.integers(3)), int(rng.integers(6))) if lacking else None

        def value(
            name: str, seed: int, drawn: np.ndarray = drawn, missing: object = missing
        ) -> float | None:
            column = "abc".index(name)
            return None if (column, seed) == missing else float(drawn[seed, column])

        plant(monkeypatch, value)
        expected = None
        for jobs in (1, 1, 2, 3, 5, 16):
            race = sampler(files, 25, effect)
            started = run(race, jobs, lambda running: int(rng.integers(len(running))))
            assert len(started) == len(set(started))
            found = sorted(started), race.result.verdicts, race.result.values, race.result.stops
            expected = expected or found
            assert found == expected
        assert expected is not None
        if not lacking:  # nothing is trained that the verdicts do not need
            needed = [(name, s) for name, known in expected[2].items() for s in known]
            assert expected[0] == sorted(needed)
        ends.add(tuple(verdict.decision for verdict in expected[1].values()))
    assert len(ends) > 1


def test_a_run_without_a_value_ends_its_pair_and_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, lambda name, s: None if (name, s) == ("b", 2) else noisy(s + ord(name)))
    race = sampler(configs(bench, "a", "b", "c"), at_most=6)
    run(race)
    assert words(race.result) == {"B": ("undecided", 2), "C": ("undecided", 6)}
    assert race.result.stop_of("B") == ("B", (2, "has no value of planted value"))
    assert race.result.stop_of("C") is None


def test_a_baseline_without_a_value_ends_the_race(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not what was decided before."""
    shift = {"a": 0.0, "b": 1.0, "c": 0.0}
    plant(
        monkeypatch,
        lambda name, s: None if (name, s) == ("a", 5) else shift[name] + noisy(s + ord(name)),
    )
    race = sampler(configs(bench, "a", "b", "c"))
    run(race)
    assert words(race.result) == {"B": ("better", 4), "C": ("undecided", 6)}
    assert race.result.seeds == 6
    assert race.result.stop_of("B") is None
    assert race.result.stop_of("C") == ("A", (5, "has no value of planted value"))


def _seen(differences: Sequence[float]) -> float:
    """Return log e of the differences."""
    zeros = dict.fromkeys(range(len(differences)), 0.0)
    return looks(zeros, dict(enumerate(differences)))[-1].log_e


@pytest.mark.parametrize("alike", [1, 4])
def test_the_soonest_verdict_is_the_one_that_the_best_differences_would_give(alike: int) -> None:
    """The best next difference is V/S, which adds 1 to S²/V; no drawn one is better.

    Without a difference yet, all may be zero, and four seeds decide that nothing differs.
    """
    rng = np.random.default_rng(3)
    bar = math.log(alike / ALPHA)
    for _ in range(40):
        known = list(rng.normal(rng.normal(), 1, rng.integers(1, 12)))
        if any(_seen(known[:n]) >= bar for n in range(2, len(known) + 1)):
            continue
        soonest = soonest_verdict(known, alike, ALPHA)
        best = list(known)
        while len(best) < soonest:
            assert len(best) < 2 or _seen(best) < bar
            total = sum(best)
            best.append(sum(d * d for d in best) / total if total else 1.0)
        assert _seen(best) >= bar
        for _ in range(20):
            more = list(rng.normal(rng.normal(0, 3), rng.exponential(), soonest - 1 - len(known)))
            assert len(known + more) < 2 or _seen(known + more) < bar


def test_the_soonest_verdict_may_be_that_nothing_matters() -> None:
    """Half-widths are 3.61 standard deviations after four seeds (see above).

    Two differences of ±1 have squared deviations of 2; after four seeds the standard deviation is
    at least √(2/3), and the half-width 2.95; after five, √(2/4) and 1.69.
    """
    found = [soonest_verdict([1.0, -1.0], 9, ALPHA, effect) for effect in (2.9, 3.0, 1.6, 1.8)]
    assert found[1] == 4
    assert found[0] == found[3] == 5
    assert found[2] > 5


def test_the_expected_seeds_are_those_of_data_that_go_on_alike(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Differences 0, 2, 0, 2, … have a mean of 1, and a standard deviation of about 1."""
    plant(monkeypatch, lambda name, s: 0.02 * (s % 2) if name == "b" else 0.0)
    files = configs(bench, "a", "b")
    race = sampler(files, at_most=6)
    run(race)
    expected = seeds_expected(race.result.verdicts["B"])
    assert expected is not None
    whole = sampler(files)
    run(whole)
    (decided,) = words(whole.result).values()
    assert decided[0] == "better"
    assert abs(decided[1] - expected) <= 2
