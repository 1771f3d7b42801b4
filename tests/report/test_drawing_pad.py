"""The pad of a report: the embedded networks answer as predict does, by mouse, touch and keys."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import nnexp
from nnexp.analysis import comparison, experiments
from nnexp.analysis.prediction import FilePrediction, Predictor
from nnexp.datasets import drawing, grey_image
from nnexp.datasets.loading import load
from nnexp.datasets.sources import Mnist
from nnexp.report import comparison_page, drawing_pad
from nnexp.report.page import NOTHING
from nnexp.store.metrics import columns
from nnexp.store.predictions import read as read_predictions
from nnexp.store.run import Run
from tests.report.test_report_browser import FAINT, OVERFLOW, SHOWN

if TYPE_CHECKING:
    from tests.conftest import Bench
    from tests.report.browser import Browser

A: dict[str, object] = {"data.train": 3000, "epochs": 4}
B: dict[str, object] = A | {
    "hidden": [40, 20],
    "activation": "tanh",
    "output": "softmax",
    "cost": "log-likelihood",
    "learning_rate": 0.05,
    "data.standardize": True,
}

Pixels = npt.NDArray[np.uint8]

PAD = """
(() => {
  const pad = document.querySelector(".pad");
  pad.scrollIntoView({ block: "center" });
  const { left, top, width, height } = pad.getBoundingClientRect();
  return [left, top, width, height];
})()
"""
SPOKEN = "document.querySelector('.spoken').textContent"
ANSWERS = "[...document.querySelectorAll('.answer-class')].map((each) => each.textContent)"
PICTURE = "JSON.stringify(picture(document.querySelector('.pad')))"
SEEN = """
[...document.querySelectorAll(".seen")].map((canvas) =>
  [...canvas.getContext("2d").getImageData(0, 0, 28, 28).data].filter((_, k) => k % 4 === 0))
"""
CLASSIFIED = """
((text) => {
  const images = numbers(text, Uint8Array);
  return [...document.querySelectorAll(".network")].map(embedded).map((network) => {
    const classes = [], close = [];
    for (let k = 0; k < images.length; k += 784) {
      const outputs = activations(network, images.subarray(k, k + 784)).at(-1);
      const [first, second] = [...outputs].sort((a, b) => b - a);
      classes.push(largest(outputs));
      if (first - second < 1e-6) close.push(k / 784);
    }
    return { classes, close };
  });
})
"""

EMPTY = [NOTHING, NOTHING]
STROKES = {
    "3": [(90, 60), (130, 40), (180, 60), (185, 100), (140, 130), (190, 180), (90, 230)],
    "7": [(80, 50), (130, 50), (200, 50), (170, 120), (150, 180), (130, 240)],
    "leaves the pad": [(20, 140), (60, 40), (140, 20), (140, 300)],
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two experiments on MNIST, the first one of two seeds."""
    folder = tmp_path_factory.mktemp("pads")
    settings = {"a-s0": A | {"epochs": 1}, "a-s1": A | {"epochs": 1, "seed": 1}, "b-s0": B}
    for name, changed in settings.items():
        config = nnexp.load_config("quickstart", changed)
        nnexp.train(config, folder / "runs", name=name.partition("-")[0])
    return [Run(folder / "runs" / name) for name in settings]


def reported(*places: Path) -> str:
    """Return a report of experiments."""
    return comparison_page.report(comparison.compare(experiments.gather(places)))


@pytest.fixture(scope="module")
def page(runs: list[Run]) -> Path:
    """A report of both experiments."""
    folder = runs[0].path.parent
    path = folder.parent / "report.html"
    path.write_text(reported(folder / "a", folder / "b"), "utf-8")
    return path


def best(runs: list[Run]) -> list[Run]:
    """Return the run of each experiment whose network is embedded."""
    accuracies = [max(columns(run.history())["validation_accuracy"]) for run in runs[:2]]
    assert accuracies[0] != accuracies[1]
    return [runs[int(np.argmax(accuracies))], runs[2]]


def predicted(runs: list[Run], file: Path) -> list[str]:
    """Return the class of a picture by each run."""
    found = [Predictor([run]).predict([file])[0] for run in runs]
    return [each.classes[each.predicted[0]] for each in found if isinstance(each, FilePrediction)]


def drawn(browser: Browser, path: Path) -> Path:
    """Save what is drawn on the pad as a picture."""
    Image.fromarray(np.array(json.loads(browser.ask(PICTURE)), np.uint8)).save(path)
    return path


def stroke(browser: Browser, name: str) -> None:
    left, top, width, height = browser.ask(PAD)
    points = [(left + x / 280 * width, top + y / 280 * height) for x, y in STROKES[name]]
    browser.mouse("mouseMoved", *points[0])
    browser.mouse("mousePressed", *points[0])
    for point in points[1:]:
        browser.mouse("mouseMoved", *point, held=True)
    browser.mouse("mouseReleased", *points[-1])


def test_the_embedded_networks_classify_all_test_images_as_the_runs_did(
    browser: Browser, runs: list[Run], page: Path
) -> None:
    test = load(Mnist()).test
    assert test is not None
    browser.open(page)
    text = base64.b64encode(test.features.astype(np.uint8).tobytes()).decode()
    answers = browser.ask(f"{CLASSIFIED}({json.dumps(text)})")
    for run, answer in zip(best(runs), answers, strict=True):
        recorded = read_predictions(run)["test"].predicted
        assert len(recorded) == len(answer["classes"]) == 10_000
        (differing,) = np.nonzero(recorded != answer["classes"])
        assert set(differing.tolist()) <= set(answer["close"])
        assert len(answer["close"]) < 10


def test_the_weights_are_those_of_the_networks_on_the_pad(runs: list[Run], page: Path) -> None:
    """Of the second seed of A, which is better than the first."""
    text = page.read_text("utf-8")
    shown = re.findall(r"seed (\d+), epoch (\d+): 30", text)
    embedded = re.findall(r"epoch (\d+) of [ab]-s(\d+): 784", text)
    assert [seed for seed, _ in shown] == ["1", "0"] == [str(r.config.seed) for r in best(runs)]
    assert [(seed, epoch) for epoch, seed in embedded] == shown


def test_the_page_says_how_to_clear_the_drawing(page: Path) -> None:
    assert "Delete clears the drawing" in page.read_text("utf-8")


@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize("name", STROKES)
def test_a_drawing_gets_the_classes_that_predict_gives(
    browser: Browser, runs: list[Run], page: Path, tmp_path: Path, name: str, width: int
) -> None:
    browser.open(page, width=width)
    assert browser.ask(ANSWERS) == EMPTY
    stroke(browser, name)
    file = drawn(browser, tmp_path / "drawn.png")
    expected = predicted(best(runs), file)
    assert browser.ask(ANSWERS) == expected
    assert browser.ask(SPOKEN) == f"A: {expected[0]}, B: {expected[1]}"
    seen = drawing.prepared(np.asarray(Image.open(file)))
    shown = np.array(browser.ask(SEEN)).reshape(2, 28, 28)
    assert np.abs(shown - seen.astype(int)).max() <= 1
    browser.ask("document.querySelector('.drawing button').click()")
    assert browser.ask(ANSWERS) == EMPTY
    assert not browser.ask(SPOKEN)
    assert not browser.complaints


def test_a_finger_draws(browser: Browser, runs: list[Run], page: Path, tmp_path: Path) -> None:
    browser.open(page, width=400)
    left, top, width, height = browser.ask(PAD)
    for k, (x, y) in enumerate(STROKES["7"]):
        points = [{"x": left + x / 280 * width, "y": top + y / 280 * height}]
        kind = "touchMove" if k else "touchStart"
        browser("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    browser("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    file = drawn(browser, tmp_path / "drawn.png")
    assert np.count_nonzero(np.asarray(Image.open(file))) > 4000
    assert browser.ask(ANSWERS) == predicted(best(runs), file)


def press(browser: Browser, key: str, times: int = 1) -> None:
    code = {" ": "Space"}.get(key, key)
    for _ in range(times):
        for kind in ("keyDown", "keyUp"):
            browser("Input.dispatchKeyEvent", type=kind, key=key, code=code)


def test_keys_draw(browser: Browser, runs: list[Run], page: Path, tmp_path: Path) -> None:
    browser.open(page)
    browser.ask("document.querySelector('.pad').focus()")
    press(browser, "ArrowUp", 10)
    assert browser.ask(ANSWERS) == EMPTY  # the pen is not lowered yet
    press(browser, " ")
    press(browser, "ArrowDown", 20)
    press(browser, " ")
    press(browser, "ArrowRight", 10)
    file = drawn(browser, tmp_path / "drawn.png")
    rows, columns = np.nonzero(np.asarray(Image.open(file)))
    assert (rows.min(), rows.max()) == (59, 220)  # 140 - 10 * 7 - 11 and 140 + 10 * 7 + 11
    assert (columns.min(), columns.max()) == (129, 150)
    assert browser.ask(ANSWERS) == predicted(best(runs), file)
    assert browser.ask("document.querySelector('.pen').hidden") is False
    press(browser, "Delete")
    assert browser.ask(ANSWERS) == EMPTY
    for is_repeated in (False, True, True):  # held down, it lowers the pen once
        browser(
            "Input.dispatchKeyEvent", type="keyDown", key=" ", code="Space", autoRepeat=is_repeated
        )
    assert browser.ask("document.querySelector('.pen').classList.contains('down')") is True
    assert not browser.complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_the_pad_can_be_read(browser: Browser, page: Path, width: int, scheme: str) -> None:
    browser.open(page, width=width, scheme=scheme)
    stroke(browser, "3")
    assert browser.ask(OVERFLOW) <= 0
    assert not browser.ask(FAINT)["faint"]
    assert browser.ask("document.querySelectorAll('.outputs li').length") == 20
    assert browser.ask("document.querySelectorAll('.outputs .largest').length") == 2
    assert browser.ask("document.querySelectorAll('.neurons rect').length") == 30 + 40 + 20
    assert not browser.complaints
    assert browser.requested == [page.as_uri()]


def test_without_scripts_all_but_the_pad_is_there(browser: Browser, page: Path) -> None:
    browser.open(page)
    with_scripts = browser.ask(SHOWN)
    browser.open(page, scripts=False)
    without = browser.ask(SHOWN)
    for part in ("headings", "curves", "cells"):
        assert without[part] == with_scripts[part]
    assert browser.ask("document.querySelectorAll('canvas, .outputs, .spoken').length") == 0
    assert "Drawing needs scripts, which are switched off." in without["words"]
    assert "784-40-20-10" in without["words"]


def test_the_bytes_are_the_same_each_time(runs: list[Run], page: Path) -> None:
    folder = runs[0].path.parent
    assert reported(folder / "a", folder / "b") == page.read_text("utf-8")


def test_a_network_of_thirty_neurons_adds_about_130_kb(runs: list[Run]) -> None:
    compared = comparison.compare(experiments.gather([runs[0].path]))
    section = "".join(map(str, drawing_pad.pad(compared).blocks))
    assert 125_000 < len(section) < 135_000


def test_a_network_above_2_mb_is_left_out(bench: Bench) -> None:
    settings = ("data.train=100", "data.validation=100", "epochs=1", "hidden=[700]")
    assert bench("train", "quickstart", "-q", "--name", "x", *set_(settings)).code == 0
    page = reported(Path("runs/x"))
    assert (
        "The network of A is left out: it would add 3.0 MB to this page, and the limit is 2 MB."
        in page
    )
    assert "data-parameters" not in page
    assert len(page) < 1_000_000


def set_(settings: tuple[str, ...]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def other_images(bench: Bench, scale: int) -> Run:
    """Return a run on images of MNIST's size that are not MNIST's, with pixels from 0 to scale."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 200), ("validation", 60), ("test", 60)):
        labels = rng.integers(0, 3, count)
        pixels = rng.integers(0, 60, (count, 28, 28))
        for label in range(3):
            pixels[labels == label, 9 * label : 9 * label + 9] += 150
        shown = pixels.astype(np.uint8) if scale == 255 else pixels / 255 * scale
        arrays |= {f"x_{split}": shown, f"y_{split}": labels}
    np.savez(bench.folder / "other.npz", **arrays)
    data = {"name": "npz", "file": "other.npz", "scale": scale}
    bench.config("other.yaml", data=data, learning_rate=0.1)
    assert bench("train", "other.yaml", "-q", "--name", "other").code == 0
    return Run(Path("runs/other-s0"))


@pytest.mark.parametrize("scale", [255, 1])
def test_other_images_of_that_size_are_only_resized(
    browser: Browser, bench: Bench, tmp_path: Path, scale: int
) -> None:
    run = other_images(bench, scale)
    path = tmp_path / "other.html"
    path.write_text(reported(run.path), "utf-8")
    browser.open(path)
    assert "these images are not MNIST’s" in browser.ask("document.body.innerText").replace(
        "'", "’"
    )
    stroke(browser, "7")
    file = drawn(browser, tmp_path / "drawn.png")
    content = io.BytesIO(file.read_bytes()).getvalue()
    shown = np.array(browser.ask(SEEN)).reshape(28, 28)
    assert np.abs(shown - grey_image.decode(content, (28, 28)).astype(int)).max() <= 1
    assert browser.ask(ANSWERS) == predicted([run], file)
    values = browser.ask(OUTPUTS)
    prediction = Predictor([run]).predict([file])[0]
    assert isinstance(prediction, FilePrediction)
    assert values == pytest.approx(prediction.outputs[0], abs=2e-3)


OUTPUTS = """
activations(embedded(document.querySelector(".network")),
  resized(picture(document.querySelector(".pad")))).at(-1)
"""
PREPARED = """
(text) => {
  const greys = numbers(text, Uint8Array);
  const rows = Array.from({ length: 280 }, (_, y) => [...greys.subarray(280 * y, 280 * y + 280)]);
  return [...prepared(rows)];
}
"""


def test_drawings_are_prepared_alike_by_both_languages(browser: Browser, page: Path) -> None:
    """Also symmetric ones, whose centre of mass is between two pixels."""
    browser.open(page)
    rng = np.random.default_rng(5)
    for number in range(60):
        drawn = np.zeros((280, 280), np.uint8)
        for _ in range(1 + number % 3):
            top, left = rng.integers(1, 200, 2)
            height, width = rng.integers(3, 79, 2)
            drawn[top : top + height, left : left + width] = rng.integers(100, 256)
        if number % 2:
            drawn = np.maximum(drawn, drawn[:, ::-1])
        text = json.dumps(base64.b64encode(drawn.tobytes()).decode())
        there = np.array(browser.ask(f"({PREPARED})({text})")).reshape(28, 28)
        assert np.array_equal(there, drawing.prepared(drawn)), number


def test_runs_on_tables_have_no_pad(bench: Bench) -> None:
    bench.config()
    assert bench("train", "tiny.yaml", "-q", "--name", "t").code == 0
    assert "Draw a" not in reported(Path("runs/t"))


def test_a_run_without_checkpoints_has_no_pad(runs: list[Run], tmp_path: Path) -> None:
    copy = tmp_path / "runs" / "b-s0"
    shutil.copytree(runs[2].path, copy)
    assert "data-parameters" in reported(copy)
    shutil.rmtree(copy / "checkpoints")
    assert "data-parameters" not in reported(copy)
