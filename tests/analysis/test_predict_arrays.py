"""``run.predict`` gives an array's examples the outputs that ``nnexp predict`` gives a file's."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import nnexp
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Mnist
from nnexp.errors import DataError, UsageError
from nnexp.store.predictions import read as read_predictions

if TYPE_CHECKING:
    from tests.conftest import Bench

QUICK = {"data.train": 1000, "epochs": 2}


def printed(bench: Bench, run: nnexp.Run, file: str) -> list[dict[str, str]]:
    """Return what ``nnexp predict --csv`` prints."""
    return list(csv.DictReader(io.StringIO(bench("predict", str(run.path), file, "--csv").out)))


def test_mnist_s_test_images_have_the_classes_of_the_run_s_own_predictions(bench: Bench) -> None:
    run = nnexp.train(nnexp.load_config("quickstart", QUICK), bench.folder / "runs")
    images, labels = load(Mnist()).splits["test"].features, load(Mnist()).splits["test"].labels
    prediction = run.predict(images)
    assert prediction.outputs.shape == (10000, 10)
    assert prediction.classes == tuple(range(10))
    assert np.array_equal(prediction.predicted, read_predictions(run)["test"].predicted)
    assert run.result is not None
    assert (prediction.predicted == labels).mean() == run.result.test_accuracy
    square = run.predict(images[:5].reshape(-1, 28, 28).astype(np.int64))
    assert square.outputs == pytest.approx(prediction.outputs[:5], abs=1e-6)
    alone = run.predict(images[3])
    assert alone.outputs == pytest.approx(prediction.outputs[3:4], abs=1e-6)
    assert alone.predicted.tolist() == prediction.predicted[3:4].tolist()


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"dtype": "float64", "output": "softmax", "cost": "log-likelihood"},
        {"output": "tanh", "cost": "quadratic"},
        {"class_weights": "balanced"},
        {"optimizer": "l-bfgs", "dtype": "float64"},
    ],
)
def test_an_archive_s_arrays_have_the_outputs_of_the_archive(
    bench: Bench, keys: dict[str, Any]
) -> None:
    run = nnexp.train(nnexp.load_config(bench.config(**keys)))
    x = np.load("tiny.npz")["x_test"]
    np.savez("new.npz", x=x)
    rows = printed(bench, run, "new.npz")
    columns = run.predict(x).columns()
    assert list(columns) == list(rows[0])[3:]
    assert columns["class"] == [int(row["class"]) for row in rows]
    for name in ("output 0", "output 1", "output 2"):
        assert columns[name] == [float(row[name]) for row in rows]


def test_a_table_is_standardized_and_its_classes_have_names(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 3
    length, width = kinds + rng.normal(0, 0.1, 90), 100 * (3 - kinds) + rng.normal(0, 9, 90)
    lines = [f"{a},{b},{'abc'[k]}" for a, b, k in zip(length, width, kinds, strict=True)]
    Path("d.csv").write_text("\n".join(["length,width,kind", *lines]) + "\n")
    data = {"name": "csv", "train_file": "d.csv", "standardize": True, "test": 0.3}
    keys = {"monitor": ["train"], "patience": None, "epochs": 30, "learning_rate": 0.5}
    run = nnexp.train(nnexp.load_config(bench.config("flowers.yaml", data=data, **keys)))
    rows = printed(bench, run, "d.csv")
    prediction = run.predict({"width": width, "length": length, "kind": ["?"] * 90})
    assert prediction.classes == ("a", "b", "c")
    assert prediction.predicted.tolist() == [row["class"] for row in rows]
    assert (prediction.predicted == np.array(list("abc"))[kinds]).mean() > 0.95
    assert prediction.outputs == pytest.approx(run.predict(np.c_[length, width]).outputs, abs=0)
    with pytest.raises(DataError, match="has no column 'width'"):
        run.predict({"length": length})
    with pytest.raises(DataError, match=r"x has shape \(90, 1\), but the run takes"):
        run.predict(length.reshape(-1, 1))


def test_a_run_without_a_network_says_so(bench: Bench) -> None:
    config = nnexp.load_config(bench.config())
    run = nnexp.train(config, until=1)
    next((run.path / "checkpoints").iterdir()).unlink()
    (run.path / "metrics.jsonl").write_text("")
    with pytest.raises(UsageError, match="has no evaluated epoch yet"):
        run.predict(np.zeros((1, 10)))
