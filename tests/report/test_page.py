"""The HTML of documents without titles, headings or tables."""

from __future__ import annotations

import re

from nnexp.report.document import Document, Drawing, Section, Sentences, Table
from nnexp.report.page import page

DRAWING = Drawing("a.svg", "Accuracy", b"<svg/>")
TABLE = Table(["a"], [["1"]])


def headings(text: str) -> list[str]:
    return re.findall(r"<h[1-6][^>]*>(.*?)</h[1-6]>", text)


def test_a_document_without_titles_has_no_empty_headings() -> None:
    text = page(Document("", [Section("", "", [Sentences(["One."])])]), "nnexp show")
    assert headings(text) == ["nnexp show"]
    assert "<title>nnexp show</title>" in text
    assert "<nav" not in text
    assert "<p>One.</p>" in text


def test_titles_and_headings_are_listed() -> None:
    text = page(Document("A", [Section("b", "B", [Sentences(["One."])])]), "nnexp show")
    assert headings(text) == ["A", "B"]
    assert '<a href="#b">B</a>' in text


def test_a_drawing_refers_to_a_table_only_if_one_follows() -> None:
    def alternative(*blocks: Drawing | Table) -> str:
        text = page(Document("A", [Section("b", "B", blocks)]), "nnexp tune")
        return "".join(re.findall(r'alt="([^"]*)"', text))

    assert alternative(DRAWING, TABLE) == "Accuracy; the table below has the numbers"
    assert alternative(TABLE, DRAWING) == "Accuracy"
    assert alternative(DRAWING) == "Accuracy"
