"""Files as people have them: each is understood, or refused in a line that says what to do."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from nnexp.config import load as load_config
from nnexp.datasets.loading import load
from nnexp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.datasets.dataset import Dataset

Files = dict[str, bytes]


class Understood(NamedTuple):
    """Files that become a data set, with the keys that the user sets."""

    files: Callable[[], Files]
    data: str
    classes: list[str]
    features: int
    examples: int


class Refused(NamedTuple):
    """Files that are refused: what the message must contain, the advice last."""

    files: Callable[[], Files]
    data: str
    fact: str
    advice: str


def table(*rows: str, encoding: str = "utf-8") -> bytes:
    """Return lines of text as a file."""
    return "".join(f"{row}\n" for row in rows).encode(encoding)


def iris(header: str = "length,width,species", *, times: int = 3) -> bytes:
    rows = ("5.1,3.5,setosa", "6.4,3.2,versicolor", "6.3,3.3,virginica")
    return table(header, *rows * times)


def archive(**arrays: Any) -> bytes:  # noqa: ANN401 - any array
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


X = np.arange(48, dtype=np.float32).reshape(12, 4)
Y = np.arange(12) % 3
LETTERS = np.array(["a", "b", "c"])[Y]


def images(count: int = 12) -> bytes:
    return struct.pack(">4I", 0x803, count, 2, 2) + bytes(range(4 * count))


def labels(count: int = 12, first: int = 0) -> bytes:
    return struct.pack(">2I", 0x801, count) + bytes(first + i % 3 for i in range(count))


def four(train: str = "train", test: str = "t10k", dot: str = "-", end: str = "") -> Files:
    """Return the files of a data set in MNIST's format, spelled in any way."""

    def packed(content: bytes) -> bytes:
        return gzip.compress(content) if end else content

    return {
        f"{split}-{kind}{dot}idx{width}-ubyte{end}": packed(content)
        for split in (train, test)
        for kind, width, content in (("images", 3, images()), ("labels", 1, labels()))
    }


def picture(
    shade: int, size: tuple[int, int] = (4, 4), mode: str = "L", kind: str = "PNG"
) -> bytes:
    content = io.BytesIO()
    colour = shade if mode == "L" else (shade,) * len(mode)
    Image.new(mode, size, colour).save(content, kind)
    return content.getvalue()


def folder() -> Files:
    return {
        f"pictures/{name}/{number}.png": picture(shade + number)
        for name, shade in (("cat", 0), ("dog", 100))
        for number in range(4)
    }


SPECIES = ["setosa", "versicolor", "virginica"]
CSV = "{name: csv, train_file: d.csv}"
NPZ = "{name: npz, file: d.npz}"
IDX = "{name: idx, directory: .}"
PICTURES = "{name: images, directory: pictures}"

UNDERSTOOD = {
    "string labels": Understood(lambda: {"d.csv": iris()}, CSV, SPECIES, 2, 9),
    "labels from 1 to 3": Understood(
        lambda: {"d.csv": table("a,label", *("1,1", "2,2", "3,3") * 2)}, CSV, ["1", "2", "3"], 1, 6
    ),
    "labels of -1 and 1": Understood(
        lambda: {"d.csv": table("a,label", "1,-1", "2,1", "3,1", "4,-1")}, CSV, ["-1", "1"], 1, 4
    ),
    "a label in the first column": Understood(
        lambda: {"d.csv": table("kind,a,b", *("x,1,2", "y,2,3") * 2)},
        "{name: csv, train_file: d.csv, label: kind}",
        ["x", "y"],
        2,
        4,
    ),
    "an index column that is dropped": Understood(
        lambda: {"d.csv": table(",a,label", *("0,1,x", "1,2,y") * 2)},
        '{name: csv, train_file: d.csv, drop: [""]}',
        ["x", "y"],
        1,
        4,
    ),
    "semicolons and decimal commas": Understood(
        lambda: {"d.csv": table("a;b;label", *("1,5;2;x", "0,25;3,5;y") * 2)}, CSV, ["x", "y"], 2, 4
    ),
    "tabs": Understood(
        lambda: {"d.csv": table("a\tb\tlabel", *("1\t2\tx", "2\t3\ty") * 2)}, CSV, ["x", "y"], 2, 4
    ),
    "quotes": Understood(
        lambda: {"d.csv": table('"a","b","the label"', *('"1","2","x, or y"', '"2",3,"z"') * 2)},
        CSV,
        ["x, or y", "z"],
        2,
        4,
    ),
    "quotes from the third line on": Understood(
        lambda: {"d.csv": table("a,b,label", *("1,2,x", '2,3,"y ""z"""', '1,2,"line\nbreak"') * 2)},
        CSV,
        ["line break", "x", 'y "z"'],
        2,
        6,
    ),
    "a byte-order mark and CRLF": Understood(
        lambda: {"d.csv": b"\xef\xbb\xbfa,label\r\n1,x\r\n2,y\r\n\r\n3,x\r\n"},
        CSV,
        ["x", "y"],
        1,
        3,
    ),
    "columns in another order": Understood(
        lambda: {
            "d.csv": table("a,b,label", *("1,10,x", "2,20,y") * 2),
            "t.csv": table("b,label,a", "10,x,1"),
        },
        "{name: csv, train_file: d.csv, test_file: t.csv}",
        ["x", "y"],
        2,
        4,
    ),
    "boolean labels": Understood(
        lambda: {"d.npz": archive(x_train=X, y_train=Y > 0)}, NPZ, ["0", "1"], 4, 12
    ),
    "boolean features": Understood(
        lambda: {"d.npz": archive(x_train=X > 20, y_train=Y)}, NPZ, ["0", "1", "2"], 4, 12
    ),
    "one-hot labels": Understood(
        lambda: {"d.npz": archive(x_train=X, y_train=np.eye(3)[Y])}, NPZ, ["0", "1", "2"], 4, 12
    ),
    "a column of float labels": Understood(
        lambda: {"d.npz": archive(x_train=X, y_train=Y[:, None] + 1.0)}, NPZ, ["1", "2", "3"], 4, 12
    ),
    "string labels in an archive": Understood(
        lambda: {"d.npz": archive(x_train=X, y_train=LETTERS)}, NPZ, ["a", "b", "c"], 4, 12
    ),
    "labels as bytes": Understood(
        lambda: {"d.npz": archive(x_train=X, y_train=LETTERS.astype("S"))},
        NPZ,
        ["a", "b", "c"],
        4,
        12,
    ),
    "class names": Understood(
        lambda: {
            "d.npz": archive(x_train=X, y_train=Y, class_names=np.array(["shirt", "shoe", "bag"]))
        },
        NPZ,
        ["shirt", "shoe", "bag"],
        4,
        12,
    ),
    "MedMNIST's names": Understood(
        lambda: {
            "d.npz": archive(
                train_images=X,
                train_labels=Y[:, None],
                val_images=X,
                val_labels=Y[:, None],
                test_images=X,
                test_labels=Y[:, None],
            )
        },
        NPZ,
        ["0", "1", "2"],
        4,
        12,
    ),
    "capital letters": Understood(
        lambda: {"d.npz": archive(X_train=X, Y_train=Y)}, NPZ, ["0", "1", "2"], 4, 12
    ),
    "scikit-learn's names": Understood(
        lambda: {"d.npz": archive(data=X, target=Y)}, NPZ, ["0", "1", "2"], 4, 12
    ),
    "foreign names that the config maps": Understood(
        lambda: {"d.npz": archive(arr_0=X, arr_1=Y, ids=Y)},
        "{name: npz, file: d.npz, arrays: {x_train: arr_0, y_train: arr_1}}",
        ["0", "1", "2"],
        4,
        12,
    ),
    "names with dots": Understood(lambda: four(dot="."), IDX, ["0", "1", "2"], 4, 10),
    "gzipped names with dots": Understood(
        lambda: four(dot=".", end=".gz"), IDX, ["0", "1", "2"], 4, 10
    ),
    "test for t10k": Understood(lambda: four(test="test"), IDX, ["0", "1", "2"], 4, 10),
    "EMNIST's names": Understood(
        lambda: four("emnist-letters-train", "emnist-letters-test"), IDX, ["0", "1", "2"], 4, 10
    ),
    "files unpacked to folders of their names": Understood(
        lambda: {f"{name}/{name}": content for name, content in four().items()},
        IDX,
        ["0", "1", "2"],
        4,
        10,
    ),
    "a folder of pictures": Understood(folder, PICTURES, ["cat", "dog"], 16, 8),
    "colours, JPEG and other sizes": Understood(
        lambda: (
            folder()
            | {
                "pictures/cat/notes.txt": b"not an image by its name",
                "pictures/cat/b.JPG": picture(3, (9, 7), "RGB", "JPEG"),
                "pictures/dog/t.png": picture(3, (4, 4), "RGBA"),
            }
        ),
        "{name: images, directory: pictures, size: 3}",
        ["cat", "dog"],
        9,
        10,
    ),
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_an_odd_file_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = UNDERSTOOD[name]
    dataset = read(tmp_path, monkeypatch, case.files(), case.data)
    assert list(dataset.class_names) == case.classes
    assert dataset.classes == len(case.classes)
    assert dataset.train.features.shape == (case.examples, case.features)
    assert dataset.train.labels.max() < dataset.classes


def read(folder: Path, monkeypatch: pytest.MonkeyPatch, files: Files, data: str) -> Dataset:
    """Write files to a folder and load a source of its."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    monkeypatch.chdir(folder)
    return load(load_config.parse(f"data: {data}\n", "c.yaml").data)


REFUSED = {
    "an index without a name": Refused(
        lambda: {"d.csv": table(",a,label", "0,1,x")},
        CSV,
        "d.csv: line 1, column 1: has no name (an index?)",
        'drop it by data.drop: [""]',
    ),
    "a regression target": Refused(
        lambda: {"d.csv": table("a,price", *(f"1,{100 + i}" for i in range(9)))},
        CSV,
        "d.csv: column 'price' (the last one) has 9 different labels in 9 examples: that is a regr",
        "name the labels' column by data.label (others: a)",
    ),
    "a target with fractions": Refused(
        lambda: {"d.csv": table("a,price", *("1,1", "2,2.5", "3,1") * 4)},
        CSV,
        "d.csv: column 'price' (the last one) is '2.5' in line 3: numbers with fractions",
        "name the labels' column by data.label (others: a)",
    ),
    "a column of text": Refused(
        lambda: {"d.csv": table("a,city,colour,label", "1,Rome,red,x")},
        CSV,
        "d.csv: line 2, column 2 ('city'): not a number, got 'Rome'",
        "drop text columns by data.drop: [city, colour]",
    ),
    "a missing value": Refused(
        lambda: {"d.csv": table("a,b,label", "1,2,x", "1,NA,y")},
        CSV,
        "d.csv: line 3, column 2 ('b'): a missing value, 'NA'",
        "drop the column: data.drop: [b]",
    ),
    "a label that does not exist": Refused(
        lambda: {"d.csv": iris()},
        "{name: csv, train_file: d.csv, label: specis}",
        "line 1: has no column 'specis', which data.label names",
        "did you mean 'species'? (columns: length, width, species)",
    ),
    "a dropped column that does not exist": Refused(
        lambda: {"d.csv": iris()},
        "{name: csv, train_file: d.csv, drop: [id]}",
        "line 1: has no column 'id', which data.drop names",
        "correct data.drop (columns: length, width, species)",
    ),
    "a test file with other columns": Refused(
        lambda: {"d.csv": iris(), "t.csv": table("length,breadth,species", "1,2,setosa")},
        "{name: csv, train_file: d.csv, test_file: t.csv}",
        "t.csv: line 1: has no column 'width' of the training file and has a column 'breadth'",
        "rename one of them (training file: length, width, species)",
    ),
    "a test file with a new class": Refused(
        lambda: {"d.csv": iris(), "t.csv": table("length,width,species", "1,2,Setosa")},
        "{name: csv, train_file: d.csv, test_file: t.csv}",
        "label 'Setosa' in line 2 does not occur in the training data (known: setosa, versicolor",
        "correct it, or choose classes by data.classes",
    ),
    "UTF-16": Refused(
        lambda: {"d.csv": table("a,label", "1,x", encoding="utf-16")},
        CSV,
        "d.csv: line 1: is UTF-16 text, not UTF-8",
        "iconv -f utf-16 -t utf-8",
    ),
    "Latin-1": Refused(
        lambda: {"d.csv": table("a,label", "1,café", encoding="latin-1")},
        CSV,
        "d.csv: line 2: not UTF-8 text, byte 0xe9 after '1,caf'",
        "iconv -f windows-1252 -t utf-8",
    ),
    "a workbook": Refused(
        lambda: {"d.csv": b"PK\3\4 and so on"},
        CSV,
        "d.csv: line 1: is an Excel workbook or a zip archive",
        "save it as CSV, in UTF-8",
    ),
    "an HTML page for a table": Refused(
        lambda: {"d.csv": b"<!DOCTYPE html>\n<html>"}, CSV, "is an HTML page", "the file itself"
    ),
    "thousands separators": Refused(
        lambda: {"d.csv": table("a;label", "1.234,5;x")},
        CSV,
        "line 2, column 1 ('a'): not a number, got '1.234,5'",
        "remove the thousands separators, or drop the column: data.drop: [a]",
    ),
    "one class": Refused(
        lambda: {"d.csv": table("a,label", "1,x", "2,x")},
        CSV,
        "d.csv: column 'label' (the last one): only one class, 'x'",
        "name the labels' column by data.label (others: a)",
    ),
    "a typing error in a path": Refused(
        dict,
        CSV,
        "d.csv: No such file or directory",
        "or from --data-root DIR",
    ),
    "Python objects": Refused(
        lambda: {"d.npz": archive(x_train=X, y_train=Y.astype(object))},
        NPZ,
        "d.npz: 'y_train' holds Python objects (dtype=object)",
        "save it as numbers or strings: array.astype(int) or array.astype(str)",
    ),
    "fractions as strings": Refused(
        lambda: {"d.npz": archive(x_train=X, y_train=np.array(["1.5", "2", "unknown"])[Y])},
        NPZ,
        "d.npz: y_train has the label '1.5': numbers with fractions are a regression target",
        "save classes, or name other labels by data.arrays.y_train",
    ),
    "arrays without names": Refused(
        lambda: {"d.npz": archive(arr_0=X, arr_1=Y)},
        NPZ,
        "d.npz: contains no x_train; it contains arr_0, arr_1",
        "data.arrays: {x_train: arr_0, y_train: arr_1}",
    ),
    "arrays whose names are numbers": Refused(
        lambda: {"d.npz": archive(**{"0": X, "1": Y})},
        NPZ,
        "d.npz: contains no x_train; it contains 0, 1",
        'data.arrays: {x_train: "0", y_train: "1"}',
    ),
    "one more array": Refused(
        lambda: {"d.npz": archive(x_train=X, y_train=Y, ids=Y)},
        NPZ,
        "d.npz: contains an unknown array 'ids'",
        "by data.arrays: {x_train: x_train, y_train: y_train}, and the rest is left out",
    ),
    "several labels at once": Refused(
        lambda: {"d.npz": archive(x_train=X, y_train=np.ones((12, 3), int))},
        NPZ,
        "d.npz: y_train has 3 columns but is not one-hot",
        "save one label for each example",
    ),
    "a missing number in an archive": Refused(
        lambda: {"d.npz": archive(x_train=np.where(X == 6, np.nan, X), y_train=Y)},
        NPZ,
        "x_train contains a value that is not finite, nan at [1, 2]",
        "remove the example, or fill in a number",
    ),
    "an HTML page for images": Refused(
        lambda: four() | {"train-images-idx3-ubyte": b"<html>403 Forbidden"},
        IDX,
        "train-images-idx3-ubyte: is an HTML page",
        "download the file itself",
    ),
    "gzipped twice": Refused(
        lambda: four() | {"train-images-idx3-ubyte": gzip.compress(gzip.compress(images()))},
        IDX,
        "got 0x1f8b0800 (gzip)",
        "it is compressed twice: gunzip it once",
    ),
    "images and labels exchanged": Refused(
        lambda: four() | {"train-images-idx3-ubyte": labels(), "train-labels-idx1-ubyte": images()},
        IDX,
        "got 0x00000801 (labels)",
        "exchange the two files",
    ),
    "pictures without subfolders": Refused(
        lambda: {"pictures/1.png": picture(1)},
        PICTURES,
        "pictures: contains 1 image but no subfolders",
        "make a subfolder for each class, two or more, and put its images there",
    ),
    "splits for classes": Refused(
        lambda: {"pictures/train/cat/1.png": picture(1), "pictures/test/cat/1.png": picture(1)},
        PICTURES,
        "pictures: its subfolders test, train are splits, not classes",
        "set data.directory: pictures/train, data.test_directory: pictures/test",
    ),
    "pictures of several sizes": Refused(
        lambda: folder() | {"pictures/dog/9.png": picture(1, (5, 4))},
        PICTURES,
        "pictures/dog/9.png: has 4 x 5 pixels, but pictures/cat/0.png has 4 x 4",
        "resize all images by data.size: 4",
    ),
    "a damaged picture": Refused(
        lambda: folder() | {"pictures/dog/9.png": picture(1)[:40]},
        PICTURES,
        "pictures/dog/9.png: is no readable PNG or JPEG image; ",
        "replace or remove it",
    ),
    "a picture that ends in its header": Refused(
        lambda: folder() | {"pictures/dog/9.png": picture(1)[:20]},
        PICTURES,
        "pictures/dog/9.png: is no readable PNG or JPEG image: Truncated File Read; ",
        "replace or remove it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_odd_file_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = REFUSED[name]
    with pytest.raises(DataError) as caught:
        read(tmp_path, monkeypatch, case.files(), case.data)
    message = str(caught.value)
    assert case.fact in message
    assert case.advice in message[len(message) // 3 :]
    assert message.isprintable()
    assert len(message) < 300


def test_there_are_more_than_twenty_odd_files() -> None:
    assert min(len(UNDERSTOOD), len(REFUSED)) > 20


def test_columns_in_another_order_hold_the_same_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = UNDERSTOOD["columns in another order"]
    dataset = read(tmp_path, monkeypatch, case.files(), case.data)
    assert dataset.test is not None
    assert dataset.test.features.tolist() == dataset.train.features[:1].tolist() == [[1, 10]]


def test_decimal_commas_are_fractions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = UNDERSTOOD["semicolons and decimal commas"]
    dataset = read(tmp_path, monkeypatch, case.files(), case.data)
    assert dataset.train.features.tolist() == [[1.5, 2], [0.25, 3.5]] * 2


def test_all_names_of_an_archive_have_the_same_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for number, names in enumerate(
        (("x_train", "y_train"), ("X_train", "Y_train"), ("data", "target"))
    ):
        files = {"d.npz": archive(**dict(zip(names, (X, Y), strict=True)))}
        inside = tmp_path / str(number)
        digests.append(read(inside, monkeypatch, files, NPZ).sha256)
    assert digests[0] == digests[1] == digests[2]
    assert sorted(digests[0]) == ["x_train", "y_train"]


def test_a_folder_s_digest_is_of_names_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed = {name.replace("cat", "cow"): content for name, content in folder().items()}
    changed = folder() | {"pictures/cat/0.png": picture(9)}
    variants = (folder(), folder(), renamed, changed)
    digests = [
        read(tmp_path / str(number), monkeypatch, files, PICTURES).sha256["train_directory"]
        for number, files in enumerate(variants)
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
