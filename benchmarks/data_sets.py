"""Write the data of configs/data from scikit-learn's data sets, in forms that people have.

    python -m benchmarks.data_sets data

Needs scikit-learn and Pillow. Fashion-MNIST is not among them: install Debian's package
dataset-fashion-mnist.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

PICTURES = 400
"""Digits that are written as PNG files."""


def write(folder: Path) -> None:
    """Write all data sets to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    iris, wine, cancer = load_iris(), load_wine(), load_breast_cancer()
    species = iris.target_names[iris.target]
    _table(folder / "iris.csv", [*iris.feature_names, "species"], _rows(iris.data, species))
    cultivars = [[int(kind) + 1, *row] for kind, row in zip(wine.target, wine.data, strict=True)]
    _table(folder / "wine.csv", ["cultivar", *wine.feature_names], cultivars)
    diagnoses = _rows(cancer.data, cancer.target_names[cancer.target])
    patients = [[9000 + 7 * number, *row] for number, row in enumerate(diagnoses)]
    _table(folder / "breast-cancer.csv", ["id", *cancer.feature_names, "diagnosis"], patients)
    numbered = [
        [number, *(str(value).replace(".", ",") for value in row)]
        for number, row in enumerate(diagnoses)
    ]
    header = ["", *cancer.feature_names, "diagnosis"]
    _table(folder / "semicolons.csv", header, numbered, delimiter=";", encoding="utf-8-sig")
    digits = load_digits()
    np.savez_compressed(folder / "digits.npz", images=digits.images, target=digits.target)
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        if number < PICTURES:
            path = folder / "pictures" / f"digit-{label}" / f"{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 15).astype(np.uint8)).save(path)


def _rows(features: Iterable[Iterable[float]], labels: Iterable[str]) -> list[list[object]]:
    return [[*map(float, row), str(label)] for row, label in zip(features, labels, strict=True)]


def _table(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "data"))
