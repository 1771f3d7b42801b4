"""A tuning trains the same trials whatever the config says about patience and measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from nnexp.optim.schedules import Constant, HalveOnPlateau
from nnexp.streams import Network2, Pcg64
from nnexp.training.stopping import Accuracy, Cost
from nnexp.tune import learning_rate, protocol
from tests.tune.planted import CONFIG, Planted, World, tuned

OWN = replace(
    CONFIG,
    schedule=HalveOnPlateau(patience=3),
    stopping=Cost(),
    evaluate_every=3,
    patience=5,
    monitor=("test", "validation"),
    regularizer="l1",
    rng=Network2(),
    epochs=150,
    seed=7,
)


@pytest.mark.parametrize("full", [False, True])
def test_trials_end_and_are_measured_as_the_protocol_has_it(tmp_path: Path, *, full: bool) -> None:
    found = tuned(tmp_path, config=OWN, full=full)
    for config in (config for stage in found.stages[:-1] for config in stage):
        assert (config.schedule, config.stopping, config.patience) == (Constant(), Accuracy(), None)
        assert config.epochs <= 30
    for config in (config for stage in found.stages for config in stage):
        assert (config.evaluate_every, config.rng, config.stopping) == (1, Pcg64(), Accuracy())
    ladders, others = found.stages[1], found.stages[0] + found.stages[2] + found.stages[4]
    assert {(c.monitor, c.regularizer, c.seed) for c in ladders} == {(("train",), "l2", 7)}
    assert {(c.monitor, c.regularizer) for c in others} == {(("train", "validation"), "l1")}
    assert {config.regularizer for config in found.stages[3]} == {"l1"}
    assert {config.seed for config in found.stages[4]} == {7, 8, 9}
    assert {config.seed for config in found.stages[7]} == {7}
    assert {config.epochs for config in found.stages[7]} == {150}
    assert (found.config.epochs, found.config.stopping) == (150, Accuracy())


def test_a_rung_ends_and_is_measured_by_itself_whatever_the_config_says() -> None:
    rung = learning_rate.trial_config(OWN)
    assert (rung.schedule, rung.stopping, rung.patience) == (Constant(), Accuracy(), None)
    assert (rung.evaluate_every, rung.rng, rung.monitor) == (1, Pcg64(), ("train",))


@pytest.mark.parametrize(
    ("only", "stages"),
    [
        (["eta"], "126"),
        (["lambda"], "136"),
        (["eta", "lambda"], "123466"),
        (["batch-size"], "15"),
        (["final"], "16"),
        (["final", "eta"], "1266"),
        (["final", "lambda"], "1366"),
        (protocol.NAMES, "12345666"),
    ],
)
def test_what_is_not_asked_for_is_not_decided(
    tmp_path: Path, only: Sequence[str], stages: str
) -> None:
    planned = protocol.plan(*protocol.begin(CONFIG, Planted(tmp_path, World()), only))
    assert "".join(row[0][0] for row in planned) == stages
    assert all((5_000 if row[0][0] == "6" else 1_000) in row for row in planned)
    found = tuned(tmp_path, only=only)
    assert len(found.stages) == len(stages)
    own = {"eta": found.config.learning_rate == 3.0, "lambda": found.config.lambda_ == 5.0}
    assert all(own[key] == (key not in only) for key in own if "batch-size" not in only)
