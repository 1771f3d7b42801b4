"""Render a document as one HTML file that opens anywhere, offline, with or without scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import assert_never

from nnexp.report.document import (
    Block,
    Commands,
    Document,
    Drawing,
    Section,
    Sentences,
    Table,
)
from nnexp.report.figure import DARK, LIGHT
from nnexp.report.markup import Markup, escape, scrolled, shell, swatch, tag
from nnexp.report.text import MISSING

HEADINGS = {"": "verdict", "run": "runs"}
"""Headings of columns that have none in a terminal."""
WORD = 14
"""Maximum number of letters of a word on a narrow page."""
NOTHING = "\N{EN DASH}"
FEW = 3
"""Maximum number of verdicts in large letters."""


def page(document: Document, command: str, footer: str = "", experiments: int = 0) -> str:
    """Return a document as HTML: the same bytes for the same document.

    Args:
        document: the document.
        command: the command that made it, such as ``nnexp report``.
        footer: a last line.
        experiments: how many there are, each with a colour and with charts that a script
            makes interactive.
    """
    sections = document.nonempty_sections
    style = f"{_asset('page.css')}{_colours(experiments)}"
    script = _asset("page.js") if experiments else ""
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
        f"{f'script-src {_hash(script)}; ' if script else ''}base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{document.title}: {command}"),
        tag("style", Markup(style)),
    )
    intro = (part for block in document.intro for part in _block(block))
    kicker, heading = tag("p", command, class_="kicker"), tag("h1", document.title)
    top = [kicker, heading, *intro, _contents(sections)]
    body = tag(
        "body",
        tag("header", *top),
        tag("main", *map(_section, sections)),
        *([tag("footer", tag("p", footer))] if footer else []),
        *([tag("script", Markup(script))] if script else []),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _contents(sections: Sequence[Section]) -> Markup:
    links = [tag("li", tag("a", part.heading, href=f"#{part.name}")) for part in sections]
    return tag("nav", tag("ul", *links), aria_label="Contents")


def _section(section: Section) -> Markup:
    name = f"{section.name}-heading"
    content = (part for block in section.blocks for part in _block(block))
    return tag(
        "section",
        tag("h2", section.heading, id=name),
        *content,
        id=section.name,
        aria_labelledby=name,
    )


def _block(block: Block) -> Iterable[Markup]:
    if isinstance(block, Markup):
        yield block
    elif isinstance(block, Table):
        yield _grid(block)
    elif isinstance(block, Sentences):
        yield from _sentences(block)
    elif isinstance(block, Commands):
        if block.heading:
            yield tag("h3", f"{block.heading[0].upper()}{block.heading[1:]}")
        yield shell(block.lines)
    elif isinstance(block, Drawing):
        if block.svg:
            yield _drawing(block)
    else:
        assert_never(block)


def _sentences(block: Sentences) -> Iterable[Markup]:
    if block.kind == "note":
        yield tag("h3", "Notes")
        yield tag("ul", *(tag("li", line) for line in block.lines))
        return
    few = block.kind != "verdict" or len(block.lines) <= FEW
    name = CLASSES[block.kind] if few else "verdict one-of-many"
    for line in block.lines:
        yield tag("p", f"Rule: {line}" if block.kind == "rule" else line, class_=name)


CLASSES = {
    "plain": None,
    "verdict": "verdict",
    "answer": "answer",
    "rule": "rule",
    "remark": "note",
}
"""The class of a paragraph, by the kind of sentence."""


def _drawing(drawing: Drawing) -> Markup:
    content = base64.b64encode(drawing.svg).decode()
    return tag(
        "img",
        src=f"data:image/svg+xml;base64,{content}",
        alt=f"{drawing.title}; the table below has the numbers",
        class_="drawing",
    )


def _grid(table: Table) -> Markup:
    """Return a table; one that is too wide for the page scrolls by itself."""
    head = [
        tag("th", _broken(HEADINGS.get(cell, cell)), scope="col", class_=_align(index, table.left))
        for index, cell in enumerate(table.header)
    ]
    body = [
        tag(
            "tr",
            _row_head(row[0], index if table.is_keyed else None),
            *_cells(row, table.left),
        )
        for index, row in enumerate(table.rows)
    ]
    whole = tag(
        "table",
        tag("caption", table.caption),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
    )
    return scrolled(whole, table.caption)


def _row_head(cell: str, index: int | None) -> Markup:
    return tag("th", cell if index is None else swatch(index, cell), scope="row")


def _cells(row: Sequence[str], left: int) -> Iterable[Markup]:
    for index, cell in enumerate(row[1:], 1):
        yield tag(
            "td", NOTHING if cell == MISSING else _typeset(cell), class_=_align(index, left, cell)
        )


def _typeset(cell: str) -> Markup:
    """Return a cell with a minus where a terminal has a hyphen, and ± by its number."""
    if cell[:1] == "-" and cell[1:2].isdigit():
        cell = f"−{cell[1:]}"
    elif cell.endswith(" -"):
        cell = f"{cell[:-1]}−"
    return Markup(escape(cell.replace(" - ", " − ")).replace("± ", "±&nbsp;"))


def _broken(heading: str) -> Markup:
    """Return a column's heading, which may be broken between a key's words."""
    return Markup(_typeset(heading).replace("_", "_<wbr>"))


def _align(index: int, left: int, cell: str = "") -> str | None:
    """Return a cell's class: numbers are right-aligned, long words may be broken."""
    if index >= left:
        return "number"
    if max(map(len, cell.split()), default=0) > WORD:
        return "long"
    return "short" if 0 < len(cell) <= WORD else None


def _asset(name: str) -> str:
    return files("nnexp.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _colours(count: int) -> str:
    """Return a style rule for each experiment's colour, for light and for dark mode."""
    light, dark = (
        "".join(f".e{index}{{--e:{palette[index % len(palette)]}}}" for index in range(count))
        for palette in (LIGHT, DARK)
    )
    return f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"
