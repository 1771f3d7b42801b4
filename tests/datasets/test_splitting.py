"""Validation and test examples are split off within classes, the same for every seed."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nnexp.config import load as load_config
from nnexp.datasets import splitting
from nnexp.datasets.data_warnings import data_warnings
from nnexp.datasets.dataset import Dataset, Split
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Npz
from nnexp.errors import DataError
from nnexp.tune import quick_problem

if TYPE_CHECKING:
    from nnexp.datasets.dataset import Labels
    from tests.conftest import Bench


NAMES = "abcdefghijklmnop"


def divide(
    labels: Labels, validation: float | None, test: float | None, seed: int = 0
) -> splitting.Division:
    return splitting.divide(labels, NAMES, validation, test, seed, "d.csv")


@given(
    sizes=st.lists(st.integers(2, 40), min_size=2, max_size=5),
    validation=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
    seed=st.integers(0, 5),
)
def test_splits_are_disjoint_complete_and_have_each_class_s_share(
    sizes: list[int], validation: float, test: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    n = len(labels)
    assume(n - sum(splitting.count(share, n) for share in (validation, test)) >= len(sizes))
    division = divide(labels, validation, test, seed)
    assert sorted(np.concatenate(division).tolist()) == list(range(n))
    assert len(division.test) == max(1, int(test * n + 0.5))
    assert len(division.validation) == max(1, int(validation * n + 0.5))
    for kind, size in enumerate(sizes):
        for rows in (division.validation, division.test):
            own = np.count_nonzero(labels[rows] == kind)
            share = min(size * len(rows) / n, size - 1)
            assert abs(own - share) <= 1 or min(sizes) * len(rows) < 3 * n, "all are rounded"
        assert (labels[division.train] == kind).any()


def test_the_split_is_known() -> None:
    """The rows that a seed chooses must never change."""
    labels = np.array([0, 1] * 6)
    division = divide(labels, 2, 4)
    assert [rows.tolist() for rows in division[1:]] == KNOWN
    assert divide(labels, 2, 4, 1).sha256 != division.sha256


KNOWN = [[1, 4], [2, 3, 7, 8]]


def test_test_rows_do_not_depend_on_the_validation_rows() -> None:
    labels = np.arange(60) % 3
    few, many = (divide(labels, n, 0.2) for n in (5, 20))
    assert few.test.tolist() == many.test.tolist()
    assert set(few.validation.tolist()) < set(many.validation.tolist())


def test_an_example_of_each_class_must_be_left_to_train() -> None:
    with pytest.raises(DataError, match="leave none of the 4 examples for training; use smaller"):
        divide(np.array([0, 1, 0, 1]), 2, 2)
    with pytest.raises(DataError, match=r"leave only 1 of the 4 examples .* each of the 2 classes"):
        divide(np.array([0, 1, 0, 1]), 1, 2)


def test_every_seed_has_the_same_split_and_another_split_seed_another(bench: Bench) -> None:
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(60)]
    Path("d.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    data = {"name": "csv", "train_file": "d.csv", "validation": 0.25, "test": 10}
    bench.config("c.yaml", data=data, epochs=1)
    assert bench("train", "c.yaml", "-q", "--seeds", "2", "--name", "a").code == 0
    assert bench("train", "c.yaml", "-q", "--name", "b", "--set", "data.split_seed=1").code == 0
    records = [
        json.loads(Path(f"runs/{run}/run.json").read_text()) for run in ("a-s0", "a-s1", "b-s0")
    ]
    digests = [record["data"]["split_sha256"] for record in records]
    assert digests[0] == digests[1] != digests[2]
    sizes = [records[0]["data"][split] for split in ("train", "validation", "test")]
    assert sizes == [35, 15, 10]
    refused = bench("evaluate", "runs/a-s0", "runs/b-s0")
    assert refused.code == 6
    assert "does not have the same split of the examples" in refused.err


def dataset(train: list[list[float]], test: list[list[float]]) -> Dataset:
    def split(rows: list[list[float]]) -> Split:
        return Split(np.array(rows), np.arange(len(rows)) % 2)

    return Dataset(split(train), None, split(test), 2, 1.0, {}, feature_names=("a", "b"))


ROWS = [[i / 20, (20 - i) / 20] for i in range(20)]


@pytest.mark.parametrize(
    ("train", "test", "warning"),
    [
        (ROWS, [[a, 255 * b] for a, b in ROWS], "the test examples are scaled differently from"),
        ([[a, 255 * b] for a, b in ROWS], ROWS, "the test examples are scaled differently from"),
        ([[a, 3] for a, _ in ROWS], ROWS, "feature 'b' is constant in the training examples"),
        ([[a, 1e39 * b] for a, b in ROWS], ROWS, "feature 'b' exceeds the 3.4e+38 that float32"),
        ([[a, 1.7e9 + b] for a, b in ROWS], ROWS, "which float32 can hardly tell apart"),
        (ROWS, [ROWS[0]] * 2, None),
        (ROWS, ROWS, None),
    ],
)
def test_data_that_will_not_be_learned_causes_a_warning(
    train: list[list[float]], test: list[list[float]], warning: str | None
) -> None:
    warnings = data_warnings(dataset(train, test))
    if warning is None:
        assert warnings == []
    else:
        assert any(warning in text for text in warnings)


def test_an_absent_class_causes_a_warning() -> None:
    whole = dataset(ROWS, ROWS)
    assert whole.test is not None
    only = whole.test.features, np.zeros(20, np.int64)
    warned = data_warnings(whole._replace(test=Split(*only), class_names=("no", "yes")))
    assert warned == ["no test example is of class yes: it cannot be judged"]


@pytest.mark.parametrize(
    ("rare", "examples", "remark"),
    [
        ("malignent", 1, "; 'malignent' has only 1 example: a misspelling of 'malignant'?"),
        ("Malignant", 2, "; 'Malignant' has only 2 examples: a misspelling of 'malignant'?"),
        ("unknown", 1, "; 'unknown' has only 1 example"),
        ("of type 3", 1, "; 'of type 3' has only 1 example"),
        ("malignent", 5, ""),
    ],
)
def test_an_absent_class_that_is_rare_may_be_a_misspelling(
    rare: str, examples: int, remark: str
) -> None:
    names = ("malignant", "of type 1", rare)
    labels = np.array([0] * 20 + [1] * 20 + [2] * examples)
    train = Split(np.arange(len(labels), dtype=np.float64)[:, None] / len(labels), labels)
    test = Split(train.features[:40], labels[:40])
    data = dataset(ROWS, ROWS)._replace(train=train, test=test, classes=3, class_names=names)
    warned = f"no test example is of class {rare}: it cannot be judged{remark}"
    assert data_warnings(data) == [warned]


def test_classes_without_training_examples_cause_a_warning(bench: Bench) -> None:
    rows = [f"{i % 7},{'abc'[i // 20]}" for i in range(60)]
    Path("d.csv").write_text("\n".join(["x,kind", *rows]) + "\n")
    data = {"name": "csv", "train_file": "d.csv", "train": 10}
    bench.config("c.yaml", data=data, epochs=1, monitor=["train"], patience=None)
    said = bench("train", "c.yaml", "-q")
    assert said.code == 0
    assert said.err == "warning: no training example is of classes b, c: they cannot be learned\n"


def test_the_data_is_blamed_for_features_that_float32_cannot_hold(bench: Bench) -> None:
    rows = [f"{1 + i % 3}e39,{'ab'[i % 2]}" for i in range(20)]
    Path("d.csv").write_text("\n".join(["x,kind", *rows]) + "\n")
    data = {"name": "csv", "train_file": "d.csv"}
    bench.config("c.yaml", data=data, monitor=["train"], patience=None)
    said = bench("train", "c.yaml", "-q")
    assert said.code == 3
    assert (
        "since the data has features beyond what float32 can hold; set data.standardize" in said.err
    )
    assert "learning_rate" not in said.err


def test_inspect_describes_the_data(bench: Bench) -> None:
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(60)]
    Path("d.csv").write_text("\n".join(["x,y,kind", *rows, "0,0,a"]) + "\n")
    data = {"name": "csv", "train_file": "d.csv", "validation": 0.25, "test": 10}
    bench.config("c.yaml", data=data)
    said = bench("inspect", "c.yaml", "--data", "--plot", "d.png")
    assert said.code == 0
    assert Path("d.png").read_bytes().startswith(b"\x89PNG")
    assert "csv: 2 features, 2 classes" in said.out
    described = json.loads(bench("inspect", "c.yaml", "--data", "--json").out)
    assert described["classes"] == ["a", "b"]
    assert sum(split["examples"] for split in described["splits"].values()) == 61
    assert described["features"][0]["name"] == "x"
    assert described["features"][0]["values"]["max"] == 6
    assert not Path("runs").exists()
    assert bench("inspect", "tiny.yaml", "--data", "--plot", "t.svg").code == 0


def test_classes_that_are_too_small_for_a_share_contribute_in_turn() -> None:
    labels = np.repeat(np.arange(11), [60] + [3] * 10)
    division = divide(labels, 0.2, 0.2)
    counts = [np.bincount(labels[rows], minlength=11) for rows in division]
    assert [own.sum() for own in counts] == [54, 18, 18]
    for own in counts[1:]:
        assert abs(own[0] - 12) <= 1
        assert own[1:].max() == 1
    assert (counts[1] + counts[2])[1:].min() == 1, "no class is left out twice"


@pytest.mark.parametrize("numbers", [{"validation": 0.2, "test": 30}, {"test": 0.33}])
@pytest.mark.parametrize("train", [None, 25])
def test_a_problem_of_two_classes_uses_no_test_example(
    bench: Bench, numbers: dict[str, float], train: int | None
) -> None:
    kinds = ("ox", "ass", "hen", "ox", "hen")
    rows = [f"{i},{i % 5},{kinds[i % 5]}" for i in range(97)]
    Path("d.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    Path("v.csv").write_text("\n".join(["x,y,kind", *rows[:30]]) + "\n")
    data: dict[str, object] = {"name": "csv", "train_file": "d.csv", "train": train, **numbers}
    if "validation" not in numbers:
        data["validation_file"] = "v.csv"
    config = load_config.read(bench.config("c.yaml", data=data, class_weights=[1, 2, 3]))
    whole = load(config.data)
    problem = quick_problem.two_classes(quick_problem.derive(config, whole, 40), whole)
    assert problem is not None
    assert problem.data.classes == ("ass", "hen")
    assert problem.class_weights == (1.0, 2.0)
    small = load(problem.data)
    assert small.class_names == ("ass", "hen")
    assert whole.test is not None
    tested = set(whole.test.features[:, 0].tolist())
    used = small.train.features[:, 0].tolist()
    if "validation" in numbers:
        assert small.validation is not None
        used += small.validation.features[:, 0].tolist()
    assert len(used) >= (train or 50) // 2
    assert not tested & set(used)


def idx_files(folder: Path, examples: int) -> None:
    """Write images of a number, its place in the file, and labels in the order of the classes."""
    count = np.arange(examples, dtype=">u4").view(np.uint8)
    labels = bytes(3 * i // examples for i in range(examples))
    (folder / "i").write_bytes(struct.pack(">4I", 0x803, examples, 2, 2) + count.tobytes())
    (folder / "l").write_bytes(struct.pack(">2I", 0x801, examples) + labels)


def places(split: Split | None) -> set[int]:
    assert split is not None
    return {int.from_bytes(bytes(row), "big") for row in split.features}


def test_a_quick_problem_of_idx_files_uses_no_test_example(bench: Bench) -> None:
    """Their last sixth is for validation only where no fraction is asked for."""
    idx_files(bench.folder, 3000)
    data = {"name": "idx", "train_images": "i", "train_labels": "l", "validation": 0.1, "test": 0.2}
    config = load_config.read(bench.config("c.yaml", data=data))
    whole = load(config.data)
    quick = quick_problem.derive(config, whole, 2100)
    for problem in (quick, quick_problem.two_classes(quick, whole)):
        assert problem is not None
        small = load(problem.data)
        used = places(small.train) | places(small.validation)
        assert len(used) > 500
        assert not used & places(whole.test)


def test_a_problem_of_two_classes_needs_examples_to_train_on(bench: Bench) -> None:
    rows = [f"{i},{kind}" for i, kind in enumerate(["a"] * 2 + ["b"] * 2 + ["c"] * 100)]
    Path("d.csv").write_text("\n".join(["x,kind", *rows]) + "\n")
    data = {"name": "csv", "train_file": "d.csv", "validation": 0.2, "test": 0.2}
    config = load_config.read(bench.config("c.yaml", data=data))
    whole = load(config.data)
    assert quick_problem.two_classes(quick_problem.derive(config, whole, 60), whole) is None


def test_a_problem_of_two_classes_chooses_them_by_their_labels(bench: Bench) -> None:
    labels = np.arange(60) % 3 + 1
    names = np.array(["0", "1", "2"])
    np.savez("d.npz", x_train=np.arange(60.0)[:, None], y_train=labels, class_names=names)
    config = load_config.read(
        bench.config("c.yaml", data={"name": "npz", "file": "d.npz", "validation": 0.2})
    )
    whole = load(config.data)
    problem = quick_problem.two_classes(quick_problem.derive(config, whole, 48), whole)
    assert problem is not None
    assert problem.data.classes == (1, 2)
    assert load(problem.data).class_names == ("0", "1")


@pytest.mark.parametrize("test", [None, 5, 0.2])
def test_a_split_of_other_classes_only_is_refused(tmp_path: Path, test: float | None) -> None:
    x, y = np.arange(30.0)[:, None], np.arange(30) % 3
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x[:5], y_test=np.full(5, 2))
    source = Npz(file=str(tmp_path / "d.npz"), classes=(0, 1), test=test)
    with pytest.raises(DataError, match=r"none of the 5 test examples is of the chosen classes"):
        load(source)
