"""Read new examples for a trained network: pictures, tables, archives and IDX files.

They are read as the training data was, so that the network's own scaling applies to them. Pictures
for a network that was trained on MNIST are prepared as its makers prepared theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from nnexp.datasets import array_labels, csv_file, drawing, files, idx, npz
from nnexp.datasets.array_names import role
from nnexp.datasets.files import MalformedError
from nnexp.datasets.npz_file import check_array
from nnexp.datasets.npz_file import features as as_rows
from nnexp.datasets.selection import check_paired
from nnexp.datasets.sources import Arrays, Csv, Idx, Images, Mnist, Npz
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.datasets.dataset import Features
    from nnexp.datasets.sources import Source

BEGINNING = 16
"""Bytes by which a file's format is recognized."""
PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
ARCHIVE = b"PK\x03\x04"
BYTES = (Mnist, Idx, Images)
"""Sources whose pixels range from 0 to 255."""
WHITE = 255.0
"""The grey of white pixels."""


class Inputs(NamedTuple):
    """What a network takes as an example."""

    source: Source
    """The settings of its training data."""
    features: int
    image: tuple[int, int] | None
    """Rows and columns of an image; None if examples are not images."""
    is_mnist: bool
    """Whether it was trained on MNIST's images, whatever their source."""
    feature_names: Sequence[str] = ()
    label_name: str = ""
    label_names: Mapping[int, str] = MappingProxyType({})
    """The class of each number that the training data has a name for."""

    @property
    def are_bytes(self) -> bool:
        """Whether the training data are pixels from 0 to 255."""
        return isinstance(self.source, BYTES) or self.is_mnist


class NewExamples(NamedTuple):
    """The examples of a file."""

    features: Features
    """(examples, features), not scaled yet."""
    labels: Sequence[str] | None
    """The label of each example, as it is written in tables; None if the file has none."""
    is_picture: bool = False
    """Whether the file is a single picture, not rows of examples."""


def read(path: Path, inputs: Inputs, *, raw: bool = False) -> NewExamples:
    """Read the examples of a file.

    Args:
        path: a PNG or JPEG picture, a csv or IDX file of images, or an npz archive.
        inputs: what the network takes.
        raw: only resize pictures.

    Raises: DataError if the file cannot be read, or its examples are not such as the network takes.
    """
    with files.open_binary(path) as file:
        beginning = file.read(BEGINNING)
        if beginning.startswith(PICTURES):
            content = beginning + file.read()
            return NewExamples(_picture(path, content, inputs, raw=raw), None, is_picture=True)
    if beginning.startswith(ARCHIVE):
        examples = _archive(path, inputs)
    elif beginning.startswith((idx.GZIP, idx.IMAGES.to_bytes(4, "big"))):
        examples = _idx(path, inputs)
    else:
        examples = _table(path, inputs)
    if not len(examples.features):
        raise DataError(f"{path}: has no examples")
    if examples.features.shape[1] != inputs.features:
        raise DataError(
            f"{path}: {examples.features.shape[1]} features per example, but the run was trained "
            f"with {inputs.features}"
        )
    return examples


def _picture(path: Path, content: bytes, inputs: Inputs, *, raw: bool) -> Features:
    """Return a picture as one row of pixels, as the training data has them."""
    from nnexp.datasets import grey_image  # noqa: PLC0415 - Pillow, which only pictures need

    if reason := why_no_pictures(inputs):
        raise DataError(f"{path}: is a picture, but {reason}")
    is_prepared = inputs.is_mnist and not raw
    pixels = grey_image.decode(content, None if is_prepared else inputs.image)
    if is_prepared and not drawing.is_prepared(pixels):
        pixels = drawing.prepared(pixels)
    row = pixels.reshape(1, -1)
    return row if (white := white_of(inputs)) == WHITE else row * (white / WHITE)


def white_of(inputs: Inputs) -> float:
    """Return the number that a white pixel has in a network's own data."""
    return WHITE if inputs.are_bytes else inputs.source.scale


def why_no_pictures(inputs: Inputs) -> str | None:
    """Return why a network cannot be given pictures; None if it can."""
    if inputs.image is None:
        return f"the run was trained on tables of {inputs.features} features"
    if inputs.source.standardize and not inputs.are_bytes:
        return "the pixels that the run was trained on may have another range than 0 to 255"
    return None


def _idx(path: Path, inputs: Inputs) -> NewExamples:
    """Return the images of an IDX file, and the labels of the file beside it, if there is one."""
    images = idx.read_images(path)
    labels_path = idx.labels_beside(path)
    if labels_path is None:
        return NewExamples(images.array, None)
    labels = idx.read_labels(labels_path).array
    check_paired(images.array, labels, str(path), str(labels_path))
    names = array_labels.labels_of_new(labels, None, str(labels_path), inputs.label_names)
    return NewExamples(images.array, names)


def _archive(path: Path, inputs: Inputs) -> NewExamples:
    """Return the examples of an archive: its test examples, or else its only ones."""
    given = inputs.source.arrays if isinstance(inputs.source, Npz) else Arrays()
    origin: dict[str, str] = {}

    def chosen(headers: Mapping[str, npz.Header]) -> Mapping[str, str]:
        roles = {role(name) or "": name for name in headers}
        own = msgspec.structs.asdict(given)
        roles |= {key: name for key, name in own.items() if name in headers}
        split = next((split for split in ("test", "train") if f"x_{split}" in roles), None)
        if split is not None:
            origin["x"] = roles[f"x_{split}"]
        elif len(headers) == 1:
            origin["x"] = next(iter(headers))
        else:
            raise MalformedError(
                f"contains {', '.join(sorted(headers)) or 'no array'}; name the examples x"
            )
        if f"y_{split}" in roles:
            origin["y"] = roles[f"y_{split}"]
            if "class_names" in roles:
                origin["class_names"] = roles["class_names"]
        for key, name in origin.items():
            check_array(key, name, headers[name])
        return origin

    arrays = npz.read(path, chosen)
    rows = as_rows(f"{path}: {origin['x']}", arrays["x"])
    if "y" not in arrays:
        return NewExamples(rows, None)
    where = f"{path}: {origin['y']}"
    class_names = arrays.get("class_names")
    labels = array_labels.labels_of_new(arrays["y"], class_names, where, inputs.label_names)
    check_paired(rows, arrays["y"], str(path), where)
    return NewExamples(rows, labels)


def why_no_names(inputs: Inputs) -> str | None:
    """Return why the columns of a table cannot be found, though it has names; None if they can."""
    if isinstance(inputs.source, Csv) and not inputs.feature_names:
        return (
            "an earlier version of nnexp trained the run and did not record the columns' names; "
            "give an array with the features in the order of the training data, x in an npz "
            "archive, or train a new run"
        )
    return None


def _table(path: Path, inputs: Inputs) -> NewExamples:
    """Return the examples of a table, whose columns are found by their names."""
    if reason := why_no_names(inputs):
        raise DataError(f"{path}: is a table, but {reason}")
    if not isinstance(inputs.source, Csv):
        raise DataError(
            f"{path}: is no picture, archive or IDX file; tables are read by runs whose training "
            "data was one"
        )
    features, labels = csv_file.read_new(
        path, inputs.source, inputs.feature_names, inputs.label_name
    )
    names = [labels.names[code] for code in labels.codes.tolist()]
    return NewExamples(features, names or None)
