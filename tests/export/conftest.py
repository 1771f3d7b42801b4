"""Fixtures of the tests of exports."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import nnexp
from tests.export.networks import Networks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench

MONITORS = ["train", "validation", "norms", "saturation"]
EXPERIMENTS: dict[str, tuple[int, dict[str, Any]]] = {
    "a": (2, {}),
    "b": (1, {"hidden": [4, 3], "optimizer": "nesterov"}),
    "c": (1, {"epochs": 4, "monitor": MONITORS, "class_weights": "balanced"}),
}
"""The number of seeds, and the settings, of each experiment of ``trained``."""


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """Networks that are trained when a test asks for them."""
    return Networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="session")
def _trained_once() -> dict[str, Path]:
    return {}


@pytest.fixture
def trained(
    bench: Bench, _trained_once: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Bench:
    """Three experiments that differ in several keys; the last one has other metrics."""
    if "runs" not in _trained_once:
        folder = tmp_path_factory.mktemp("trained")
        for file in ("tiny.npz", "tiny.yaml"):
            shutil.copy(bench.folder / file, folder)
        with contextlib.chdir(folder):
            for name, (seeds, settings) in EXPERIMENTS.items():
                for seed in range(seeds):
                    config = nnexp.load_config("tiny.yaml", settings | {"seed": seed})
                    nnexp.train(config, name=name)
        _trained_once["runs"] = folder / "runs"
    shutil.copytree(_trained_once["runs"], bench.folder / "runs")
    return bench
