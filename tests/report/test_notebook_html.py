"""Runs, lists of runs and comparisons as HTML of notebooks: the report's sections, for any host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import nnexp
from nnexp.report import notebook
from nnexp.store.listing import Entry
from tests.report.test_report import Parsed

if TYPE_CHECKING:
    from tests.conftest import Bench


def html(value: object) -> str:
    """Return what a notebook shows of a value, which is one element without scripts."""
    text: str = value._repr_html_()  # type: ignore[attr-defined]
    parsed = Parsed(text)
    assert text.startswith('<div class="nnexp"><style>')
    assert text.endswith("</div>")
    assert not {"script", "link", "iframe", "html", "body"} & set(parsed.names)
    assert not [name for _, attributes in parsed.elements for name in attributes if name == "id"]
    assert "http" not in re.sub(r"xmlns=\S+", "", text)
    return text


def headings(text: str) -> tuple[list[str], list[str]]:
    """Return the headings of the sections that are open, and of those that are folded."""
    return re.findall("<h2>(.*?)</h2>", text), re.findall("<summary>(.*?)</summary><section", text)


def two_rates(bench: Bench) -> tuple[nnexp.Run, ...]:
    monitor = ["train", "validation", "saturation"]
    config = bench.config(monitor=monitor)
    return tuple(nnexp.sweep(config, {"learning_rate": [0.5, 1e-6]}, seeds=range(2)))


def test_a_comparison_has_the_report_s_sections(bench: Bench) -> None:
    runs = two_rates(bench)
    compared = nnexp.compare(*runs, metric="last_train_cost")
    text = html(compared)
    assert headings(text) == (
        ["Verdict", "What differs", "Metrics", "Curves"],
        ["Saturation and weights by layer", "Confusion matrices", "How to reproduce"],
    )
    assert repr(compared).startswith("last train cost: ")
    assert repr(compared) in Parsed(text).text("p")
    assert "nnexp train A.yaml --name" in Parsed(text).text("pre")
    assert text.count("<polyline") > 4
    assert html(compared) == text


def test_a_run_has_them_without_a_verdict(bench: Bench) -> None:
    run, *_ = two_rates(bench)
    assert repr(run) == f"Run('{run.path}')"
    text = html(run)
    assert headings(text) == (
        ["Result", "Metrics", "Curves"],
        ["Saturation and weights by layer", "Confusion matrices", "How to reproduce"],
    )
    assert str(run.path) in Parsed(text).text("td")
    assert "1 seed" in text


def test_weights_of_square_images_are_shown(bench: Bench) -> None:
    bench("train", "quickstart", "--set", "data.train=100", "--set", "epochs=1", "-q", "--name=q")
    text = html(nnexp.Run("runs/q-s0"))
    assert headings(text)[1][0] == "Weights of the first layer"
    assert 'src="data:image/png;base64,' in text


def test_a_run_that_is_interrupted_or_has_diverged_is_shown(bench: Bench) -> None:
    interrupted = nnexp.train(nnexp.load_config(bench.config()), until=1)
    (diverged,) = nnexp.sweep(bench.config(), {"learning_rate": [1e30]})
    for run, status in ((interrupted, "interrupted"), (diverged, "diverged")):
        assert f'<td class="short">{status}</td>' in html(run)
        assert run.status == status


def test_what_cannot_be_shown_says_why(bench: Bench) -> None:
    first, second, third, _ = two_rates(bench)
    third.path.rename("runs/moved")
    assert f"<p>{third.path}: there is no such run; " in html(third)
    compared = nnexp.compare(first, second)
    (second.path / "metrics.jsonl").write_text("damaged")
    assert "metrics.jsonl: is damaged" in html(nnexp.Run(second.path))
    assert "Verdict" in html(compared)  # read before
    text = html(nnexp.runs())
    assert ">damaged<" in text


def test_runs_are_a_table(bench: Bench) -> None:
    assert "<p>No runs.</p>" in html(nnexp.runs())
    runs = two_rates(bench)
    listed = nnexp.runs()
    text = html(listed)
    assert "<caption>4 runs</caption>" in text
    for name in ("learning_<wbr>rate", "seed", "validation", "test"):
        assert f">{name}</th>" in text
    for run in runs:
        assert f'<th scope="row">{run.name}</th>' in text
    assert "<caption>1 run</caption>" in html(listed[:1])


def test_a_long_list_is_cut() -> None:
    entries = [Entry(name=f"r{k:03}", path=f"runs/r{k:03}", status="running") for k in range(70)]
    text = notebook.runs(entries)
    assert "<caption>the first 60 of 70 runs</caption>" in text
    assert text.count("<tr>") == 61


def test_names_are_escaped(bench: Bench) -> None:
    folder = bench.folder / "<b>&"
    run = nnexp.train(nnexp.load_config(bench.config()), folder)
    removed = nnexp.Run(run.path)
    for value in (run, removed):
        if value is removed:
            run.path.rename(bench.folder / "elsewhere")
        text = html(value)
        assert "&lt;b&gt;&amp;" in text
        assert "<b>&" not in text


def test_every_rule_is_within_the_fragment(bench: Bench) -> None:
    """Parsed here as CSS nests: the outermost rules all end with the fragment's class."""
    run, *_ = two_rates(bench)
    style = re.search("<style>(.*?)</style>", html(run), re.DOTALL)
    assert style is not None
    outermost = set()
    depth, begin = 0, 0
    stack: list[str] = []
    for position, character in enumerate(style[1]):
        if character == "{":
            stack.append(style[1][begin:position].strip())
            if all(rule.startswith("@") for rule in stack[:-1]) and not stack[-1].startswith("@"):
                outermost.add(stack[-1])
            depth, begin = depth + 1, position + 1
        elif character in "};":
            depth -= character == "}"
            if character == "}":
                stack.pop()
            begin = position + 1
    assert depth == 0
    assert len(outermost) == 3
    assert all(rule.endswith(".nnexp.nnexp") for rule in outermost)
    assert "body{" not in style[1]
    assert ":root" not in style[1]
