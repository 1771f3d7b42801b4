"""Values given by --set override those of the config file."""

from __future__ import annotations

import pytest

from nnexp.config import load
from nnexp.config.model import Config, PerExample
from nnexp.datasets.sources import Idx, Mnist
from nnexp.errors import ConfigError
from tests.known import SOURCES


def problems(text: str, *settings: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load.parse(text, "a.yaml", settings)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "settings", "config"),
    [
        ("", ["learning_rate=1e-3"], Config(learning_rate=0.001)),
        ("learning_rate: 3", ["learning_rate=1"], Config(learning_rate=1.0)),
        ("", ["seed=1", "seed=2"], Config(seed=2)),
        ("", ["hidden=[30, 20]"], Config(hidden=(30, 20))),
        ("hidden:\n- 5\n", ["hidden=[]"], Config(hidden=())),
        ("", ["patience="], Config(patience=None)),
        ("", [" seed = 4 "], Config(seed=4)),
        ("", ["data={name: mnist, train: 1000}"], Config(data=Mnist(train=1000))),
        ("data: mnist", ["data.train=1000"], Config(data=Mnist(train=1000))),
        ("", ["data.train=1000"], Config(data=Mnist(train=1000))),
        ("data: {name: mnist, train: 5}", ["data.test=6"], Config(data=Mnist(train=5, test=6))),
        ("data: {name: mnist, train: 5}", ["data=mnist"], Config()),
        ("", ["data=idx", "data.directory=x"], Config(data=Idx(directory="x"))),
        (
            "data: {name: mnist, train: 5}",
            ["data.name=idx", "data.directory=d"],
            Config(data=Idx(directory="d", train=5)),
        ),
        ("lambda: 5", ["lambda.per_example=1e-4"], Config(lambda_=PerExample(0.0001))),
        ("", ["lambda.per_example=1e-4"], Config(lambda_=PerExample(0.0001))),
        ("lambda: {per_example: 1}", ["lambda=2"], Config(lambda_=2.0)),
        ("learning_rate: fast", ["learning_rate=2"], Config(learning_rate=2.0)),
        ("data: {train: 3}", ["data.name=mnist"], Config(data=Mnist(train=3))),
    ],
)
def test_a_setting_goes_over_the_file(text: str, settings: list[str], config: Config) -> None:
    assert load.parse(text, "a.yaml", settings) == config


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("learning_rate=fast", "learning_rate: must be a number > 0 or null, got 'fast'"),
        ("learning_rate", "must have the form KEY=VALUE, such as --set learning_rate=0.5"),
        ("=3", "the key must be a name, or names joined by dots"),
        ("data..train=3", "the key must be a name, or names joined by dots"),
        ("data.trian=3", "data.trian: unknown key 'trian'; did you mean 'train'?"),
        (
            "learnin_rate=3",
            "learnin_rate: unknown key 'learnin_rate'; did you mean 'learning_rate'?",
        ),
        ("optimizer.mu=3", "optimizer.mu: unknown key 'mu'; it is a setting of momentum, nesterov"),
        ("learning_rate.x=3", "learning_rate: must be a number > 0 or null, got a mapping"),
        (
            "data.test=1.0",
            ("data.test: must be a whole number ≥ 1 or a number > 0 and < 1 or null, got 1.0"),
        ),
        (
            "data=my iris.csv",
            (
                "data.name: unknown data 'my iris.csv'; did you mean '{name: csv, train_file: my "
                f"iris.csv}}'? (known: {SOURCES})"
            ),
        ),
        ("hidden=[3, 0]", "hidden[1]: must be a whole number ≥ 1, got 0"),
        ("hidden=[3", "a ',' or the closing ']' is missing before this"),
        ("seed=*a", "seed: aliases (*) are not allowed; write the value again"),
        (
            "rng=network3",
            "rng.name: unknown rng 'network3'; did you mean 'network2'? (known: pcg64, network2)",
        ),
        (
            "output=softmax",
            (
                "output: cross-entropy takes each output for a probability of its own: "
                "it goes with output sigmoid, not softmax (softmax goes with cost log-likelihood)"
            ),
        ),
    ],
)
def test_a_wrong_setting_is_told_as_it_was_typed(setting: str, told: str) -> None:
    assert problems("", setting) == [f"--set {setting}: {told}"]


def test_problems_of_file_and_settings_come_together_the_files_first() -> None:
    assert problems("seed: -1\nepochs: 0", "a", "epochs=no", "b=1") == [
        "a.yaml:1:7: seed: must be a whole number ≥ 0, got -1",
        (
            "--set b=1: b: unknown key 'b' (known: data, hidden, activation, output, cost, "
            "class_weights, initializer, bias_initializer, optimizer, learning_rate, schedule, "
            "lambda, regularizer, dropout, batch_size, epochs, evaluate_every, stopping, patience, "
            "monitor, dtype, rng, seed)"
        ),
        "--set epochs=no: epochs: must be a whole number ≥ 1, got 'no'",
        "--set a: must have the form KEY=VALUE, such as --set learning_rate=0.5",
    ]
    assert problems("seed: [", "a") == [
        "a.yaml:1:8: a value is missing here",
        "--set a: must have the form KEY=VALUE, such as --set learning_rate=0.5",
    ]


def test_a_file_s_own_mistake_keeps_its_place_when_a_setting_goes_beside_it() -> None:
    assert problems("data: mnits", "data.train=5") == [
        (f"a.yaml:1:7: data.name: unknown data 'mnits'; did you mean 'mnist'? (known: {SOURCES})")
    ]


def test_a_value_that_a_setting_replaced_leaves_no_place_behind() -> None:
    assert problems("data: {name: mnist}", "data=mnits") == [
        (
            "--set data=mnits: data.name: unknown data 'mnits'; did you mean 'mnist'? "
            f"(known: {SOURCES})"
        )
    ]


def test_a_long_or_invisible_setting_is_shown_short_and_escaped() -> None:
    (told,) = problems("", "seed=\u202e" + "x" * 100)
    assert told.startswith("--set seed=\\u202exxx")
    assert len(told) < 220
