"""Numbers in the rules of diagnosis, inspection, thresholds and search, worked out by hand."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from nnexp.analysis import inspection
from nnexp.analysis.diagnosis import Diagnosis, diagnose
from nnexp.config import load
from nnexp.config.model import Config
from nnexp.optim.sgd import Momentum
from nnexp.store import thresholds
from nnexp.study import samplers, sweep_file
from nnexp.study.space import Values
from nnexp.training.stopping import Cost

if TYPE_CHECKING:
    from tests.conftest import Bench


def known(costs: list[float]) -> Diagnosis:
    found = diagnose(costs)
    assert found is not None
    return found


def test_ten_times_the_first_cost_does_not_come_back() -> None:
    assert known([1.0, 3.0, 12.0]).kind == "diverged"
    assert known([1.0, 3.0, 9.5]).kind == "rising"


def test_a_last_cost_a_quarter_above_the_first_is_a_rise() -> None:
    """The median of the last third is 0.8 all the same."""
    assert known([1.0, 0.9, *[0.8] * 6, 1.3]).kind == "rising"
    assert known([1.0, 0.9, *[0.8] * 6, 1.2]).kind == "falling"


@pytest.mark.parametrize(("count", "kind"), [(13, "oscillating"), (15, "falling")])
def test_spikes_in_a_sixth_of_the_steps_are_an_oscillation(count: int, kind: str) -> None:
    """Two spikes in 12 steps are a sixth, in 14 a seventh."""
    costs = [10 - 6 * place / count for place in range(count)]
    costs[3] += 3
    costs[7] += 3
    assert known(costs).kind == kind


@pytest.mark.parametrize(("falling", "plateau"), [(13, None), (12, 13)])
def test_a_plateau_is_a_third_of_a_curve(falling: int, plateau: int | None) -> None:
    """Of 18 costs a third is 6: five at the end are too few."""
    costs = [20.0 - place for place in range(falling)]
    assert known(costs + [20.0 - falling] * (18 - falling)).plateau == plateau


@pytest.mark.parametrize(("last", "plateau"), [(0.7, 3), (0.4, None)])
def test_on_a_plateau_rises_undo_three_quarters_of_the_falls(
    last: float, plateau: int | None
) -> None:
    """From the third cost on rises sum to 1.2, and falls to 1.5 or 1.8."""
    assert known([10.0, 5.0, 1.0, 1.4, 1.0, 1.4, 1.0, 1.4, last]).plateau == plateau


@pytest.mark.parametrize(("rise", "said"), [(0.3, True), (0.1, False)])
def test_rises_of_a_tenth_of_the_falls_are_worth_a_word(rise: float, *, said: bool) -> None:
    """Four rises of 0.3 are a fifth of the falls, of 0.1 a thirteenth."""
    costs = [10.0]
    for whole in (9.0, 8.0, 7.0, 6.0):
        costs += [whole, whole + rise]
    found = known([*costs, 5.0])
    assert (found.kind, "small oscillation" in found.words) == ("falling", said)


def test_l1_takes_as_much_at_each_step_and_an_epoch_s_steps_together() -> None:
    """ηλ/n = 0.5 · 4 / 100 = 0.02, ten times an epoch."""
    config = Config(regularizer="l1", lambda_=4.0, learning_rate=0.5, batch_size=10)
    (note,) = inspection.step_notes(config, 100)
    assert "= 0.02 a step" in note
    assert "0.2 in an epoch of 10 steps" in note
    (other,) = inspection.step_notes(replace(config, optimizer=Momentum(mu=0.9)), 100)
    assert "l1 reduces each weight" not in other  # with momentum it is not that
    assert "10 times as far" in other


def test_dropout_changes_second_moments_where_there_are_hidden_neurons() -> None:
    """A part of 0.2 is left out, the rest is 1/0.8 as large."""
    config = Config(hidden=(30,), dropout=0.2, lambda_=1.0)
    (note,) = inspection.step_notes(config, 100)
    assert "1.25 times" in note
    assert inspection.step_notes(replace(config, hidden=()), 100) == []


def test_an_inspection_s_n_is_that_of_the_training_examples(bench: Bench) -> None:
    """There are 200, and 60 for validation; 0.5 · 4 / 200 = 0.01."""
    settings = ["lambda=4", "regularizer=l1", "learning_rate=0.5"]
    found = inspection.inspect(load.read(bench.folder / "tiny.yaml", settings))
    assert (found.examples, found.known) == (200, 260)
    assert "= 0.01 a step" in found.notes[0]


def test_a_threshold_does_not_depend_on_how_training_is_measured_or_ended(tmp_path: Path) -> None:
    config = load.check(Config(hidden=(10,)))
    for keys in (
        {"evaluate_every": 5},
        {"stopping": Cost()},
        {"monitor": ("norms",), "patience": None},
    ):
        changed: dict[str, Any] = keys
        assert thresholds.file_path(
            tmp_path, load.changed(config, **changed), {}
        ) == thresholds.file_path(tmp_path, config, {})


RATE = "learning_rate=log-uniform(0.01, 1)"


@pytest.mark.parametrize(
    "method",
    [
        "random",
        pytest.param(
            "tpe", marks=pytest.mark.skipif(find_spec("optuna") is None, reason="no Optuna")
        ),
    ],
)
def test_other_seeds_ask_for_other_points(method: samplers.MethodName) -> None:
    def first(seed: int) -> Values | None:
        return samplers.method(method, sweep_file.read_space([RATE])[0], 3, seed).ask()

    assert len({first(seed) for seed in range(5)}) == 5
    assert first(3) == first(3)


def test_a_grid_s_integers_are_the_nearest_ones() -> None:
    """Four levels from 1 to 9 are 1, 3.67, 6.33 and 9."""
    assert samplers.grid(sweep_file.read_space(["batch_size=integers(1, 9)"])[0], 4) == [
        (1,),
        (4,),
        (6,),
        (9,),
    ]
