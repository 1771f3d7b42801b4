"""Read new examples for a trained network: pictures, tables, archives and IDX files.

They are read as the training data was, so that the network's own scaling applies to them. Pictures
for a network that was trained on MNIST are prepared as its makers prepared theirs.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from nnexp.datasets import array_labels, csv_file, drawing, files, idx, npz
from nnexp.datasets.array_names import role
from nnexp.datasets.files import MalformedError
from nnexp.datasets.inputs import WHITE, Inputs, rows_of, white_of, why_no_names, why_no_pictures
from nnexp.datasets.npz_file import check_array
from nnexp.datasets.selection import check_paired
from nnexp.datasets.sources import Arrays, Csv, Npz
from nnexp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nnexp.datasets.dataset import Features

BEGINNING = 16
"""Bytes by which a file's format is recognized."""
PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
ARCHIVE = b"PK\x03\x04"
IMAGES = idx.IMAGES.to_bytes(4, "big")
LABELS = idx.LABELS.to_bytes(4, "big")

CONVERT = "convert it to PNG or JPEG"
OTHER_FORMATS = {
    re.compile(rb"GIF8"): f"is a GIF picture; {CONVERT}",
    re.compile(rb"BM.{4}\0{4}", re.DOTALL): f"is a BMP picture; {CONVERT}",
    re.compile(rb"RIFF.{4}WEBP", re.DOTALL): f"is a WebP picture; {CONVERT}",
    re.compile(rb"II\*\0|MM\0\*"): f"is a TIFF picture; {CONVERT}",
    re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL): f"is a HEIC picture; {CONVERT}",
    re.compile(rb".{4}ftypavi", re.DOTALL): f"is an AVIF picture; {CONVERT}",
    re.compile(rb"\x93NUMPY"): "is a single .npy array; save it as x of an archive: "
    "numpy.savez('new.npz', x=array)",
    re.compile(LABELS): "is an IDX file of labels; name the file of their images",
}
"""Formats that are not read, by a file's first bytes, and what to do."""


ROLES = {"x": "x_test", "y": "y_test"}
"""The roles of new examples and their labels in an archive of training data."""


class NewExamples(NamedTuple):
    """The examples of a file."""

    features: Features
    """(examples, features), not scaled yet."""
    labels: Sequence[str | None] | None
    """The label of each example, as it is written in tables, or None; None if the file has none."""
    is_picture: bool = False
    """Whether the file is a single picture, not rows of examples."""


def read(
    path: Path, inputs: Inputs, *, raw: bool = False, is_labelled: bool = False
) -> NewExamples:
    """Read the examples of a file.

    Args:
        path: a PNG or JPEG picture, a csv or IDX file of images, or an npz archive.
        inputs: what the network takes.
        raw: only resize pictures.
        is_labelled: whether each example must have a label, if any has one.

    Raises: DataError if the file cannot be read, or its examples are not such as the network takes.
    """
    folder = f"name its files, such as {path}/*"
    with files.named_by_user(path), files.open_binary(path, folder) as file:
        beginning = file.read(BEGINNING)
        if beginning.startswith(PICTURES):
            content = beginning + file.read()
            return NewExamples(_picture(path, content, inputs, raw=raw), None, is_picture=True)
    if beginning.startswith(ARCHIVE):
        examples = _archive(path, inputs)
    elif beginning.startswith(idx.GZIP):
        examples = _gzipped(path, inputs)
    elif beginning.startswith(IMAGES):
        examples = _idx(path, inputs)
    else:
        _check_format(path, beginning)
        examples = _table(path, beginning, inputs, is_labelled=is_labelled)
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
    if is_prepared and not pixels.any():
        raise DataError(
            f"{path}: shows nothing but an even ground; there is no drawing to recognize"
        )
    row = pixels.reshape(1, -1)
    return row if (white := white_of(inputs)) == WHITE else row * (white / WHITE)


def _check_format(path: Path, beginning: bytes) -> None:
    """Raise DataError if a file's first bytes are those of a format that is not read."""
    for pattern, message in OTHER_FORMATS.items():
        if pattern.match(beginning):
            raise DataError(f"{path}: {message}")


def _gzipped(path: Path, inputs: Inputs) -> NewExamples:
    """Return the images of a compressed IDX file."""
    with files.open_binary(path) as file, files.decompression_errors():
        beginning = gzip.GzipFile(fileobj=file).read(BEGINNING)
    if not beginning.startswith(IMAGES):
        _check_format(path, beginning)
        raise DataError(f"{path}: is gzipped, but no IDX file of images; gunzip it")
    return _idx(path, inputs)


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
        _check_arrays(headers, origin, inputs)
        return origin

    arrays = npz.read(path, chosen)
    rows = rows_of(arrays["x"], inputs, f"{path}: {origin['x']}")
    if "y" not in arrays:
        return NewExamples(rows, None)
    where = f"{path}: {origin['y']}"
    class_names = arrays.get("class_names")
    labels = array_labels.labels_of_new(arrays["y"], class_names, where, inputs.label_names)
    check_paired(rows, arrays["y"], str(path), where)
    return NewExamples(rows, labels)


def _check_arrays(
    headers: Mapping[str, npz.Header], origin: Mapping[str, str], inputs: Inputs
) -> None:
    """Raise MalformedError if an array is not of its role's form."""
    name = origin["x"]
    if len(headers[name].shape) < 2:  # noqa: PLR2004 - examples, features
        advice = f"for a single example, save {name}.reshape(1, -1)"
        if inputs.features == 1:
            advice = f"save {name}.reshape(-1, 1)"
        raise MalformedError(
            f"{name} must have shape (examples, features), got {headers[name].shape}; {advice}"
        )
    for key, member in origin.items():
        check_array(ROLES.get(key, key), member, headers[member])


def _table(path: Path, beginning: bytes, inputs: Inputs, *, is_labelled: bool) -> NewExamples:
    """Return the examples of a table, whose columns are found by their names."""
    if reason := why_no_names(inputs):
        raise DataError(f"{path}: is a table, but {reason}")
    if not isinstance(inputs.source, Csv):
        if not beginning:
            raise DataError(f"{path}: is empty")
        if b"\0" in beginning:
            raise DataError(
                f"{path}: is no PNG or JPEG picture, npz archive or IDX file of images; save the "
                "examples in one of these formats"
            )
        raise DataError(
            f"{path}: is text, and tables are read by runs that were trained on tables; save the "
            "examples as x of an npz archive"
        )
    columns = inputs.feature_names, inputs.label_name
    return NewExamples(*csv_file.read_new(path, inputs.source, *columns, is_labelled=is_labelled))
