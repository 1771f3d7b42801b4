"""New examples are read, prepared and classified as the run's own were."""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import drawings
from nnexp.datasets import drawing
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Mnist
from nnexp.store.predictions import read as read_predictions
from nnexp.store.run import Run

if TYPE_CHECKING:
    from tests.conftest import Bench, Said

QUICK = ("--set", "data.train=10000", "--set", "epochs=4", "-q")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def mnist(bench: Bench) -> Run:
    """A run that knows MNIST's digits."""
    assert bench("train", "quickstart", *QUICK, "--name", "digits").code == 0
    return Run(Path("runs/digits-s0"))


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


def write_flowers() -> None:
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 3
    rows = [
        f"{k + rng.normal(0, 0.1):.3f},{100 * (3 - k) + rng.normal(0, 9):.1f},{'abc'[k]}"
        for k in kinds
    ]
    Path("d.csv").write_text("\n".join(["length,width,kind", *rows]) + "\n")


@pytest.fixture
def flowers(bench: Bench) -> Bench:
    """Two seeds of a run on a table that is standardized."""
    write_flowers()
    data = {"name": "csv", "train_file": "d.csv", "standardize": True, "test": 0.3}
    keys = {"monitor": ["train"], "patience": None, "epochs": 30, "learning_rate": 0.5}
    bench.config("flowers.yaml", data=data, **keys)
    assert bench("train", "flowers.yaml", "-q", "--seeds", "2", "--name", "f").code == 0
    return bench


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


@pytest.mark.parametrize(
    ("labels", "names", "shown"),
    [
        ([0, 1, 2], None, ["0", "1", "2"]),
        ([2.0, 2.0], None, ["2", "2"]),
        (["2", "0"], None, ["2", "0"]),
        ([[0, 1, 0], [1, 0, 0]], None, ["1", "0"]),
        ([1, 0], ["0", "2"], ["2", "0"]),
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
