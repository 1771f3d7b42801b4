"""nnexp show prints all that is known about a run as text, JSON and a picture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from nnexp.analysis.confusion import Mixed, confusion
from nnexp.analysis.mistakes import Mistakes, surest
from nnexp.errors import CorruptError
from nnexp.report import mistakes as picture
from nnexp.report import renderer
from nnexp.store import predictions
from nnexp.store.lock import Lock
from nnexp.store.predictions import Predictions
from nnexp.store.run import Run

if TYPE_CHECKING:
    from nnexp.analysis.evaluation import On
    from tests.conftest import Bench


def images(bench: Bench, side: int = 4, classes: int = 3, name: str = "images.npz") -> str:
    """Write small images whose classes nearly always overlap, and return the file's name."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 200), ("validation", 60), ("test", 40)):
        arrays[f"x_{split}"] = rng.integers(0, 256, (count, side, side)).astype(np.uint8)
        arrays[f"y_{split}"] = np.arange(count) % classes
    np.savez(bench.folder / name, **arrays)
    return name


@pytest.fixture
def run(bench: Bench) -> str:
    """A finished run of images that cannot be told apart."""
    config = bench.config(data={"name": "npz", "file": images(bench)}, learning_rate=0.1, epochs=2)
    return bench("train", config, "--name", "images", "-q").out.strip()


def test_the_text_from_above(bench: Bench) -> None:
    name = bench("train", bench.config(epochs=2, patience=5), "-q", "--name", "n").out.strip()
    code, out, err = bench("show", name)
    assert (code, err) == (0, "")
    parts = out.rstrip("\n").split("\n\n")
    head, config, metrics, *curves, cost, caption, matrix, by_class, classes, made = parts
    assert head == "runs/n-s0  finished\nended after epoch 2: all epochs of the config"
    assert (
        config
        == """\
config         here  default
data            npz    mnist
data.file  tiny.npz        -
hidden          [5]     [30]
epochs            2       30
patience          5       10"""
    )
    rows = bench.folder / name / "metrics.jsonl"
    first, last = map(json.loads, rows.read_text().splitlines())
    result = json.loads((bench.folder / name / "result.json").read_text())
    for split in ("train", "validation"):
        best = result["best"]
        assert f"{best[f'{split}_cost']:.4f}" in metrics
        assert f"{100 * best[f'{split}_accuracy']:.2f} %" in metrics
    assert f"{result['test_cost']:.4f}" in metrics
    assert f"{100 * result['test_accuracy']:.2f} %" in metrics
    assert [each.split("\n")[0].strip() for each in curves] == [
        "training cost",
        "validation accuracy",
    ]
    assert cost.startswith(f"Training cost: falling ({first['train_cost']:.4g} to ")
    assert f" to {last['train_cost']:.4g};" in " ".join(cost.split())
    assert caption.startswith("True classes in rows, predicted classes in columns (validat")
    assert len(matrix.splitlines()) == 4
    assert by_class.startswith("By class (validation examples, epoch ")
    assert len(classes.splitlines()) == 5
    assert made.startswith("Data: npz, 200 train, 60 validation, 40 test examples, 10 features")
    assert "\nMade by nnexp " in made


def test_the_text_fits_in_80_columns_and_is_plain(bench: Bench, run: str) -> None:
    text = bench("show", run).out
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_the_matrix_and_the_accuracies_are_what_predictions_npz_says(
    bench: Bench, run: str
) -> None:
    with np.load(bench.folder / run / "predictions.npz") as arrays:
        for split in ("validation", "test"):
            true, predicted = arrays[f"{split}_true"], arrays[f"{split}_predicted"]
            rows = [
                [int(np.sum((true == i) & (predicted == j))) for j in range(3)] for i in range(3)
            ]
            shown = bench("show", run, "--on", split).out
            lines = shown[shown.index("class ") :].splitlines()[1:4]
            for name, (line, row) in enumerate(zip(lines, rows, strict=True)):
                right = f"{100 * row[name] / sum(row):.2f}"
                assert line.split() == [str(name), *(str(n or ".") for n in row), right, "%"]
            said = json.loads(bench("show", run, "--json").out)["confusion"][split]
            assert said["matrix"] == rows
            assert said["accuracy"] == [row[i] / sum(row) for i, row in enumerate(rows)]


def test_a_confusion_by_hand() -> None:
    """Of three 0s one is taken for 2; both 1s for 2; there is no 2."""
    found = confusion(Predictions(np.array([0, 0, 2, 2, 2]), np.array([0, 0, 0, 1, 1])), 3)
    assert found.matrix.tolist() == [[2, 0, 1], [0, 0, 2], [0, 0, 0]]
    assert found.accuracy == [2 / 3, 0.0, None]
    assert found.examples == [3, 2, 0]
    assert found.most_mixed(10) == [Mixed(1, 2, 2), Mixed(0, 2, 1)]
    assert found.most_mixed(1) == [Mixed(1, 2, 2)]


def test_small_predictions_do_not_overflow() -> None:
    """They are stored as bytes: 99 x 100 classes does not fit in one."""
    found = confusion(Predictions(np.array([7], np.uint8), np.array([99], np.uint8)), 100)
    assert found.most_mixed(5) == [Mixed(99, 7, 1)]


def test_many_classes_are_listed_by_what_is_mixed_up_most(bench: Bench) -> None:
    config = bench.config(data={"name": "npz", "file": images(bench, classes=40)}, epochs=1)
    run = bench("train", config, "-q").out.strip()
    text = bench("show", run).out
    assert "The classes mixed up most often (validation examples, epoch 1):" in text
    assert re.search(r"^\d+ → \d+ +\d+$", text, re.MULTILINE)
    assert max(map(len, text.splitlines()[1:])) <= 80


def test_classes_have_the_names_that_they_have_in_the_data(bench: Bench) -> None:
    chosen = bench("train", "tiny.yaml", "-q", "--set", "data.classes=[2, 0]").out.strip()
    lines = bench("show", chosen).out.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("class"))
    assert [line.split()[0] for line in lines[start : start + 3]] == ["class", "2", "0"]
    assert lines[start].split() == ["class", "2", "0", "right"]
    assert json.loads(bench("show", chosen, "--json").out)["classes"] == [2, 0]


def test_json_says_all(bench: Bench, run: str) -> None:
    said = json.loads(bench("show", run, "--json").out)
    recorded = json.loads((bench.folder / run / "run.json").read_text())
    assert said["run"] == run
    assert said["status"] == "finished"
    assert said["config"] == recorded["config"]
    assert said["changed"] == ["data", "data.file", "hidden", "learning_rate", "epochs"]
    assert said["data"] == recorded["data"]
    assert said["versions"] == recorded["versions"]
    assert said["result"]["reason"] == "epochs"
    assert said["last"]["epoch"] == 2
    assert said["diagnosis"]["first"] > 0
    assert said["diagnosis"]["sentence"].startswith(said["diagnosis"]["kind"])
    assert said["overfitting"] is None
    assert said["problems"] == []


def curve(bench: Bench, rows: list[tuple[float, float]]) -> str:
    """Return an interrupted run with costs that were made up: (train, validation)."""
    config = bench.config(epochs=50, patience=None)
    name = bench("train", config, "--name", "made", "--until", "1", "-q").out.strip()
    lines = [
        {"epoch": epoch, "learning_rate": 0.5, "train_cost": train, "train_accuracy": 0.5}
        | {"validation_cost": held, "validation_accuracy": 0.5 + epoch / 1000}
        for epoch, (train, held) in enumerate(rows, 1)
    ]
    path = bench.folder / name
    (path / "metrics.jsonl").write_bytes(b"".join(msgspec.json.encode(x) + b"\n" for x in lines))
    bench.commit(name)
    return name


def test_the_cost_curve_is_diagnosed_and_overfitting_named(bench: Bench) -> None:
    validation = [3.0, 1.2, 1.0, 1.3, 1.5, 1.6, 1.8, 1.9, 2.0, 2.1]
    made = curve(bench, [(2 - 0.1 * place, held) for place, held in enumerate(validation)])
    text = " ".join(bench("show", made).out.split())
    assert "Training cost: falling (2 to 1.1; 0 % of the steps rise; rises sum to 0," in text
    assert "Over-fitting from epoch 3: since then the validation cost rose from 1 to 2" in text
    said = json.loads(bench("show", made, "--json").out)
    assert (said["diagnosis"]["kind"], said["overfitting"]["epoch"]) == ("falling", 3)


def test_an_oscillating_run_is_told_that_its_learning_rate_is_too_large(bench: Bench) -> None:
    made = curve(bench, [(1.0 + place % 2, 1.0) for place in range(12)])
    assert "Training cost: oscillating: the learning rate is too large" in bench("show", made).out


@pytest.mark.parametrize("running", [True, False])
def test_an_unfinished_run_says_how_far_it_is(bench: Bench, *, running: bool) -> None:
    name = bench("train", bench.config(epochs=9), "--until", "2", "-q").out.strip()
    lock = Lock(bench.folder / name / "LOCK")
    if running:
        lock.acquire()
    said = bench("show", name)
    lock.release()
    first, second, *_ = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert first == f"{name}  {'running' if running else 'interrupted'}"
    going = "" if running else "; nnexp train resumes it"
    assert second == f"epoch 2 of 9 is committed so far{going}"
    assert "The confusion matrix is available once the run has finished." in said.out
    assert "True classes" not in said.out


def test_a_run_without_an_epoch_says_so(bench: Bench) -> None:
    name = bench("train", bench.config(epochs=2), "--until", "1", "-q").out.strip()
    path = bench.folder / name
    (path / "metrics.jsonl").write_bytes(b"")
    for checkpoint in (path / "checkpoints").iterdir():
        checkpoint.unlink()
    said = bench("show", name)
    assert said.code == 0
    assert said.out.splitlines()[1].startswith("no epoch is committed so far")
    assert "result" not in said.out
    assert bench("show", name, "--json").code == 0
    drawn = bench("show", name, "--images", "x.png")
    assert (drawn.code, drawn.out) == (2, "")


def test_a_diverged_run_says_where(bench: Bench) -> None:
    config = bench.config(activation="relu", cost="quadratic", output="linear", learning_rate=1e30)
    assert bench("train", config, "-q", "--name", "d").code == 3
    said = bench("show", "runs/d-s0")
    assert said.code == 0
    assert said.out.splitlines()[0] == "runs/d-s0  diverged"
    assert said.out.splitlines()[1].startswith("diverged in epoch 1, batch ")
    assert "Training cost: diverged: the learning rate is too large.\n" in said.out
    tree = json.loads(bench("show", "runs/d-s0", "--json").out)
    assert tree["diagnosis"]["kind"] == "diverged"
    assert tree["diagnosis"]["last"] is None


def test_one_epoch_has_no_curve_to_judge(bench: Bench) -> None:
    name = bench("train", bench.config(epochs=1), "-q").out.strip()
    said = bench("show", name)
    assert said.code == 0
    assert "best, epoch 1" in said.out
    assert "Training cost" not in said.out


def test_without_validation_data_the_test_data_s_classes_are_shown(bench: Bench) -> None:
    with np.load(bench.folder / "tiny.npz") as arrays:
        kept = {name: arrays[name] for name in arrays if "validation" not in name}
    np.savez(bench.folder / "tiny.npz", **kept)
    config = bench.config(monitor=["train"], patience=None)
    name = bench("train", config, "-q").out.strip()
    said = bench("show", name)
    assert said.code == 0
    assert "(test examples, epoch 3):" in " ".join(said.out.split())
    assert "validation accuracy" not in said.out
    said = bench("show", name, "--on", "validation")
    assert (said.code, said.err) == (2, f"{name}: its data has no validation examples\n")


def test_reasons_to_stop_are_told_in_words(bench: Bench) -> None:
    stopped = bench.config(epochs=30, patience=2, stopping="cost", learning_rate=3.0)
    said = bench("show", bench("train", stopped, "-q").out.strip()).out
    assert "the validation cost had not improved for 2 epochs" in said
    full = bench.config(
        "full.yaml",
        optimizer={"name": "l-bfgs", "tolerance": 0.9},
        dtype="float64",
        hidden=[],
    )
    said = bench("show", bench("train", full, "-q").out.strip()).out
    assert "ended after epoch 1: it converged: the gradient vanishes" in said


@pytest.mark.parametrize("file", ["predictions.npz", "metrics.jsonl"])
@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_what_is_damaged_is_left_out_and_told(bench: Bench, run: str, file: str, harm: str) -> None:
    path = bench.folder / run / file
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"0", b"1"))
    said = bench("show", run)
    assert said.code == 5
    assert said.out.startswith("runs/images-s0  finished\n")
    assert "validation accuracy" in said.out  # result.json has it too
    assert ("True classes" in said.out) == (file != "predictions.npz")
    assert ("Training cost" in said.out) == (file != "metrics.jsonl")
    assert said.err.startswith(f"{run}/{file}: is ")
    assert json.loads(bench("show", run, "--json").out)["problems"] == [said.err.strip()]
    config = f"{run}/config.yaml"
    again = bench("train", config, "--name", "images", "--restart", "-q")
    assert (again.code, bench("show", run).code) == (0, 0)
    assert again.err.startswith(f"warning: {said.err.strip()}; moved to {run}.damaged-1")


def test_no_run_at_all(bench: Bench) -> None:
    assert bench("show", "nowhere").code == 2
    (bench.folder / "empty").mkdir()
    assert bench("show", "empty").code == 5


def test_predictions_of_other_sizes_or_classes_are_damaged(bench: Bench, run: str) -> None:
    """The file's checksum stands in result.json, so only who writes both can do this."""
    path = bench.folder / run
    with np.load(path / "predictions.npz") as arrays:
        good = dict(arrays)
    for bad in (
        good | {"test_true": good["test_true"] + 200},
        good | {"test_true": good["test_true"][1:]},
        {name: good[name] for name in good if "test" not in name},
        good | {"test_true": good["test_true"].astype(float)},
    ):
        np.savez(path / "predictions.npz", **bad)
        reseal(path)
        with pytest.raises(CorruptError, match=r"predictions.npz: is damaged"):
            predictions.read(Run(path))


def test_predictions_of_another_run_do_not_fit_the_result(bench: Bench, run: str) -> None:
    path = bench.folder / run / "predictions.npz"
    with np.load(path) as arrays:
        other = {name: arrays[name][::-1] for name in arrays}
    np.savez(path, **other)
    with pytest.raises(CorruptError, match=r"its checksum does not match result\.json"):
        predictions.read(Run(path.parent))


def reseal(path: Path) -> None:
    """Make result.json agree with whatever predictions.npz holds."""
    import hashlib  # noqa: PLC0415 - only here

    from nnexp.store import records  # noqa: PLC0415
    from nnexp.store.records import Result  # noqa: PLC0415

    result = records.read(path / "result.json", Result)
    assert result is not None
    digest = hashlib.sha256((path / "predictions.npz").read_bytes()).hexdigest()
    files = result.files | {"predictions.npz": digest}
    (path / "result.json").write_bytes(records.seal(msgspec.structs.replace(result, files=files)))


@pytest.mark.parametrize("on", ["validation", "test"])
def test_the_surest_mistakes_are_wrong_and_in_order(bench: Bench, run: str, on: On) -> None:
    found = surest(Run(bench.folder / run), on, 30)
    with np.load(bench.folder / "images.npz") as arrays:
        features, labels = arrays[f"x_{on}"], arrays[f"y_{on}"]
    with np.load(bench.folder / run / "predictions.npz") as arrays:
        predicted = arrays[f"{on}_predicted"]
    assert found.examples == len(labels)
    assert found.wrong == np.count_nonzero(predicted != labels)
    assert len(found.place) == min(30, found.wrong)
    assert (found.true == labels[found.place]).all()
    assert (found.predicted == predicted[found.place]).all()
    assert (found.true != found.predicted).all()
    assert (found.features == features[found.place].reshape(-1, 16)).all()
    assert (np.diff(found.belief) <= 0).all()
    few = surest(Run(bench.folder / run), on, 3)
    assert few.place.tolist() == found.place[:3].tolist()


@pytest.mark.parametrize(
    ("name", "begins"),
    [("wrong.png", b"\x89PNG"), ("wrong.svg", b"<?xml"), ("wrong.pdf", b"%PDF")],
)
def test_the_picture_is_of_the_kind_that_its_name_says(
    bench: Bench, run: str, name: str, begins: bytes
) -> None:
    said = bench("show", run, "--images", name)
    assert (said.code, said.err) == (0, "")
    assert said.out == bench("show", run).out
    assert (bench.folder / name).read_bytes().startswith(begins)


def test_the_picture_holds_the_images_and_their_names(bench: Bench, run: str) -> None:
    found = surest(Run(bench.folder / run), "validation", 7)
    figure = renderer.drawing(picture.figure("a$b$c", found, classes=[5, 6, 7]))
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 7
    assert len(figure.axes) == 12  # two rows of six
    for place, axes in enumerate(shown):
        image = axes.images[0].get_array()
        assert image is not None
        assert (np.asarray(image).reshape(-1) == found.features[place]).all()
        true, predicted = 5 + found.true[place], 5 + found.predicted[place]
        assert axes.get_title() == f"{true} → {predicted}   {found.belief[place]:.2f}"
    assert r"a\$b\$c" in figure.get_suptitle()
    assert f"the 7 surest of {found.wrong} mistakes on 60 validation" in figure.get_suptitle()


def test_images_have_the_shape_that_their_file_gives(bench: Bench) -> None:
    rng = np.random.default_rng(0)
    shapes = {"x_train": (50, 2, 8), "x_validation": (30, 2, 8)}
    arrays: dict[str, Any] = {name: rng.integers(0, 256, size) for name, size in shapes.items()}
    arrays |= {f"y{name[1:]}": np.arange(size[0]) % 2 for name, size in shapes.items()}
    np.savez(bench.folder / "wide.npz", **arrays)
    config = bench.config("wide.yaml", data={"name": "npz", "file": "wide.npz"}, epochs=1)
    found = surest(Run(bench.folder / bench("train", config, "-q").out.strip()), "validation", 5)
    assert found.image == (2, 8)


def test_what_cannot_be_drawn_is_told_before_anything_is(bench: Bench, run: str) -> None:
    said = bench("show", run, "--images", "wrong.bmp")
    assert (said.code, said.out) == (2, "")
    assert said.err == "wrong.bmp: a picture's name ends in .png, .svg, .pdf\n"
    other = bench("train", bench.config("tiny.yaml"), "-q").out.strip()
    said = bench("show", other, "--images", "wrong.png")
    told = f"{Path(other).name}: its examples, of 10 features, are no images to draw\n"
    assert (said.code, said.out, said.err) == (2, "", told)
    assert not (bench.folder / "wrong.png").exists()


def test_a_net_that_is_never_wrong_has_nothing_to_draw(
    bench: Bench, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = np.zeros(0, np.int64)
    flawless = Mistakes(
        "validation", 2, 60, 0, none, np.zeros((0, 16)), (4, 4), none, none, np.zeros(0)
    )
    monkeypatch.setattr("nnexp.analysis.mistakes.surest", lambda *_: flawless)
    said = bench("show", run, "--images", "wrong.png")
    told = f"{run}: classifies every validation example correctly: there is nothing to draw\n"
    assert (said.code, said.out, said.err) == (2, "", told)


def test_data_that_has_changed_since_is_no_ground_for_a_picture(bench: Bench, run: str) -> None:
    images(bench, classes=2)
    assert bench("show", run).code == 0
    assert bench("show", run, "--images", "wrong.png").code == 6
    assert not (bench.folder / "wrong.png").exists()


def test_a_picture_s_folder_that_is_missing_exits_74(bench: Bench, run: str) -> None:
    assert bench("show", run, "--images", "nowhere/wrong.png").code == 74


def test_the_run_that_was_meant_is_named(bench: Bench) -> None:
    for name, seeds in (("a", "2,10"), ("b", "0,1")):
        bench("train", "tiny.yaml", "--name", name, "--seeds", seeds, "-q")
    for given, told in (
        ("runs/a", "; did you mean runs/a-s2?"),
        ("a-s10", "; did you mean runs/a-s10?"),
        ("b", "; did you mean runs/b-s0?"),
        ("runs/c", "; nnexp runs lists the runs"),
        ("none/a", "; nnexp runs --runs none lists the runs"),
    ):
        assert bench("show", given) == (2, "", f"{given}: there is no such run{told}\n")
