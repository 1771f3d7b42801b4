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
"""Headings of columns whose headings are empty in a terminal."""
WORD = 14
"""Maximum number of letters of a word on a narrow page."""
NOTHING = "\N{EN DASH}"
FEW = 3
"""Maximum number of verdicts in large letters."""


def page(
    document: Document,
    command: str,
    footer: str = "",
    experiments: int = 0,
    scripts: Sequence[str] = (),
) -> str:
    """Return a document as HTML: the same bytes for the same document.

    Args:
        document: the document.
        command: the command that made it, such as ``nnexp report``; the title of a document
            that has none.
        footer: the last line.
        experiments: number of experiments, each with its colour.
        scripts: the files of the page's scripts.
    """
    sections = document.nonempty_sections
    light, dark = colours(experiments)
    style = f"{asset('page.css')}{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"
    script = "".join(map(asset, scripts))
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
        tag("title", f"{document.title}: {command}" if document.title else command),
        tag("style", Markup(style)),
    )
    kicker = [tag("p", command, class_="kicker")] if document.title else []
    heading = tag("h1", document.title or command)
    top = [*kicker, heading, *rendered(document.intro), *_contents(sections)]
    body = tag(
        "body",
        tag("header", *top),
        tag("main", *map(_section, sections)),
        *([tag("footer", tag("p", footer))] if footer else []),
        *([tag("script", Markup(script))] if script else []),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _contents(sections: Sequence[Section]) -> list[Markup]:
    """Return links to the sections that have a heading."""
    links = [
        tag("li", tag("a", section.heading, href=f"#{section.name}"))
        for section in sections
        if section.heading
    ]
    return [tag("nav", tag("ul", *links), aria_label="Contents")] if links else []


def _section(section: Section) -> Markup:
    if not section.heading:
        return tag("section", *rendered(section.blocks))
    name = f"{section.name}-heading"
    return tag(
        "section",
        tag("h2", section.heading, id=name),
        *rendered(section.blocks),
        id=section.name,
        aria_labelledby=name,
    )


def rendered(blocks: Sequence[Block]) -> Iterable[Markup]:
    """Yield blocks as HTML."""
    for index, block in enumerate(blocks):
        if isinstance(block, Drawing):
            if block.svg:
                has_table = any(isinstance(later, Table) for later in blocks[index + 1 :])
                yield _drawing(block, has_table=has_table)
        else:
            yield from _block(block)


def _block(block: Table | Sentences | Commands | Markup) -> Iterable[Markup]:
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


def _drawing(drawing: Drawing, *, has_table: bool) -> Markup:
    """Return an image; its text alternative refers to a table of the numbers, if one follows."""
    content = base64.b64encode(drawing.svg).decode()
    hint = "; the table below has the numbers" if has_table else ""
    return tag(
        "img",
        src=f"data:image/svg+xml;base64,{content}",
        alt=f"{drawing.title}{hint}",
        class_="drawing",
    )


def _grid(table: Table) -> Markup:
    """Return a table in a box that scrolls if the table is wider than the page."""
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
    """Return a cell with hyphens replaced by minus signs; a line never breaks after ±."""
    if cell[:1] == "-" and cell[1:2].isdigit():
        cell = f"−{cell[1:]}"
    elif cell.endswith(" -"):
        cell = f"{cell[:-1]}−"
    return Markup(escape(cell.replace(" - ", " − ")).replace("± ", "±&nbsp;"))


def _broken(heading: str) -> Markup:
    """Return a column's heading; lines may break between the words of a key."""
    return Markup(_typeset(heading).replace("_", "_<wbr>"))


def _align(index: int, left: int, cell: str = "") -> str | None:
    """Return a cell's class: numbers are right-aligned, and long words may break."""
    if index >= left:
        return "number"
    if max(map(len, cell.split()), default=0) > WORD:
        return "long"
    return "short" if 0 < len(cell) <= WORD else None


def asset(name: str) -> str:
    """Return the text of a style sheet or script of this package."""
    return files("nnexp.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def colours(count: int) -> tuple[str, str]:
    """Return style rules with the experiments' colours: on a light ground, and on a dark one."""
    light, dark = (
        "".join(f".e{index}{{--e:{palette[index % len(palette)]}}}" for index in range(count))
        for palette in (LIGHT, DARK)
    )
    return light, dark
