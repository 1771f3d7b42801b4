"""Documents: every kind of block, as text, Markdown and HTML; and the JSON of values."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

from nnexp.analysis.metrics import METRICS
from nnexp.report.document import (
    Block,
    Commands,
    Drawing,
    Section,
    Sentences,
    Table,
    as_markdown,
    as_text,
    plain,
)
from nnexp.report.markup import tag
from nnexp.report.page import page
from nnexp.report.text import as_json, counts, plus_minus, setting

if TYPE_CHECKING:
    from tests.conftest import Bench

COMMANDS = Commands("to know, train more seeds", ["nnexp train 'a b.yaml'", "nnexp train c_d.yaml"])
FENCED = """\
To know, train more seeds:

```sh
nnexp train 'a b.yaml'
nnexp train c_d.yaml
```"""


def test_commands_are_a_fenced_block_in_markdown() -> None:
    assert as_markdown(plain(COMMANDS)) == FENCED
    assert as_markdown(plain(Commands("", ["a ``` b"]))) == "````sh\na ``` b\n````"
    assert as_text(plain(COMMANDS)) == (
        "to know, train more seeds:\n  nnexp train 'a b.yaml'\n  nnexp train c_d.yaml"
    )


def test_a_comparison_in_markdown_has_the_commands_that_would_settle_it(bench: Bench) -> None:
    for name, rate in (("a", "0.5"), ("b", "0.1")):
        rates = ("--set", f"learning_rate={rate}", "--name", name)
        bench("train", "tiny.yaml", *rates, "--set", "epochs=1", "-q")
    text = bench("compare", "runs/a", "runs/b", "--markdown").out
    lines = text.split("```sh\n")[1].split("\n```")[0].splitlines()
    assert [line.split()[1] for line in lines] == ["train", "train", "compare"]
    assert "| best epoch |" in text


def test_no_label_of_a_metric_depends_on_the_row_above_it() -> None:
    assert [metric.label for metric in METRICS.values()] == [
        metric.label.strip() for metric in METRICS.values()
    ]


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (Table(["a"], [["b c"]]), "b c"),
        (Sentences(["b c"]), "b c"),
        (Commands("", ["b c"]), "b c"),
        (Drawing("b c.svg", "b c", b"<svg/>", "b c"), "b c"),
    ],
)
def test_every_block_is_rendered_in_every_form(block: Block, text: str) -> None:
    document = plain(block)._replace(sections=[Section("s", "S", [block])])
    for rendered in (as_text(document), as_markdown(document), page(document, "nnexp")):
        assert text in rendered


def test_markup_is_in_html_alone() -> None:
    document = plain(tag("p", "b c"))._replace(title="t")
    assert (as_text(document), as_markdown(document)) == ("t\n", "# t")
    assert "<p>b c</p>" in page(document, "nnexp")


def test_numbers_that_json_lacks_are_null_wherever_they_are() -> None:
    tree = {"a": [math.inf, 1.5, (math.nan, "é")], "b": {"c": -math.inf}}
    assert json.loads(as_json(tree)) == {"a": [None, 1.5, [None, "é"]], "b": {"c": None}}


def test_values_of_a_config_means_and_counts_have_one_form() -> None:
    assert [setting(value) for value in (None, "sgd", [30, 10], 0.5, True)] == [
        *("-", "sgd", "[30, 10]", "0.5", "true")
    ]
    assert (plus_minus("90.1", None), plus_minus("90.1", "0.5 %")) == ("90.1", "90.1 ± 0.5 %")
    assert counts({"finished": 1200, "diverged": 1}) == "1,200 finished, 1 diverged"
