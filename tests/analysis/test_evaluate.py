"""nnexp evaluate measures runs again, and lets several vote."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.analysis import evaluation
from nnexp.errors import CorruptError, MismatchError, UsageError
from nnexp.nn.network import Network
from nnexp.store import checkpoint
from nnexp.store.run import Run

if TYPE_CHECKING:
    from tests.conftest import Bench, Once

LABELS = np.array([0, 1, 2, 1])


def test_a_vote_goes_to_the_class_with_the_largest_mean_output() -> None:
    """Two are right and unsure in the first example, one is wrong and sure; and so on."""
    nets = np.array(
        [
            [[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.5, 0.0, 0.4], [0.9, 0.8, 0.0]],
            [[0.6, 0.4, 0.0], [0.8, 0.7, 0.0], [0.5, 0.0, 0.4], [0.0, 0.9, 0.0]],
            [[0.0, 0.3, 0.9], [0.8, 0.7, 0.0], [0.0, 0.0, 0.4], [0.9, 0.0, 0.0]],
        ]
    )
    vote = evaluation.combine(nets.mean(axis=0), LABELS)
    assert vote.predicted.tolist() == [0, 1, 2, 0]
    assert vote.accuracy == 3 / 4


def test_a_tie_goes_to_the_first_class() -> None:
    assert evaluation.combine(np.array([[0.5, 0.5], [0.2, 0.2]]), np.array([0, 1])).accuracy == 0.5


def test_tanh_outputs_vote_on_the_scale_of_the_others() -> None:
    tanh = Network((2, 3), "tanh", "tanh", "quadratic")
    linear = Network((2, 3), "tanh", "linear", "quadratic")
    outputs = np.array([[-1.0, 0.0, 1.0]])
    assert evaluation.beliefs(outputs, tanh).tolist() == [[0.0, 0.5, 1.0]]
    assert evaluation.beliefs(outputs, linear).tolist() == [[-1.0, 0.0, 1.0]]


@pytest.fixture
def runs(once: Once) -> list[str]:
    """Three runs that differ in their seeds."""
    bench = once(train_three)
    return sorted(str(path.relative_to(bench.folder)) for path in bench.folder.glob("runs/tiny-*"))


def train_three(bench: Bench) -> None:
    """Train the runs."""
    bench("train", "tiny.yaml", "--seeds", "3", "-q")


def test_a_damaged_best_epoch_is_not_replaced_by_the_best_of_the_others(
    bench: Bench, runs: list[str]
) -> None:
    run = next(each for each in runs if result(bench, each)["best"]["epoch"] == 3)
    newest = bench.folder / run / "checkpoints/epoch-000003.npz"
    newest.write_bytes(newest.read_bytes()[:1000])
    said = bench("evaluate", run)
    assert (said.code, said.out) == (5, "")
    assert "epoch-000003.npz" in said.err


def result(bench: Bench, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bench.folder / run / "result.json").read_text())
    return found


def test_a_run_s_measure_is_the_one_it_recorded_to_the_last_digit(
    bench: Bench, runs: list[str]
) -> None:
    for run in runs:
        recorded = result(bench, run)
        best = recorded["best"]
        (on_validation,) = json.loads(bench("evaluate", run, "--json").out)["runs"]
        del on_validation["classification"]
        assert on_validation == {
            "run": run,
            "best_epoch": best["epoch"],
            "validation_cost": best["validation_cost"],
            "validation_accuracy": best["validation_accuracy"],
        }
        said = json.loads(bench("evaluate", run, "--on", "test", "--json").out)
        (on_test,) = said["runs"]
        assert on_test["test_cost"] == recorded["test_cost"]
        assert on_test["test_accuracy"] == recorded["test_accuracy"]
        assert (said["examples"], said["vote"]) == (40, None)


def outputs(bench: Bench, run: str, split: str) -> Any:  # noqa: ANN401 - an array
    """Return a run's outputs from its checkpoint's arrays and the data, by NumPy alone."""
    epoch = result(bench, run)["best"]["epoch"]
    signal = np.load(bench.folder / "tiny.npz")[f"x_{split}"] / 255
    with np.load(bench.folder / run / "checkpoints" / f"epoch-{epoch:06d}.npz") as arrays:
        for layer in (1, 2):
            z = signal @ arrays[f"weights_{layer}"] + arrays[f"biases_{layer}"]
            signal = 1 / (1 + np.exp(-z))
    return signal


@pytest.mark.parametrize("split", ["validation", "test"])
def test_several_runs_vote_by_the_mean_of_their_outputs(
    bench: Bench, runs: list[str], split: str
) -> None:
    said = json.loads(bench("evaluate", *runs, "--on", split, "--json").out)
    mean = np.mean([outputs(bench, run, split) for run in runs], axis=0)
    labels = np.load(bench.folder / "tiny.npz")[f"y_{split}"]
    assert said["vote"][f"{split}_accuracy"] == np.mean(mean.argmax(axis=1) == labels)
    assert [each["run"] for each in said["runs"]] == runs


def test_runs_of_other_architectures_and_outputs_vote_too(bench: Bench, runs: list[str]) -> None:
    other = bench.config(
        "other.yaml", hidden=[4, 3], output="softmax", cost="log-likelihood", dtype="float64"
    )
    run = bench("train", other, "-q").out.strip()
    said = json.loads(bench("evaluate", runs[0], run, "--json").out)
    assert said["vote"] is not None


def test_the_table_has_a_line_a_run_and_one_for_the_vote(bench: Bench, runs: list[str]) -> None:
    said = bench("evaluate", *runs)
    lines = said.out.splitlines()
    assert said.code == 0
    assert "validation cost  validation accuracy" in lines[0]
    assert [line.split()[0] for line in lines[1:4]] == runs
    assert lines[4].startswith("vote of 3 ")
    alone, by_class = bench("evaluate", runs[0]).out.split("\n\n", 1)
    assert len(alone.splitlines()) == 2
    assert by_class.startswith("By class (validation examples); balanced accuracy ")


def test_nothing_of_a_run_is_changed_and_no_lock_is_taken(bench: Bench, runs: list[str]) -> None:
    path = bench.folder / runs[0]
    before = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    lock = os.open(path / "LOCK", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert bench("evaluate", *runs).code == 0
    os.close(lock)
    assert before == {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}


def test_an_interrupted_run_is_measured_at_its_best_committed_epoch(bench: Bench) -> None:
    run = bench("train", bench.config(epochs=9), "--until", "2", "-q").out.strip()
    rows = (bench.folder / run / "metrics.jsonl").read_text().splitlines()
    best = max(map(json.loads, rows), key=lambda row: (row["validation_accuracy"], -row["epoch"]))
    with (bench.folder / run / "metrics.jsonl").open("a") as file:  # killed before its commit
        file.write(json.dumps(best | {"epoch": 3, "validation_accuracy": 1.0}) + "\n")
    (measured,) = json.loads(bench("evaluate", run, "--json").out)["runs"]
    assert (measured["best_epoch"], measured["validation_cost"]) == (
        best["epoch"],
        best["validation_cost"],
    )


@pytest.mark.parametrize("running", [True, False])
def test_checkpoints_that_a_running_writer_has_just_removed_are_looked_for_anew(
    bench: Bench, runs: list[str], monkeypatch: pytest.MonkeyPatch, *, running: bool
) -> None:
    path = bench.folder / runs[0]
    missing = [CorruptError("is missing") for _ in (path / "checkpoints").iterdir()]
    (path / "result.json").unlink()
    real = checkpoint.read

    def read(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the real one
        if missing:
            raise missing.pop()
        return real(*arguments, **options)

    monkeypatch.setattr(checkpoint, "read", read)
    with (path / "LOCK").open("rb+") as lock:
        if running:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert evaluation.evaluate([Run(path)]).runs[0].accuracy > 0
        else:
            with pytest.raises(CorruptError, match="is missing"):
                evaluation.evaluate([Run(path)])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["data.classes=[2, 1, 0]"], "does not have the same classes as"),
        (["data.validation=30"], "does not have the same number of validation examples as"),
        (["data.file=other.npz"], "does not have the same data as"),
    ],
)
def test_runs_of_other_data_cannot_vote(
    bench: Bench, runs: list[str], settings: list[str], told: str
) -> None:
    bench.data(seed=1, name="other.npz")
    other = bench("train", "tiny.yaml", "-q", "--set", *settings).out.strip()
    said = bench("evaluate", runs[0], other)
    assert (said.code, said.out) == (6, "")
    assert told in said.err
    assert said.err.startswith(other)
    assert bench("evaluate", other).code == 0


def test_fewer_training_examples_or_another_scale_are_no_obstacle(
    bench: Bench, runs: list[str]
) -> None:
    settings = ("--set", "data.train=50", "--set", "data.scale=256")
    other = bench("train", "tiny.yaml", "-q", *settings).out.strip()
    assert bench("evaluate", runs[0], other).code == 0


def test_data_that_has_changed_since_is_refused(bench: Bench, runs: list[str]) -> None:
    bench.data(seed=1)
    said = bench("evaluate", runs[0])
    assert said.code == 6
    assert "the data changed since this run was trained (x_test, x_train," in said.err


def test_what_cannot_be_measured_exits_2_and_says_why(bench: Bench, runs: list[str]) -> None:
    said = bench("evaluate", runs[0], str(bench.folder / runs[0]))
    assert (said.code, said.err) == (2, f"{bench.folder / runs[0]}: is named twice\n")
    assert bench("evaluate").code == 2
    assert bench("evaluate", "nowhere").code == 2
    with np.load("tiny.npz") as arrays:
        np.savez("no-test.npz", **{name: arrays[name] for name in arrays if "test" not in name})
    run = bench("train", "tiny.yaml", "-q", "--set", "data.file=no-test.npz").out.strip()
    said = bench("evaluate", run, "--on", "test")
    assert (said.code, said.err) == (
        2,
        f"{run}: its data has no test examples; use --on validation\n",
    )
    assert bench("evaluate", run).code == 0


def test_a_run_without_a_committed_epoch_has_nothing_to_measure(bench: Bench) -> None:
    run = bench.folder / bench("train", "tiny.yaml", "--until", "1", "-q").out.strip()
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    with pytest.raises(UsageError, match="has no evaluated epoch yet"):
        evaluation.evaluate([Run(run)])


def test_a_damaged_checkpoint_exits_5(bench: Bench, runs: list[str]) -> None:
    for path in (bench.folder / runs[0] / "checkpoints").iterdir():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"\x3f", b"\x40"))  # floats from 0.5 become larger ones
    assert bench("evaluate", runs[0]).code == 5


def test_from_python_a_mismatch_is_an_error_of_its_own_kind(bench: Bench, runs: list[str]) -> None:
    other = bench("train", "tiny.yaml", "-q", "--set", "data.test=10").out.strip()
    pair = [Run(Path(runs[0])), Run(Path(other))]
    assert evaluation.evaluate(pair, "validation").vote is not None
    with pytest.raises(MismatchError, match="number of test examples"):
        evaluation.evaluate(pair, "test")


def measured(bench: Bench, *arguments: str) -> dict[str, Any]:
    """Return what evaluate says as JSON."""
    code, out, err = bench("evaluate", *arguments, "--json")
    assert (code, err) == (0, "")
    result: dict[str, Any] = json.loads(out)
    return result


def bare(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON with the names of test measures as they are for a file."""
    if isinstance(value, dict):
        return {key.removeprefix("test_"): bare(item) for key, item in value.items()}
    return [bare(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("place", ["runs/c", "runs/c-s*", "c"])
def test_an_experiment_or_a_pattern_stands_for_its_runs(bench: Bench, place: str) -> None:
    bench("train", "tiny.yaml", "--name", "c", "--seeds", "2", "-q")
    if place == "c":
        said = bench("evaluate", place)
        assert (said.code, said.out) == (2, "")
        assert said.err.endswith("did you mean runs/c?\n")
        return
    each = measured(bench, "runs/c-s0", "runs/c-s1", "--on", "test")
    assert measured(bench, place, "--on", "test") == each
    twice = bench("evaluate", place, "runs/c-s1")
    assert (twice.code, twice.err) == (2, "runs/c-s1: is named twice\n")


@pytest.mark.parametrize("keys", [{}, {"class_weights": "balanced", "lambda": 0.3}], ids=str)
def test_the_test_examples_in_another_file_give_the_test_measures(
    bench: Bench, keys: dict[str, Any]
) -> None:
    bench.config("c.yaml", **keys)
    bench("train", "c.yaml", "--name", "c", "--seeds", "2", "-q")
    with np.load(bench.folder / "tiny.npz") as arrays:
        np.savez(bench.folder / "new.npz", x=arrays["x_test"], y=arrays["y_test"])
    names = ["runs/c-s0", "runs/c-s1"]
    expected = bare(measured(bench, *names, "--on", "test")) | {"file": "new.npz", "on": None}
    assert measured(bench, *names, "--data", "new.npz") == expected
    assert measured(bench, "runs/c", "--data", "new.npz") == expected
    lines = bench("evaluate", "runs/c", "--data", "new.npz").out.splitlines()
    assert lines[0].split() == [
        *("run", "best", "epoch", "cost", "accuracy"),
        *("balanced", "accuracy", "macro", "F1"),
    ]
    assert "By class (examples of new.npz, vote of 2)" in lines[5]


def test_standardized_tables_are_measured_on_another_file(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"{a + 100 * kind:.3f},{b - kind:.3f},{'ab'[kind]}"
        for kind in (0, 1)
        for a, b in rng.normal(size=(60, 2))
    ]
    table = "x,y,kind\n" + "\n".join(rows) + "\n"
    (bench.folder / "all.csv").write_text(table)
    data = {"name": "csv", "train_file": "all.csv", "standardize": True, "validation": 0.2}
    bench.config("t.yaml", data=data)
    bench("train", "t.yaml", "--name", "t", "-q")
    swapped = ["kind,note,y,x", *(f"{k},?,{y},{x}" for x, y, k in (r.split(",") for r in rows))]
    (bench.folder / "new.csv").write_text("\n".join(swapped) + "\n")
    result = measured(bench, "runs/t-s0", "--data", "new.csv")
    assert (result["examples"], result["runs"][0]["accuracy"]) == (120, 1.0)
    code, out, _ = bench("evaluate", "runs/t-s0", "--data", "new.csv")
    assert code == 0
    assert "By class (examples of new.csv)" in out
    rows[3] = rows[3].rpartition(",")[0] + ","
    (bench.folder / "new.csv").write_text("x,y,kind\n" + "\n".join(rows) + "\n")
    where = "new.csv: line 5, column 3 ('kind')"
    assert bench("evaluate", "runs/t-s0", "--data", "new.csv") == (
        *(2, "", f"{where}: a missing label, ''; fill it in, or remove the row\n"),
    )


def test_examples_of_classes_that_a_run_leaves_out_are_left_out(bench: Bench) -> None:
    bench.config("c.yaml", data={"name": "npz", "file": "tiny.npz", "classes": [0, 2]})
    bench("train", "c.yaml", "--name", "c", "-q")
    with np.load(bench.folder / "tiny.npz") as arrays:
        labels = arrays["y_test"]
        np.savez(bench.folder / "new.npz", x=arrays["x_test"], y=labels)
    result = measured(bench, "runs/c-s0", "--data", "new.npz")
    left_out = np.count_nonzero(~np.isin(labels, [0, 2]))
    assert (result["left_out"], result["examples"]) == (left_out, len(labels) - left_out)
    assert result["runs"] == bare(measured(bench, "runs/c-s0", "--on", "test")["runs"])
    _, out, _ = bench("evaluate", "runs/c-s0", "--data", "new.npz")
    assert f"{left_out} examples of other classes are left out." in out


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (None, "new.npz: has no labels to compare predictions with; use nnexp predict"),
        ([0, 7, 1], "new.npz: example 2 has the label '7'; the classes of runs/r-s0 are 0, 1, 2"),
    ],
)
def test_a_file_without_known_labels_is_refused(
    bench: Bench, labels: list[int] | None, said: str
) -> None:
    bench("train", "tiny.yaml", "--name", "r", "-q")
    with np.load(bench.folder / "tiny.npz") as arrays:
        given: dict[str, Any] = {} if labels is None else {"y": np.array(labels)}
        np.savez(bench.folder / "new.npz", x=arrays["x_test"][:3], **given)
    assert bench("evaluate", "runs/r-s0", "--data", "new.npz") == (2, "", f"{said}\n")


def test_a_split_and_a_file_exclude_each_other(bench: Bench, runs: list[str]) -> None:
    code, _, err = bench("evaluate", runs[0], "--on", "test", "--data", "tiny.npz")
    assert (code, err.splitlines()[-1]) == (2, "--on and --data exclude each other")


FOREIGN: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "the same units": ({}, {}, None),
    "another scale of the same data": ({"file": "tiny.npz", "scale": 256}, {}, None),
    "pixels from 0 to 1": ({"scale": 1}, {}, "scale of features"),
    "standardized": ({"standardize": True}, {}, "scale of features"),
    "standardized, of the same data": ({"file": "tiny.npz", "standardize": True}, {}, None),
    "other labels": ({"classes": [1, 0, 2]}, {}, "classes"),
    "rows and columns": ({}, {"shape": (2, 5)}, "shape of images"),
    "one more feature": ({}, {"shape": (11,)}, "features"),
    "other numbers": ({}, {"first": 4, "names": ["0", "1", "2"]}, "numbers of classes"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_runs_vote_on_a_file_if_they_take_the_same_examples(
    bench: Bench, runs: list[str], name: str
) -> None:
    settings, written, difference = FOREIGN[name]
    shape, first = written.get("shape", (10,)), written.get("first", 0)
    x = np.random.default_rng(0).integers(0, 255, (60, *shape)).astype(np.uint8)
    names: dict[str, Any] = {"class_names": written["names"]} if "names" in written else {}
    np.savez("other.npz", x_train=x, y_train=first + np.arange(60) % 3, **names)
    data = {"name": "npz", "file": "other.npz"} | settings
    bench.config("o.yaml", data=data, monitor=["train"], patience=None)
    other = bench("train", "o.yaml", "-q").out.strip()
    code, _, err = bench("evaluate", runs[0], other, "--data", "tiny.npz")
    if difference is None:
        assert (code, err) == (0, "")
    else:
        fact = f"{other}: does not have the same {difference} as {runs[0]}: they cannot vote "
        assert (code, err) == (6, f"{fact}together\n")


def test_tables_vote_if_they_have_the_same_columns(bench: Bench) -> None:
    rows = [f"{k / 10},{k % 7},{'xy'[k % 2]},{'xy'[k // 4 % 2]}" for k in range(60)]
    Path("a.csv").write_text("a,b,kind,sort\n" + "\n".join(rows) + "\n")

    def trained(label: str, *drop: str, **keys: object) -> Run:
        data = {"name": "csv", "train_file": "a.csv", "label": label, "drop": drop} | keys
        bench.config("c.yaml", data=data, monitor=["train"], patience=None)
        code, out, err = bench("train", "c.yaml", "-q")
        assert code == 0, err
        return Run(Path(out.strip()))

    first = trained("kind", "sort")
    evaluation.evaluate_file([first, trained("kind", "sort", standardize=True)], Path("a.csv"))
    with pytest.raises(MismatchError, match="does not have the same column of labels as"):
        evaluation.evaluate_file([first, trained("sort", "kind")], Path("a.csv"))
    with pytest.raises(MismatchError, match="does not have the same features as"):
        evaluation.evaluate_file([first, trained("kind", "sort", "b")], Path("a.csv"))
