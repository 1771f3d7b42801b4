"""IDX files are recognized by their names, however these are spelled."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from nnexp.datasets.idx import labels_beside, locate
from nnexp.datasets.sources import Idx
from nnexp.errors import DataError

ROLES = ("train_images", "train_labels", "test_images", "test_labels")

SPELLINGS = {
    "MNIST's": "train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte "
    "t10k-labels-idx1-ubyte",
    "Kaggle's": "train-images.idx3-ubyte train-labels.idx1-ubyte t10k-images.idx3-ubyte "
    "t10k-labels.idx1-ubyte",
    "capitals": "Train-Images-idx3-ubyte TRAIN-LABELS-IDX1-UBYTE T10k-images-idx3-ubyte "
    "t10K-Labels-idx1-ubyte",
    "underscores": "train_images.idx3 train_labels.idx1 test_images.idx3 test_labels.idx1",
    "underscores only": "train_images_idx3_ubyte train_labels_idx1_ubyte t10k_images_idx3_ubyte "
    "t10k_labels_idx1_ubyte",
    "no idx": "train-images-ubyte train-labels-ubyte test-images-ubyte test-labels-ubyte",
    "an ending": "train-images.idx train-labels.idx test-images.idx test-labels.idx",
    "nothing else": "train-images train-labels test-images test-labels",
    "EMNIST's": "emnist-letters-train-images-idx3-ubyte emnist-letters-train-labels-idx1-ubyte "
    "emnist-letters-test-images-idx3-ubyte emnist-letters-test-labels-idx1-ubyte",
    "a name with underscores": "my_data_train_images my_data_train_labels my_data_test_images "
    "my_data_test_labels",
}


@pytest.mark.parametrize("end", ["", ".gz", ".GZ"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_recognized(tmp_path: Path, spelling: str, end: str) -> None:
    names = [name + end for name in SPELLINGS[spelling].split()]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
        (tmp_path / f"._{name}").write_bytes(b"Mac")
    paths = locate(Idx(directory=str(tmp_path)))
    assert paths == {role: tmp_path / name for role, name in zip(ROLES, names, strict=True)}


MNIST = SPELLINGS["MNIST's"].split()


class Beside(NamedTuple):
    """A file beside MNIST's four, which are read nevertheless."""

    name: str
    content: bytes


BESIDE = {
    "its archive": Beside("train-images-idx3-ubyte.gz", gzip.compress(b"train-images-idx3-ubyte")),
    "an archive in capitals": Beside("TRAIN-IMAGES-IDX3-UBYTE.GZ", b"gzip"),
    "an equal file": Beside("train-images.idx3-ubyte", b"train-images-idx3-ubyte"),
    "another data set": Beside("fashion-train-images-idx3-ubyte", b"shirts"),
    "a folder of images": Beside("train_images/1.png", b"PNG"),
    "a file of another type": Beside("train-images.txt", b"about the images"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_other_files_beside_them_do_not_matter(tmp_path: Path, name: str) -> None:
    for file in MNIST:
        (tmp_path / file).write_bytes(file.encode())
    beside = tmp_path / BESIDE[name].name
    beside.parent.mkdir(exist_ok=True)
    beside.write_bytes(BESIDE[name].content)
    paths = locate(Idx(directory=str(tmp_path)))
    assert paths == {role: tmp_path / file for role, file in zip(ROLES, MNIST, strict=True)}


def write_two(folder: Path, second: str) -> Path:
    for file in (*MNIST, second):
        (folder / file).write_bytes(file.encode())
    return folder / second


@pytest.mark.parametrize(
    ("second", "role"),
    [
        ("train-images.idx3-ubyte", "train_images"),
        ("train-images.idx3-ubyte.gz", "train_images"),
        ("test-labels-idx1-ubyte", "test_labels"),
        ("t10k_labels", "test_labels"),
    ],
)
def test_two_files_for_a_role_are_refused_until_one_is_named(
    tmp_path: Path, second: str, role: str
) -> None:
    path = write_two(tmp_path, second)
    first = tmp_path / MNIST[ROLES.index(role)]
    with pytest.raises(DataError) as caught:
        locate(Idx(directory=str(tmp_path)))
    assert str(caught.value) == (
        f"{first} and {second} could both be the {role.replace('_', ' ')}, and differ; remove one "
        f"of them, or set data.{role}: {first}"
    )
    named = msgspec.structs.replace(Idx(directory=str(tmp_path)), **{role: str(path)})
    assert locate(named)[role] == path


def test_several_data_sets_are_refused_until_the_files_are_named(tmp_path: Path) -> None:
    for prefix in ("a", "b"):
        for file in MNIST:
            (tmp_path / f"{prefix}-{file}").write_bytes(file.encode())
    with pytest.raises(DataError, match=r"contains several data sets \(a, b\); name the files of"):
        locate(Idx(directory=str(tmp_path)))
    named = {role: str(tmp_path / f"b-{file}") for role, file in zip(ROLES, MNIST, strict=True)}
    paths = locate(msgspec.structs.replace(Idx(directory=str(tmp_path)), **named))
    assert paths == {role: Path(path) for role, path in named.items()}


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("new-images-idx3-ubyte", "new-labels-idx1-ubyte"),
        ("new-images-idx3-ubyte", "new-labels-idx1-ubyte.gz"),
        ("my_images", "my_labels"),
        ("images-2-images.idx", "images-2-labels.idx"),
        ("Images.IDX3", "Labels.IDX1"),
        ("TEST-IMAGES-IDX3-UBYTE", "TEST-LABELS-IDX1-UBYTE"),
        ("digits.idx3", "digits.idx1"),
        ("digits3", None),
        ("new-images-idx3-ubyte", None),
    ],
)
def test_the_labels_of_images_are_found_by_their_name(
    tmp_path: Path, images: str, labels: str | None
) -> None:
    for name in filter(None, (images, labels, "digits1", "other-labels-idx1-ubyte")):
        (tmp_path / name).touch()
    assert labels_beside(tmp_path / images) == (labels and tmp_path / labels)
