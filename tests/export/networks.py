"""Small trained networks with every activation and output, for the tests of exports."""

from __future__ import annotations

import csv
import json
from itertools import cycle, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import structs

import nnexp
from nnexp.analysis.prediction import Predictor
from nnexp.datasets.loading import load
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.outputs import OUTPUTS
from nnexp.store import predictions
from nnexp.store.run import Run

Floats = npt.NDArray[np.floating[Any]]

COSTS = {"sigmoid": "cross-entropy", "softmax": "log-likelihood"}
PLACES = ("Ährenfeld", 'say "no"', "東京")
COLUMNS = ("year", "length", "größe", "constant")
NEAR = 1e-6
"""Two largest outputs that are closer are a tie, which float32 sums may decide in any way."""


class Case(NamedTuple):
    """A network to train."""

    output: str
    activation: str
    data: str
    hidden: list[int]
    dtype: str = "float32"

    def __str__(self) -> str:
        depth = "-".join(map(str, self.hidden)) or "none"
        return f"{self.output}-{self.activation}-{self.data}-{depth}-{self.dtype}"


PAIRS = list(product(OUTPUTS, ACTIVATIONS))
DEPTHS: tuple[list[int], ...] = ([6], [], [7, 5], [5, 6, 4], [8])
EVERYDAY = [
    *(
        Case(output, activation, data, hidden)
        for data in ("bytes", "table")
        for (output, activation), hidden in zip(PAIRS, cycle(DEPTHS), strict=False)
    ),
    Case("sigmoid", "relu", "floats", [5]),
    Case("softmax", "relu", "table", [5, 4], "float64"),
    Case("tanh", "tanh", "bytes", [5], "float64"),
]
LARGE = [
    *(
        Case(output, activation, data, [30])
        for data in ("mnist", "standardized-mnist", "large-table")
        for output, activation in PAIRS
    ),
    Case("sigmoid", "sigmoid", "mnist", [40, 30, 20]),
    Case("tanh", "tanh", "mnist", [30], "float64"),
]


class Networks:
    """Trains networks once, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_table(folder / "table.csv", 700)
        write_archives(folder)

    def run(self, case: Case) -> Run:
        """Return the run of a case."""
        path = self.folder / "runs" / f"{case}-s0"
        if (path / "result.json").exists():
            return Run(path)
        data = self._data(case.data)
        config = {
            "data": data,
            "hidden": case.hidden,
            "activation": case.activation,
            "output": case.output,
            "cost": COSTS.get(case.output, "quadratic"),
            "dtype": case.dtype,
            "optimizer": "adam",
            "learning_rate": 0.002 if case in LARGE else 0.02,
            "epochs": 2 if case in LARGE else 10,
            "evaluate_every": 2,
        }
        file = self.folder / f"{case}.yaml"
        file.write_text(json.dumps(config, indent=1), encoding="utf-8")
        return nnexp.train(nnexp.load_config(file), self.folder / "runs", name=str(case))

    def _data(self, name: str) -> dict[str, object]:
        large = self.folder / "large.csv"
        if name == "large-table" and not large.exists():
            write_table(large, 12_000)
        table = {"name": "csv", "standardize": True, "validation": 100}
        sources: dict[str, dict[str, object]] = {
            "bytes": {"name": "npz", "file": str(self.folder / "bytes.npz")},
            "floats": {
                "name": "npz",
                "file": str(self.folder / "floats.npz"),
                "standardize": True,
            },
            "table": table | {"train_file": str(self.folder / "table.csv"), "test": 300},
            "large-table": table | {"train_file": str(large), "test": 10_000},
            "mnist": {"name": "mnist", "train": 5000},
            "standardized-mnist": {"name": "mnist", "train": 5000, "standardize": True},
        }
        return sources[name]


def _examples(rows: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return features of other units, and classes."""
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 3, rows)
    features = [
        2000 + classes + rng.random(rows),  # years, which float32 rounds to hours
        1e-3 * rng.normal(classes, 0.5),
        1e6 * rng.normal(-classes, 1.0),
        np.full(rows, 7.5),
    ]
    return np.column_stack(features), classes


def write_table(path: Path, rows: int) -> None:
    """Write a table with named columns and classes."""
    features, classes = _examples(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "place"])
        for row, label in zip(features.tolist(), classes, strict=True):
            writer.writerow([*map(repr, row), PLACES[label]])


def write_archives(folder: Path) -> None:
    """Write an archive of pixels, and one of floats, whose number is a square as well."""
    rng = np.random.default_rng(4)
    centres = rng.integers(60, 190, (3, 9))
    arrays: dict[str, dict[str, Any]] = {"bytes": {}, "floats": {}}
    for split, rows in (("train", 300), ("validation", 60), ("test", 300)):
        classes = rng.integers(0, 3, rows)
        pixels = centres[classes] + rng.integers(-60, 61, (rows, 9))
        arrays["bytes"] |= {f"x_{split}": pixels.astype(np.uint8), f"y_{split}": classes}
        features, own = _examples(rows)
        arrays["floats"] |= {f"x_{split}": features, f"y_{split}": own}
    for name, splits in arrays.items():
        np.savez(folder / f"{name}.npz", **splits)


class Results(NamedTuple):
    """A run's test examples, as in its data's files, and nnexp's own results for them."""

    features: npt.NDArray[Any]
    outputs: Floats
    predicted: npt.NDArray[np.integer[Any]]
    """The classes in predictions.npz."""

    def check(self, outputs: Floats, classes: npt.ArrayLike | None = None) -> float:
        """Compare them with another program's; return the largest difference of outputs.

        It is relative for outputs beyond 1.
        """
        assert outputs.shape == self.outputs.shape
        size = np.maximum(np.abs(self.outputs), 1)  # float32 has none between 256 and 256.00003
        difference = float((np.abs(outputs - self.outputs) / size).max())
        assert difference <= BOUNDS[str(self.outputs.dtype)]
        second, first = np.sort(self.outputs, axis=1)[:, -2:].T
        is_tie = first - second < NEAR
        own = np.argmax(outputs, axis=1) if classes is None else np.asarray(classes)
        assert ((own == self.predicted) | is_tie).all()
        assert is_tie.mean() < 0.001, "ties are exceptions"
        assert len(set(self.predicted.tolist())) > 1, "all examples have one class"
        return difference


BOUNDS = {"float32": 2.5e-7, "float64": 1e-12}
"""The largest differences allowed, by the run's dtype: two units of float32's last place."""


def results(run: Run) -> Results:
    """Return the test examples of a run, and its results for them."""
    test = load(structs.replace(run.config.data, standardize=False)).test
    assert test is not None
    predicted = predictions.read(run)["test"].predicted
    return Results(test.features, Predictor([run]).outputs(test.features), predicted)
