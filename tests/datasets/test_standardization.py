"""Standardized features: by the training examples' numbers, which stand in the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.analysis.mistakes import surest
from nnexp.datasets import standardization
from nnexp.datasets.dataset import Split
from nnexp.datasets.expansion import Shift
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Csv, Npz
from nnexp.errors import DataError
from nnexp.store.run import Run

if TYPE_CHECKING:
    from tests.conftest import Bench


def write_table(path: Path, rows: int = 120, shift: float = 0.0) -> None:
    """Write a table of two classes, with features of very different sizes."""
    rng = np.random.default_rng(1)
    kind = rng.integers(0, 2, rows)
    small = rng.normal(kind, 0.3) * 0.001
    large = 5000 + 100 * rng.normal(kind, 0.3) + shift
    lines = [
        f"{s:.6f},{b:.2f},{'yes' if k else 'no'}"
        for s, b, k in zip(small, large, kind, strict=True)
    ]
    path.write_text("\n".join(["small,large,answer", *lines]) + "\n")


def test_features_are_standardized_by_hand() -> None:
    features = np.array([[1, 10, 7], [3, 10, 8], [5, 10, 12]], np.uint8)
    factors = standardization.factors(features)
    assert factors.mean.tolist() == [3, 10, 9]
    assert np.allclose(factors.deviation, [np.sqrt(8 / 3), 1, np.sqrt(14 / 3)], rtol=1e-15)
    split = standardization.standardized(Split(features, np.zeros(3, np.int64)), factors)
    assert split.features.dtype == np.float32
    assert np.allclose(split.features[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5)])
    assert split.features[:, 1].tolist() == [0, 0, 0]
    assert np.allclose(standardization.original(split.features, factors), features)


def test_the_free_edge_of_a_shifted_image_is_as_black_as_others(tmp_path: Path) -> None:
    images = np.random.default_rng(2).integers(1, 200, (6, 3, 3), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x_train=images, y_train=np.arange(6) % 2)
    source = Npz(file=str(tmp_path / "d.npz"), standardize=True, expand=Shift())
    dataset = load(source)
    assert dataset.factors is not None
    assert dataset.factors.mean == pytest.approx(images.reshape(6, 9).mean(axis=0))
    pixels = standardization.original(dataset.train.features, dataset.factors).reshape(-1, 3, 3)
    assert pixels[:6] == pytest.approx(images, abs=1e-4)
    assert pixels[6:12, :2] == pytest.approx(images[:, 1:], abs=1e-4), "shifted up"
    assert pixels[6:12, 2] == pytest.approx(np.zeros((6, 3)), abs=1e-4)


def test_features_whose_squares_overflow_are_refused(tmp_path: Path) -> None:
    rows = [f"{i % 3}e200,{'ab'[i % 2]}" for i in range(9)]
    (tmp_path / "d.csv").write_text("\n".join(["x,kind", *rows]))
    with pytest.raises(DataError, match=r"up to 2e\+200 are too large to standardize; use another"):
        load(Csv(train_file=str(tmp_path / "d.csv"), standardize=True))


def test_all_splits_are_standardized_by_the_training_examples(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    write_table(path)
    plain = load(Csv(train_file=str(path), validation=0.2, test=20))
    dataset = load(Csv(train_file=str(path), validation=0.2, test=20, standardize=True))
    mean, deviation = plain.train.features.mean(axis=0), plain.train.features.std(axis=0)
    for name, split in dataset.splits.items():
        expected = (plain.splits[name].features - mean) / deviation
        assert np.allclose(split.features, expected, atol=1e-9)
    assert dataset.scale == 1
    assert abs(dataset.train.features.mean()) < 1e-12


@pytest.fixture
def table(bench: Bench) -> Bench:
    """A table and a config that standardizes it."""
    write_table(bench.folder / "d.csv")
    data = {"name": "csv", "train_file": "d.csv", "standardize": True}
    bench.config("c.yaml", data=data | {"validation": 0.2, "test": 0.2}, epochs=3)
    return bench


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_the_factors_stand_in_the_checkpoint_and_measure_the_network(
    table: Bench, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setenv("NNEXP_BACKEND", "numpy" if backend == "numpy" else "auto")
    assert table("train", "c.yaml", "-q", "--name", "a").code == 0
    (last, *_) = sorted(Path("runs/a-s0/checkpoints").iterdir())
    with np.load(last, allow_pickle=False) as arrays:
        assert 4900 < arrays["input_mean"][1] < 5200
        assert arrays["input_deviation"].shape == (2,)
    recorded = json.loads(Path("runs/a-s0/result.json").read_text())
    evaluated = json.loads(table("evaluate", "runs/a-s0", "--on", "test", "--json").out)
    assert evaluated["runs"][0]["test_accuracy"] == recorded["test_accuracy"]
    assert evaluated["runs"][0]["test_accuracy"] > 0.8
    assert table("verify", "runs/a-s0", "-q").code == 0


def test_a_run_is_resumed_to_the_same_bytes(table: Bench) -> None:
    assert table("train", "c.yaml", "-q", "--name", "whole").code == 0
    assert table("train", "c.yaml", "-q", "--name", "parts", "--until", "1").code == 0
    assert table("train", "c.yaml", "-q", "--name", "parts").code == 0
    whole, parts = table.files("runs/whole-s0"), table.files("runs/parts-s0")
    same = [name for name in whole if name != "run.json"]
    assert [name for name in same if whole[name] != parts[name]] == []


def test_a_run_from_another_s_weights_takes_its_factors(table: Bench) -> None:
    assert table("train", "c.yaml", "-q", "--name", "first").code == 0
    write_table(table.folder / "d.csv", shift=300)
    start = ("--set", "initializer={name: run, path: runs/first-s0}")
    assert table("train", "c.yaml", "-q", "--name", "second", *start).code == 0
    means = []
    for name in ("first", "second"):
        path = next(Path(f"runs/{name}-s0/checkpoints").iterdir())
        with np.load(path, allow_pickle=False) as arrays:
            means.append(arrays["input_mean"].tolist())
    assert means[0] == means[1]
    refused = table(
        "train", "c.yaml", "-q", "--name", "third", *start, "--set", "data.standardize=false"
    )
    assert refused.code == 2
    assert (
        "data.standardize: must be true to start from the weights of runs/first-s0" in refused.err
    )


def test_several_jobs_standardize_as_one_does(table: Bench) -> None:
    assert table("train", "c.yaml", "-q", "--name", "first").code == 0
    start = ("--set", "initializer={name: run, path: runs/first-s0}")
    for more in ((), start):
        name = f"several{len(more)}"
        done = table("train", "c.yaml", "-q", "--seeds", "2", "-j", "2", "--name", name, *more)
        assert done.code == 0, done.err
        alone = table("train", "c.yaml", "-q", "--name", f"one{len(more)}", *more)
        assert alone.code == 0
        files = table.files(f"runs/{name}-s0"), table.files(f"runs/one{len(more)}-s0")
        assert files[0]["metrics.jsonl"] == files[1]["metrics.jsonl"]


def test_standardize_excludes_scale(table: Bench) -> None:
    refused = table("train", "c.yaml", "--set", "data.scale=10")
    assert refused.code == 2
    assert "data.scale: standardize replaces scale; leave one of them out" in refused.err


def test_class_names_stand_wherever_classes_are_shown(table: Bench) -> None:
    assert table("train", "c.yaml", "-q", "--name", "a", "--set", "seed=1").code == 0
    record = json.loads(Path("runs/a-s1/run.json").read_text())
    assert record["data"]["class_names"] == ["no", "yes"]
    shown = table("show", "runs/a-s1").out
    rows = [line.split()[0] for line in shown.splitlines() if line.startswith(("no ", "yes "))]
    assert rows == ["no", "yes"] * 2  # of the confusion matrix, and of F1 by class
    assert json.loads(table("show", "runs/a-s1", "--json").out)["classes"] == ["no", "yes"]
    assert table("report", "runs/a-s1", "-o", "r.html").code == 0
    page = Path("r.html").read_text()
    assert '<th scope="row">yes</th>' in page


def test_mistakes_are_drawn_as_they_are_in_the_file(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 4, 4), dtype=np.uint8)
    np.savez("d.npz", images=pixels, labels=rng.integers(0, 2, 60))
    data = {"name": "npz", "file": "d.npz", "standardize": True, "test": 0.5}
    bench.config("c.yaml", data=data, epochs=1, monitor=["train"], patience=None)
    assert bench("train", "c.yaml", "-q", "--name", "a").code == 0
    mistakes = surest(Run("runs/a-s0"), "test", 5)
    dataset = load(Npz(file="d.npz", test=0.5))
    assert dataset.test is not None
    expected = dataset.test.features[mistakes.place]
    assert np.allclose(mistakes.features, expected, atol=1e-3)
    assert mistakes.image == (4, 4)
