"""Archives of arrays as people save them: each is understood, or refused with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from nnexp.errors import DataError
from tests.datasets.test_odd_files import NPZ, X, Y, archive, read, table

if TYPE_CHECKING:
    from pathlib import Path

LETTERS = np.array(["a", "b", "c"])
FRUIT = np.array(["apple", "pear", "plum"])
OF_STRINGS = {"x_train": X, "y_train": LETTERS[Y]}
FROM_ONE = {"x_train": X, "y_train": Y + 1, "class_names": FRUIT}


def keys(**given: str) -> str:
    """Return the source of the archive with more keys."""
    return f"{NPZ.removesuffix('}')}, {', '.join(f'{k}: {v}' for k, v in given.items())}}}"


class Understood(NamedTuple):
    """Arrays that become a data set: its classes, and the labels of the first examples."""

    arrays: dict[str, Any]
    data: str
    classes: list[str]
    labels: list[int]


UNDERSTOOD = {
    "names of labels from 1": Understood(FROM_ONE, NPZ, ["apple", "pear", "plum"], [0, 1, 2]),
    "classes by the numbers in the file": Understood(
        FROM_ONE, keys(classes="[1, 2]"), ["apple", "pear"], [0, 1, 0, 1]
    ),
    "the largest label by its number": Understood(
        FROM_ONE, keys(classes="[3, 1]"), ["plum", "apple"], [1, 0, 1, 0]
    ),
    "classes by number and name": Understood(
        FROM_ONE, keys(classes="[plum, 1]"), ["plum", "apple"], [1, 0, 1, 0]
    ),
    "numbers before names that are numbers": Understood(
        FROM_ONE | {"class_names": np.array(["3", "2", "1"])},
        keys(classes="[1, 2]"),
        ["3", "2"],
        [0, 1, 0, 1],
    ),
    "names of labels -1 and 1": Understood(
        {
            "x_train": X,
            "y_train": np.arange(12) % 2 * 2 - 1,
            "class_names": np.array(["no", "yes"]),
        },
        NPZ,
        ["no", "yes"],
        [0, 1, 0, 1],
    ),
    "strings that are whole numbers, by number": Understood(
        {"x_train": X, "y_train": np.array(["1", "2", "10"])[Y]},
        keys(classes="[10, 1]"),
        ["10", "1"],
        [1, 0, 1, 0],
    ),
    "class names that order the strings": Understood(
        OF_STRINGS | {"class_names": LETTERS[::-1]}, NPZ, ["c", "b", "a"], [2, 1, 0]
    ),
    "no test examples": Understood(
        {"x_train": X, "y_train": np.eye(3)[Y], "x_test": X[:0], "y_test": np.zeros((0, 3))},
        NPZ,
        ["0", "1", "2"],
        [0, 1, 2],
    ),
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_arrays_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    case = UNDERSTOOD[name]
    dataset = read(tmp_path, monkeypatch, {"d.npz": archive(**case.arrays)}, case.data)
    assert list(dataset.class_names) == case.classes
    assert dataset.train.labels[: len(case.labels)].tolist() == case.labels


class Refused(NamedTuple):
    """Content that is refused, and what the message must contain, the advice last."""

    content: bytes
    fact: str
    advice: str
    data: str = NPZ


def of(**arrays: Any) -> bytes:  # noqa: ANN401 - any array
    """Return an archive with these arrays instead of good ones."""
    return archive(**({"x_train": X, "y_train": Y} | arrays))


REFUSED = {
    "strings by number": Refused(
        archive(**OF_STRINGS),
        "d.npz: y_train: labels are names: a, b, c;",
        "choose classes by name in data.classes, not by number, got 0",
        keys(classes="[0, 2]"),
    ),
    "strings by number, with more strings in the test data": Refused(
        of(y_train=LETTERS[Y], x_test=X[:2], y_test=np.array(["a", "aa"])),
        "labels are names: a, b, c;",
        "not by number, got 2",
        keys(classes="[2, 0]"),
    ),
    "a number that is no label": Refused(
        archive(**FROM_ONE),
        "y_train: no example of class 0 (known: 1, 2, 3)",
        "change data.classes",
        keys(classes="[0, 1]"),
    ),
    "splits of the same width in other shapes": Refused(
        of(x_train=X.reshape(12, 2, 2), x_test=X, y_test=Y),
        "x_test: examples of shape (4,), but d.npz: x_train has examples of shape (2, 2)",
        "save all splits in the same shape",
    ),
    "images of other proportions": Refused(
        of(x_train=X.reshape(12, 2, 2), x_test=X.reshape(12, 1, 4), y_test=Y),
        "x_test: examples of shape (1, 4), but d.npz: x_train has examples of shape (2, 2)",
        "save all splits in the same shape",
    ),
    "other names than the strings": Refused(
        archive(**OF_STRINGS, class_names=FRUIT),
        "class_names has apple, pear, plum, but the labels are the strings a, b, c",
        "remove class_names, or save these strings in it, in the order of the classes",
    ),
    "a string 'nan'": Refused(
        of(y_train=np.where(Y == 1, "nan", "b")),
        "d.npz: y_train: label 'nan' of example 2 is a missing value",
        "remove such examples",
    ),
    "an empty string": Refused(
        of(y_train=np.where(Y == 2, b"", b"b")),
        "d.npz: y_train: label '' of example 3 is a missing value",
        "remove such examples",
    ),
    "strings that identify the examples": Refused(
        of(y_train=np.array([f"n{i}" for i in range(len(X))])),
        f"d.npz: y_train has {len(X)} different labels in {len(X)} examples: these are identifiers",
        "name another array by data.arrays.y_train",
    ),
    "a test label without a name": Refused(
        archive(**FROM_ONE, x_test=X[:2], y_test=np.array([1, 4])),
        "d.npz: y_test: label 4 of example 2 has no name: class_names has 3 (apple, pear, plum), "
        "but 4 names are needed, for the labels 1, 2, 3, 4",
        "correct the label, or save a name for each",
    ),
    "too few names": Refused(
        of(class_names=FRUIT[:2]),
        "d.npz: y_train: label 2 of example 3 has no name: class_names has 2 (apple, pear), but 3",
        "save a name for each",
    ),
    "equal names": Refused(
        of(class_names=FRUIT[[0, 1, 0]]),
        "d.npz: class_names has 'apple' twice",
        "give each label a name of its own",
    ),
    "several classes at once": Refused(
        of(y_train=np.eye(3, dtype=int)[Y] + np.eye(3, dtype=int)[:, ::-1][Y] > 0),
        "y_train has 3 columns but is not one-hot, with a single 1 in each row: example 1 has 2",
        "each example needs exactly one class: save one label for each example",
    ),
    "probabilities of classes": Refused(
        of(y_train=np.full((12, 2), 0.5)),
        "not one-hot, with a single 1 in each row: example 1 has the value 0.5",
        "save one label for each example",
    ),
    "several strings at once": Refused(
        of(y_train=np.array([["a", "b"]] * 12)),
        "y_train has 2 columns of strings; each example needs exactly one class",
        "save one label for each example",
    ),
    "complex numbers": Refused(
        of(x_train=X * 1j), "d.npz: 'x_train' holds complex numbers", "save array.real"
    ),
    "dates": Refused(
        of(y_train=Y.astype("M8[D]")), "'y_train' holds dates (datetime64)", "array.astype(str)"
    ),
    "durations": Refused(
        of(y_train=Y.astype("m8[s]")), "holds durations (timedelta64)", "array.astype(int)"
    ),
    "extended precision": Refused(
        of(x_train=X.astype(np.longdouble)),
        "'x_train' holds numbers of extended precision (longdouble)",
        "save array.astype('float64')",
    ),
    "records": Refused(
        of(x_train=np.zeros(12, [("a", "f4"), ("b", "f4")])),
        "'x_train' holds records with named fields (a structured array)",
        "structured_to_unstructured(array)",
    ),
    "void": Refused(of(x_train=np.zeros(12, "V3")), "holds raw bytes (void)", "save numbers"),
    "a single array": Refused(
        archive(x=X)[archive(x=X).index(b"\x93NUMPY") :],
        "d.npz: is a single .npy array, not an .npz archive",
        "numpy.savez(file, x_train=…, y_train=…)",
    ),
    "a table": Refused(
        table("length,größe,species", "1,2,x"),
        "d.npz: is a text file, not an .npz archive",
        "set data.name: csv and data.train_file",
    ),
    "HDF5": Refused(b"\x89HDF\r\n\x1a\n", "is an HDF5 file", "save its arrays with numpy.savez"),
    "MATLAB": Refused(b"MATLAB 5.0 MAT-file, ", "is a MATLAB file", "scipy.io.loadmat"),
    "a pickle": Refused(b"\x80\x04\x95", "is a Python pickle", "load it in Python"),
    "gzip": Refused(b"\x1f\x8b\x08", "is a gzip file, not an .npz", "decompress it: gunzip"),
    "no labels": Refused(
        archive(x_train=X, answers=Y),
        "contains no y_train; it contains answers, x_train; name the array by data.arrays",
        "name the array by data.arrays: {x_train: x_train, y_train: answers}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_are_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = REFUSED[name]
    with pytest.raises(DataError) as caught:
        read(tmp_path, monkeypatch, {"d.npz": case.content}, case.data)
    message = str(caught.value)
    assert case.fact in message
    assert case.advice in message[len(message) // 3 :]
    assert message.isprintable()
    assert len(message) < 300
