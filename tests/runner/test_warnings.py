"""Warnings that depend on earlier runs: another run's λ, a known threshold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nnexp.config import load, rules
from nnexp.config.model import CheckedConfig, Config, PerExample
from nnexp.datasets.loading import Data
from nnexp.datasets.sources import Mnist
from nnexp.errors import CorruptError
from nnexp.optim.schedules import Cosine
from nnexp.optim.sgd import Momentum
from nnexp.store import thresholds
from nnexp.streams import Network2
from tests.conftest import Bench

UNSCALED = (
    "warning: lambda is 0.1 as in runs/small-s0, but n is 200 and was 20 there: λ/n changes from "
    "0.005 to 0.0005; to keep it, set lambda: 1, or {per_example: 0.005} in both"
)


def unscaled(n: int, other_n: int, config: Config, other: Config | None = None) -> list[str]:
    return list(rules.lambda_warning(config, n, other or config, other_n, "A"))


def test_the_chapter_s_lambda_of_0_1_at_1000_is_5_at_50000() -> None:
    (warning,) = unscaled(50_000, 1000, Config(lambda_=0.1))
    assert warning == (
        "lambda is 0.1 as in A, but n is 50000 and was 1000 there: λ/n changes from 0.0001 to "
        "2e-06; to keep it, set lambda: 5, or {per_example: 0.0001} in both"
    )
    (warning,) = unscaled(1000, 50_000, Config(lambda_=5.0))
    assert "to keep it, set lambda: 0.1, or" in warning


def test_what_was_rescaled_or_needs_none_is_not_warned_of() -> None:
    config = Config(lambda_=0.1)
    assert unscaled(50_000, 50_000, config) == []
    assert unscaled(50_000, 1000, Config(lambda_=5.0), config) == []
    assert unscaled(50_000, 1000, Config()) == []
    assert unscaled(50_000, 1000, Config(lambda_=PerExample(1e-4))) == []
    assert unscaled(50_000, 1000, config, Config(lambda_=PerExample(1e-4))) == []
    assert unscaled(50_000, 1000, config, Config(lambda_=0.1, regularizer="l1")) == []


def test_train_warns_against_a_named_run_and_trains(bench: Bench) -> None:
    small = ("--set", "lambda=0.1", "--set", "data.train=20", "--name", "small", "-q")
    assert bench("train", "tiny.yaml", *small).code == 0
    common = ("train", "tiny.yaml", "--against", "runs/small-s0", "-q")
    assert bench(*common, "--set", "lambda=0.1", "--name", "n") == (
        0,
        "runs/n-s0\n",
        f"{UNSCALED}\n",
    )
    assert bench(*common, "--set", "lambda=1", "--name", "m") == (0, "runs/m-s0\n", "")
    assert bench("train", "tiny.yaml", "--set", "lambda=0.1", "--name", "o", "-q").err == ""
    assert bench.files("runs/n-s0").keys() == bench.files("runs/o-s0").keys()
    same = {name for name in bench.files("runs/n-s0") if name != "run.json"}
    assert all(bench.files("runs/n-s0")[name] == bench.files("runs/o-s0")[name] for name in same)


def test_a_run_that_cannot_be_read_is_refused_before_anything_is_created(bench: Bench) -> None:
    common = ("train", "tiny.yaml", "--name", "n", "--against")
    assert bench(*common, "runs/none") == (
        2,
        "",
        "--against: runs/none: there is no such run; nnexp runs lists the runs\n",
    )
    assert bench("train", "tiny.yaml", "--name", "a", "-q").code == 0
    record = bench.folder / "runs" / "a-s0" / "run.json"
    record.write_text(record.read_text().replace('"epochs": 3', '"epochs": 4'))
    assert bench(*common, "runs/a-s0").code == 5
    assert not (bench.folder / "runs" / "n-s0").exists()


def test_a_threshold_belongs_to_the_problem(tmp_path: Path) -> None:
    config = load.check(Config(data=Mnist(train=1000), hidden=(10,)))
    assert thresholds.read(tmp_path, config, {}) is None
    thresholds.record(tmp_path, config, {}, 0.5)
    same: list[dict[str, Any]] = [
        {"learning_rate": 3.0, "schedule": Cosine(), "seed": 7, "rng": Network2()},
        {"lambda_": 5.0, "regularizer": "l1", "epochs": 9, "patience": None, "monitor": ("train",)},
        {"data": Mnist(train=1000, validation=100, test=5)},
    ]
    for keys in same:
        found = thresholds.read(tmp_path, load.changed(config, **keys), {})
        assert found is not None
        assert found.learning_rate == 0.5
    others: list[dict[str, Any]] = [
        {"data": Mnist(train=2000)},
        {"hidden": (11,)},
        {"activation": "tanh"},
        {"initializer": "standard-normal"},
        {"optimizer": Momentum()},
        {"batch_size": 20},
        {"dtype": "float64"},
        {"dropout": 0.5},
    ]
    for keys in others:
        assert thresholds.read(tmp_path, load.changed(config, **keys), {}) is None
    thresholds.record(tmp_path, load.changed(config, seed=3), {}, 0.25, "tune")
    found = thresholds.read(tmp_path, config, {})
    assert found is not None
    assert (found.learning_rate, found.found_by) == (0.25, "tune")
    assert found.problem == {"data": {"name": "mnist", "train": 1000}, "hidden": [10]}


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("inf"), float("nan")])
def test_no_threshold_is_what_is_no_learning_rate(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(ValueError, match="finite number > 0"):
        thresholds.record(tmp_path, load.check(Config()), {}, threshold)
    assert not list(tmp_path.iterdir())


def tiny(bench: Bench) -> tuple[CheckedConfig, Mapping[str, str]]:
    """Return the small config, and the content hashes of its data."""
    config = load.read(bench.folder / "tiny.yaml")
    return config, Data().content(config.data)


def test_train_warns_of_a_rate_far_over_the_threshold(bench: Bench) -> None:
    runs, (config, content) = Path("runs"), tiny(bench)
    thresholds.record(runs, config, content, 0.5)
    place = thresholds.file_path(runs, config, content)
    common = ("train", "tiny.yaml", "-q", "--set")
    assert bench(*common, "learning_rate=1.99", "--name", "near").err == ""
    assert bench(*common, "learning_rate=2", "--name", "far") == (
        0,
        "runs/far-s0\n",
        (
            "warning: learning_rate 2 is 4 times the threshold 0.5 of this problem (found by nnexp "
            f"find-rate, in {place}): expect the cost to oscillate or to rise; the chapter "
            "takes half the threshold, 0.25\n"
        ),
    )
    assert bench("train", "tiny.yaml", "-q", "--set", "learning_rate=2", "--runs", "r").err == ""
    listed = bench("runs")
    assert (listed.code, listed.err) == (0, "")
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == ["far-s0", "near-s0"]


def test_a_damaged_threshold_is_told_and_fails_no_training(bench: Bench) -> None:
    runs, (config, content) = Path("runs"), tiny(bench)
    thresholds.record(runs, config, content, 0.001)
    place = thresholds.file_path(runs, config, content)
    place.write_text(place.read_text().replace("0.001", "0.002"))
    with pytest.raises(CorruptError, match="checksum"):
        thresholds.read(runs, config, content)
    assert bench("train", "tiny.yaml", "-q", "--name", "n") == (
        0,
        "runs/n-s0\n",
        (f"warning: {place}: is damaged: its checksum does not match its content; it is ignored\n"),
    )
    thresholds.record(runs, config, content, 1.0)
    assert bench("train", "tiny.yaml", "-q", "--name", "m").err == ""
    place.unlink()
    place.mkdir()
    assert bench("train", "tiny.yaml", "-q", "--name", "o").code == 0
    with pytest.raises(CorruptError, match="is not a regular file"):
        thresholds.record(runs, config, content, 1.0)
