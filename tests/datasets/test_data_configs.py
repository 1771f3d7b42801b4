"""Each config of configs/data trains on data as people have it, in at most eight lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Bench

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs" / "data").glob("*.yaml"))
FASHION = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
"""Where Debian's package dataset-fashion-mnist has its files, or where they were unpacked to."""

ACCURACIES = {
    "iris": 0.8,
    "wine": 0.9,
    "breast-cancer": 0.9,
    "digits": 0.93,
    "semicolons": 0.9,
    "pictures": 0.7,
}
"""Test accuracies that a network reaches if the data was read as it is meant."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data that the configs name, written once."""
    pytest.importorskip("sklearn", reason="scikit-learn, which the data is from, is not installed")
    from benchmarks.data_sets import write  # noqa: PLC0415 - imports scikit-learn

    folder = tmp_path_factory.mktemp("own") / "data"
    write(folder)
    return folder


def test_each_data_set_has_its_config() -> None:
    assert {path.stem for path in CONFIGS} == {*ACCURACIES, "fashion-mnist"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_has_at_most_eight_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 8


@pytest.mark.parametrize("name", ACCURACIES)
def test_a_data_set_is_learned(bench: Bench, data: Path, name: str) -> None:
    (bench.folder / "data").symlink_to(data)
    said = bench("train", str(ROOT / "configs" / "data" / f"{name}.yaml"), "-q", "--name", "a")
    assert said.code == 0, said.err
    result = json.loads(Path("runs/a-s0/result.json").read_text())
    assert result["test_accuracy"] >= ACCURACIES[name]


def test_fashion_mnist_is_learned(bench: Bench) -> None:
    if not FASHION.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    config = ROOT / "configs" / "data" / "fashion-mnist.yaml"
    settings = (f"data.directory={FASHION}", "data.train=5000", "epochs=2")
    chosen = [word for setting in settings for word in ("--set", setting)]
    assert bench("train", str(config), "-q", "--name", "a", *chosen).code == 0
    assert json.loads(Path("runs/a-s0/result.json").read_text())["test_accuracy"] > 0.7
