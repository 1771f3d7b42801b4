"""MNIST as packaged, and the selection of classes, counts and matching splits from a source."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.datasets import idx, selection
from nnexp.datasets.classes import distinct
from nnexp.datasets.data_warnings import scale_warning
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.loading import READERS, load
from nnexp.datasets.selection import Part, Parts
from nnexp.datasets.sources import Csv, Idx, Mnist, Npz, Source
from nnexp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def numbered(labels: list[int], name: str = "train", fan_in: int = 2) -> Part:
    """Return a part whose features tell which example it was."""
    features = np.arange(len(labels) * fan_in, dtype=np.float32).reshape(len(labels), fan_in)
    return Part(features, np.array(labels, dtype=np.int64), f"{name}-x", f"{name}-y")


def parts(train: list[int], validation: list[int], test: list[int] | None = None) -> Parts:
    """Return all parts, features numbered."""
    held = None if test is None else numbered(test, "test")
    return Parts(numbered(train), numbered(validation, "validation"), held, {"x": "0"})


def rows(split: Split | None) -> list[int]:
    """Return which examples a split of numbered features holds."""
    assert split is not None
    return [int(value) // 2 for value in split.features[:, 0]]


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load(Mnist())


def test_mnist_is_split_as_in_the_book(mnist: Dataset) -> None:
    assert mnist.validation is not None
    assert mnist.test is not None
    sizes = [split.features.shape for split in (mnist.train, mnist.validation, mnist.test)]
    assert sizes == [(50_000, 784), (10_000, 784), (10_000, 784)]
    assert mnist.train.features.dtype == np.uint8
    assert mnist.train.labels.dtype == np.int64
    assert (mnist.classes, mnist.scale) == (10, 255.0)
    assert mnist.sha256 == idx.MNIST_SHA256


def test_mnist_holds_its_known_first_labels(mnist: Dataset) -> None:
    assert mnist.validation is not None
    assert mnist.test is not None
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.validation.labels[:5].tolist() == [3, 8, 6, 9, 6]
    assert mnist.test.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_mnist_pixels_have_their_known_mean_and_deviation(mnist: Dataset) -> None:
    counts = np.zeros(256, dtype=np.int64)
    for split in (mnist.train, mnist.validation):
        assert split is not None
        counts += np.bincount(split.features.reshape(-1), minlength=256)
    values, n = np.arange(256) / 255, counts.sum()
    mean = (counts * values).sum() / n
    deviation = np.sqrt((counts * (values - mean) ** 2).sum() / n)
    assert (round(mean, 4), round(deviation, 4)) == (0.1307, 0.3081)


def test_mnist_splits_are_views_of_one_array(mnist: Dataset) -> None:
    assert mnist.validation is not None
    train, validation = mnist.train.features, mnist.validation.features
    first, second = (array.__array_interface__["data"][0] for array in (train, validation))
    assert second - first == train.nbytes


def test_mnist_loads_in_little_memory() -> None:
    program = (
        "import resource\n"
        "from nnexp.datasets.loading import load\n"
        "from nnexp.datasets.sources import Mnist\n"
        "dataset = load(Mnist())\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    peak = output.strip()
    unit = 1 if sys.platform == "darwin" else 1024
    # A child begins with the peak of the process it was forked from, so that one is allowed too.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert int(peak) * unit < 150e6 or int(peak) <= own


def test_a_damaged_package_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = idx.MNIST_DIRECTORY
    for name in idx.MNIST_NAMES.values():
        (tmp_path / name).symlink_to(shipped / name)
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    labels.unlink()
    content = bytearray((shipped / labels.name).read_bytes())
    content[100] ^= 1
    labels.write_bytes(content)
    monkeypatch.setattr(idx, "MNIST_DIRECTORY", tmp_path)
    expected = f"^{labels}: damaged: its sha256 is not MNIST's; reinstall nnexp$"
    with pytest.raises(DataError, match=expected):
        load(Mnist())
    labels.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"10007; it is cut short: .* belongs to nnexp: reinstall"):
        load(Mnist())
    labels.unlink()
    with pytest.raises(DataError, match=f"^{labels}: missing; reinstall nnexp$"):
        load(Mnist())


def test_the_two_class_problem_of_the_chapter() -> None:
    dataset = load(Mnist(train=1000, validation=100, classes=(0, 1)))
    assert dataset.validation is not None
    assert dataset.test is not None
    assert (len(dataset.train.labels), len(dataset.validation.labels)) == (1000, 100)
    assert len(dataset.test.labels) == 2115  # t10k holds 980 zeros and 1135 ones
    assert dataset.classes == 2
    assert dataset.train.labels[:3].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("labels", "found"),
    [([], []), ([7], [7]), ([3, -1, 3, 2, -1], [-1, 2, 3]), ([2**53, 0], [0, 2**53])],
)
def test_each_label_is_found_once_in_ascending_order(labels: list[int], found: list[int]) -> None:
    assert distinct(np.array(labels, np.int64)) == found


def test_classes_are_renumbered_in_the_order_given() -> None:
    dataset = selection.select(
        Mnist(classes=(7, 3)), parts([3, 5, 7, 7, 3], [7, 5, 3], [3, 3, 7, 0])
    )
    assert dataset.train.labels.tolist() == [1, 0, 0, 1]
    assert rows(dataset.train) == [0, 2, 3, 4]
    assert dataset.validation is not None
    assert dataset.validation.labels.tolist() == [0, 1]
    assert rows(dataset.test) == [0, 1, 2]


def test_counts_take_the_first_after_the_classes_have_filtered() -> None:
    dataset = selection.select(
        Mnist(classes=(0, 2), train=2, validation=1), parts([1, 2, 1, 0, 0], [1, 1, 0, 2])
    )
    assert rows(dataset.train) == [1, 3]
    assert rows(dataset.validation) == [2]
    assert dataset.test is None


def test_a_count_leaves_the_number_of_classes_as_it_is() -> None:
    dataset = selection.select(Mnist(train=1), parts([0, 1, 2], [0]))
    assert (dataset.classes, rows(dataset.train)) == (3, [0])


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=40),
    classes=st.permutations(range(5)).flatmap(
        lambda order: st.integers(2, 5).map(lambda n: order[:n])
    ),
)
def test_a_selection_keeps_each_example_of_its_classes_once(
    labels: list[int], classes: list[int]
) -> None:
    train = [0, 1, 2, 3, 4, *labels]
    dataset = selection.select(Mnist(classes=tuple(classes)), parts(train, train))
    kept = rows(dataset.train)
    assert kept == [i for i, label in enumerate(train) if label in classes]
    assert [classes[label] for label in dataset.train.labels] == [train[i] for i in kept]


@given(n=st.integers(3, 50), held_out=st.integers(1, 50))
def test_held_out_examples_are_the_last_training_examples(n: int, held_out: int) -> None:
    held_out = min(held_out, n - 2)
    whole = numbered([0, 1] * n)
    dataset = selection.select(Idx(), Parts(whole, None, None, {}, held_out=held_out))
    assert rows(dataset.train) == list(range(2 * n - held_out))
    assert rows(dataset.validation) == list(range(2 * n - held_out, 2 * n))


@pytest.mark.parametrize(
    ("source", "given_parts", "message"),
    [
        (
            Mnist(train=6),
            parts([0, 1, 0, 1, 0], [0]),
            "train-y: data.train asks for 6 examples, but there are 5",
        ),
        (
            Mnist(validation=2, classes=(0, 1)),
            parts([0, 1], [0, 2]),
            "validation-y: data.validation asks for 2 examples of classes [0, 1], but there are 1",
        ),
        (
            Csv(train_file="a", test=2),
            parts([0, 1], [0]),
            "train-y: data.validation = 0 and data.test = 2 leave none of the 2 examples",
        ),
        (
            Csv(train_file="a", validation=0.5),
            parts([0, 1], [0]),
            "data.validation: 0.5 is a fraction of the training examples to split off, but",
        ),
        (Mnist(train=-1), parts([0, 1], [0]), "train-y: data.train asks for -1 examples"),
        (Mnist(classes=(0, 0)), parts([0, 1], [0]), "data.classes: a class is named twice"),
        (
            Mnist(classes=(0, 5)),
            parts([0, 1], [0]),
            "train-y: no example of class 5 (known: 0, 1)",
        ),
        (
            Mnist(classes=(1,)),
            parts([0, 1], [0]),
            "train-y: only one class, '1'; a classifier needs at least two",
        ),
        (Mnist(), parts([0, 0], [0]), "train-y: only one class, '0'; a classifier needs at least"),
        (Mnist(), parts([3, 3], [3]), "train-y: only one class, '3'; a classifier needs at least"),
        (Mnist(), parts([], [0]), "train-x: no training examples"),
        (
            Mnist(),
            parts([0, 1], [0, 2]),
            "validation-y: label 2 of example 2 does not occur in the training data (known: 0, 1)",
        ),
        (
            Mnist(),
            parts([0, 1], [0], [9]),
            "test-y: label 9 of example 1 does not occur in the training data (known: 0, 1)",
        ),
        (
            Mnist(),
            parts(list(range(10_001)), [0]),
            "10001 classes would need as many output neurons",
        ),
        (
            Mnist(),
            Parts(numbered([0, 1]), numbered([0], "validation", 3), None, {}),
            "validation-x: 3 features per example, but train-x has 2",
        ),
        (
            Mnist(),
            Parts(numbered([0, 1], fan_in=0), None, None, {}),
            "train-x: examples without features",
        ),
    ],
)
def test_what_cannot_be_selected_is_refused(
    source: Source, given_parts: Parts, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        selection.select(source, given_parts)
    assert message in str(caught.value)


def test_features_without_labels_of_their_own_are_refused() -> None:
    with pytest.raises(DataError, match=r"^y: 3 labels for the 2 examples of x; each"):
        selection.pair(np.zeros((2, 1)), np.zeros(3, dtype=np.int64), "x", "y")


@pytest.mark.parametrize(
    ("features", "scale", "expected"),
    [
        (np.array([[0.0, 1.0]]), 255.0, "data.scale = 255 is 0.00392; already scaled?"),
        (np.array([[-5.0, 1.0]]), 255.0, "data.scale = 255 is 0.0196; already"),
        (np.array([[-26.0, 1.0]]), 255.0, None),
        (np.array([[0.0, 255.0]]), 1.0, "data.scale = 1 is 255; such inputs saturate neurons"),
        (np.array([[0.0, 1.0]]), 1.0, None),
        (np.array([[0, 255]], dtype=np.uint8), 256.0, None),
        (np.array([[0, 1]], dtype=np.uint8), 256.0, "data.scale = 256 is 0.00391; already scaled?"),
    ],
)
def test_features_that_were_scaled_before_are_warned_of(
    features: np.ndarray[Any, Any], scale: float, expected: str | None
) -> None:
    split = Split(features, np.zeros(1, dtype=np.int64))
    warning = scale_warning(Dataset(split, None, None, 2, scale, {}))
    if expected is None:
        assert warning is None
    else:
        assert warning is not None
        assert expected in warning
        assert "set data.scale" in warning


def test_every_source_of_a_config_has_its_reader() -> None:
    assert set(READERS) == set(Source.__subclasses__())


NOWHERE = "/no/such\nfile"


@pytest.mark.parametrize(
    "source",
    [
        Idx(directory=NOWHERE),
        Idx(train_images=NOWHERE, train_labels=NOWHERE),
        Npz(file=NOWHERE),
        Csv(train_file=NOWHERE),
    ],
)
def test_a_missing_file_is_named_on_one_line(source: Source) -> None:
    with pytest.raises(DataError) as caught:
        load(source)
    assert str(caught.value) == r"/no/such\nfile: No such file or directory"


def test_a_name_that_no_file_can_have_is_a_data_error() -> None:
    with pytest.raises(DataError, match=r"^a\\x00b: is not a valid file name"):
        load(Npz(file="a\0b"))
