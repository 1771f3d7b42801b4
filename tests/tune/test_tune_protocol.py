"""The tuning protocol from first to last stage, on planted trials whose best values are known."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from msgspec.structs import replace

from nnexp.config import load
from nnexp.config.model import Config
from nnexp.datasets.sources import Mnist
from nnexp.optim.schedules import Constant, HalveOnPlateau
from nnexp.store import thresholds
from nnexp.tune import protocol
from nnexp.tune.chance import NothingLearnedError
from nnexp.tune.state import TimingSession
from nnexp.tune.trials import BudgetSpentError
from tests.tune.planted import (
    CONFIG,
    EXAMPLES,
    Outcome,
    Planted,
    World,
    accuracy,
    decades,
    finish,
    is_full,
    limit,
    size,
    tuned,
    validation_cost,
)


def rates(configs: Sequence[Config]) -> list[float | None]:
    return [config.learning_rate for config in configs]


def strengths(configs: Sequence[Config]) -> list[object]:
    return [config.lambda_ for config in configs]


def test_all_that_was_planted_is_found(tmp_path: Path) -> None:
    """η: threshold 0.5, with λ 0.25 of the rates tried; 20 images make it 0.5; all data 1.2."""
    found = tuned(tmp_path)
    assert found.unfinished == []
    assert (found.config.batch_size, found.config.learning_rate) == (20, 0.6)
    assert found.config.lambda_ == 15.0
    assert (found.config.schedule, found.config.patience) == (HalveOnPlateau(patience=5), None)
    assert (found.config.epochs, found.config.hidden, found.config.data) == (100, (50,), Mnist())
    chose = [dict(decision.chose) for decision in found.state.decisions]
    assert chose == [
        {},
        {"learning_rate": 0.25},
        {"lambda": 0.3},
        {"learning_rate": 0.125},
        {"batch_size": 20, "learning_rate": 0.25},
        {"learning_rate": 0.6},
        {"lambda": 15.0},
        {"patience": 20},
        {"schedule": "halve-on-plateau"},
    ]


# Chance.


def test_chance_is_the_largest_class_s_share(tmp_path: Path) -> None:
    """To say 0 always is right six times in ten, and where 1 is the only other, six in eight."""
    guess = World(accuracy=lambda config, _: 0.6 if config.data.classes is None else 0.75)
    with pytest.raises(NothingLearnedError):
        tuned(tmp_path, guess)


def test_better_than_chance_is_more_than_luck(tmp_path: Path) -> None:
    """On 1,000 images a standard error is 1.55 points at 60 %, and 1.37 at 75 %."""
    lucky = World(accuracy=lambda config, _: 0.628 if config.data.classes is None else 0.775)
    with pytest.raises(NothingLearnedError):
        tuned(tmp_path, lucky)
    found = tuned(tmp_path, World(accuracy=lambda *_: 0.83), only=["final"])
    assert found.state.quick.data.classes is None


def test_the_last_epoch_s_accuracy_counts(tmp_path: Path) -> None:
    with pytest.raises(NothingLearnedError):
        tuned(tmp_path, World(accuracy=lambda _, epoch: 0.9 if epoch < 10 else 0.6))
    found = tuned(tmp_path, World(accuracy=lambda _, epoch: 0.9 if epoch == 10 else 0.6), ["final"])
    assert [len(stage) for stage in found.stages][:1] == [2]  # a trial a problem, no other rate


@pytest.mark.parametrize(
    ("rate", "only", "lambda_"),
    [(1.0, ["eta"], 1.0), (0.01, ["eta"], 1.0), (0.01, ["eta", "lambda"], 0.0)],
)
def test_the_simplest_problem_comes_first_then_the_config_s_rate_then_usual_ones(
    tmp_path: Path, rate: float, only: list[str], lambda_: float
) -> None:
    """λ = 5 for 5,000 images is 1 for 1,000. What diverges has learned nothing.

    λ stays unless it is to be decided, or it would be written though nothing was learned with it.
    """

    def learns(config: Config, _: int) -> float:
        return 0.9 if config.learning_rate in {rate, 3.0} else 0.3

    world = World(accuracy=learns, diverges=lambda config: config.learning_rate == 3.0)
    found = tuned(tmp_path, world, only=only)
    tried = [(c.data.classes, c.hidden, c.learning_rate, c.lambda_) for c in found.stages[0]]
    one = [(3.0, 1.0), *((each, lambda_) for each in (0.1, 1.0, 0.01))][: 4 if rate < 1 else 3]
    assert tried == [
        *[((0, 1), (), *each) for each in one],
        *[(None, (30,), *each) for each in one],
    ]
    assert {(c.data.train, c.data.validation, c.epochs) for c in found.stages[0]} == {
        (1000, 1000, 10)
    }


def test_where_only_two_classes_are_learned_the_next_stages_have_them(tmp_path: Path) -> None:
    world = World(accuracy=lambda config, _: 0.6 if config.data.classes is None else 0.9)
    found = tuned(tmp_path, world, only=["eta"])
    assert found.state.quick.data.classes == (0, 1)
    assert {config.data.classes for config in found.stages[1]} == {(0, 1)}
    assert found.config.data.classes is None
    assert found.decision(1, "chance").notes


# Learning rate.


def test_the_ladder_has_no_lambda_and_is_climbed_on_the_quick_problem(tmp_path: Path) -> None:
    found = tuned(tmp_path)
    ladder = found.stages[1]
    assert rates(ladder) == [0.01, 0.1, 1.0, 0.05, 0.2, 0.5]
    assert set(strengths(ladder)) == {0.0}
    assert {(c.data.train, c.hidden, c.epochs, c.patience) for c in ladder} == {
        (1000, (30,), 10, None)
    }


def test_eta_again_has_the_lambda_that_was_chosen(tmp_path: Path) -> None:
    """From a fifth of 0.5 up, until 0.5 itself is too large now.

    0.25 with that λ is known from the trials of λ.
    """
    found = tuned(tmp_path)
    again = found.stages[3]
    assert rates(again) == [0.1, 0.5]
    assert set(strengths(again)) == {0.3}
    assert [row[0] for row in found.decision(4, "eta").rows] == ["0.1", "0.25", "0.5"]


def test_the_penalty_of_larger_weights_does_not_lower_a_rate(tmp_path: Path) -> None:
    """The costs that are recorded rise with the rate, without their penalty they fall."""

    def penalty(config: Config, _: int) -> float:
        return 5 * (config.learning_rate or 0.0) if config.lambda_ else 0.0

    def cost(config: Config, epoch: int) -> float:
        return validation_cost(config, epoch) + penalty(config, epoch)

    found = tuned(tmp_path, World(validation_cost=cost, penalty=penalty))
    assert found.config.learning_rate == tuned(tmp_path / "plain").config.learning_rate == 0.6
    assert dict(found.decision(4, "eta").chose) == {"learning_rate": 0.125}
    punished = tuned(tmp_path / "punished", World(validation_cost=cost))
    assert dict(punished.decision(4, "eta").chose)["learning_rate"] < 0.125


def test_on_the_full_problem_it_begins_around_the_threshold_of_that_mini_batch_size(
    tmp_path: Path,
) -> None:
    """0.25 for ten images is 0.5 for twenty; all data bears 2.4, of which 1.0 and 2.5 are tried."""
    rungs = tuned(tmp_path).stages[5]
    assert rates(rungs) == [0.1, 0.25, 0.5, 1.0, 2.5]
    assert set(strengths(rungs)) == {0.0}
    assert {(is_full(c), c.hidden, c.batch_size) for c in rungs} == {(True, (50,), 20)}


def test_thresholds_are_noted_for_both_problems_but_not_with_lambda(tmp_path: Path) -> None:
    found = tuned(tmp_path)
    runs = tmp_path / "runs"
    assert threshold(runs, found.stages[1][0]) == 0.5
    assert threshold(runs, found.config) == 1.2
    noted = thresholds.read(runs, load.check(found.config), {})
    assert noted is not None
    assert noted.found_by == "nnexp tune"


def test_the_config_s_own_rate_is_taken_for_half_of_the_threshold(tmp_path: Path) -> None:
    state, _ = protocol.begin(CONFIG, Planted(tmp_path, World()))
    assert state.threshold == 6.0


def test_a_rate_that_finds_no_threshold_again_stays(tmp_path: Path) -> None:
    def narrow(config: Config) -> float:
        return 0.0 if config.lambda_ or is_full(config) else 0.5

    found = tuned(tmp_path, World(limit=narrow), only=["eta", "lambda", "final"])
    assert found.config.learning_rate == 0.25
    assert [found.decision(6, "eta").chose, found.decision(4, "eta").chose] == [(), ()]
    assert found.state.threshold == 0.5
    assert threshold(tmp_path / "runs", found.config) is None


# λ.


def test_lambda_begins_at_1_and_goes_by_decades_then_finer(tmp_path: Path) -> None:
    """With 1.0, the trial is that of the first stage; 0.1 costs 3 % less, so 0.01 is not tried."""
    found = tuned(tmp_path, only=["lambda"])
    tried = found.stages[1]
    assert strengths(tried)[0] == 0.1
    assert set(strengths(tried)) == {10.0, 0.1, 0.3, 3.0}
    rows = [row[0] for row in found.decision(3, "lambda").rows]
    assert rows == ["0.1", "0.3", "1", "3", "10"]
    assert {(c.data.train, c.epochs, c.patience, c.seed) for c in tried} == {(1000, 10, None, 0)}


def test_lambda_goes_with_n(tmp_path: Path) -> None:
    found = tuned(tmp_path, only=["lambda"])
    assert (found.state.quick.lambda_, found.config.lambda_) == (0.3, 15.0)
    assert strengths(found.stages[2])[0] == 1.5  # carried over, where the full problem begins
    (note,) = found.decision(3, "lambda").notes
    assert re.findall(r"[\d.,]*\d", note) == ["0.3", "1,000", "1.5", "5,000"]


def test_lambda_is_looked_for_anew_around_what_it_is_on_the_full_problem(tmp_path: Path) -> None:
    found = tuned(tmp_path, only=["lambda", "final"])
    tried = found.stages[2]
    assert all(map(is_full, tried))
    assert strengths(tried)[0] == 1.5
    assert set(strengths(tried)) == {1.5, 15.0, 150.0, 0.15, 4.5, 45.0}
    assert found.config.lambda_ == 15.0
    assert {config.lambda_ for config in found.stages[3]} == {15.0}


CLOSE = {0.1: (0.90, 0.90), 0.3: (0.89, 0.895), 1.0: (0.895, 0.91), 3.0: (0.885, 0.895)}
"""Accuracies by λ after 10 and after 30 epochs; all other λ are far behind."""
COSTS = {0.1: (0.8, 0.8), 0.3: (0.75, 0.75), 1.0: (0.7, 0.7), 3.0: (0.74, 0.6)}
"""Validation costs likewise."""


def close(config: Config, epoch: int) -> float:
    if config.data.classes is not None or config.lambda_ not in CLOSE:
        return 0.9 if config.data.classes is not None else 0.7
    return CLOSE[config.lambda_][epoch > 10]


def close_cost(config: Config, epoch: int) -> float:
    return COSTS[config.lambda_][epoch > 10] if config.lambda_ in COSTS else 1.0


def test_the_best_and_larger_ones_that_are_close_are_trained_on_and_these_decide(
    tmp_path: Path,
) -> None:
    """1.0 is the best after ten epochs by cost; 3.0 is inside the noise, and best after thirty."""
    found = tuned(tmp_path, World(accuracy=close, validation_cost=close_cost), only=["lambda"])
    tried = [(config.lambda_, config.epochs) for config in found.stages[1]]
    assert {strength for strength, epochs in tried if epochs == 10} == {10, 0.1, 0.3, 3}
    assert [each for each in tried if each[1] != 10] == [(1.0, 30), (3.0, 30)]
    assert {config.seed for config in found.stages[1]} == {0}
    assert found.state.quick.lambda_ == 3.0
    decision = found.decision(3, "lambda")
    rows = {(row[0], row[1]): row[2:] for row in decision.rows}
    assert rows["3", "10"] == ["inside the noise: 1.50 points less", "88.50 %", "0.74"]
    assert rows["1", "30"] == ["highest", "91.00 %", "0.7"]
    assert rows["10", "10"][0].startswith("worse: 20.00 points, beyond the noise of 2.68")
    assert decision.answer == (
        "λ = 3: validation cost 0.6, the lowest inside the noise of the highest accuracy, 91.00 %."
    )


def test_longer_trials_count_only_the_epochs_that_are_new(tmp_path: Path) -> None:
    """10 each for five λ, one of them in the first stage, and 20 more for two of them."""
    world = World(accuracy=close, validation_cost=close_cost)
    found = tuned(tmp_path, world, only=["lambda"], config=SMALL)
    assert found.state.trials.epochs == 10 + 5 * 10 + 2 * 20
    trials = found.state.trials
    own = len(trials.dataset(SMALL).train.labels)
    few = next(config for config in found.stages[0] if config.data.classes)
    two = len(trials.dataset(few).train.labels)
    assert trials.examples == 10 * two + (5 * 10 + 2 * 20) * own


SMALL = replace(CONFIG, hidden=(30,), data=Mnist(train=1000), lambda_=1.0)
"""A problem that is as small as the quick one."""


def test_a_problem_that_is_small_is_tuned_once(tmp_path: Path) -> None:
    """η is checked with the mini-batches that are chosen, if they are others.

    η/m stays 0.025, so λ is not.
    """
    found = tuned(tmp_path, World(limit=lambda config: 0.05 * size(config)), config=SMALL)
    assert rates(found.stages[5]) == [0.2, 0.5, 1.0, 2.0]
    assert {(c.batch_size, c.lambda_) for c in found.stages[5]} == {(20, 0.3)}
    assert found.stages[6] == []
    assert found.decision(6, "lambda").answer == (
        "Skipped: λ was chosen on the full problem, and η/m has hardly changed since."
    )
    assert found.decision(3, "lambda").notes == []
    assert found.config.lambda_ == found.state.quick.lambda_ == 0.3
    assert {c.data.validation for c in chain(*found.stages) if c.data.classes is None} == {None}
    same = tuned(tmp_path, World(seconds=lambda config: 9.0 / size(config)), config=SMALL)
    assert (same.config.batch_size, len(same.stages[5])) == (50, 4)
    own = tuned(tmp_path, World(seconds=lambda _: 1.0), config=replace(SMALL, batch_size=5))
    assert (own.config.batch_size, own.stages[5]) == (5, [])
    assert own.decision(6, "eta").answer == (
        "Skipped: η was chosen on the full problem with these mini-batches."
    )


def test_lambda_is_chosen_again_if_eta_has_changed(tmp_path: Path) -> None:
    """With λ, the largest steady η falls from 0.5 to 0.15, so that 0.06 is chosen instead of 0.25.

    λ acts by ηλ/m, so mini-batches of 20 with twice the rate would change nothing.
    """

    def narrow(config: Config) -> float:
        return limit(config) * (0.5 if config.lambda_ and not is_full(config) else 1)

    found = tuned(tmp_path, World(limit=narrow), config=SMALL, only=["eta", "lambda"])
    assert found.state.rate_of_lambda == 0.25 / 10
    assert found.config.learning_rate is not None
    assert found.config.learning_rate == 0.06
    assert strengths(found.stages[-1])[:2] == [0.3, 0.03]
    assert found.decision(6, "lambda").answer.startswith("λ = 0.3: ")
    world = World(limit=lambda config: limit(replace(config, lambda_=0.0)))
    kept = tuned(tmp_path / "kept", world, config=SMALL, only=["eta", "lambda"])
    assert kept.config.learning_rate == 0.25
    assert kept.decision(6, "lambda").answer.startswith("Skipped: ")


def test_all_of_it_costs_less_than_a_grid_of_25_trials(tmp_path: Path) -> None:
    """In examples, beside 25 trials of 30 epochs, for a small and for a large problem."""
    small = tuned(tmp_path / "small", config=SMALL).state.trials
    assert small.examples <= 0.65 * 25 * 30 * 1000
    full = tuned(tmp_path / "full").state.trials
    assert full.examples <= 0.6 * 25 * 30 * EXAMPLES


def lower_when_smaller(config: Config, _: int) -> float:
    return config.learning_rate or 0.0


def irregular(seed: int) -> World:
    """Return a world of thresholds, accuracies and costs that are drawn for each config."""

    def draw(config: Config, *which: int) -> float:
        return float(np.random.default_rng([seed, crc32(repr(config).encode()), *which]).random())

    return World(
        limit=lambda config: 10 ** (8 * draw(config) - 4),
        accuracy=lambda config, epoch: 0.9 + 0.01 * draw(config, epoch),
        validation_cost=draw,
    )


WORLDS = {
    "planted": World(),
    "no rate is too large, and the smallest has the lowest cost": World(
        limit=lambda _: 1e9, validation_cost=lower_when_smaller
    ),
    "all lambda are alike": World(
        accuracy=lambda _, epoch: 0.9 + 0.0001 * epoch, validation_cost=lambda *_: 1.0
    ),
    **{f"irregular {seed}": irregular(seed) for seed in range(4)},
}


@pytest.mark.parametrize("config", [CONFIG, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_no_stage_exceeds_its_plan(tmp_path: Path, world: World, config: Config) -> None:
    planned = protocol.plan(*protocol.begin(config, Planted(tmp_path / "plan", world)))
    found = tuned(tmp_path, world, config=config)
    assert [
        (stage.stage, len(trained))
        for stage, trained in zip(planned, found.stages, strict=True)
        if len(trained) > stage.trials_most
    ] == []
    assert found.state.trials.epochs <= sum(stage.epochs_most for stage in planned)


@pytest.mark.parametrize("best", [0.001, 1000.0])
def test_lambda_is_looked_for_far_away_too(tmp_path: Path, best: float) -> None:
    def far(config: Config, _: int) -> float:
        return 0.95 - 0.08 * decades(config, best) if config.lambda_ else 0.9

    def cost(config: Config, _: int) -> float:
        return 1 + decades(config, best)

    found = tuned(tmp_path, World(accuracy=far, validation_cost=cost), only=["lambda"])
    assert found.state.quick.lambda_ == best
    assert "the lowest inside" in found.decision(3, "lambda").answer


# Mini-batch size.


def batches(found: Outcome) -> tuple[list[Config], list[Config]]:
    """Return the trials of the sizes, and those of the chapter's argument."""
    stage = found.stages[1 if len(found.stages) == 2 else 4]
    shown = [config for config in stage if config.data.train == 100]
    return [config for config in stage if config.data.train == 1000], shown


def test_eta_goes_with_the_mini_batch_size(tmp_path: Path) -> None:
    """η = 0.125 for ten images."""
    sizes, _ = batches(tuned(tmp_path))
    tried = {(c.batch_size, c.learning_rate) for c in sizes}
    expected = [(5, 0.0625), (10, 0.125), (20, 0.25), (50, 0.625), (100, 1.25)]
    assert tried == set(expected)
    assert len(sizes) == 2 * len(expected)
    assert {c.seed for c in sizes} == {1, 2}
    assert {(c.lambda_, c.epochs, c.patience) for c in sizes} == {(0.3, 10, None)}


def test_the_clock_s_median_decides_and_what_never_gets_there_does_not(tmp_path: Path) -> None:
    """The size 20 is at 97 % after four epochs of 0.5 s, though once they took ten times that."""
    decision = tuned(tmp_path).decision(5, "batch-size")
    rows = {row[0]: row for row in decision.rows}
    assert [rows[each][2] for each in ("5", "10", "20", "50", "100")] == [
        *("4 s", "3 s", "2 s", "3 s", "not reached")
    ]
    assert rows["20"][3:] == ["500 ms", "97.00 %"]


def test_the_chapter_s_argument_has_an_eta_for_each_size(tmp_path: Path) -> None:
    """An epoch of 100 images: 100 updates of one in 5 s, or one update of 100 in 0.3 s.

    The costs of epochs 1 and 10 are 2/1.125 and 2/2.25 against 2/13.5 and 2/126.
    """
    found = tuned(tmp_path)
    _, shown = batches(found)
    assert [(c.batch_size, c.learning_rate) for c in shown] == [(1, 0.0125), (100, 1.25)]
    note = found.decision(5, "batch-size").notes[0]
    for number in ("16.7 times", "5000.00 ms", "300.00 ms", "1.778", "0.8889", "0.1481", "0.01587"):
        assert number in note
    times = found.state.session.seconds
    slow = TimingSession(
        seconds={name: [9 * first, *more] for name, (first, *more) in times.items()}
    )
    assert tuned(tmp_path, session=slow).decision(5, "batch-size").notes[0] == note


def test_a_size_that_diverges_with_a_seed_is_out(tmp_path: Path) -> None:
    def diverges(config: Config) -> bool:
        return (config.batch_size, config.seed) == (20, 1)

    found = tuned(tmp_path, World(diverges=diverges), only=["batch-size"])
    assert found.config.batch_size == 10  # 3 s, and so is 50
    assert found.config.learning_rate == 3.0
    assert found.decision(5, "batch-size").rows[2][2] == "diverged"


@pytest.mark.parametrize(("load_", "busy"), [(2.5, True), (2.04, False), (1.5, False)])
def test_a_busy_machine_s_times_are_called_rough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load_: float, *, busy: bool
) -> None:
    loads = chain([load_], repeat(0.5))
    monkeypatch.setattr(os, "getloadavg", lambda: (next(loads), 9.0, 9.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    found = tuned(tmp_path, only=["batch-size"])
    notes = found.decision(5, "batch-size").notes
    assert any("load 2.5" in note for note in notes) == busy
    assert any("The machine was busy" in note for note in notes) == busy
    assert (found.state.session.load, found.state.session.cores) == (load_, 2)
    quiet = found.state.session
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    again = tuned(tmp_path, only=["batch-size"], session=quiet, were_there=True)
    assert again.decision(5, "batch-size") == found.decision(5, "batch-size")


def test_times_of_an_earlier_sitting_are_used_if_they_are_all_there(tmp_path: Path) -> None:
    first = tuned(tmp_path, only=["batch-size"])
    kept = first.state.session
    slow = World(seconds=lambda _: 7.0)
    again = tuned(tmp_path, slow, only=["batch-size"], session=kept, were_there=True)
    assert isinstance(again.state.trials, Planted)
    assert again.state.trials.measured == []
    assert again.config.batch_size == 20
    anew = tuned(tmp_path, slow, only=["batch-size"], session=kept)  # the runs were deleted
    assert {second for times in anew.state.session.seconds.values() for second in times} == {7.0}
    fewer = TimingSession(seconds=dict(list(kept.seconds.items())[1:]))
    other = tuned(tmp_path, slow, only=["batch-size"], session=fewer, were_there=True)
    assert isinstance(other.state.trials, Planted)
    assert len(other.state.trials.measured) == 12
    assert {second for times in other.state.session.seconds.values() for second in times} == {7.0}


# The final training.


def test_the_final_training_is_as_long_as_the_longest_patience_lets_it(tmp_path: Path) -> None:
    constant, cut = tuned(tmp_path).stages[7]
    assert (constant.patience, constant.schedule, constant.epochs) == (30, Constant(), 100)
    assert (cut.patience, cut.schedule, cut.epochs) == (None, HalveOnPlateau(patience=5), 100)
    assert {(c.learning_rate, c.lambda_, c.batch_size) for c in (constant, cut)} == {
        (0.6, 15.0, 20)
    }


def test_a_schedule_that_is_worse_is_not_taken_and_patience_ends_it(tmp_path: Path) -> None:
    def worse(config: Config, epoch: int) -> float:
        return accuracy(config, epoch) - 0.04 * isinstance(config.schedule, HalveOnPlateau)

    found = tuned(tmp_path, World(accuracy=worse))
    assert (found.config.schedule, found.config.patience) == (Constant(), 20)


def test_a_budget_that_ends_leaves_what_was_decided(tmp_path: Path) -> None:
    def spent(config: Config) -> float:
        if size(config) == 20:
            raise BudgetSpentError
        return 1.0

    found = tuned(tmp_path, World(seconds=spent))
    assert [title[0] for title in found.unfinished] == ["5", "6", "6", "6"]
    assert (found.config.learning_rate, found.config.batch_size) == (0.125, 10)
    assert found.config.lambda_ == 1.5


def test_a_budget_that_ends_leaves_nothing_unchecked_without_a_quick_problem(
    tmp_path: Path,
) -> None:
    def spent(config: Config) -> float:
        if config.lambda_ == 0.03:
            raise BudgetSpentError
        return 1.0

    def narrow(config: Config) -> float:
        return limit(config) * (0.5 if config.lambda_ else 1)

    world = World(limit=narrow, seconds=spent)
    trials = Planted(tmp_path, world)
    state, problems = protocol.begin(SMALL, trials, ["eta", "lambda"])
    result = finish(protocol.tune(state, problems, lambda _: None), trials)
    assert result.unfinished == ["6: λ again"]
    assert result.notes == ["The budget was too small for stage 6: λ again."]


def test_where_no_lambda_lets_it_learn_the_smallest_is_chosen_and_none_larger_is_tried(
    tmp_path: Path,
) -> None:
    """On the full problem, where nothing is learned, unlike on the quick one."""
    world = World(
        accuracy=lambda config, epoch: 0.6 if is_full(config) else accuracy(config, epoch)
    )
    found = tuned(tmp_path, world, only=["lambda"])
    tried = strengths(found.stages[2])
    assert tried == [1.5, 0.15, 0.015]
    assert found.config.lambda_ == 0.015
    assert found.decision(6, "lambda").answer == (
        "λ = 0.015: nothing is learned with any λ, so the smallest that was tried."
    )


def test_a_budget_too_small_for_long_trials_of_lambda_leaves_the_short_ones_to_decide(
    tmp_path: Path,
) -> None:
    def spent(config: Config) -> float:
        if config.epochs > 10:
            raise BudgetSpentError
        return 1.0

    world = World(accuracy=close, validation_cost=close_cost, seconds=spent)
    found = tuned(tmp_path, world, only=["lambda"], config=SMALL)
    assert found.unfinished == []
    assert found.state.quick.lambda_ == 1.0
    assert found.decision(3, "lambda").answer == (
        "λ = 1: validation cost 0.7, the lowest inside the noise of the highest accuracy, 90.00 %; "
        "the budget was too small for longer trials."
    )


def test_all_of_it_on_the_full_problem(tmp_path: Path) -> None:
    found = tuned(tmp_path, only=["eta", "lambda"], full=True)
    assert all(is_full(config) and config.hidden == (50,) for s in found.stages for config in s)
    assert found.stages[0][0].lambda_ == 5.0
    assert found.state.quick.lambda_ == found.config.lambda_ == 10.0
    assert [len(stage) for stage in found.stages[4:]] == [0, 0]


def threshold(runs: Path, config: Config) -> float | None:
    """Return the recorded threshold of a config of MNIST."""
    entry = thresholds.read(runs, load.check(config), {})
    return None if entry is None else entry.learning_rate
