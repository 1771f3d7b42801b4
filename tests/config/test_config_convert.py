"""Conversion of plain values to types reports every problem at once, in readable words."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from nnexp.config import convert, load, problem, reader
from nnexp.config.model import Config, PerExample
from nnexp.datasets.sources import Mnist, Npz
from nnexp.errors import ConfigError
from nnexp.streams import Network2
from tests.known import ACTIVATIONS, OPTIMIZERS, SOURCES


class Plain(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="plain"):
    pass


class Rolling(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="rolling"):
    mu: Annotated[float, Meta(ge=0, le=1)] = 0.9
    nesterov: bool = False
    window: Annotated[int, Meta(ge=1, lt=9)] | None = None
    betas: tuple[float, float] = (0.9, 0.99)
    mode: Literal["slow", "fast"] = "slow"
    every: Annotated[int, Meta(multiple_of=5)] = 5


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """What a later issue's config may look like."""

    optimizer: Plain | Rolling = Plain()
    rate: Annotated[float, Meta(gt=0)] | PerExample = 1.0
    file: str = "a"
    shares: tuple[Annotated[float, Meta(gt=0)], ...] = ()
    sizes: Annotated[tuple[int, ...], Meta(min_length=1)] = (1,)
    order: Literal[1, 2] = 1


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load.parse(text, "a.yaml")
    return caught.value.problems


def model_problems(text: str) -> list[str]:
    made, found = convert.convert(reader.parse(text, "m"), Model)
    assert made is None
    return problem.error(found).problems


BAD = """\
data: {name: mnits, train: 5}
hidden: [30, 0, ten, true]
activation: sigmiod
optimizer: {mu: 0.9}
learning_rte: 1e-3
learning_rate: .inf
lambda: {per_exmple: 1}
batch_size: many
epochs: 2.5
patience: off
monitor: [train, trian]
rng: {name: network2, x: 1}
seed: 99999999999999999999
schedule: 5
cost:
evaluate_every: {a: 1}
data.train: 4
bias_initializer: ZEROES
dtype: [float32]
"""

TOLD = f"""\
a.yaml:1:14: data.name: unknown data 'mnits'; did you mean 'mnist'? (known: {SOURCES})
a.yaml:2:14: hidden[1]: must be a whole number ≥ 1, got 0
a.yaml:2:17: hidden[2]: must be a whole number ≥ 1, got 'ten'
a.yaml:2:22: hidden[3]: must be a whole number ≥ 1, got true
a.yaml:3:13: activation: unknown activation 'sigmiod'; did you mean 'sigmoid'? \
(known: {ACTIVATIONS})
a.yaml:4:12: optimizer: needs a 'name' (known: {OPTIMIZERS})
a.yaml:5:1: learning_rte: unknown key 'learning_rte'; did you mean 'learning_rate'?
a.yaml:6:16: learning_rate: must be a finite number > 0 or null, got .inf
a.yaml:7:9: lambda: needs 'per_example' (λ/n: λ for each training example)
a.yaml:7:10: lambda.per_exmple: unknown key 'per_exmple'; did you mean 'per_example'?
a.yaml:8:13: batch_size: must be a whole number ≥ 1 or all, got 'many'
a.yaml:9:9: epochs: must be a whole number ≥ 1, got 2.5
a.yaml:10:11: patience: must be a whole number ≥ 1 or null, got 'off'
a.yaml:11:18: monitor[1]: unknown monitor 'trian'; did you mean 'train'? \
(known: norms, running_cost, saturation, test, train, validation)
a.yaml:12:23: rng.x: unknown key 'x' (known: before)
a.yaml:13:7: seed: must be a whole number from 0 to 9223372036854775807, got 99999999999999999999
a.yaml:14:11: schedule: must be a name (constant, step, exponential, cosine, halve-on-plateau, \
piecewise) or a mapping with one, got 5
a.yaml:15:6: cost: must be cross-entropy or log-likelihood or quadratic, got null
a.yaml:16:17: evaluate_every: must be a whole number ≥ 1, got a mapping
a.yaml:17:1: data.train: unknown key 'data.train'; dotted keys are for --set: \
in a file, write a mapping
a.yaml:18:19: bias_initializer: unknown bias initializer 'ZEROES'; did you mean 'zeros'? \
(known: standard-normal, zeros)
a.yaml:19:8: dtype: must be float32 or float64, got a list
"""


def test_every_problem_of_a_file_is_told_at_once_in_its_order() -> None:
    assert problems(BAD) == TOLD.splitlines()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("learning_rate: 0", "a.yaml:1:16: learning_rate: must be a number > 0 or null, got 0"),
        (
            "learning_rate: -0.5",
            "a.yaml:1:16: learning_rate: must be a number > 0 or null, got -0.5",
        ),
        (
            "learning_rate: .nan",
            "a.yaml:1:16: learning_rate: must be a finite number > 0 or null, got .nan",
        ),
        (
            "learning_rate: 1e999",
            "a.yaml:1:16: learning_rate: must be a finite number > 0 or null, got .inf",
        ),
        (
            "learning_rate: true",
            "a.yaml:1:16: learning_rate: must be a number > 0 or null, got true",
        ),
        ("learning_rate: '1'", "a.yaml:1:16: learning_rate: must be a number > 0 or null, got '1'"),
        (
            "lambda: " + "9" * 390,
            "a.yaml:1:9: lambda: must be a finite number ≥ 0 or a mapping with per_example, "
            "got " + "9" * 59 + "…",
        ),
        ("epochs: 12:30", "a.yaml:1:9: epochs: must be a whole number ≥ 1, got '12:30'"),
        ("epochs: no", "a.yaml:1:9: epochs: must be a whole number ≥ 1, got 'no'"),
        ("epochs: .inf", "a.yaml:1:9: epochs: must be a finite whole number ≥ 1, got .inf"),
        (
            "epochs: 2000000",
            "a.yaml:1:9: epochs: must be a whole number from 1 to 1000000, got 2000000",
        ),
        (
            "hidden: 30",
            "a.yaml:1:9: hidden: must be a list of whole numbers ≥ 1, got 30 (did you mean [30]?)",
        ),
        (
            "monitor: norms",
            (
                "a.yaml:1:10: monitor: must be a list of names (norms, running_cost, saturation, "
                "test, train, validation), got 'norms' (did you mean ['norms']?)"
            ),
        ),
        ("hidden: 0", "a.yaml:1:9: hidden: must be a list of whole numbers ≥ 1, got 0"),
        (
            "hidden: [" + "1, " * 101 + "]",
            "a.yaml:1:9: hidden: must have at most 100 items, got 101",
        ),
        (
            "monitor: all",
            (
                "a.yaml:1:10: monitor: must be a list of names "
                "(norms, running_cost, saturation, test, train, validation), got 'all'"
            ),
        ),
        (
            "optimizer: momentun",
            (
                "a.yaml:1:12: optimizer.name: unknown optimizer 'momentun'; "
                f"did you mean 'momentum'? (known: {OPTIMIZERS})"
            ),
        ),
        (
            "data: {name: 3}",
            f"a.yaml:1:14: data.name: must be one of {SOURCES}, got 3",
        ),
        ("data: npz", "a.yaml:1:7: data: npz needs 'file' (The .npz file)"),
        (
            "data: {name: mnist, file: x}",
            "a.yaml:1:21: data.file: unknown key 'file'; it is a setting of npz",
        ),
        (
            "data: {name: npz, file: 7}",
            "a.yaml:1:25: data.file: must be a string, got 7",
        ),
        (
            "lambda_: 5",
            "a.yaml:1:1: lambda_: unknown key 'lambda_'; did you mean 'lambda'?",
        ),
        (
            '"a\\u202eb\\e": 5',
            (
                "a.yaml:1:1: a\\u202eb\\x1b: unknown key 'a\\u202eb\\x1b' (known: data, hidden, "
                "activation, output, cost, class_weights, initializer, bias_initializer, "
                "optimizer, learning_rate, schedule, lambda, regularizer, dropout, batch_size, "
                "epochs, evaluate_every, stopping, patience, monitor, dtype, rng, seed)"
            ),
        ),
        (
            "dtype: " + "x" * 70,
            "a.yaml:1:8: dtype: unknown dtype '" + "x" * 57 + "…' (known: float32, float64)",
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_is_wanted(text: str, told: str) -> None:
    assert problems(text) == [told]


def test_whole_floats_are_whole_numbers_and_whole_numbers_are_floats() -> None:
    config = load.parse("epochs: 1e1\nhidden: [3.0]\nlearning_rate: 1\nlambda: 5", "a.yaml")
    assert config == Config(epochs=10, hidden=(3,), learning_rate=1.0, lambda_=5.0)
    assert [type(v) for v in (config.epochs, config.hidden[0], config.learning_rate)] == [
        int,
        int,
        float,
    ]


def test_short_and_long_forms_are_the_same_component() -> None:
    assert load.parse("data: mnist\nrng: network2", "a.yaml") == Config(rng=Network2())
    assert load.parse("data: {name: mnist}\nrng:\n  name: network2", "a") == Config(rng=Network2())
    assert load.parse("data: {train: 9, classes: [0, 1], name: mnist}", "a").data == Mnist(
        train=9, classes=(0, 1)
    )
    assert load.parse("data: {name: npz, file: '7'}", "a").data == Npz(file="7")
    assert load.parse("lambda: {per_example: 1e-4}", "a").lambda_ == PerExample(1e-4)
    assert load.parse("batch_size: all\npatience: ~", "a") == Config(
        batch_size="all", patience=None
    )


def test_minus_zero_is_zero() -> None:
    made = load.parse("lambda: {per_example: -0.0}", "a").lambda_
    assert str(made) == "PerExample(per_example=0.0)"


def test_a_component_of_a_later_issue_needs_no_change_here() -> None:
    text = (
        "optimizer: {name: rolling, mu: 1, nesterov: true, window: 3, betas: [0, 1], mode: fast}\n"
        "rate: {per_example: 2}\nshares: [1, 2.5]\n"
    )
    made, found = convert.convert(reader.parse(text, "m"), Model)
    assert found == []
    assert made == Model(
        optimizer=Rolling(1.0, nesterov=True, window=3, betas=(0.0, 1.0), mode="fast"),
        rate=PerExample(2.0),
        shares=(1.0, 2.5),
    )


def test_the_problems_of_a_component_of_a_later_issue_are_told() -> None:
    text = (
        "optimizer:\n  name: rolling\n  mu: 1.5\n  nesterov: 1\n  window: 9\n  betas: [1]\n"
        "  mode: fats\n  nue: 3\n"
        "rate: none\nfile: ~\nshares: [0, x]\nsizes: []\norder: true\n"
    )
    assert model_problems(text) == [
        "m:3:7: optimizer.mu: must be a number from 0 to 1, got 1.5",
        "m:4:13: optimizer.nesterov: must be true or false, got 1",
        "m:5:11: optimizer.window: must be a whole number ≥ 1 and < 9 or null, got 9",
        "m:6:10: optimizer.betas: must have 2 items, got 1",
        "m:7:9: optimizer.mode: unknown mode 'fats'; did you mean 'fast'? (known: fast, slow)",
        "m:8:3: optimizer.nue: unknown key 'nue' (known: mu, nesterov, window, betas, mode, every)",
        "m:9:7: rate: must be a number > 0 or a mapping with per_example, got 'none'",
        "m:10:7: file: must be a string, got null",
        "m:11:10: shares[0]: must be a number > 0, got 0",
        "m:11:13: shares[1]: must be a number > 0, got 'x'",
        "m:12:8: sizes: must have at least 1 items, got 0",
        "m:13:8: order: must be 1 or 2, got true",
    ]


def test_a_name_nearly_known_is_suggested_and_a_foreign_setting_located() -> None:
    assert model_problems("optimizer: rollin\n") == [
        (
            "m:1:12: optimizer.name: unknown optimizer 'rollin'; did you mean 'rolling'? "
            "(known: plain, rolling)"
        )
    ]
    assert model_problems("optimizer: {name: plain, mu: 1}\n") == [
        "m:1:26: optimizer.mu: unknown key 'mu'; it is a setting of rolling"
    ]


def test_a_constraint_that_has_no_words_of_its_own_is_still_checked() -> None:
    (told,) = model_problems("optimizer: {name: rolling, every: 7}")
    assert told.startswith("m:1:12: optimizer: ")
    assert "multiple of 5" in told


def test_more_problems_than_anyone_reads_are_counted() -> None:
    found = problems("".join(f"key{i}: 1\n" for i in range(60)))
    assert len(found) == 51
    assert found[-1] == "a.yaml: … and 10 more"
