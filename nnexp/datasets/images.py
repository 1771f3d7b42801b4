"""The sources mnist and idx: which IDX files they are, and which examples validate."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.datasets import idx
from nnexp.datasets.files import naming
from nnexp.datasets.selection import Part, Parts, pair
from nnexp.datasets.sources import Idx
from nnexp.errors import DataError

if TYPE_CHECKING:
    from nnexp.datasets.sources import Mnist

NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}

MNIST_SHA256 = {
    "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

SIXTH = 6
"""The training file's last sixth validates: of MNIST's 60,000 the book's last 10,000."""


def read_mnist(_source: Mnist) -> Parts:
    """Return MNIST from the package, every file's content verified.

    Raises: DataError if a file is missing or damaged.
    """
    package = importlib.resources.files("nnexp.datasets")
    with importlib.resources.as_file(package / "mnist") as directory:
        try:
            parts = read_idx(Idx(directory=str(directory)))
        except DataError as error:
            raise DataError(f"{error}; the package's own file: reinstall nnexp") from error
    for name, sha256 in MNIST_SHA256.items():
        if parts.sha256[name] != sha256:
            raise DataError(
                f"{directory}: {NAMES[name]} is damaged, its sha256 is not MNIST's; reinstall nnexp"
            )
    return parts


def read_idx(source: Idx) -> Parts:
    """Return the user's files; without validation files the training file's last sixth validates.

    Raises: DataError if a file is missing or malformed, or files do not fit together.
    """
    paths = located(source)
    sha256: dict[str, str] = {}
    train = read_part("train", paths, sha256)
    validation = read_part("validation", paths, sha256) if "validation_images" in paths else None
    if validation is None:
        train, validation = divided(train, len(train.labels) - len(train.labels) // SIXTH)
    test = read_part("test", paths, sha256) if "test_images" in paths else None
    return Parts(train, validation, test, sha256)


def located(source: Idx) -> dict[str, Path]:
    """Return the path of each file, the single files going before the directory's.

    Raises: DataError if a file is missing or has no partner.
    """
    found = {} if source.directory is None else in_directory(Path(source.directory))
    fields = [f"{part}_{kind}" for part in PARTS for kind in ("images", "labels")]
    single = {name: Path(path) for name in fields if (path := getattr(source, name)) is not None}
    paths = found | single
    for name in NAMES if source.directory is not None else ("train_images", "train_labels"):
        if name not in paths:
            raise DataError(missing(source, name))
    for part in PARTS:
        images, labels = f"{part}_images", f"{part}_labels"
        if (images in paths) != (labels in paths):
            raise DataError(f"data: {images} and {labels} go together, got one of them only")
    return paths


def missing(source: Idx, name: str) -> str:
    """Return what to say of a file that is needed and was not named or found."""
    if source.directory is None:
        return f"data.{name}: a file is needed, or a directory that holds it"
    return f"{source.directory}: holds no file {NAMES[name]}, gzipped or not"


def in_directory(directory: Path) -> dict[str, Path]:
    """Return those of the four files that a directory holds, the plain form going first."""
    with naming(directory):
        held = {path.name for path in directory.iterdir()}
    return {
        field: directory / form
        for field, name in NAMES.items()
        for form in (f"{name}.gz", name)  # the later wins
        if form in held
    }


def read_part(part: str, paths: dict[str, Path], sha256: dict[str, str]) -> Part:
    """Return a split from its two files, and record their hashes."""
    images_path, labels_path = paths[f"{part}_images"], paths[f"{part}_labels"]
    images, sha256[f"{part}_images"], image = idx.read_images(images_path)
    labels, sha256[f"{part}_labels"], _ = idx.read_labels(labels_path)
    read = pair(images, labels, str(images_path), str(labels_path))
    return read._replace(image=image)


def divided(part: Part, n: int) -> tuple[Part, Part]:
    """Return views of the first n examples and of the others."""
    first = part._replace(features=part.features[:n], labels=part.labels[:n])
    return first, part._replace(features=part.features[n:], labels=part.labels[n:])


PARTS = ("train", "validation", "test")
