"""Rules behind the tuning protocol, on numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from nnexp.analysis import inspection
from nnexp.analysis.diagnosis import diagnose
from nnexp.config import load, rules
from nnexp.config.model import Config, PerExample
from nnexp.store.run import Run
from nnexp.training.history import Row
from nnexp.tune import batch_size, choice, final, ladder
from nnexp.tune.batch_size import TimedSize
from nnexp.tune.choice import Score
from nnexp.tune.ladder import Rung
from nnexp.tune.trials import Budget, BudgetSpentError, JobResult, Trials, finish, train_one

if TYPE_CHECKING:
    from tests.conftest import Bench

N = 1000
"""Validation images: two standard errors of a difference are 2.68 points at 90 %."""


def test_a_slow_descent_ends_the_search_once_it_is_beyond_the_noise_of_the_best() -> None:
    """From 90 % two points are lost by each decade: four are beyond the noise, two never."""
    accuracies = {1.0: 0.90, 10.0: 0.88, 100.0: 0.86, 1000.0: 0.84, 10_000.0: 0.82}
    scores: dict[float, Score] = {}
    while strengths := choice.next_strengths(scores, 1.0, N, (1e-4, 1e4)):
        scores |= {strength: Score(accuracies.get(strength, 0.5), 1.0) for strength in strengths}
    assert [each for each in scores if each >= 1] == [1.0, 10.0, 100.0]
    assert set(scores) <= {1.0, 10.0, 100.0, 0.1, 0.01, 0.001, 0.0001}


def test_it_is_the_best_s_noise_that_ends_the_search() -> None:
    """Two standard errors of a difference: 1.25 points at 98 %, 1.64 at 96.5 %."""
    scores = {1.0: Score(0.98, 0.1), 10.0: Score(0.965, 0.1)}
    assert choice.next_strengths(scores, 1.0, N, (1e-4, 1e4)) == [0.1]


def test_a_patience_may_lose_a_tenth_of_a_point_or_a_standard_error_if_that_is_less() -> None:
    """On 10,000 images a standard error is 0.194 points at 96.07 %, on 400,000 0.031."""
    ends = {10: (20, 0.9595), 20: (45, 0.9601), 30: (70, 0.9607)}
    assert final.shortest_patience(ends, 10_000) == 20
    assert final.shortest_patience(ends, 400_000) == 30


def test_on_few_images_a_patience_loses_none_of_them() -> None:
    """One of 400 is a quarter of a point; a standard error is 0.97."""
    ends = {10: (20, 0.9575), 20: (45, 0.96), 30: (70, 0.96)}
    assert final.shortest_patience(ends, 400) == 20


def test_a_size_s_best_accuracy_counts_though_it_falls_again() -> None:
    one = TimedSize(10, 0.1, (1.0, 2.0, 3.0), (0.7, 0.9, 0.85))
    other = TimedSize(20, 0.2, (2.0, 4.0, 6.0), (0.7, 0.8, 0.9))
    assert one.best == 0.9
    assert batch_size.level([one, other]) == 0.9
    assert batch_size.fastest([one, other], own=20) is one


@pytest.mark.parametrize(("end", "judgement"), [(0.73, "steady"), (0.76, "too large")])
def test_a_rate_may_end_a_tenth_above_a_smaller_one(end: float, judgement: str) -> None:
    """A tenth above 0.66, and a hundredth of the first cost, is 0.746."""
    smaller = Rung(0.1, [2.0, 1.5, 1.2, 1.0, 0.9, 0.8, 0.7, 0.66, 0.66, 0.66])
    larger = Rung(0.2, [2.0, 1.5, 1.2, 1.0, 0.9, 0.85, 0.8, end, end, end])
    assert [each.judgement for each in ladder.judged([larger, smaller])] == ["steady", judgement]


def test_what_diverged_costs_without_bound_in_the_end() -> None:
    rows = [Row(epoch=1, learning_rate=1.0, train_cost=2.0)]
    trial = JobResult(Config(), Run(Path("runs/a")), rows, diverged=True, seconds=None)
    assert trial.costs == [2.0, math.inf]
    assert trial.rung.diagnosis.kind == "diverged"


def test_a_trial_is_worth_its_best_epoch() -> None:
    rows = [
        Row(epoch=epoch, learning_rate=1.0, validation_accuracy=accuracy)
        for epoch, accuracy in enumerate((0.5, 0.9, 0.8), 1)
    ]
    assert JobResult(Config(), Run(Path("r")), rows, diverged=False, seconds=None).accuracy == 0.9


def test_a_budget_may_be_used_up(bench: Bench) -> None:
    config = load.read(bench.folder / "tiny.yaml")
    trials = Trials("tiny", bench.folder / "runs", budget=Budget(epochs=2 * config.epochs))
    finish(train_one(config), trials)
    finish(train_one(replace(config, seed=1)), trials)
    assert trials.epochs == 2 * config.epochs
    with pytest.raises(BudgetSpentError):
        finish(train_one(replace(config, seed=2)), trials)
    assert finish(train_one(config), trials).config == config


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
    found = inspection.weight_decay(config, n)
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
    assert any("flip sign" in said for said in rules.warnings(config, 10)) == warned
    same = Config(learning_rate=eta, lambda_=PerExample(strength / 10))
    assert any("flip sign" in said for said in rules.warnings(same, 10)) == warned
