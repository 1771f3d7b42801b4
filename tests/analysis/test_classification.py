"""Precision, recall, F1, their means and balanced accuracy equal scikit-learn's."""

from __future__ import annotations

import json
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.analysis.confusion import Classification, Macro, classify
from nnexp.analysis.evaluation import combine
from nnexp.report import classifications
from nnexp.store import predictions
from nnexp.store.predictions import Predictions
from nnexp.store.run import Run

if TYPE_CHECKING:
    from tests.conftest import Bench, Once

EXACT = 1e-12
TABLE = ["class", "precision", "recall", "F1", "examples"]


def of(true: list[int], predicted: list[int], classes: int) -> Classification:
    return classify(Predictions(np.array(predicted), np.array(true)), classes)


def check(found: dict[str, Any], true: Any, predicted: Any) -> None:  # noqa: ANN401 - arrays
    """Compare a classification, as JSON has it, with scikit-learn's functions."""
    metrics: Any = pytest.importorskip("sklearn.metrics")
    labels = range(len(found["recall"]))
    score = metrics.precision_recall_fscore_support
    *by_class, support = score(true, predicted, labels=labels, zero_division=0)
    *macro, _ = score(true, predicted, average="macro", zero_division=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class that is predicted and does not occur
        balanced = metrics.balanced_accuracy_score(true, predicted)
    for name, expected, mean in zip(("precision", "recall", "f1"), by_class, macro, strict=True):
        assert found[name] == pytest.approx(expected.tolist(), abs=EXACT, rel=0)
        assert found["macro"][name] == pytest.approx(mean, abs=EXACT, rel=0)
    assert found["balanced_accuracy"] == pytest.approx(balanced, abs=EXACT, rel=0)
    assert found["examples"] == support.tolist()


def as_json(classification: Classification) -> dict[str, Any]:
    output = classifications.output(classification)
    return {
        "precision": output.precision,
        "recall": output.recall,
        "f1": output.f1,
        "examples": output.examples,
        "balanced_accuracy": output.balanced_accuracy,
        "macro": {name: getattr(output.macro, name) for name in ("precision", "recall", "f1")},
    }


def test_a_classification_by_hand() -> None:
    """Of three 0s one is taken for 2; of two 1s one for 0, one for 2; 2 and 3 do not occur."""
    found = of([0, 0, 0, 1, 1], [0, 0, 2, 0, 2], 4)
    assert found == Classification((2, 0, 0, 0), (3, 2, 0, 0), (3, 0, 2, 0))
    assert found.precision == [2 / 3, 0, 0, 0]
    assert found.recall == [2 / 3, 0, 0, 0]
    assert found.f1 == [4 / 6, 0, 0, 0]
    assert found.balanced_accuracy == 1 / 3  # of 0 and 1, which occur
    assert found.macro == Macro(2 / 9, 2 / 9, 2 / 9)  # of 0, 1 and 2: 3 is not predicted either


@settings(deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda classes: st.lists(
            st.tuples(*2 * [st.integers(0, classes - 1)]), min_size=1, max_size=40
        ).map(lambda pairs: (classes, pairs))
    )
)
def test_it_equals_scikit_learn_s_with_absent_classes(
    drawn: tuple[int, list[tuple[int, int]]],
) -> None:
    classes, pairs = drawn
    true, predicted = (list(labels) for labels in zip(*pairs, strict=True))
    check(as_json(of(true, predicted, classes)), true, predicted)


def test_it_equals_scikit_learn_s_with_tied_outputs() -> None:
    """Outputs of few different values: most examples have several classes with the largest."""
    rng = np.random.default_rng(0)
    outputs = rng.integers(0, 3, (500, 5)) / 2
    labels = rng.choice(5, 500, p=[0.7, 0.1, 0.1, 0.1, 0])
    tied = np.sum(outputs == outputs.max(axis=1, keepdims=True), axis=1) > 1
    assert np.mean(tied) > 0.5
    predicted = combine(outputs, labels).predicted
    check(as_json(classify(Predictions(predicted, labels), 5)), labels, predicted)


def unbalanced(bench: Bench) -> str:
    """Write a csv file of three classes of 70, 25 and 5 percent and return a config of it."""
    rng = np.random.default_rng(0)
    names = np.repeat(["common", "rare", "scarce"], [140, 50, 10])
    points = rng.normal(0, 1, (200, 2)) + np.repeat([0.0, 1.0, 2.0], [140, 50, 10])[:, None]
    rows = [f"{x:.4f},{y:.4f},{name}" for (x, y), name in zip(points, names, strict=True)]
    (bench.folder / "u.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    data = {"name": "csv", "train_file": "u.csv", "validation": 0.3, "test": 0.3}
    return bench.config(
        "u.yaml", data=data, class_weights="balanced", epochs=3, patience=None, learning_rate=0.5
    )


@pytest.fixture
def runs(once: Once) -> list[str]:
    once(train_unbalanced)
    return ["runs/u-s0", "runs/u-s1"]


def train_unbalanced(bench: Bench) -> None:
    assert bench("train", unbalanced(bench), "--seeds", "2", "--name", "u", "-q").code == 0


@pytest.mark.parametrize("split", ["validation", "test"])
def test_show_and_evaluate_agree_with_scikit_learn(
    bench: Bench, runs: list[str], split: str
) -> None:
    """Class weights are no weights of the examples in these measures."""
    both = json.loads(bench("evaluate", *runs, "--on", split, "--json").out)
    assert both["classes"] == ["common", "rare", "scarce"]
    for run, evaluated in zip(runs, both["runs"], strict=True):
        stored = predictions.read(Run(run))[split]
        shown = json.loads(bench("show", run, "--json").out)["classification"][split]
        check(shown, stored.true, stored.predicted)
        assert evaluated["classification"] == shown
    assert both["vote"]["classification"]["examples"] == shown["examples"]


def rows(text: str) -> list[list[str]]:
    """Return the cells of a table by class, header included."""
    found = [re.split(" {2,}", line.strip()) for line in text.splitlines()]
    start = next(index for index, cells in enumerate(found) if cells == TABLE)
    end = next(index for index, cells in enumerate(found) if cells[0] == "macro average")
    return found[start : end + 1]


def test_the_table_names_the_classes_and_ends_with_the_macro_averages(
    bench: Bench, runs: list[str]
) -> None:
    said = json.loads(bench("show", runs[0], "--json").out)["classification"]["validation"]
    for text in (bench("show", runs[0]).out, bench("evaluate", runs[0]).out):
        header, *body, macro = rows(text)
        assert header == TABLE
        assert [cells[0] for cells in body] == ["common", "rare", "scarce"]
        for index, cells in enumerate(body):
            shares = (said[name][index] for name in ("precision", "recall", "f1"))
            assert cells[1:] == [*(f"{100 * share:.2f} %" for share in shares), cells[4]]
        assert [cells[4] for cells in body] == [str(count) for count in said["examples"]]
        means = [f"{100 * share:.2f} %" for share in said["macro"].values()]
        assert macro == ["macro average", *means, "60"]
        balanced = f"balanced accuracy {100 * said['balanced_accuracy']:.2f} %"
        assert balanced in " ".join(text.split())


def test_evaluate_shows_the_classes_of_the_vote_if_there_are_several_runs(
    bench: Bench, runs: list[str]
) -> None:
    text = bench("evaluate", *runs).out
    vote = json.loads(bench("evaluate", *runs, "--json").out)["vote"]["classification"]
    assert "By class (validation examples, vote of 2); balanced accuracy" in text
    assert rows(text)[1][2] == f"{100 * vote['recall'][0]:.2f} %"
    header, *lines = text.splitlines()[:4]
    assert header.endswith("validation accuracy  balanced accuracy  macro F1")
    assert lines[2].startswith("vote of 2 ")
    assert lines[2].endswith(f"{100 * vote['macro']['f1']:.2f} %")


def test_of_many_classes_those_with_the_lowest_f1_are_listed() -> None:
    """Class c of 30 is recognized in c of 30 cases and otherwise taken for class 29."""
    true = np.repeat(np.arange(30), 30)
    predicted = np.where(np.tile(np.arange(30), 30) < true, true, 29)
    found = classify(Predictions(predicted, true), 30)
    table = classifications.table(found, range(30), "test examples")
    assert table.caption.startswith("The 10 of 30 classes with the lowest F1 (test examples); ")
    lowest = sorted(range(30), key=lambda label: found.f1[label])[:10]
    assert [row[0] for row in table.rows] == [*map(str, lowest), "macro average"]
    assert table.rows[0][:4] == ["0", "0.00 %", "0.00 %", "0.00 %"]
    assert table.rows[-1][4] == "900"


def test_the_report_has_the_table_of_all_runs_of_an_experiment(
    bench: Bench, runs: list[str]
) -> None:
    assert bench("report", "runs/u", "-o", "u.html").code == 0
    text = (bench.folder / "u.html").read_text()
    assert "By class (A: test examples of 2 runs); balanced accuracy" in text
    stored = [predictions.read(Run(run))["test"] for run in runs]
    true = np.concatenate([part.true for part in stored])
    predicted = np.concatenate([part.predicted for part in stored])
    recall = np.mean(predicted[true == 1] == 1)
    assert f"<td>{100 * recall:.2f} %</td>" in re.sub(r"<td class[^>]*>", "<td>", text)
