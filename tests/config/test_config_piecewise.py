"""Learning rates by epoch: a piecewise schedule's mapping in files and by --set, and its errors."""

from __future__ import annotations

import pytest

from nnexp.config import load, rules
from nnexp.config.model import Config
from nnexp.errors import ConfigError
from nnexp.optim.schedules import Constant, Piecewise

HEAD = "schedule:\n  name: piecewise\n  rates: "


def refusal(text: str, *settings: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load.parse(text, "a.yaml", settings)
    return error.value.problems


def test_the_learning_rate_is_null_whatever_the_optimizer_s_default() -> None:
    for text in (HEAD, "optimizer: adam\n" + HEAD, "learning_rate: null\n" + HEAD):
        config = load.parse(text + "{1: 0.5, 16: 0.1}", "a.yaml")
        assert (config.learning_rate, config.schedule) == (None, Piecewise({1: 0.5, 16: 0.1}))


def test_all_faults_of_the_rates_are_reported_at_once_with_their_places() -> None:
    assert refusal(
        HEAD + "\n    1: 0\n    0: .5\n    -4: 1\n    a: 3\n    '02': 2\n    1.5: 2\n"
        "    99999999: 2\n    1: 5\n    4: .inf\n    5: x\n    6:\n"
    ) == [
        "a.yaml:4:8: schedule.rates.1: must be a number > 0, got 0",
        "a.yaml:5:5: schedule.rates.0: the key must be a whole number ≥ 1, got 0",
        "a.yaml:6:5: schedule.rates.-4: the key must be a whole number ≥ 1, got -4",
        "a.yaml:7:5: schedule.rates.a: the key must be a whole number ≥ 1, got 'a'",
        "a.yaml:8:5: schedule.rates.02: the key must be a whole number ≥ 1, got '02'",
        "a.yaml:9:5: schedule.rates: a key must be a name, got 1.5",
        (
            "a.yaml:10:5: schedule.rates.99999999: the key must be a whole number from 1 to "
            "1000000, got 99999999"
        ),
        "a.yaml:11:5: schedule.rates.1: duplicate key '1'; it is already on line 4",
        "a.yaml:12:8: schedule.rates.4: must be a finite number > 0, got .inf",
        "a.yaml:13:8: schedule.rates.5: must be a number > 0, got 'x'",
        "a.yaml:14:7: schedule.rates.6: must be a number > 0, got null",
    ]


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ("{}", "must begin with epoch 1, as in {1: 0.5, 16: 0.1}, got an empty mapping"),
        ("{3: 1, 2: 1}", "must begin with epoch 1, as in {1: 0.5, 16: 0.1}, got 2"),
        ("0.5", "must be a mapping of whole numbers ≥ 1 to numbers > 0, got 0.5"),
        ("[0.5]", "must be a mapping of whole numbers ≥ 1 to numbers > 0, got a list"),
        ("null", "must be a mapping of whole numbers ≥ 1 to numbers > 0, got null"),
    ],
)
def test_rates_are_a_mapping_that_begins_with_epoch_1(rates: str, told: str) -> None:
    assert refusal(HEAD + rates) == [f"a.yaml:3:10: schedule.rates: {told}"]


def test_rates_are_required() -> None:
    assert refusal("schedule: piecewise") == [
        (
            "a.yaml:1:11: schedule: piecewise needs 'rates' (Learning rates by the epoch in which "
            "each begins: {1: 0.5, 16: 0.1})"
        )
    ]


def test_a_learning_rate_beside_the_rates_is_refused() -> None:
    told = (
        "learning_rate: piecewise gives the learning rate of every epoch; leave it out, or set it "
        "to null, got"
    )
    assert refusal("learning_rate: 0.5\n" + HEAD + "{1: 0.5}") == [f"a.yaml:1:16: {told} 0.5"]
    assert refusal(HEAD + "{1: 0.5}", "learning_rate=2") == [f"--set learning_rate=2: {told} 2.0"]


def test_settings_replace_add_and_give_all_rates() -> None:
    set_ = ("schedule.rates.16=0.2", "schedule.rates.8=0.3")
    config = load.parse(HEAD + "{1: 0.5, 16: 0.1}", "a.yaml", set_)
    assert config.schedule == Piecewise({1: 0.5, 8: 0.3, 16: 0.2})
    assert list(getattr(config.schedule, "rates", ())) == [1, 8, 16]
    whole = ("schedule={name: piecewise, rates: {1: 0.5, 16: 0.1}}", "learning_rate=null")
    config = load.parse("learning_rate: 0.5", "a.yaml", whole)
    assert (config.learning_rate, config.schedule) == (None, Piecewise({1: 0.5, 16: 0.1}))
    assert refusal(HEAD + "{1: 0.5}", "schedule.rates.016=0.2") == [
        (
            "--set schedule.rates.016=0.2: schedule.rates.016: the key must be a whole number ≥ 1, "
            "got '016'"
        )
    ]
    assert refusal(HEAD + "{1: 0.5}", "schedule.rates={2: 1}") == [
        (
            "--set schedule.rates={2: 1}: schedule.rates: must begin with epoch 1, as in "
            "{1: 0.5, 16: 0.1}, got 2"
        )
    ]


def test_a_config_of_python_may_have_its_rates_in_any_order() -> None:
    schedule = Piecewise({16: 0.1, 1: 0.5})
    checked = load.check(Config(schedule=schedule, learning_rate=None))
    assert list(getattr(checked.schedule, "rates", ())) == [1, 16]
    assert hash(checked.schedule) == hash(schedule)
    with pytest.raises(ConfigError, match="must begin with epoch 1"):
        load.check(Config(schedule=Piecewise({}), learning_rate=None))


def test_rates_after_the_last_epoch_and_large_ones_before_it_cause_warnings() -> None:
    keys = "epochs: 15\nlambda: 5000\n"
    config = load.parse(keys + HEAD + "{1: 0.5, 16: 30, 20: 0.1}", "a.yaml")
    assert rules.warnings(config, 1000) == [
        (
            "weight decay multiplies every weight by 1 - ηλ/n = 1 - 0.5·5000/1000 = -1.5 at each "
            "step: weights flip sign and do not shrink (|1 - ηλ/n| must be below 1)"
        ),
        "schedule.rates.16: 30 has no effect while epochs is 15",
        "schedule.rates.20: 0.1 has no effect while epochs is 15",
    ]
    config = load.parse("lambda: 1000\n" + HEAD + "{1: 0.5, 16: 3}", "a.yaml")
    assert "1 - 3·1000/1000 = -2" in rules.warnings(config, 1000)[0]
    (warning,) = rules.learning_rate_warning(config, 0.5, "find-rate")
    assert warning.startswith("learning_rate 3 is 6 times the threshold 0.5")


def test_the_config_with_a_constant_rate_has_that_of_the_first_epoch() -> None:
    for config in (
        Config(schedule=Piecewise({4: 0.1, 1: 0.25}), learning_rate=None),
        Config(learning_rate=0.25),
    ):
        constant = rules.with_constant_rate(config)
        assert (constant.schedule, constant.learning_rate) == (Constant(), 0.25)
