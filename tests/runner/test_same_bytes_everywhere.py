"""Whole runs have the same bytes, whichever kernels the processor gets."""

from __future__ import annotations

import platform
from itertools import product
from typing import TYPE_CHECKING, Any, get_args

import pytest

from nnexp.nn.activations import ActivationName
from nnexp.nn.costs import COSTS
from tests.native.requirements import run_with_kernels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Bench

TRAIN = """
import sys
from pathlib import Path
from nnexp.config import load
from nnexp.runner.train import train
for path in sorted(Path().glob("c-*.yaml")):
    train(load.read(path), Path(sys.argv[1]), name=path.stem)
"""
MONITOR = ["train", "validation", "test", "saturation", "norms", "running_cost"]
SCHEDULES = (
    {"name": "step", "every": 1, "factor": 0.7},
    {"name": "exponential", "factor": 0.9},
    {"name": "cosine"},
    {"name": "halve-on-plateau", "patience": 1, "factor": 0.3},
    {"name": "piecewise", "rates": {1: 0.05, 2: 0.3}},
)


def settings() -> Iterator[dict[str, Any]]:
    """Yield what differs from the defaults, for every value of every key that is computed with."""
    for activation, (cost, outputs) in product(get_args(ActivationName), COSTS.items()):
        for output in outputs:
            yield {"activation": activation, "output": output, "cost": cost}
    for optimizer, hidden in product(("sgd", "momentum", "nesterov", "adam"), ([9], [17, 5], [])):
        yield {"optimizer": {"name": optimizer}, "hidden": hidden, "monitor": MONITOR}
    for schedule in SCHEDULES:
        rate = {"learning_rate": None} if schedule["name"] == "piecewise" else {}
        yield {"schedule": schedule, "optimizer": {"name": "adam"}, **rate}
    for regularizer, dropout in product(("l2", "l1"), (0.0, 0.5)):
        yield {"regularizer": regularizer, "dropout": dropout, "lambda": 1.0}
    for batch_size in (1, 7, "all"):
        yield {"batch_size": batch_size}
    for class_weights, (cost, outputs) in product(("balanced", [0.3, 1, 7]), COSTS.items()):
        for output in outputs:
            yield {"class_weights": class_weights, "output": output, "cost": cost}
    yield {"data": {"standardize": True, "validation": 20}}


def write(bench: Bench) -> int:
    """Write a config for dense and one for sparse data for each of these; return how many."""
    import numpy as np  # noqa: PLC0415 - after its variables are set

    arrays = dict(np.load(bench.folder / "tiny.npz"))
    rng = np.random.default_rng(1)
    for name, values in arrays.items():
        if name.startswith("x_"):
            arrays[name] = values * (rng.random(values.shape) < 0.2)
    np.savez(bench.folder / "sparse.npz", **{k: v.astype(np.uint8) for k, v in arrays.items()})
    defaults: dict[str, Any] = {"epochs": 2, "learning_rate": 0.05, "patience": None, "hidden": [9]}
    count = 0
    for keys, file in product(settings(), ("tiny.npz", "sparse.npz")):
        data = keys.get("data", {}) | {"name": "npz", "file": file}
        bench.config(f"c-{count:03}.yaml", **(defaults | keys | {"data": data}))
        count += 1
    return count


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have one kind")
def test_all_configs_are_trained_to_the_same_bytes(bench: Bench) -> None:
    count = write(bench)
    for name in ("avx512", "avx2"):
        run_with_kernels(name, "-c", TRAIN, name, cwd=bench.folder, NNEXP_BACKEND="native")
    runs = sorted(path.name for path in (bench.folder / "avx2").glob("c-*"))
    assert len(runs) == count
    for run in runs:
        assert bench.files(f"avx512/{run}") == bench.files(f"avx2/{run}"), run
