"""Equality of configs: canonical bytes, digest and YAML, and the keys in which two differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Struct, structs

from nnexp.config import canonical, dump, keys, load, reader, rules
from nnexp.config.model import CheckedConfig, Config, PerExample
from nnexp.datasets.expansion import Rotate, Shift
from nnexp.datasets.sources import AnySource, Arrays, Csv, Idx, Images, Mnist, Npz
from nnexp.nn.costs import COSTS
from nnexp.optim.schedules import Piecewise
from nnexp.streams import Network2, Pcg64

if TYPE_CHECKING:
    from random import Random

TRAPS = ["1e3", "no", "0o17", "null", "~", "", "12:30", "true", ".inf", "- a", "a: b", " # x "]

text = st.text().filter(lambda it: not reader.UNWRITABLE.search(it)) | st.sampled_from(TRAPS)
count = st.none() | st.integers(1, 10**9)
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
selection: dict[str, st.SearchStrategy[Any]] = {
    "train": count,
    "validation": count,
    "test": count,
    "classes": st.none() | st.lists(st.integers(0, 99), min_size=2, unique=True).map(tuple),
    "scale": positive,
    "expand": st.sampled_from([None, Shift(), Rotate(), Rotate(degrees=1.5)]),
}
sources = st.one_of(
    st.builds(Mnist, **selection),
    st.builds(Idx, directory=text, test_images=st.none() | text, **selection),
    st.builds(Npz, file=text, **selection),
    st.builds(Csv, train_file=text, test_file=st.none() | text, **selection),
)
rates = st.dictionaries(st.integers(2, 10**6), positive, max_size=4)
piecewise = st.builds(lambda first, later: Piecewise({**later, 1: first}), positive, rates)
unscheduled = st.builds(
    Config,
    data=sources,
    hidden=st.lists(st.integers(1, 10**6), max_size=5).map(tuple),
    activation=st.sampled_from(["sigmoid", "tanh", "relu"]),
    output=st.sampled_from(["sigmoid", "softmax", "linear"]),
    cost=st.sampled_from(sorted(COSTS)),
    learning_rate=positive,
    lambda_=positive | st.builds(PerExample, per_example=positive),
    batch_size=st.just("all") | st.integers(1, 10**9),
    epochs=st.integers(1, 10**6),
    patience=count,
    monitor=st.sampled_from([("train", "validation"), ("validation",), ("test", "validation")]),
    rng=st.sampled_from([Pcg64(), Network2()]),
    seed=st.integers(0, 2**32 - 1),
).filter(lambda config: not rules.problems(config))
configs = st.one_of(
    unscheduled,
    st.builds(
        lambda config, schedule: structs.replace(config, schedule=schedule, learning_rate=None),
        unscheduled,
        piecewise,
    ),
)
checked = configs.map(load.check)


@settings(deadline=None)
@given(checked)
def test_a_config_written_as_yaml_is_read_as_the_same_config(config: CheckedConfig) -> None:
    again = load.parse(dump.to_yaml(config), "config.yaml")
    assert again == config
    assert canonical.canonical_json(again) == canonical.canonical_json(config)


@settings(deadline=None)
@given(checked, st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_neither_the_seed_nor_the_order_of_keys_makes_another_experiment(
    config: CheckedConfig, seed: int, random: Random
) -> None:
    written = [
        f"{key}={dump.inline(value)}"
        for key, value in canonical.to_builtins(structs.replace(config, seed=seed)).items()
        if not isinstance(value, dict)
    ]
    random.shuffle(written)
    data = dump.to_yaml(config)
    assert canonical.digest(load.parse(data, "a", written)) == canonical.digest(config)


def test_the_default_config_s_name_never_changes() -> None:
    default = load.check(Config())
    assert canonical.canonical_json(default) == b"{}"
    assert (
        canonical.digest(default)
        == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )


def test_the_canonical_bytes_are_those_of_the_changed_keys_sorted() -> None:
    config = load.parse(
        "seed: 7\nlearning_rate: 1\ndata: {scale: 256, name: mnist, train: 1e3, test: ~}\n"
        "lambda: 5\nrng: {name: network2}\noptimizer: {name: sgd}\nhidden: [30.0]\n",
        "a.yaml",
    )
    assert canonical.canonical_json(config) == (
        b'{"data":{"name":"mnist","scale":256.0,"train":1000},"lambda":5.0,"learning_rate":1.0,'
        b'"rng":{"name":"network2"}}'
    )
    typed_in_python = Config(
        learning_rate=1, lambda_=5, rng=Network2(), data=Mnist(train=1000, scale=256)
    )
    assert canonical.digest(load.check(typed_in_python)) == canonical.digest(config)


def scheduled(rates: str) -> str:
    return f"schedule: {{name: piecewise, rates: {rates}}}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("data: mnist", "data: {name: mnist}", True),
        ("learning_rate: 1", "learning_rate: 1.0", True),
        ("seed: 1", "seed: 2", True),
        ("epochs: 30", "", True),
        ("lambda: 1", "lambda: {per_example: 1}", False),
        ("epochs: 31", "", False),
        (scheduled("{1: 0.5, 16: 0.1}"), scheduled('{"16": 1e-1, "1": 0.50}'), True),
        (scheduled("{1: 0.5, 16: 0.1}"), scheduled("{1: 0.5, 17: 0.1}"), False),
        (scheduled("{1: 0.5}"), "", False),
        ("data: {name: mnist, train: 1}", "data: {name: mnist, test: 1}", False),
    ],
)
def test_two_spellings_are_one_experiment_and_two_experiments_are_not(
    one: str, other: str, *, same: bool
) -> None:
    digests = [canonical.digest(load.parse(each, "a")) for each in (one, other)]
    assert (digests[0] == digests[1]) is same


class Older(Struct):
    rate: float = 0.5


class Newer(Struct):
    rate: float = 0.5
    momentum: float = 0.0


@pytest.mark.parametrize(
    ("optimizer", "digest_holds"),
    [
        ("{name: l-bfgs, memory: 10}", '"optimizer":{"name":"l-bfgs"}'),
        ("l-bfgs", '"optimizer":{"memory":20,"name":"l-bfgs"}'),
        ("{name: hessian-free, damping: 1}", '"optimizer":{"name":"hessian-free"}'),
        ("hessian-free", '"optimizer":{"damping":0.1,"name":"hessian-free"}'),
    ],
)
def test_a_changed_default_changes_the_digest_of_no_earlier_run(
    optimizer: str, digest_holds: str
) -> None:
    config = load.parse(f"optimizer: {optimizer}\ndtype: float64", "a.yaml")
    assert digest_holds in canonical.canonical_json(config).decode()


def test_keys_added_later_are_recorded_only_if_they_are_set() -> None:
    assert not set(canonical.LATE_KEYS) & {*canonical.recorded(Config())}
    set_ = Config(class_weights="balanced", data=Mnist(standardize=True, split_seed=3))
    assert canonical.recorded(set_)["class_weights"] == "balanced"
    data = canonical.recorded(set_)["data"]
    assert {key: data[key] for key in canonical.LATE_KEYS if key in data} == {
        "standardize": True,
        "split_seed": 3,
    }


@pytest.mark.parametrize(
    "data",
    [
        Mnist(),
        Csv(train_file="d.csv"),
        Csv(train_file="d.csv", label="a", drop=("b",)),
        Npz(file="d.npz"),
        Npz(file="d.npz", arrays=Arrays(x_train="a")),
        Idx(directory="d"),
        Images(directory="d"),
    ],
)
def test_listings_know_the_defaults_of_keys_that_are_not_recorded(data: AnySource) -> None:
    config = Config(data=data)
    listed = keys.with_late_defaults(keys.flat(canonical.recorded(config)))
    assert listed == canonical.flat(config)


def test_a_key_added_to_the_model_later_renames_nothing() -> None:
    assert canonical.changed(Older(0.1)) == canonical.changed(Newer(0.1)) == {"rate": 0.1}


def test_learning_rates_are_identified_recorded_and_written_in_the_epochs_order() -> None:
    """Keys of JSON are strings, of which "16" comes before "2"."""
    config = load.parse(scheduled("{16: 0.1, 2: 0.3, 1: 0.5}"), "a.yaml")
    assert canonical.canonical_json(config) == (
        b'{"learning_rate":null,"schedule":{"name":"piecewise","rates":{"1":0.5,"16":0.1,"2":0.3}}}'
    )
    recorded = canonical.recorded(config)
    assert list(recorded["schedule"]["rates"].items()) == [("1", 0.5), ("2", 0.3), ("16", 0.1)]
    assert load.from_builtins(recorded, "run.json") == config
    written = "schedule:\n  name: piecewise\n  rates:\n    1: 0.5\n    2: 0.3\n    16: 0.1\n"
    assert written in dump.to_yaml(config)


def test_the_resolved_yaml_names_every_key_in_the_model_s_order() -> None:
    config = Config(
        data=Csv(train_file="no", test_file="é 1e3"),
        hidden=(30, 20),
        lambda_=PerExample(1e-05),
        patience=None,
        rng=Network2(),
    )
    assert dump.to_yaml(config) == (
        "data:\n  name: csv\n  train: null\n  validation: null\n  test: null\n  classes: null\n"
        "  scale: 1.0\n  expand: null\n  train_file: no\n  validation_file: null\n"
        '  test_file: "é 1e3"\n'
        "hidden: [30, 20]\nactivation: sigmoid\noutput: sigmoid\ncost: cross-entropy\n"
        "initializer: lecun-normal\nbias_initializer: standard-normal\n"
        "optimizer: sgd\nlearning_rate: 0.5\nschedule: constant\nlambda:\n  per_example: 1e-05\n"
        "regularizer: l2\ndropout: 0.0\nbatch_size: 10\nepochs: 30\nevaluate_every: 1\n"
        "stopping: accuracy\npatience: null\nmonitor: [train, validation]\ndtype: float32\n"
        "rng:\n  name: network2\n  before: null\nseed: 0\n"
    )


def test_differences_are_the_dotted_keys_that_differ_and_no_others() -> None:
    one = Config(learning_rate=0.1, lambda_=5.0, data=Mnist(train=1000), patience=None)
    other = Config(
        lambda_=PerExample(0.1), data=Npz(file="x.npz"), rng=Network2(), patience=None, seed=1
    )
    assert canonical.differences(one, other) == [
        ("data", "mnist", "npz"),
        ("data.train", 1000, None),
        ("learning_rate", 0.1, 0.5),
        ("lambda", 5.0, UNSET),
        ("rng", "pcg64", "network2"),
        ("seed", 0, 1),
        ("data.file", UNSET, "x.npz"),
        ("lambda.per_example", UNSET, 0.1),
    ]
    assert canonical.differences(one, one) == []
    assert canonical.differences(Config(), Config(data=Idx(directory="d")))[1:] == [
        ("data.directory", UNSET, "d")
    ]
