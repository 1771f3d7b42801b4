"""nnexp report writes one file with the text and charts of a comparison, and escapes all names."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.image import imread

from nnexp.analysis import comparison, experiments
from nnexp.analysis.evaluation import first_layer
from nnexp.report import charts, comparison_page, page_pictures, renderer
from nnexp.report.figure import DARK, LIGHT
from nnexp.report.markup import Markup, lines, tag
from nnexp.store import predictions, run
from nnexp.training.history import Row

if TYPE_CHECKING:
    from tests.conftest import Bench, Once, Said

VOID = {"img", "meta", "wbr"}


class Parsed(HTMLParser):
    """The elements of a page with their attributes, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
            self.texts.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.append((self._open[-1], data))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.elements]

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == name]

    def text(self, *within: str) -> str:
        return "".join(text for name, text in self.texts if not within or name in within)


def images(folder: Path, name: str = "images.npz", side: int = 4, classes: int = 3) -> None:
    """Write classes of square images that are told apart in a few epochs."""
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 255, (classes, side * side))
    arrays: dict[str, Any] = {}
    for split, count in (("train", 100), ("validation", 50), ("test", 50)):
        labels = rng.permutation(np.arange(count) % classes)
        pixels = centres[labels] + rng.integers(-99, 100, (count, side * side))
        arrays |= {f"x_{split}": np.clip(pixels, 0, 255).astype(np.uint8), f"y_{split}": labels}
    with (folder / name).open("wb") as file:
        np.savez(file, **arrays)


MONITOR = ["train", "validation", "test", "saturation", "norms", "running_cost"]


def trained(bench: Bench, folder: str = "runs", data: str = "images.npz") -> None:
    """Train two experiments of two seeds, on images, with all monitors."""
    (bench.folder / data).parent.mkdir(parents=True, exist_ok=True)
    images(bench.folder, data)
    bench.config("images.yaml", data={"name": "npz", "file": data}, monitor=MONITOR)
    for name, rate in (("a", "0.5"), ("b", "0.01")):
        setting = ("--set", f"learning_rate={rate}", "--runs", folder, "-q")
        assert bench("train", "images.yaml", *setting, "--name", name, "--seeds", "2").code == 0


@pytest.fixture
def two(once: Once) -> Bench:
    """Runs of two experiments on images."""
    return once(trained)


def report(bench: Bench, *arguments: str) -> str:
    """Return the page that a report writes."""
    assert bench("report", *arguments, "-o", "r.html") == (0, "r.html\n", "")
    return (bench.folder / "r.html").read_text("utf-8")


def test_it_is_one_sound_document_that_can_be_heard(two: Bench) -> None:
    text = report(two, "runs/a", "runs/b")
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    parsed = Parsed(text)
    levels = [int(name[1]) for name in parsed.names if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    for landmark in ("header", "nav", "main", "footer"):
        assert parsed.names.count(landmark) == 1
    assert all(each.get("scope") in {"row", "col"} for each in parsed.all("th"))
    assert parsed.names.count("table") == parsed.names.count("caption")
    drawn = [each for each in parsed.all("svg") if each.get("class") != "plot"]
    assert len(drawn) == 5
    assert all(each["role"] == "img" for each in drawn)
    assert "A training: " in (drawn[0]["aria-label"] or "")
    pictures = parsed.all("img")
    assert [(each["alt"] or "").split(" as ")[0] for each in pictures] == [
        "Weights of 5 neurons of A",
        "Weights of 5 neurons of B",
    ]
    identifiers = [each["id"] for _, each in parsed.elements if "id" in each]
    assert len(set(identifiers)) == len(identifiers)
    links = {each["href"] for each in parsed.all("a")}
    assert links == {f"#{each}" for each in identifiers if "-" not in (each or "")}


def test_it_says_what_compare_says_and_the_verdict_first(two: Bench) -> None:
    said = two("compare", "runs/a", "runs/b").out
    text = Parsed(report(two, "runs/a", "runs/b")).text()
    verdict = next(
        line for line in said.splitlines() if line.startswith("test accuracy, best epoch:")
    )
    assert text.index(verdict) < text.index("Keys of the config") < text.index("learning_rate")
    for line in said.splitlines():
        if line.startswith(("note: ", "  nnexp train")):
            assert line.removeprefix("note: ").strip() in text
        elif " ± " in line:
            for cell in re.split(r"  +", line)[1:3]:
                assert cell.replace("± ", "±\N{NO-BREAK SPACE}") in text


def test_another_metric_can_be_judged(two: Bench) -> None:
    text = report(two, "runs/a", "runs/b", "--metric", "last_train_cost")
    assert '<p class="verdict">last train cost: ' in text


def test_one_alone_has_no_verdict(two: Bench) -> None:
    for place, seeds in (("runs/a", "2 seeds"), ("runs/a-s0", "1 seed")):
        parsed = Parsed(report(two, place))
        headings = [text for name, text in parsed.texts if name == "h2" and text]
        assert headings[0] == "Result"
        assert "What differs" not in headings
        verdict = next(
            text for name, text in parsed.texts if text.startswith("test accuracy, best")
        )
        assert re.fullmatch(
            rf"test accuracy, best epoch: [\d.]+( ± [\d.]+)? % \({seeds}\)", verdict
        )


def test_a_run_without_an_epoch_has_a_page(two: Bench) -> None:
    two("train", "images.yaml", "--name", "young", "--until", "1", "-q")
    for path in (two.folder / "runs/young-s0").rglob("epoch-*.npz"):
        path.unlink()
    (two.folder / "runs/young-s0/metrics.jsonl").write_bytes(b"")
    text = Parsed(report(two, "runs/young-s0")).text()
    assert "test accuracy, best epoch: none yet" in text
    assert "A: 1 of 1 run is interrupted" in text
    assert "no verdict" in Parsed(report(two, "runs/a", "runs/young-s0")).text()


def test_nothing_comes_from_outside_and_only_its_own_script_runs(two: Bench) -> None:
    text = report(two, "runs/a", "runs/b")
    parsed = Parsed(text)
    policy = next(each["content"] for each in parsed.all("meta") if "http-equiv" in each)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules["default-src"], rules["img-src"]) == ("'none'", "data:")
    for name in ("script", "style"):
        (content,) = re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"
    for _, attributes in parsed.elements:
        assert not [key for key in attributes if key == "style" or key.startswith("on")]
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:image/png;base64,"))


def test_hostile_names_add_no_element(two: Bench) -> None:
    benign = Parsed(report(two, "runs/a", "runs/b"))
    folder = "runs/<script>alert(1)<\n/script>\"'><img src=x onerror=alert(2)>"
    data = "]]>--><\n/style></title><svg onload=alert(3)>&lt;\u202e.npz"
    trained(two, folder, data)
    hostile = Parsed(report(two, f"{folder}/a", f"{folder}/b"))
    assert Counter(hostile.names) == Counter(benign.names)
    keys = [
        Counter(key for _, given in each.elements for key in given) for each in (hostile, benign)
    ]
    assert keys[0] == keys[1]
    assert "<img src=x onerror=alert(2)>" in hostile.text()
    assert "svg onload=alert(3)>&lt;" in hostile.text()
    assert "\u202e" not in hostile.text()
    commands = [text for name, text in hostile.texts if name == "pre" and "nnexp" in text]
    assert all(line.startswith("nnexp ") for text in commands for line in text.split("\n"))
    assert any("\\n/script" in text for text in commands)


def test_markup_escapes_all_but_markup() -> None:
    assert tag("p", "<b>&\n", Markup("<i></i>"), title='"\x1b') == (
        '<p title="&quot;\\x1b">&lt;b&gt;&amp;\\n<i></i></p>'
    )
    assert lines("a\n<\x07") == "a\n&lt;\\x07"


def test_the_same_runs_give_the_same_bytes(two: Bench) -> None:
    first = report(two, "runs/a", "runs/b")
    assert report(two, "runs/a", "runs/b") == first


def test_its_commands_and_configs_train_the_same_again(two: Bench) -> None:
    text = report(two, "runs/a", "runs/b-s1")
    found = re.findall(r"<pre>(.*?)</pre>", text, re.DOTALL)
    blocks = [block.replace("&#x27;", "'") for block in found if "config.yaml" not in block]
    assert len(blocks) == 4
    for letter, (command, config) in zip(
        "AB", zip(blocks[::2], blocks[1::2], strict=True), strict=True
    ):
        (two.folder / f"{letter}.yaml").write_text(config, encoding="utf-8")
        program, *arguments = command.split()
        assert program == "nnexp"
        assert two(*arguments, "--runs", "again", "-q").code == 0
    for name in ("a-s0", "a-s1", "b-s1"):
        assert two.files(f"again/{name}") == two.files(f"runs/{name}")
    for split in ("train", "validation", "test"):
        recorded = run.at(Path("runs/a-s0")).record.data.sha256
        assert recorded[f"x_{split}"] in text


def test_the_matrix_counts_all_runs(two: Bench) -> None:
    text = report(two, "runs/a")
    table = text[text.index('class="confusion"') :]
    cells = [int(cell) for cell in re.findall(r"<td[^>]*>(\d+)</td>", table)[:9]]
    read = [predictions.read(run.at(Path(f"runs/a-s{seed}")))["test"] for seed in (0, 1)]
    expected = [
        sum(int(((each.true == i) & (each.predicted == j)).sum()) for each in read)
        for i in range(3)
        for j in range(3)
    ]
    assert cells == expected
    assert sum(cells) == 100


def test_json_and_the_file_s_place(two: Bench) -> None:
    code, out, err = two("report", "runs/a", "runs/b", "-o", "other.htm", "--json")
    told = json.loads(out)
    assert (code, err, told["report"]) == (0, "", "other.htm")
    assert told["bytes"] == (two.folder / "other.htm").stat().st_size
    assert list(told["verdicts"]) == ["B"]
    assert two("report", "runs/a").out == "report.html\n"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("runs/a", "-o", "r.txt"), 2, "r.txt: a report's name ends in .html"),
        (
            ("runs/a", "-o", "none/r.html"),
            2,
            "none/r.html: there is no folder none; mkdir -p none makes it",
        ),
        (("runs/c",), 2, "runs/c: there is no such run"),
        (("runs/a", "--metric", "speed"), 2, "speed"),
        (("runs/*", "runs/a"), 2, "is named twice"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_written(
    two: Bench, arguments: tuple[str, ...], code: int, told: str
) -> None:
    said = two("report", *arguments)
    assert (said.code, said.out) == (code, "")
    assert told in said.err
    assert not list(two.folder.glob("*.htm*"))


@pytest.mark.parametrize(
    "name", ["predictions.npz", "metrics.jsonl", "checkpoints/epoch-000003.npz"]
)
def test_a_damaged_run_ends_it_and_leaves_an_old_page(two: Bench, name: str) -> None:
    (two.folder / "report.html").write_text("old")
    path = two.folder / "runs/a-s0" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    said: Said = two("report", "runs/a", "runs/b")
    assert (said.code, said.out) == (5, "")
    assert name in said.err
    assert (two.folder / "report.html").read_text() == "old"


def test_ten_long_runs_stay_small(bench: Bench) -> None:
    """Ten experiments of 400 noisy epochs, with images of noise, which nothing makes small."""
    images(bench.folder, side=28, classes=10)
    data = {"name": "npz", "file": "images.npz"}
    bench.config("big.yaml", data=data, monitor=MONITOR, hidden=[30, 30], epochs=1)
    names = [f"runs/n{number}" for number in range(10)]
    for number, name in enumerate(names):
        setting = (
            "--set",
            f"learning_rate={(number + 1) / 20}",
            "--set",
            "initializer=standard-normal",
        )
        assert bench("train", "big.yaml", *setting, "--name", name[5:], "-q").code == 0
    compared = comparison.compare(experiments.gather(list(map(Path, names))))
    rng = np.random.default_rng(0)
    for side in compared.sides:
        side.facts[0].history = [noise(epoch, rng) for epoch in range(1, 401)]
    content = comparison_page.report(compared).encode()
    assert content.count(b"<polyline") == 10 * (2 * 3 + 2 + 3)
    content = re.sub(rb'data-parameters="[^"]*"', b"", content)  # ten networks to draw for
    assert 200_000 < len(content) < 500_000


def noise(epoch: int, rng: np.random.Generator) -> Row:
    """Return a row of numbers that no thinning makes shorter."""
    numbers = {f"{s}_{k}": float(rng.random()) for s in MONITOR[:3] for k in ("cost", "accuracy")}
    listed = {"saturation": tuple(rng.random(2).tolist()), "weight_norms": tuple(rng.random(3))}
    return Row(epoch=epoch, learning_rate=0.5, **numbers, **listed)  # type: ignore[arg-type]


# Pictures


def test_weights_are_blue_below_zero_and_orange_above() -> None:
    """Eleven neurons of 4 × 4: the eleventh begins the second row, after a gap of two pixels."""
    drawn = np.zeros((11, 16), np.float32)
    drawn[0, 1], drawn[0, 4], drawn[10, 0] = -2.0, 2.0, 1.0
    content = renderer.png(page_pictures.squares(drawn))
    width, height = 10 * 4 + 9 * 2, 2 * 4 + 2
    pixels = (imread(io.BytesIO(content), format="png") * 255).round().astype(int)
    assert pixels.shape == (height, width, 4)
    assert pixels[0, 0].tolist() == [248, 248, 248, 255]
    assert pixels[0, 1].tolist() == [0, 46, 99, 255]
    assert pixels[1, 0].tolist() == [122, 42, 0, 255]
    assert pixels[6, 0].tolist() == [232, 128, 40, 255]
    assert pixels[0, 4, 3] == pixels[4, 0, 3] == pixels[6, 6, 3] == 0


@pytest.mark.parametrize(
    ("features", "neurons", "shown"),
    [(784, 30, 30), (784, 100, 30), (10, 5, 0), (9, 5, 0), (16, 5, 5), (10**10, 5, 0)],
)
def test_only_square_images_are_shown(features: int, neurons: int, shown: int) -> None:
    assert page_pictures.shown_neurons(features, neurons) == shown


def test_the_first_layer_is_read_without_the_data(two: Bench) -> None:
    two("train", "images.yaml", "--name", "adam", "-q", "--set", "optimizer=adam")
    (two.folder / "images.npz").unlink()
    for name in ("a-s0", "adam-s0"):
        layer = first_layer(run.at(Path(f"runs/{name}")))
        assert layer is not None
        with np.load(two.folder / f"runs/{name}/checkpoints/epoch-{layer.epoch:06d}.npz") as arrays:
            assert np.array_equal(layer.weights, arrays["weights_1"].T)
    report(two, "runs/adam-s0")


def test_a_thinned_curve_keeps_its_ends_and_its_spikes() -> None:
    values = [1.0] * 1000
    values[0], values[517], values[803], values[-1] = 0.5, 9.0, -9.0, 0.7
    places = list(charts.thinned(values, 100))
    assert {0, 517, 803, 999} <= set(places)
    assert places == sorted(set(places))
    assert len(places) <= 100
    assert list(charts.thinned(values[:100], 100)) == list(range(100))


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (1, 30, [5, 10, 15, 20, 25, 30]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (86.3, 97.9, [88, 90, 92, 94, 96]),
    ],
)
def test_ticks_are_round(low: float, high: float, marks: list[float]) -> None:
    assert charts.ticks(low, high) == pytest.approx(marks)


def test_letters_stand_clear_of_each_other() -> None:
    down = charts.DOWN
    assert charts.apart([0, 5, 100]) == [0, 13, 100]
    assert charts.apart([10, down - 1, down, down]) == [10, down - 26, down - 13, down]


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (Web Content Accessibility Guidelines 2.2)."""
    shares = [channel / 255 for channel in bytes.fromhex(colour[1:])]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_the_guidelines_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_colours_stand_out_from_light_and_from_dark_pages() -> None:
    style = files("nnexp.report").joinpath("page.css").read_text("utf-8")
    light, dark = re.findall(r"--page:(#\w+)", style)
    assert (light, dark) == ("#fff", "#15171c")
    assert min(contrast(colour, "#ffffff") for colour in LIGHT) >= 3
    assert min(contrast(colour, dark) for colour in DARK) >= 3
    assert [len(set(palette)) for palette in (LIGHT, DARK)] == [14, 14]
