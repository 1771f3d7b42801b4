"""A cost that only the final evaluation takes may be the first that is not finite."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.fixture
def odd(bench: Bench) -> Bench:
    """Data whose test examples alone are too large for any cost."""
    arrays = dict(np.load("tiny.npz"))
    for split in ("train", "validation", "test"):
        arrays[f"x_{split}"] = arrays[f"x_{split}"].astype(np.float64) / 255
    arrays["x_test"] *= 1e200
    np.savez("tiny.npz", **arrays)
    bench.config(
        data={"name": "npz", "file": "tiny.npz", "scale": 1},
        activation="relu",
        output="linear",
        cost="quadratic",
        learning_rate=0.01,
        epochs=2,
    )
    return bench


def test_the_run_ends_as_diverged_with_the_cause(odd: Bench) -> None:
    said = odd("train", "tiny.yaml", "-q", "--name", "x")
    assert said.code == 3
    assert "runs/x-s0: diverged in epoch 2: test cost of epoch " in said.err
    result = json.loads((odd.folder / "runs/x-s0/result.json").read_text())
    assert (result["status"], result["test_cost"], result["test_accuracy"]) == (
        *("diverged", None, None),
    )
    assert odd("train", "tiny.yaml", "-q", "--name", "x").code == 3
    assert odd("runs", "runs/x-s0").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("train", "tiny.yaml", "--seeds", "2", "-q"),
        ("sweep", "tiny.yaml", "--grid", "lambda=0,1", "-q"),
        ("search", "tiny.yaml", "--space", "lambda=[0, 1]", "-q"),
        ("find-rate", "tiny.yaml", "-q"),
        ("tune", "tiny.yaml", "-q", "--full"),
    ],
)
def test_every_command_that_trains_says_so(odd: Bench, words: tuple[str, ...]) -> None:
    said = odd(*words)
    assert said.code == 3
    assert re.search(r"test cost of epoch \d+ is (nan|inf)", said.err)
    assert "smaller learning" not in said.err


def test_json_has_null_for_it(odd: Bench) -> None:
    odd("train", "tiny.yaml", "-q", "--name", "x")
    said = odd("evaluate", "runs/x-s0", "--on", "test", "--json")
    assert said.code == 0
    assert json.loads(said.out)["runs"][0]["run"] == "runs/x-s0"
    assert "NaN" not in said.out
    assert "Infinity" not in said.out
