"""Combinations of settings: impossible ones are errors, doubtful ones are warnings."""

from __future__ import annotations

from typing import Any

import pytest

from nnexp.config import load, rules
from nnexp.config.model import Config, PerExample
from nnexp.datasets.sources import Idx
from nnexp.errors import ConfigError
from nnexp.streams import Network2


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load.parse(text, "a.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "cost: log-likelihood",
            (
                "a.yaml:1:7: cost: log-likelihood takes the outputs for one distribution over the "
                "classes: it goes with output softmax, not sigmoid (sigmoid goes with cost "
                "cross-entropy or quadratic)"
            ),
        ),
        (
            "seed: 0\noutput: softmax",
            (
                "a.yaml:2:9: output: cross-entropy takes each output for a probability of its own: "
                "it goes with output sigmoid, not softmax (softmax goes with cost log-likelihood)"
            ),
        ),
        (
            "monitor: [train]",
            (
                "a.yaml:1:10: monitor: must include validation, which patience needs; or set "
                "patience: null"
            ),
        ),
        (
            "monitor: [train, validation, train]",
            "a.yaml:1:10: monitor: names train more than once",
        ),
        (
            "rng: network2\nseed: 4294967296",
            "a.yaml:2:7: seed: network2 takes seeds below 2**32 = 4294967296, got 4294967296",
        ),
        (
            "data: idx",
            "a.yaml:1:7: data: idx needs 'directory', or both 'train_images' and 'train_labels'",
        ),
        (
            "data: {name: idx, train_images: x}",
            "a.yaml:1:7: data: idx needs 'directory', or both 'train_images' and 'train_labels'",
        ),
        (
            "data: {name: idx, directory: d, validation_images: x}",
            ("a.yaml:1:52: data.validation_images: validation_images also needs validation_labels"),
        ),
        (
            "data: {name: idx, train_images: a, train_labels: b, test_labels: x}",
            "a.yaml:1:66: data.test_labels: test_labels also needs test_images",
        ),
        (
            "data: {name: mnist, classes: [1, 0, 1]}",
            "a.yaml:1:30: data.classes: names a class more than once",
        ),
        (
            "data: {name: mnist, classes: [1]}",
            "a.yaml:1:30: data.classes: must name at least 2 classes, got 1",
        ),
    ],
)
def test_what_cannot_work_is_an_error_that_says_why(text: str, told: str) -> None:
    assert problems(text) == [told]


@pytest.mark.parametrize(
    "text",
    [
        "cost: log-likelihood\noutput: softmax",
        "monitor: [train]\npatience: null",
        "monitor: []\npatience: null",
        "rng: network2\nseed: 4294967295",
        "seed: 4294967296",
        "data: {name: idx, directory: d, train_images: x, test_labels: y}",
        "data: {name: idx, train_images: a, train_labels: b}",
        "data: {name: mnist, classes: [1, 0]}",
        "epochs: 3\nevaluate_every: 10",
    ],
)
def test_what_can_work_is_none(text: str) -> None:
    load.parse(text, "a.yaml")


def test_the_chapter_s_own_doomed_weight_decay_is_told_with_its_algebra() -> None:
    config = Config(learning_rate=100.0, lambda_=20.0)
    assert rules.warnings(config, 1000) == [
        (
            "weight decay multiplies every weight by 1 - ηλ/n = 1 - 100·20/1000 = -1 at each step: "
            "weights flip sign and do not shrink (|1 - ηλ/n| must be below 1)"
        )
    ]
    assert rules.warnings(config, 1001) == []
    per_example = Config(learning_rate=100.0, lambda_=PerExample(0.025))
    assert "1 - 100·0.025 = -1.5 at" in rules.warnings(per_example, 7)[0]


def test_a_tiny_weight_decay_that_rounds_to_none_is_not_doomed() -> None:
    assert rules.warnings(Config(lambda_=1e-30), 1000) == []
    assert rules.warnings(Config(lambda_=0.0), 1000) == []


def test_a_batch_larger_than_the_data_and_equal_neurons_are_told() -> None:
    config = Config(batch_size=100, initializer="zeros")
    assert [warning.split()[0] for warning in rules.warnings(config, 99)] == [
        "batch_size",
        "initializer",
    ]
    assert rules.warnings(Config(batch_size=100), 100) == []
    assert rules.warnings(Config(batch_size="all"), 5) == rules.warnings(Config(), 50)
    assert rules.warnings(Config(initializer="zeros", hidden=()), 50) == []


def test_a_config_made_in_python_is_checked_like_a_file() -> None:
    assert load.check(Config(learning_rate=1, hidden=(3,))) == Config(
        learning_rate=1.0, hidden=(3,)
    )
    wrong = Config(learning_rate=float("nan"), epochs=0, patience=True, data=Idx())
    with pytest.raises(ConfigError) as caught:
        load.check(wrong)
    assert caught.value.problems == [
        "config: learning_rate: must be a finite number > 0 or null, got .nan",
        "config: epochs: must be a whole number ≥ 1, got 0",
        "config: patience: must be a whole number ≥ 1 or null, got true",
        "config: data: idx needs 'directory', or both 'train_images' and 'train_labels'",
    ]
    with pytest.raises(ConfigError, match=r"^config: Encoding objects of type complex"):
        load.check(Config(learning_rate=1j))  # type: ignore[arg-type]


def test_a_checked_config_that_is_changed_is_checked_again() -> None:
    config = load.check(Config(seed=7))
    assert type(load.changed(config, learning_rate=1).learning_rate) is float
    assert load.changed(config, "--seeds", rng=Network2(), seed=8).rng == Network2()
    for keys, told in (
        ({"epochs": 0, "patience": 0}, ["epochs: must be", "patience: must be"]),
        ({"monitor": ("train",)}, ["monitor: must include validation"]),
    ):
        changes: dict[str, Any] = keys
        with pytest.raises(ConfigError) as caught:
            load.changed(config, **changes)
        problems = caught.value.problems
        assert len(problems) == len(told)
        assert all(map(str.startswith, problems, [f"config: {each}" for each in told]))


@pytest.mark.parametrize(
    ("seed", "told"),
    [
        (-1, "must be a whole number ≥ 0, got -1"),
        (2**63, "must be a whole number from 0 to 9223372036854775807, got 9223372036854775808"),
        (True, "must be a whole number ≥ 0, got true"),
        (2**32, "network2 takes seeds below 2**32 = 4294967296, got 4294967296"),
    ],
)
def test_another_seed_is_checked_unless_it_is_smaller(
    seed: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load.check(Config(rng=Network2(), seed=7))
    with pytest.raises(ConfigError) as caught:
        load.changed(config, "--seeds", seed=seed)
    assert caught.value.problems == [f"--seeds: seed: {told}"]
    assert load.changed(config, seed=8).seed == 8
    monkeypatch.setattr(load, "check", pytest.fail)
    assert [load.changed(config, seed=seed).seed for seed in (0, 7)] == [0, 7]
