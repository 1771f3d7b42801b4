"""New examples are read, prepared and classified as the run's own were."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import nnexp
from benchmarks import drawings
from nnexp.analysis.prediction import FilePrediction, Predictor
from nnexp.analysis.task import inputs
from nnexp.datasets import drawing, new_examples
from nnexp.datasets.loading import load
from nnexp.datasets.npz_file import content_hash
from nnexp.datasets.recognition import is_mnist
from nnexp.datasets.sources import Mnist
from nnexp.errors import DataError
from nnexp.report import predictions
from nnexp.store.predictions import read as read_predictions
from nnexp.store.run import Run

if TYPE_CHECKING:
    from tests.conftest import Bench, Once, Said

QUICK = ("--set", "data.train=10000", "--set", "epochs=4", "-q")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def mnist(once: Once) -> Run:
    """A run on MNIST's digits."""
    once(train_on_mnist)
    return Run(Path("runs/digits-s0"))


def train_on_mnist(bench: Bench) -> None:
    """Train the run."""
    assert bench("train", "quickstart", *QUICK, "--name", "digits").code == 0


def test_drawings_are_recognized_because_they_are_prepared(bench: Bench, mnist: Run) -> None:
    """At least 30 points more than --raw, by the 95 % interval of the paired difference."""
    paths = drawings.write(Path("drawings"), 100)
    right: list[np.ndarray[tuple[int], np.dtype[np.bool_]]] = []
    for options in ((), ("--raw",)):
        said = bench("predict", str(mnist.path), *map(str, paths), "--csv", *options)
        assert (said.code, said.err) == (0, "")
        rows = table(said.out)
        assert [Path(row["file"]) for row in rows] == paths
        right.append(
            np.array([int(row["class"]) == drawings.digit(Path(row["file"])) for row in rows])
        )
    difference = right[0].astype(float) - right[1]
    half = 1.96 * difference.std() / np.sqrt(len(difference))
    assert difference.mean() - half > 0.3
    assert right[0].mean() > 0.7


def test_mnist_s_own_images_are_taken_as_they_are(bench: Bench, mnist: Run) -> None:
    """From an IDX file, an archive and pictures: the classes in predictions.npz."""
    test = load(Mnist()).test
    assert test is not None
    expected = read_predictions(mnist)["test"].predicted[:30].tolist()
    images = test.features[:30].reshape(-1, 28, 28)
    Path("i-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(struct.pack(">4I", 0x803, 30, 28, 28) + images.tobytes())
    )
    np.savez("i.npz", x=images)
    for number, image in enumerate(images):
        Image.fromarray(image).save(f"{number:02}.png")
    pictures = [f"{number:02}.png" for number in range(30)]
    for files in (["i-images-idx3-ubyte.gz"], ["i.npz"], pictures):
        rows = table(bench("predict", str(mnist.path), *files, "--csv").out)
        assert [int(row["class"]) for row in rows] == expected
    assert json.loads(bench("predict", str(mnist.path), "00.png", "--json").out)[0]["row"] is None


def test_a_picture_of_any_kind_has_the_same_ink() -> None:
    digit = np.zeros((60, 80), np.uint8)
    digit[10:50, 30:36] = 255
    expected = drawing.prepared(digit)
    for picture in (255 - digit, 40 + digit // 2, 250 - digit // 4):
        assert np.array_equal(drawing.prepared(picture), expected)
    assert (expected.shape, expected.max()) == ((28, 28), 255)
    rows, columns = np.nonzero(expected)
    assert (rows.min(), rows.max()) == (4, 23)
    assert abs(columns.mean() - 13.5) <= 0.5
    assert not drawing.prepared(np.full((9, 9), 200, np.uint8)).any()


def test_light_from_one_side_is_no_ink() -> None:
    x = np.linspace(0, 1, 80)
    paper = 250 - 80 * x * np.ones((60, 1))
    paper[10:50, 30:36] -= 150
    inked = drawing.contrast(np.rint(paper).astype(np.uint8))
    assert inked[:, :29].max() < 2
    assert inked[20, 32] == pytest.approx(150, abs=1)


@pytest.mark.slow
def test_mnist_s_images_need_no_preparation() -> None:
    """All 70,000 are taken as they are, and prepared pictures are not prepared again."""
    for split in load(Mnist()).splits.values():
        assert all(map(drawing.is_prepared, split.features.reshape(-1, 28, 28)))
    digit = np.zeros((60, 80), np.uint8)
    digit[10:50, 30:36] = 255
    prepared = drawing.prepared(digit)
    assert drawing.is_prepared(prepared)
    corner, small = (np.zeros((28, 28), np.uint8) for _ in range(2))
    corner[1:21, 1:7] = small[9:19, 13:15] = 255
    for other in (corner, small, 255 - prepared, np.pad(prepared, 1), np.zeros_like(prepared)):
        assert not drawing.is_prepared(other)


@pytest.mark.slow
def test_pictures_of_mnist_s_test_images_have_the_classes_of_the_run_s_own_predictions(
    mnist: Run,
) -> None:
    test = load(Mnist()).test
    assert test is not None
    paths = [Path(f"{number}.png") for number in range(10000)]
    for path, image in zip(paths, test.features.reshape(-1, 28, 28), strict=True):
        Image.fromarray(image).save(path, compress_level=0)
    predictions = Predictor([mnist]).predict(paths)
    predicted = [p.predicted[0] for p in predictions if isinstance(p, FilePrediction)]
    assert predicted == read_predictions(mnist)["test"].predicted.tolist()


def test_mnist_is_recognized_in_archives(bench: Bench) -> None:
    """In Keras's mnist.npz, with its channel, and flat; another first image is none of MNIST's."""
    everything = load(Mnist())
    assert everything.validation is not None
    parts = everything.train, everything.validation
    x, y = (np.concatenate([getattr(p, n) for p in parts]) for n in ("features", "labels"))
    for count, shape in itertools.product((60000, 50000), ((28, 28), (28, 28, 1), (784,))):
        array = x[:count].reshape(-1, *shape)
        assert is_mnist({"x_train": content_hash(array), "y_train": "…"})
    assert not is_mnist({"x_train": content_hash(x[1:])})
    x = x.reshape(-1, 28, 28)
    np.savez("mnist.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
    data = {"name": "npz", "file": "mnist.npz", "validation": 100, "train": 100}
    bench.config("keras.yaml", data=data, epochs=1)
    assert bench("train", "keras.yaml", "--name", "keras", "-q").code == 0
    taken = inputs(Run(Path("runs/keras-s0")))
    assert (taken.is_mnist, taken.image) == (True, (28, 28))
    digit = np.full((60, 80), 255, np.uint8)
    digit[10:50, 30:36] = 0
    Image.fromarray(digit).save("one.png")
    read = new_examples.read(Path("one.png"), taken)
    assert np.array_equal(read.features[0].reshape(28, 28), drawing.prepared(digit))


def test_pictures_are_for_runs_on_images(bench: Bench) -> None:
    """Flat rows are squares of 8 x 8 pixels or more; fewer features are a table's."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (9, 9), np.uint8)).save("p.png")
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, int] | None]] = {
        "flat": ((4,), None),
        "square": ((3, 3), (3, 3)),
        "channel": ((3, 3, 1), (3, 3)),
        "wide": ((2, 3), (2, 3)),
        "digits": ((64,), (8, 8)),
        "large": ((9, 9), (9, 9)),
    }
    for name, (shape, image) in shapes.items():
        x, y = rng.integers(0, 255, (40, *shape)).astype(np.uint8), np.arange(40) % 2
        np.savez(f"{name}.npz", x_train=x, y_train=y)
        data = {"name": "npz", "file": f"{name}.npz", "validation": 10}
        bench.config(f"{name}.yaml", data=data, epochs=1)
        assert bench("train", f"{name}.yaml", "--name", name, "-q").code == 0
        assert inputs(Run(Path(f"runs/{name}-s0"))).image == image
        assert bench("predict", f"runs/{name}-s0", "p.png").code == (0 if image else 2)


def write_flowers() -> None:
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 3
    rows = [
        f"{k + rng.normal(0, 0.1):.3f},{100 * (3 - k) + rng.normal(0, 9):.1f},{'abc'[k]}"
        for k in kinds
    ]
    Path("d.csv").write_text("\n".join(["length,width,kind", *rows]) + "\n")


@pytest.fixture
def flowers(once: Once) -> Bench:
    """Two seeds of a run on a table that is standardized."""
    return once(train_on_flowers)


def train_on_flowers(bench: Bench) -> None:
    """Write the table and train the runs."""
    write_flowers()
    data = {"name": "csv", "train_file": "d.csv", "standardize": True, "test": 0.3}
    keys = {"monitor": ["train"], "patience": None, "epochs": 30, "learning_rate": 0.5}
    bench.config("flowers.yaml", data=data, **keys)
    assert bench("train", "flowers.yaml", "-q", "--seeds", "2", "--name", "f").code == 0


def test_columns_are_found_by_their_names_and_labels_are_compared(flowers: Bench) -> None:
    Path("n.csv").write_text("kind,extra,width,length\na,x,301,0.02\nc,y,99,2.1\na,z,200,1\n")
    said = flowers("predict", "runs/f-s0", "n.csv")
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[1] for line in lines[1:4]] == ["a", "c", "b"]
    assert lines[3].endswith("a !")
    assert lines[-1] == "n.csv: 66.67 % of 3 examples have the class of their label"
    Path("u.csv").write_text("width,length\n301,0.02\n99,2.1\n")
    rows = table(flowers("predict", "runs/f-s0", "u.csv", "--csv").out)
    assert [row["class"] for row in rows] == ["a", "c"]
    assert [row["label"] for row in rows] == ["", ""]


def test_the_seeds_of_an_experiment_vote(flowers: Bench) -> None:
    def outputs(run: str) -> list[dict[str, float]]:
        tree = json.loads(flowers("predict", run, "d.csv", "--json").out)
        return [prediction["outputs"] for prediction in tree]

    first, second, vote = (outputs(run) for run in ("runs/f-s0", "runs/f-s1", "runs/f"))
    for own, other, mean in zip(first, second, vote, strict=True):
        for name in "abc":
            assert mean[name] == pytest.approx((own[name] + other[name]) / 2, abs=1e-12)


def test_what_cannot_be_read_has_a_line_and_the_rest_is_classified(flowers: Bench) -> None:
    Path("short.csv").write_text("width,kind\n1,a\n")
    Path("pic.png").write_bytes(b"\x89PNG and no more")
    some = flowers("predict", "runs/f-s0", "short.csv", "none.csv", "pic.png", "d.csv")
    assert some.code == 1
    assert len(some.out.splitlines()) == 93
    lines = some.err.splitlines()
    assert lines[0].startswith("short.csv: line 1: has no column 'length', which the run was")
    assert lines[1].startswith("none.csv: No such file or directory")
    assert lines[2].startswith("pic.png: is a picture, but the run was trained on tables")
    nothing: Said = flowers("predict", "runs/f-s0", "none.csv")
    assert (nothing.code, nothing.out) == (2, "")


TEN = np.zeros((3, 10), np.uint8)
UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a number": ({"x": np.float64(3)}, "x must have shape (examples, features), got ()"),
    "a row": ({"x": np.zeros(10)}, "x must have shape (examples, features), got (10,)"),
    "text": ({"x": np.array([["a"] * 10])}, "x must contain numbers, got text (<U1)"),
    "a label": ({"x": TEN, "y": 3}, "y must have shape (examples,), (examples, 1) or, one-hot,"),
    "a name": ({"x": TEN, "y": [0] * 3, "class_names": "a"}, "class_names must be a list of "),
    "no examples": ({"x": TEN[:0]}, "x has no examples"),
    "no labelled examples": ({"x": TEN[:0], "y": TEN[:0, 0]}, "x has no examples"),
    "no labels": ({"x": TEN, "y": TEN[:0, 0]}, "y: 0 labels for the 3 examples of new.npz;"),
    "too large": ({"x": TEN + 1e300, "y": [0] * 3}, "the number 1e+300 is too large for the run's"),
    "infinite once scaled": ({"x": TEN - 1e41, "y": [0] * 3}, "the number -1e+41 is too large"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_archive_that_cannot_be_read_has_a_line(bench: Bench, name: str) -> None:
    arrays, said = UNREADABLE[name]
    np.savez("new.npz", **arrays)
    run = nnexp.train(nnexp.load_config(bench.config(epochs=1))).path
    for command in (["predict", str(run), "new.npz"], ["evaluate", str(run), "--data", "new.npz"]):
        code, out, err = bench(*command)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert err.startswith(f"new.npz: {said}")


def test_idx_without_examples_and_tables_without_names_have_a_line(flowers: Bench) -> None:
    run = Path("runs/f-s0")
    Path("new-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, 0, 1, 2))
    code, _, err = flowers("predict", str(run), "new-images-idx3-ubyte")
    assert (code, err) == (2, "new-images-idx3-ubyte: has no examples\n")
    old = inputs(Run(run))._replace(feature_names=())
    with pytest.raises(DataError, match=r"d\.csv: is a table, but an earlier version of nnexp"):
        new_examples.read(Path("d.csv"), old)


def test_numbers_too_large_once_they_are_standardized_are_refused(flowers: Bench) -> None:
    Path("n.csv").write_text("width,length,kind\n1,3.3e38,a\n")
    for command in (["predict", "runs/f", "n.csv"], ["evaluate", "runs/f-s0", "--data", "n.csv"]):
        code, _, err = flowers(*command)
        assert (code, err.split(" is too")[0]) == (2, "n.csv: the number 3.3e+38")


def test_numbers_have_the_names_of_the_run_s_own_data(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 2
    x, y = rng.normal(size=(90, 4)) + 9 * kinds[:, None], np.array([3, 7])[kinds]
    names = np.array(["three", "seven"])
    np.savez("own.npz", x_train=x, y_train=y, x_test=x, y_test=y, class_names=names)
    np.savez("bare.npz", x=x[1::2], y=y[1::2])
    np.savez("sevens.npz", x=x[1::2], y=y[1::2], class_names=names)
    np.savez("indices.npz", x=x, y=kinds, class_names=names)
    np.savez("some.npz", x=x[:4], y=[3, 7, 3, 9])
    data = {"name": "npz", "file": "own.npz", "validation": 10, "scale": 1}
    bench.config("n.yaml", data=data, epochs=9)
    assert bench("train", "n.yaml", "--name", "n", "-q").code == 0
    for file in ("own.npz", "bare.npz", "sevens.npz", "indices.npz"):
        lines = bench("predict", "runs/n-s0", file).out.splitlines()
        assert lines[-1].startswith(f"{file}: 100.00 % of ")
        assert bench("evaluate", "runs/n-s0", "--data", file).code == 0
    some = table(bench("predict", "runs/n-s0", "some.npz", "--csv").out)
    assert [row["label"] for row in some] == ["three", "seven", "three", "9"]


@pytest.mark.parametrize(
    ("labels", "names", "shown"),
    [
        ([0, 1, 2], None, ["0", "1", "2"]),
        ([2.0, 2.0], None, ["2", "2"]),
        (["2", "0"], None, ["2", "0"]),
        ([[0, 1, 0], [1, 0, 0]], None, ["1", "0"]),
        ([1, 0], ["0", "2"], ["2", "0"]),
        ([5, 3], ["0", "2"], ["2", "0"]),
    ],
)
def test_a_few_labels_in_an_archive_are_read_as_such(
    bench: Bench, labels: list[object], names: list[str] | None, shown: list[str]
) -> None:
    """As few examples as classes are no regression target here."""
    bench("train", "tiny.yaml", "--name", "r", "-q")
    with np.load("tiny.npz") as arrays:
        given: dict[str, Any] = {} if names is None else {"class_names": np.array(names)}
        np.savez("new.npz", x=arrays["x_test"][: len(labels)], y=np.array(labels), **given)
    said = bench("predict", "runs/r", "new.npz", "--csv")
    assert [row["label"] for row in table(said.out)] == shown


def test_arrays_have_the_names_that_the_config_gives_them(bench: Bench) -> None:
    with np.load("tiny.npz") as arrays:
        foreign = {"x_train": "points", "y_train": "kinds", "x_test": "others", "y_test": "theirs"}
        np.savez("foreign.npz", **{new: arrays[old] for old, new in foreign.items()})
    data = {"name": "npz", "file": "foreign.npz", "arrays": foreign, "validation": 10}
    bench.config("f.yaml", data=data)
    assert bench("train", "f.yaml", "--name", "f", "-q").code == 0
    said = bench("predict", "runs/f", "foreign.npz", "--csv")
    assert (said.code, said.err) == (0, "")
    with np.load("foreign.npz") as arrays:
        assert [int(row["label"]) for row in table(said.out)] == arrays["theirs"].tolist()


def test_labels_that_are_no_class_are_counted_apart(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "r", "-q")
    with np.load("tiny.npz") as arrays:
        labels = arrays["y_test"].copy()
        labels[:2] = 7
        np.savez("new.npz", x=arrays["x_test"], y=labels)
        np.savez("strange.npz", x=arrays["x_test"], y=labels + 10)
        np.savez("one.npz", x=arrays["x_test"][:3], y=labels[:3])
    alone = bench("predict", "runs/r", "one.npz").out
    assert "% of 1 example has the class of its label" in alone
    _, out, _ = bench("predict", "runs/r", "new.npz", "strange.npz")
    known = len(labels) - 2
    classes = [
        int(row["class"]) for row in table(bench("predict", "runs/r", "new.npz", "--csv").out)
    ]
    right = np.count_nonzero(np.array(classes)[2:] == labels[2:]) / known
    assert out.splitlines()[-3:] == [
        f"new.npz: {100 * right:.2f} % of {known} examples have the class of their label",
        f"new.npz: 2 of {len(labels)} labels are no class of the network, such as '7'",
        f"strange.npz: {known + 2} of {known + 2} labels are no class of the network, such as '17'",
    ]


def test_examples_without_a_label_are_predicted_and_not_counted(flowers: Bench) -> None:
    Path("some.csv").write_text("length,width,kind\n0.1,300,a\n2,99,\n1,200,b\n0.1,300,NA\n")
    lines = flowers("predict", "runs/f-s0", "some.csv").out.splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["a", "c", "b", "a"]
    assert [line.split()[5:] for line in lines[1:5]] == [["a"], [], ["b"], []]
    assert lines[-1] == "some.csv: 100.00 % of 2 examples have the class of their label"
    rows = json.loads(flowers("predict", "runs/f-s0", "some.csv", "--json").out)
    assert [row["label"] for row in rows] == ["a", None, "b", None]
    Path("none.csv").write_text("length,width,kind\n0.1,300,\n2,99,\n")
    _, out, _ = flowers("predict", "runs/f-s0", "none.csv")
    assert len(out.splitlines()) == 3
    assert "label" not in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "length,width\nx,1\n",
            "line 2, column 1 ('length'): not a number, got 'x'; features are ",
        ),
        ("length,width\nx,1\n", "numbers: correct it, or remove the row"),
        (
            "length,width\n1,\n",
            "column 2 ('width'): a missing value, ''; fill it in, or remove the",
        ),
        ("length,width\n1e999,1\n", "not a finite number, got '1e999'; correct it, or remove the "),
        ("length,width\n1'000,1\n", "remove the thousands separators, or remove the row"),
        ("length,width,x\n1,2\n", "the header names 3; complete the line, or remove it"),
        ("some words\nand others\n", "'some words': they are separated by blanks; save the file "),
        ("some words\nand no more here\n", "'some words'; save the file with commas between "),
        ("Length,width\n1,2\n", "line 1: has no column 'length', which the run was trained with; "),
        ("Length,width\n1,2\n", "columns are 'Length', 'width': rename 'Length' to 'length'"),
        ("kind,width\na,2\n", "columns are 'kind', 'width': add it"),
        (f"length,width,kind\n1,2,{'x' * 300}\n", "correct column 'kind', or leave it out"),
    ],
)
def test_advice_about_a_table_can_be_followed_without_the_config(
    flowers: Bench, text: str, message: str
) -> None:
    Path("n.csv").write_text(text)
    said = flowers("predict", "runs/f-s0", "n.csv")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("n.csv: line ")
    assert message in said.err
    assert "data." not in said.err


def test_a_delimiter_of_the_config_is_that_of_new_tables(bench: Bench) -> None:
    write_flowers()
    data = {"name": "csv", "train_file": "d.csv", "delimiter": ",", "validation": 0.3}
    bench.config("flowers.yaml", data=data)
    assert bench("train", "flowers.yaml", "-q", "--name", "f").code == 0
    Path("n.csv").write_text("length;width\n1;2\n")
    _, _, err = bench("predict", "runs/f-s0", "n.csv")
    assert err.endswith("save the file with ',' between columns, as the training data\n")


def written(name: str, content: bytes) -> str:
    Path(name).write_bytes(content)
    return name


def encoded(form: str) -> bytes:
    content = io.BytesIO()
    Image.new("L", (40, 40), 9).save(content, form)
    return content.getvalue()


def saved(**arrays: Any) -> bytes:  # noqa: ANN401 - any arrays
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def single_array() -> bytes:
    content = io.BytesIO()
    np.save(content, np.zeros((2, 784), np.uint8))
    return content.getvalue()


LABELS = struct.pack(">2I", 0x801, 3) + b"abc"
EVEN = "shows nothing but an even ground; there is no drawing to recognize"
UNREAD: dict[str, tuple[bytes, str]] = {
    "a.gif": (encoded("GIF"), "is a GIF picture; convert it to PNG or JPEG"),
    "a.bmp": (encoded("BMP"), "is a BMP picture; convert it to PNG or JPEG"),
    "a.webp": (encoded("WEBP"), "is a WebP picture; convert it to PNG or JPEG"),
    "a.tiff": (encoded("TIFF"), "is a TIFF picture; convert it to PNG or JPEG"),
    "big.tiff": (b"MM\0*\0\0\0\x08", "is a TIFF picture; convert it to PNG or JPEG"),
    "a.heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC picture; convert it to PNG or JPEG"),
    "a.npy": (single_array(), "save it as x of an archive: numpy.savez('new.npz', x=array)"),
    "labels": (LABELS, "is an IDX file of labels; name the file of their images"),
    "labels.gz": (gzip.compress(LABELS), "is an IDX file of labels; name the file of their "),
    "t.csv.gz": (gzip.compress(b"a,b\n1,2\n"), "is gzipped, but no IDX file of images; gunzip it"),
    "cut.gz": (gzip.compress(bytes(range(256)))[:20], "damaged or cut short"),
    "pixels.csv": (b"1,2,3\n4,5,6\n", "is text, and tables are read by runs that were trained on "),
    "BMI.csv": (b"BMI,age\n4,5,6\n", "is text, and tables are read by runs that were trained on "),
    "bytes": (bytes(range(99)), "is no PNG or JPEG picture, npz archive or IDX file of images; "),
    "empty": (b"", "is empty"),
    "blank.png": (encoded("PNG"), EVEN),
    "scaled.npz": (
        saved(x=np.full((2, 784), 0.5)),
        "x has values from 0.5 to 0.5, but the run was ",
    ),
    "bits.npz": (
        saved(x=np.eye(28, dtype=bool)[None]),
        "pixels from 0 to 255; multiply them by 255",
    ),
    "none.npz": (saved(x=np.zeros((0, 784))), "x has no examples"),
    "one.npz": (
        saved(x=np.zeros(784)),
        "x must have shape (examples, features), got (784,); for a ",
    ),
    "text.npz": (saved(x=np.array([["a"]])), "x must contain numbers, got text"),
    "half.npz": (saved(x=np.zeros((2, 784)), y=[0.5, 1]), "nnexp classifies; save classes"),
}


def test_what_shows_no_example_is_not_answered(bench: Bench, mnist: Run) -> None:
    """By predict and evaluate --data alike."""
    for name, (content, _) in UNREAD.items():
        written(name, content)
    Image.new("L", (1, 1), 0).save("dot.png")
    Image.new("L", (28, 28), 0).save("black.png")
    Path("folder").mkdir()
    said = bench("predict", str(mnist.path), *UNREAD, "dot.png", "black.png", "folder")
    assert (said.code, said.out) == (2, "")
    expected = [(name, message) for name, (_, message) in UNREAD.items()]
    expected += [("dot.png", EVEN), ("black.png", EVEN)]
    expected.append(("folder", "is a directory; name its files, such as folder/*"))
    for line, (name, message) in zip(said.err.splitlines(), expected, strict=True):
        assert line.startswith(f"{name}: ")
        assert message in line
        assert "data." not in line
    for name in ("scaled.npz", "blank.png", "a.gif"):
        said = bench("evaluate", str(mnist.path), "--data", name)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(f"{name}: ")
        assert UNREAD[name][1] in said.err
    assert bench("predict", str(mnist.path), "blank.png", "--raw").code == 0


def test_the_picture_says_how_many_examples_it_leaves_out(bench: Bench, mnist: Run) -> None:
    assert mnist.exists
    pixels = np.zeros((38, 784), np.uint8)
    pixels[:, 100:200] = 200
    inputs = Predictor([mnist]).inputs
    for count, title in ((38, "the first 30 of 38"), (31, "the first 30 of 31"), (30, ""), (1, "")):
        np.savez("n.npz", x=pixels[:count])
        read = [
            each
            for each in Predictor([mnist]).predict([Path("n.npz")])
            if isinstance(each, FilePrediction)
        ]
        drawn = predictions.figure(read, inputs)
        assert (drawn.title, len(drawn.panels)) == (title, min(count, 30))
    np.savez("n.npz", x=pixels[:20])
    both = Predictor([mnist]).predict([Path("n.npz"), Path("n.npz")])
    assert predictions.figure(
        [each for each in both if isinstance(each, FilePrediction)], inputs
    ).title == ("the first 30 of 40")
    assert bench("predict", str(mnist.path), "n.npz", "--shown", "seen.png").code == 0


def test_runs_that_are_not_finished_and_votes_are_mentioned(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "r", "--seeds", "2", "-q")
    bench("train", bench.config("c.yaml", epochs=9), "--name", "part", "--until", "2", "-q")
    single = bench("predict", "runs/r-s0", "tiny.npz")
    assert (single.err, "vote" in single.out) == ("", False)
    assert "The networks of 2 runs vote." in bench("predict", "runs/r", "tiny.npz").out
    assert "vote" not in bench("predict", "runs/r", "tiny.npz", "--csv").out
    every = bench("predict", "runs/*", "tiny.npz")
    assert "The networks of 3 runs vote." in every.out
    (best,) = json.loads(bench("evaluate", "runs/part-s0", "--json").out)["runs"]
    line = f"its best epoch so far, {best['best_epoch']}, predicts"
    assert every.err == f"runs/part-s0: is interrupted; {line}\n"
    assert every.code == 0
