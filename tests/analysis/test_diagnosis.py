"""Diagnosis of cost curves: a corpus of real and synthetic curves with known answers, and laws."""

from __future__ import annotations

import json
import math
from itertools import accumulate, cycle, islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.analysis.diagnosis import Diagnosis, Overfitting, diagnose, overfits_from

RECORDED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("cost_curves.json").read_text("utf-8")
)["curves"]
"""Short real trainings; the file says which command made them."""

INF, NAN = math.inf, math.nan


def decay(epochs: int, low: float = 0.2, high: float = 2.0, time: float = 6.0) -> list[float]:
    """Return a cost that falls as trainings do: fast at first, towards a floor."""
    return [low + (high - low) * math.exp(-epoch / time) for epoch in range(epochs)]


def noisy(costs: list[float], part: float, seed: int) -> list[float]:
    """Return costs with normal noise that is a part of each."""
    draws = np.random.default_rng(seed).standard_normal(len(costs))
    return [float(cost * (1 + part * draw)) for cost, draw in zip(costs, draws, strict=True)]


def spiked(costs: list[float], spikes: dict[int, float]) -> list[float]:
    """Return costs with single epochs that stand out: by place, how much is added."""
    return [cost + spikes.get(place, 0.0) for place, cost in enumerate(costs)]


def growth(first: float, factor: float, epochs: int) -> list[float]:
    return [first * factor**epoch for epoch in range(epochs)]


def waves(costs: list[float], size: float, period: float) -> list[float]:
    """Return costs with a wave on them."""
    return [
        cost + size * math.sin(2 * math.pi * place / period) for place, cost in enumerate(costs)
    ]


MADE: dict[str, tuple[str, list[float]]] = {
    # Falling, whatever lies on it:
    "two costs, falling": ("falling", [2.0, 1.0]),
    "three costs, falling by 2 %": ("falling", [1.0, 0.99, 0.98]),
    "four costs, falling steeply": ("falling", [1.0, 0.1, 0.01, 0.001]),
    "five costs, with a spike": ("falling", [2.0, 1.5, 5.0, 1.2, 1.0]),
    "five costs, one small rise": ("falling", [2.0, 1.0, 0.6, 0.7, 0.55]),
    "a straight fall": ("falling", [3.0 - 0.1 * epoch for epoch in range(20)]),
    "slow at first": ("falling", [2.3 / (1 + math.exp((epoch - 20) / 3)) for epoch in range(40)]),
    "3 % noise": ("falling", noisy(decay(30), 0.03, 1)),
    "10 % noise": ("falling", noisy(decay(30), 0.10, 2)),
    "10 % noise, long": ("falling", noisy(decay(200, time=40), 0.10, 3)),
    "rises half the time": (
        "falling",
        noisy([2 - e / 100 for e in range(100)], 0.03, 4),
    ),
    "a spike": ("falling", spiked(decay(30), {12: 4.0})),
    "three spikes": ("falling", spiked(noisy(decay(40), 0.03, 5), {9: 1.0, 20: 3.0, 31: 2.0})),
    "a spike in ten noisy epochs": ("falling", spiked(noisy(decay(10), 0.02, 6), {6: 3.0})),
    "three spikes and nothing else": ("falling", spiked(decay(60), {19: 2.0, 33: 2.0, 50: 2.0})),
    "a spike on a plateau": ("falling", spiked(noisy(decay(60, time=3), 0.02, 7), {50: 1.5})),
    "a plateau": ("falling", decay(60, time=3)),
    "a noisy plateau": ("falling", noisy(decay(60, time=3), 0.05, 8)),
    "a plateau of a thousand epochs": ("falling", noisy(decay(1000), 0.10, 9)),
    "a plateau, then a second fall": ("falling", decay(20, 1.0, 2.0, 2) + decay(20, 0.1, 1.0, 4)),
    "down to nothing": ("falling", growth(2.0, 0.7, 100)),
    # Flat:
    "two costs, the same": ("flat", [1.0, 1.0]),
    "constant": ("flat", [0.5] * 20),
    "constantly zero": ("flat", [0.0] * 5),
    "rounding": ("flat", [0.5 + 1e-12 * (-1) ** epoch for epoch in range(20)]),
    "a learning rate far too small": ("flat", [3.0 - 1e-5 * epoch for epoch in range(15)]),
    "constant with 0.1 % noise": ("flat", noisy([2.3] * 30, 0.001, 10)),
    "constant with a spike": ("flat", spiked([2.3] * 20, {7: 5.0})),
    # Oscillating:
    "up and down": ("oscillating", [1.0, 2.0] * 10),
    "four costs, up and down": ("oscillating", [2.0, 1.0, 2.0, 1.0]),
    "five costs, up and down": ("oscillating", [2.0, 1.0, 1.8, 0.9, 1.7]),
    "around a level, 10 %": ("oscillating", noisy([1.0] * 30, 0.10, 11)),
    "around a level, 30 %": ("oscillating", noisy([300.0] * 15, 0.30, 12)),
    "down one, up one, and slowly down": (
        "oscillating",
        [2.0 - 0.01 * epoch + 0.5 * (-1) ** epoch for epoch in range(30)],
    ),
    "slow waves": ("oscillating", waves([2.0] * 60, 0.8, 15)),
    "swings that grow": ("oscillating", [3.0 - 0.2 * (-1.2) ** epoch for epoch in range(14)]),
    # Rising:
    "two costs, rising": ("rising", [1.0, 1.5]),
    "three costs, a fall undone": ("rising", [1.0, 0.9, 1.5]),
    "a straight rise": ("rising", [1.0 + 0.1 * epoch for epoch in range(20)]),
    "a noisy rise": ("rising", noisy([1.0 + 0.1 * epoch for epoch in range(30)], 0.05, 13)),
    "down, then up for good": ("rising", decay(20) + [0.3 + 0.07 * epoch for epoch in range(10)]),
    "noisily down, then up for good": (
        "rising",
        noisy(decay(20) + [0.3 + 0.07 * epoch for epoch in range(10)], 0.04, 14),
    ),
    "a jump to a level where it stays": ("rising", decay(20) + [1.4] * 10),
    "the last epoch is above the first": ("rising", [*decay(20), 5.0]),
    # Diverged:
    "it ends with NaN": ("diverged", [*decay(10), NAN]),
    "it ends with infinity": ("diverged", [2.0, 3.0, INF]),
    "NaN at once": ("diverged", [NAN]),
    "NaN in between": ("diverged", [1.0, NAN, 0.5, 0.4]),
    "growth without end": ("diverged", growth(1.0, 3.0, 10)),
    "late divergence": ("diverged", [*noisy(decay(25), 0.03, 15), 5.0, 300.0]),
    "so large that sums overflow": ("diverged", [1e307, 1.7e308, 1e308]),
}
"""Curves made with an intent, and what they do."""


def known(costs: list[float]) -> Diagnosis:
    diagnosis = diagnose(costs)
    assert diagnosis is not None
    return diagnosis


@pytest.mark.parametrize("name", MADE)
def test_made_curves(name: str) -> None:
    answer, costs = MADE[name]
    assert known(costs).kind == answer


@pytest.mark.parametrize("name", RECORDED)
def test_real_curves(name: str) -> None:
    recorded = RECORDED[name]
    assert known(recorded["train_cost"]).kind == recorded["known"]


def test_the_corpus_is_large_enough() -> None:
    assert len(MADE) + len(RECORDED) >= 40
    answers = {answer for answer, _ in MADE.values()}
    assert answers == {"falling", "flat", "oscillating", "rising", "diverged"}


def test_the_book_s_three_curves(book: Path) -> None:
    """Known answers, and the ratios of rises to falls that chapter.md gives for them."""
    curves = [known(curve[2]) for curve in json.loads((book / "multiple_eta.json").read_text())]
    assert [round(curve.ratio or 0.0, 3) for curve in curves] == [0.0, 0.293, 0.937]
    assert [curve.kind for curve in curves] == ["falling", "falling", "oscillating"]
    first, second, third = (curve.words for curve in curves)
    assert first == "falling"
    assert second.startswith("falling with small oscillation")
    assert third == "oscillating: the learning rate is too large"


@pytest.mark.parametrize("seed", range(20))
def test_other_draws_of_the_noise_change_no_answer(seed: int) -> None:
    """So that the corpus is no collection of lucky draws."""
    assert known(noisy(decay(30), 0.05, seed)).kind == "falling"
    assert known(noisy(decay(300, time=3), 0.05, seed)).kind == "falling"
    assert known(noisy([1.0] * 30, 0.10, seed)).kind == "oscillating"
    assert known(noisy([1.0] * 30, 0.001, seed)).kind == "flat"
    assert known(noisy([1 + 0.1 * epoch for epoch in range(30)], 0.03, seed)).kind == "rising"


def test_a_slow_fall_in_much_noise_is_nearly_always_told_from_an_oscillation() -> None:
    """From 2 to 1, with a standard deviation of 0.1: a tenth of the whole fall."""
    found = []
    for seed in range(100):
        draws = np.random.default_rng(seed).standard_normal(100)
        costs = [2 - epoch / 100 + 0.1 * float(draw) for epoch, draw in enumerate(draws)]
        found.append(known(costs).kind)
    assert found.count("falling") >= 90


COSTS = st.floats(min_value=1e-3, max_value=1e3)


@given(st.lists(COSTS, min_size=2, max_size=40), st.integers(-30, 30))
def test_the_cost_s_unit_is_no_matter(costs: list[float], power: int) -> None:
    """A power of two scales floating-point numbers exactly."""
    scaled = known([math.ldexp(cost, power) for cost in costs])
    assert scaled.kind == known(costs).kind
    assert scaled.words == known(costs).words


@given(st.lists(st.floats(min_value=0.01, max_value=1.0), min_size=1, max_size=40))
def test_what_never_rises_and_falls_by_two_per_cent_is_falling(steps: list[float]) -> None:
    """With the median of the last third as its end, 2 % in all are at least 1 % there."""
    costs = [10.0, *accumulate(steps, lambda cost, step: cost * (1 - 0.9 * step), initial=9.7)]
    assert known(costs).kind == "falling"
    assert known(costs).rises == 0


@given(st.lists(st.floats(min_value=0.02, max_value=0.3), min_size=1, max_size=40))
def test_what_never_falls_and_rises_is_rising_or_diverged(steps: list[float]) -> None:
    costs = list(accumulate(steps, lambda cost, step: cost * (1 + step), initial=1.0))
    assert known(costs).kind == ("diverged" if costs[-1] > 10 else "rising")


@given(
    st.lists(st.floats(min_value=0.5, max_value=1.0), min_size=20, max_size=20),
    st.lists(st.floats(min_value=1.5, max_value=2.0), min_size=20, max_size=20),
    st.integers(4, 40),
)
def test_what_goes_up_and_down_by_much_is_oscillating(
    lows: list[float], highs: list[float], epochs: int
) -> None:
    both = [cost for pair in zip(lows, highs, strict=True) for cost in pair]
    assert known(both[:epochs]).kind == "oscillating"
    assert known(both[1 : epochs + 1][:39]).kind == "oscillating"


@given(st.lists(st.just(math.nan) | st.floats(min_value=0), max_size=30))
def test_any_costs_are_diagnosed_in_words(costs: list[float]) -> None:
    diagnosis = diagnose(costs)
    assert (diagnosis is None) == (len(costs) < 2 and all(cost < 1e300 for cost in costs))
    assert diagnosis is None or diagnosis.kind in diagnosis.sentence


def test_one_cost_or_none_says_nothing() -> None:
    assert diagnose([]) is None
    assert diagnose([1.0]) is None


def test_the_numbers_of_a_curve_by_hand() -> None:
    """4 → 2 → 3 → 1: falls 2 + 2, a rise of 1, a change of -3; one relapse, a third of it."""
    costs = [4.0, 2.0, 3.0, 1.0]
    assert known(costs) == Diagnosis(
        kind="oscillating",
        first=4.0,
        last=1.0,
        lowest=1.0,
        lowest_epoch=4,
        change=-0.75,
        rises=1.0,
        falls=4.0,
        share=1 / 3,
        relapse=1 / 3,
        jump=None,
        plateau=None,
    )
    assert known(costs).ratio == 0.25
    assert known(costs).numbers == (
        "4 to 1; 33 % of the steps rise; rises sum to 1, falls to 4; "
        "the median relapse is 33.3 % of the whole change"
    )


def words(costs: list[float], every: int = 1) -> str:
    diagnosis = diagnose(costs, range(every, every * len(costs) + 1, every))
    assert diagnosis is not None
    return diagnosis.words


def test_a_falling_curve_s_jump_and_plateau_are_named_by_their_epochs() -> None:
    """2, 1, ½, ¼, … is at its end, 1/16, from the sixth cost on."""
    halved = [*growth(2.0, 0.5, 6), *[0.0625] * 8]
    assert words(halved) == "falling, then on a plateau from epoch 6"
    assert words(halved, every=5) == "falling, then on a plateau from epoch 30"
    assert words(spiked(decay(30), {12: 4.0})) == "falling with a jump at epoch 13"
    assert words(growth(2.0, 0.8, 20)) == "falling"
    small = [*decay(10), *islice(cycle([0.5, 0.4]), 20)]
    assert words(small).startswith("falling with small oscillation, then on a plateau from")


def test_a_rise_is_told_from_where_it_began() -> None:
    assert words([2.0, 1.0, 0.5, 0.8, 1.1, 1.4]) == "rising since epoch 3"
    assert words([1.0, 1.1, 1.2]) == "rising"


def test_a_diverged_curve_tells_the_cost_that_shows_it() -> None:
    assert known([2.0, 3.0, NAN]).numbers == "from 2"
    assert known([2.0, INF]).sentence == "diverged: the learning rate is too large (from 2)"
    assert known([INF]).sentence == "diverged: the learning rate is too large"


def rise_after_fall(noise: float, seed: int, low: int = 10, epochs: int = 30) -> list[float]:
    return noisy([0.5 + 2 * ((e - low) / epochs) ** 2 for e in range(1, epochs + 1)], noise, seed)


FALLING = decay(30, 0.01, 2.0)


@pytest.mark.parametrize("seed", range(10))
def test_overfitting_is_found_where_the_validation_cost_is_lowest(seed: int) -> None:
    found = overfits_from(FALLING, rise_after_fall(0.01, seed))
    assert found is not None
    assert 8 <= found.epoch <= 12
    assert found.end > found.lowest
    assert found.train_end < found.train_then


def test_overfitting_in_numbers_by_hand() -> None:
    """Lowest at the third of ten evaluations, each second epoch; the last three have median 2."""
    validation = [3.0, 1.2, 1.0, 1.3, 1.5, 1.6, 1.8, 1.9, 2.0, 2.1]
    train = [2.0, 1.0, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    found = overfits_from(train, validation, range(2, 21, 2))
    assert found == Overfitting(epoch=6, lowest=1.0, end=2.0, train_then=0.8, train_end=0.2)
    assert found.sentence == (
        "over-fitting from epoch 6: since then the validation cost rose from 1 to 2 "
        "while the training cost fell from 0.8 to 0.2"
    )


@pytest.mark.parametrize("seed", range(10))
def test_no_overfitting_where_the_validation_cost_only_wavers(seed: int) -> None:
    assert overfits_from(FALLING, noisy(decay(30, 0.3, 1.0), 0.03, seed)) is None


def test_noise_is_seldom_taken_for_overfitting() -> None:
    falling = decay(100, 0.01, 2.0, 30)
    found = [overfits_from(falling, noisy(decay(100, 0.3, 1.0), 0.05, seed)) for seed in range(100)]
    assert sum(each is not None for each in found) <= 3


@pytest.mark.parametrize(
    ("why", "train", "validation"),
    [
        ("the training cost rises too", rise_after_fall(0, 0), rise_after_fall(0, 0)),
        ("it comes back", FALLING, spiked([0.5] * 30, dict.fromkeys(range(12, 18), 0.5))),
        ("it comes back at last", FALLING, [*rise_after_fall(0, 0)[:29], 0.45]),
        ("a single spike at the end", FALLING, [*decay(29), 3.0]),
        ("too young", FALLING[:14], rise_after_fall(0, 0)[:14]),
        ("rises of less than 1 %", FALLING, [1 + 1e-5 * (e - 10) ** 2 for e in range(30)]),
        ("not finite", FALLING, [*rise_after_fall(0, 0)[:29], INF]),
        ("one epoch", [1.0], [1.0]),
        ("no epoch", [], []),
    ],
)
def test_no_overfitting(why: str, train: list[float], validation: list[float]) -> None:
    assert overfits_from(train, validation) is None, why


def test_overfitting_of_real_runs() -> None:
    """1,000 examples are learnt by heart; 50,000 with λ = 5, or few epochs, are not."""
    epochs = {}
    for name, curve in RECORDED.items():
        if "validation_cost" in curve:
            found = overfits_from(curve["train_cost"], curve["validation_cost"])
            epochs[name] = found and found.epoch
    assert epochs == {"long": 11, "over": 15, "full": None, "eta-0.1": None, "lambda": None}


def test_the_book_s_overfitting(book: Path) -> None:
    """Known answer: the test cost is lowest at epoch 15 (chapter.md, section 6)."""
    curves = cast("list[list[float]]", json.loads((book / "overfitting.json").read_text()))
    found = overfits_from(curves[2], curves[0])
    assert found is not None
    assert found.epoch == 15
