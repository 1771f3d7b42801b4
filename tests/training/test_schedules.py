"""Learning-rate schedules: multipliers worked out by hand."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.config.model import Config
from nnexp.native import availability
from nnexp.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    HalveOnPlateau,
    Piecewise,
    Schedule,
    Scored,
    Step,
)

if TYPE_CHECKING:
    from tests.conftest import Bench

RATES = Piecewise({1: 0.5, 2: 0.3, 16: 0.1})
FACTORS: list[Schedule] = [kind() for kind in get_args(Schedule) if kind is not Piecewise]
EVERY: list[Schedule] = [*FACTORS, RATES]


PIECEWISE = {"name": "piecewise", "rates": {1: 0.4, 3: 0.1, 5: 2}}


def scored(*accuracies: float, every: int = 1) -> list[Scored]:
    return [Scored(every * (place + 1), value) for place, value in enumerate(accuracies)]


@pytest.mark.parametrize(
    ("schedule", "multipliers"),
    [
        (Constant(), {1: 1, 2: 1, 30: 1}),
        (Step(every=3), {1: 1, 3: 1, 4: 0.5, 6: 0.5, 7: 0.25, 10: 0.125}),
        (Step(every=1, factor=0.1), {1: 1, 2: 0.1, 3: 0.01}),
        (Exponential(factor=0.9), {1: 1, 2: 0.9, 3: 0.81, 4: 0.729}),
        (Cosine(), {1: 1, 11: 0.75, 16: 0.5, 21: 0.25, 30: (1 + math.cos(math.pi * 29 / 30)) / 2}),
        (Cosine(floor=0.2), {1: 1, 11: 0.8, 16: 0.6, 21: 0.4}),
        (RATES, {1: 0.5, 2: 0.3, 3: 0.3, 15: 0.3, 16: 0.1, 17: 0.1, 10**9: 0.1}),
        (Piecewise({11: 2.0, 1: 0.1, 21: 0.5}), {1: 0.1, 10: 0.1, 11: 2, 20: 2, 21: 0.5, 30: 0.5}),
    ],
)
def test_the_epoch_alone_says_what_the_learning_rate_is_multiplied_by(
    schedule: Schedule, multipliers: dict[int, float]
) -> None:
    for epoch, multiplier in multipliers.items():
        assert schedule.multiplier(epoch, 30, scored(0.5, 0.4)) == pytest.approx(multiplier)


@pytest.mark.parametrize(
    ("schedule", "epoch", "exact"),
    [
        (Exponential(factor=0.95), 483, Fraction(0.95) ** 482),
        (Exponential(factor=0.95), 555, Fraction(0.95) ** 554),
        (Step(every=2, factor=0.7), 497, Fraction(0.7) ** 248),
        (Step(every=2, factor=0.8), 713, Fraction(0.8) ** 356),
    ],
)
def test_a_factor_s_power_is_rounded_once(schedule: Schedule, epoch: int, exact: Fraction) -> None:
    """These are powers that the GNU C library rounds otherwise."""
    multiplier = schedule.multiplier(epoch, 999, [])
    assert multiplier == exact.numerator / exact.denominator


def test_a_plateau_of_three_halves_and_counts_anew_from_the_cut() -> None:
    """Best in epoch 2; cut after 5, 8; better in 9, so the next cut comes after 12."""
    plateau = HalveOnPlateau(patience=3, factor=0.5, floor=0.01)
    accuracies = [0.1, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.95, 0.95, 0.9, 0.9, 0.9]
    found = [
        plateau.multiplier(epoch, 99, scored(*accuracies[: epoch - 1])) for epoch in range(1, 15)
    ]
    assert found == [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125]


def test_the_exercise_ends_at_an_hundred_and_twenty_eighth_after_seven_halvings() -> None:
    exercise = HalveOnPlateau()
    shares = [exercise.multiplier(n + 1, 999, scored(*[0.5] * n)) for n in range(100)]
    assert [n for n in range(1, 100) if shares[n] != shares[n - 1]] == [*range(11, 72, 10)]
    assert shares[70] == 1 / 64
    assert shares[71:] == [None] * 29


def test_the_floor_is_reached_when_a_cut_goes_past_it() -> None:
    plateau = HalveOnPlateau(patience=1, factor=0.1, floor=0.05)
    assert plateau.multiplier(3, 99, scored(0.5, 0.5)) == pytest.approx(0.1)
    assert plateau.multiplier(4, 99, scored(0.5, 0.5, 0.5)) is None


def test_a_plateau_is_measured_in_epochs_however_seldom_they_are_evaluated() -> None:
    """Evaluated every 4 epochs: 8 and 12 are 4 and 8 after the best, so 6 have passed at 12."""
    plateau = HalveOnPlateau(patience=6)
    assert plateau.multiplier(9, 99, scored(0.5, 0.5, every=4)) == 1
    assert plateau.multiplier(13, 99, scored(0.5, 0.5, 0.5, every=4)) == 0.5


def test_an_equal_accuracy_is_no_improvement_and_a_better_one_restores_nothing() -> None:
    plateau = HalveOnPlateau(patience=2)
    assert plateau.multiplier(4, 99, scored(0.5, 0.5, 0.5)) == 0.5
    assert plateau.multiplier(5, 99, scored(0.5, 0.5, 0.5, 0.9)) == 0.5


@pytest.mark.parametrize("schedule", FACTORS, ids=lambda each: str(each.__struct_config__.tag))
@given(accuracies=st.lists(st.sampled_from([0.1, 0.5, 0.9]), max_size=40))
def test_every_schedule_is_a_pure_function_that_never_rises_nor_falls_to_0(
    schedule: Schedule, accuracies: list[float]
) -> None:
    history = scored(*accuracies)
    before = list(history)

    epochs = range(1, len(history) + 1)
    found = [schedule.multiplier(n, 40, history[: n - 1]) for n in epochs]
    again = [schedule.multiplier(n, 40, history[: n - 1]) for n in reversed(epochs)]
    assert found == again[::-1]
    assert history == before
    values = [value for value in found if value is not None]
    assert values == sorted(values, reverse=True)
    assert all(0 < value <= 1 for value in values)


def test_the_model_s_schedules_are_those_tested_here() -> None:
    tags = {str(each.__struct_config__.tag) for each in EVERY}
    assert tags == {
        *("constant", "step", "exponential", "cosine", "halve-on-plateau", "piecewise"),
    }
    assert Config().schedule == Constant()


def test_a_row_says_the_learning_rate_that_its_epoch_had(bench: Bench) -> None:
    config = bench.config(epochs=5, learning_rate=0.4, schedule={"name": "step", "every": 2})
    run = bench("train", config, "--set", "patience=null", "-q").out.strip()
    lines = (bench.folder / run / "metrics.jsonl").read_bytes().splitlines()
    rates = [msgspec.json.decode(line)["learning_rate"] for line in lines]
    assert rates == pytest.approx([0.4, 0.4, 0.2, 0.2, 0.1])


@pytest.mark.parametrize(
    "backend",
    [
        "numpy",
        pytest.param(
            "native",
            marks=pytest.mark.skipif(
                availability.why_unavailable() is not None, reason="there are no kernels"
            ),
        ),
    ],
)
def test_a_row_has_the_rate_that_piecewise_gives_its_epoch_and_trains_with_it(
    bench: Bench, backend: str
) -> None:
    """Up to a rate's change, training is that of the constant rate; from then on it is not."""
    bench.config(epochs=5, learning_rate=None, patience=None, schedule=PIECEWISE)
    where = ("--backend", backend, "-q")
    run = bench("train", "tiny.yaml", *where).out.strip()
    constant = ("--set", "schedule=constant", "--set", "learning_rate=0.4", "--runs", "constant")
    other = bench("train", "tiny.yaml", *where, *constant).out.strip()
    rows, others = (
        list(map(msgspec.json.decode, (bench.folder / it / "metrics.jsonl").read_bytes().split()))
        for it in (run, other)
    )
    assert [row["learning_rate"] for row in rows] == [0.4, 0.4, 0.1, 0.1, 2.0]
    assert rows[:2] == others[:2]
    assert rows[2]["train_cost"] != others[2]["train_cost"]


def test_piecewise_interrupted_at_any_epoch_comes_to_the_same_bytes(bench: Bench) -> None:
    bench.config(epochs=6, learning_rate=None, patience=None, schedule=PIECEWISE)
    whole = bench.files(bench("train", "tiny.yaml", "-q").out.strip())
    for until in (1, 2, 3, 5):
        runs = f"until-{until}"
        bench("train", "tiny.yaml", "-q", "--runs", runs, "--until", str(until))
        run = bench("train", "tiny.yaml", "-q", "--runs", runs).out.strip()
        assert bench.files(run) == whole


def test_a_plateau_s_run_ends_itself_and_interrupted_comes_to_the_same_bytes(bench: Bench) -> None:
    schedule = {"name": "halve-on-plateau", "patience": 2, "floor": 0.2}
    config = bench.config(epochs=90, learning_rate=0.1, schedule=schedule)
    run = bench.folder / bench("train", config, "-q").out.strip()
    result = msgspec.json.decode((run / "result.json").read_bytes())
    assert result["reason"] == "schedule"
    assert result["final"]["learning_rate"] == pytest.approx(0.025)
    for until in (3, 9):
        bench("train", config, "-q", "--runs", "parts", "--until", str(until))
    parts = bench.folder / bench("train", config, "-q", "--runs", "parts").out.strip()
    assert (parts / "result.json").read_bytes() == (run / "result.json").read_bytes()
