"""A report in Chromium: offline, wide and narrow, light and dark."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import nnexp
from nnexp.report.figure import DARK, LIGHT

if TYPE_CHECKING:
    from tests.conftest import Bench, Once
    from tests.report.browser import Browser


def images(bench: Bench, name: str) -> str:
    """Write three classes of 4 × 4 pixels, that a few epochs tell apart, and return the name."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    centres = rng.integers(0, 255, (3, 16))
    for split, count in (("train", 200), ("validation", 60), ("test", 60)):
        labels = rng.integers(0, 3, count)
        pixels = np.clip(centres[labels] + rng.integers(-90, 91, (count, 16)), 0, 255)
        arrays |= {f"x_{split}": pixels.astype(np.uint8), f"y_{split}": labels}
    with (bench.folder / name).open("wb") as file:
        np.savez(file, **arrays)
    return name


def reported(bench: Bench, folder: str, data: str, output: str) -> Path:
    """Return a report with all sections: two experiments of two seeds, in a folder and of data."""
    images(bench, data)
    monitor = ["train", "validation", "saturation", "norms"]
    bench.config(
        "images.yaml", data={"name": "npz", "file": data}, monitor=monitor, epochs=8, patience=None
    )
    places = []
    for name, rate in (("a", "0.5"), ("b", "0.01")):
        setting = ("--set", f"learning_rate={rate}", "--runs", folder, "-q")
        bench("train", "images.yaml", *setting, "--name", name, "--seeds", "2")
        places.append(f"{folder}/{name}")
    code, out, err = bench("report", *places, "-o", output)
    assert (code, out, err) == (0, f"{output}\n", "")
    return bench.folder / output


@pytest.fixture
def report(once: Once) -> Path:
    """A report with all sections."""
    return once(make_report).folder / "report.html"


def make_report(bench: Bench) -> None:
    """Train its runs and write it."""
    reported(bench, "runs", "images.npz", "report.html")


OVERFLOW = "document.scrollingElement.scrollWidth - innerWidth"

FAINT = """
(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((c) => c / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = channels(getComputedStyle(each).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
      if (found[3] !== 0) throw Error(`half transparent: ${each.outerHTML}`);
    }
    throw Error("nothing is behind");
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  const faint = [];
  while (walker.nextNode()) {
    const text = walker.currentNode, element = text.parentElement;
    if (!text.data.trim() || ["SCRIPT", "STYLE", "title"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const own = channels(element instanceof SVGElement ? style.fill : style.color).slice(0, 3);
    const [light, dark] = [own, behind(element)].map(luminance).sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    seen += 1;
    if (contrast < 4.5) faint.push([text.data, contrast]);
  }
  return { seen, faint };
})()
"""

STRUCTURE = """
(() => ({
  levels: [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map((each) => +each.tagName[1]),
  mute: [...document.querySelectorAll("img,svg:not(svg svg)")].filter((each) =>
    !(each.tagName === "IMG" ? each.alt : each.getAttribute("role") === "img"
      && each.getAttribute("aria-label"))).map((each) => each.outerHTML.slice(0, 200)),
  pictures: document.querySelectorAll("img,svg:not(svg svg)").length,
  landmarks: ["header", "nav", "main", "footer"].map((each) =>
    document.querySelectorAll(each).length),
  unnamed: [...document.querySelectorAll("[role=region],[role=group],section,nav")].filter(
    (each) => !each.getAttribute("aria-label") && !each.getAttribute("aria-labelledby")).length,
  nameless: [...document.querySelectorAll("button,input,a,summary")]
    .filter((each) => !(each.textContent.trim() || each.getAttribute("aria-label")
      || each.labels?.length)).length,
  scopeless: document.querySelectorAll("th:not([scope])").length,
  untitled: document.querySelectorAll("table:not(:has(caption))").length,
  empty: [...document.querySelectorAll("th")].filter((each) => !each.textContent.trim()).length,
  twice: [...document.querySelectorAll("[id]")].map((each) => each.id)
    .filter((id, place, all) => all.indexOf(id) !== place),
  language: document.documentElement.lang,
  title: document.title,
}))()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_it_opens_without_complaint_or_network_and_can_be_read(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    browser.open(report, width=width, scheme=scheme)
    assert browser.ask("innerWidth") == width
    assert browser.ask("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    assert browser.ask(OVERFLOW) <= 0
    browser.ask("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    browser.ask(
        "document.querySelectorAll('.tools input').forEach((each) => "
        "each.dispatchEvent(new Event('input')))"
    )
    told = browser.ask(FAINT)
    assert told["seen"] > 300
    assert not told["faint"]
    assert browser.ask(OVERFLOW) <= 0
    assert not browser.complaints
    assert browser.requested == [report.as_uri()]


def test_it_can_be_heard(browser: Browser, report: Path) -> None:
    browser.open(report)
    told = browser.ask(STRUCTURE)
    levels = told["levels"]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
    assert told["pictures"] == 7  # cost, accuracy, saturation, two norms, weights of both
    assert told["landmarks"] == [1, 1, 1, 1]
    assert told["language"] == "en"
    assert told["title"]
    for wrong in ("mute", "unnamed", "nameless", "scopeless", "untitled", "empty", "twice"):
        assert not told[wrong], wrong


ELEMENTS = "[...document.querySelectorAll('*')].map((each) => each.tagName)"


def test_hostile_names_add_no_element(browser: Browser, bench: Bench, report: Path) -> None:
    browser.open(report)
    benign = Counter(browser.ask(ELEMENTS))
    folder = "runs/<script>alert(1)<\n/script>\"'><img src=x onerror=alert(2)>"
    data = "]]>--><\n/style></title><svg onload=alert(3)>&lt;b&gt;\u202e.npz"
    for path in (folder, data):
        (bench.folder / path).parent.mkdir(parents=True, exist_ok=True)
    hostile = reported(bench, folder, data, "hostile.html")
    browser.open(hostile)
    assert Counter(browser.ask(ELEMENTS)) == benign
    assert "onerror=alert(2)" in browser.ask("document.body.textContent")
    assert "svg onload=alert(3)" in browser.ask("document.body.textContent")
    assert not browser.complaints
    assert browser.requested == [hostile.as_uri()]


SHOWN = """
({
  headings: [...document.querySelectorAll("h2")].map((each) => each.innerText),
  curves: [...document.querySelectorAll("polyline")].filter((each) =>
    each.getBoundingClientRect().width > 50).length,
  cells: document.querySelectorAll("td").length,
  words: document.querySelector("main").innerText,
})
"""


def test_without_scripts_all_is_there(browser: Browser, report: Path) -> None:
    browser.open(report)
    with_scripts = browser.ask(SHOWN)
    assert browser.ask("document.querySelectorAll('.tools').length") == 5
    browser.open(report, scripts=False)
    without = browser.ask(SHOWN)
    assert browser.ask("document.querySelectorAll('.tools').length") == 0
    for part in ("headings", "curves", "cells"):
        assert without[part] == with_scripts[part]
    assert with_scripts["curves"] == 14
    assert "accuracy, best epoch: too few seeds" in without["words"]


PLOT = """
(() => {
  const box = document.querySelector(".chart .plot").getBoundingClientRect();
  document.querySelector(".chart").scrollIntoView({ block: "center" });
  const seen = document.querySelector(".chart > svg").getBoundingClientRect();
  return [seen.left, seen.top, seen.width, seen.height];
})()
"""
VIEW = "document.querySelector('.chart .plot').getAttribute('viewBox')"
MARKS = "[...document.querySelectorAll('.chart .ticks .x')].map((each) => each.textContent)"
ALL_READOUTS = """
(() => {
  const figure = document.querySelectorAll("figure.chart")[1];
  const slider = figure.querySelector("input"), told = [];
  for (let k = 0; k <= +slider.max; k += 1) {
    slider.value = k;
    slider.dispatchEvent(new Event("input"));
    told.push(figure.querySelector(".readout").textContent);
  }
  return told;
})()
"""
READOUT = "document.querySelector('.chart .readout').textContent"


def test_a_chart_is_read_and_zoomed_by_mouse_and_keyboard(browser: Browser, report: Path) -> None:
    browser.open(report)
    left, top, width, height = browser.ask(PLOT)
    at = [(left + part * width, top + height / 2) for part in (0.3, 0.6)]
    whole, marks = browser.ask(VIEW), browser.ask(MARKS)
    browser.mouse("mouseMoved", *at[0])
    row = json.loads((report.parent / "runs/a-s0/metrics.jsonl").read_text().splitlines()[2])
    twin = json.loads((report.parent / "runs/a-s1/metrics.jsonl").read_text().splitlines()[2])
    cost = (row["train_cost"] + twin["train_cost"]) / 2
    assert f"Epoch 3: A training {cost:.4g}"[:-1] in browser.ask(READOUT)
    browser.mouse("mousePressed", *at[0])
    browser.mouse("mouseMoved", *at[1], held=True)
    browser.mouse("mouseReleased", *at[1])
    assert browser.ask(VIEW) != whole
    assert browser.ask(MARKS) != marks
    browser.ask("document.querySelector('.chart button:last-of-type').click()")
    assert (browser.ask(VIEW), browser.ask(MARKS)) == (whole, marks)
    browser.ask("document.querySelector('.chart input').focus()")
    for kind in ("keyDown", "keyUp"):
        browser(
            "Input.dispatchKeyEvent", type=kind, key="Home", code="Home", windowsVirtualKeyCode=36
        )
    assert browser.ask(READOUT).startswith("Epoch 1: ")
    assert not browser.complaints


def test_the_readout_says_the_recorded_numbers(browser: Browser, report: Path) -> None:
    browser.open(report)
    runs = [report.parent / f"runs/{name}-s{seed}" for name in "ab" for seed in (0, 1)]
    rows = [(run / "metrics.jsonl").read_text().splitlines() for run in runs]
    read = [[json.loads(line) for line in lines] for lines in rows]
    expected = []
    for epoch in range(8):
        told = [
            f"{'AB'[side]} {word} {50 * (a[epoch][key] + b[epoch][key]):.2f} %"
            for side, (a, b) in enumerate((read[:2], read[2:]))
            for word, key in (("training", "train_accuracy"), ("validation", "validation_accuracy"))
        ]
        expected.append(f"Epoch {epoch + 1}: {', '.join(told)}")
    assert browser.ask(ALL_READOUTS) == expected


def test_it_prints(browser: Browser, report: Path) -> None:
    browser.open(report, scheme="dark")
    browser(
        "Emulation.setEmulatedMedia",
        media="print",
        features=[{"name": "prefers-color-scheme", "value": "dark"}],
    )
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert not browser.ask(FAINT)["faint"]
    printed = browser("Page.printToPDF", preferCSSPageSize=True)["data"]
    browser("Emulation.setEmulatedMedia", media="")
    assert printed.startswith("JVBERi0")  # %PDF-, in base64


CUT = """
[...document.querySelectorAll(".wide")].filter((each) => each.scrollWidth > each.clientWidth)
  .map((each) => [getComputedStyle(each).overflowX, getComputedStyle(each).backgroundAttachment])
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_of_decisions_shows_its_tables_whole_or_that_they_go_on(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    from nnexp.report.page import page as html  # noqa: PLC0415 - matplotlib is slow to import
    from nnexp.tune import outputs  # noqa: PLC0415 - matplotlib is slow to import
    from nnexp.tune.decision import Decision  # noqa: PLC0415 - likewise

    page = tmp_path / "decisions.html"
    head = ("problem", "learning_rate", "lambda", "validation", "chance", "better")
    row = ["two classes without a hidden layer", "0.1", "0.1", "99.80 %", "52.94 %", "yes"]
    chance = Decision(1, "chance", "Better than chance", "Yes.", "", head, [row])
    page.write_text(html(outputs.document([chance], "t", []), "nnexp tune"), "utf-8")
    browser.open(page, width=400, scheme=scheme)
    assert browser.ask("document.querySelector('.wide').clientWidth") < 400
    assert browser.ask(CUT) == []
    wider = chance._replace(header=(*head, "seconds", "epochs"), rows=[[*row, "999.9", "1000"]])
    page.write_text(html(outputs.document([wider], "t", []), "nnexp tune"), "utf-8")
    browser.open(page, width=400, scheme=scheme)
    assert browser.ask(CUT) == [["auto", "local, local, scroll, scroll"]]  # a shadow at its edge
    assert browser.ask(OVERFLOW) <= 0
    assert not browser.ask(FAINT)["faint"]
    assert not browser.complaints


HOST = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Host</title>
<style>.cell td,.cell th{{text-align:center;max-width:3em;border:3px solid}}
.cell tbody tr:nth-child(odd){{background:#888}}</style>
<body {theme} style="background:{ground};color:{ink};margin:8px"><main class="cell">
<section class="host"><h2>Host</h2><table><tbody><tr><td>1</td></tr></tbody></table>
<p class="number right verdict">text</p><pre>pre</pre></section>{fragment}</main></body></html>
"""
STYLES = """
[...document.querySelectorAll(".host, .host *, body")].map((element) => {
  const style = getComputedStyle(element);
  return ["color", "backgroundColor", "font", "textAlign", "display", "margin", "padding",
    "border", "borderCollapse", "maxWidth", "whiteSpace", "boxSizing", "colorScheme"]
    .map((key) => style[key]).join();
})
"""
INK = "getComputedStyle(document.querySelector('.nnexp')).color"
LINES = (
    "[...document.querySelectorAll('.nnexp polyline.e4')].map((each) => getComputedStyle(each))"
    ".slice(0, 1).map((style) => style.stroke)"
)
SERIES = {"light": LIGHT[4], "dark": DARK[4]}
BLACK, WHITE = ("#111", "#eee"), ("#fff", "#222")


THEMES = [
    ("", "light", WHITE, "light"),
    ("", "dark", WHITE, "dark"),  # on a ground of its own
    ('data-jp-theme-light="false"', "light", BLACK, "dark"),
    ('data-jp-theme-light="true"', "dark", WHITE, "light"),
    ('class="vscode-dark"', "light", BLACK, "dark"),
    ('class="vscode-light"', "dark", WHITE, "light"),
]
"""The mark of a notebook's theme, the system's, the ground, and the colours that suit it."""


@pytest.mark.usefixtures("report")
def test_a_notebook_shows_runs_in_its_own_theme(browser: Browser, bench: Bench) -> None:
    """Text stands out whatever the theme, and nothing outside of the fragment changes."""
    runs = nnexp.sweep("images.yaml", {"learning_rate": [0.1, 0.2, 0.3, 0.4, 0.5]})
    values = (nnexp.compare(*runs), runs[0], runs)
    fragments = [value._repr_html_() for value in values]
    for theme, scheme, (ground, ink), shown in THEMES:
        styles = []
        for fragment in ("", *fragments):
            text = HOST.format(theme=theme, ground=ground, ink=ink, fragment=fragment)
            (bench.folder / "host.html").write_text(text)
            browser.open(bench.folder / "host.html", scheme=scheme)
            styles.append(browser.ask(STYLES))
            if fragment:
                check_fragment(browser, shown)
        assert all(style == styles[0] for style in styles)


def check_fragment(browser: Browser, shown: str) -> None:
    """Check what a page shows of a fragment, unfolded and alone."""
    browser.ask("document.querySelectorAll('details').forEach((each) => each.open = true)")
    browser.ask("document.querySelector('.host').remove()")
    told = browser.ask(FAINT)
    assert told["seen"] > 20
    assert not told["faint"]
    assert browser.ask(OVERFLOW) <= 0
    cell = "getComputedStyle(document.querySelector('.nnexp td'))"
    assert browser.ask(f"{cell}.maxWidth") == "none"
    assert browser.ask(f"{cell}.borderLeftWidth") == "0px"
    assert browser.ask(INK) == ("rgb(27, 29, 34)" if shown == "light" else "rgb(230, 232, 236)")
    red, green, blue = (int(SERIES[shown][k : k + 2], 16) for k in (1, 3, 5))
    assert browser.ask(LINES) in ([], [f"rgb({red}, {green}, {blue})"])
    assert not browser.complaints
