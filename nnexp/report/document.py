"""Documents: tables, sentences and commands in sections, rendered as text, Markdown or CSV.

A command's result becomes one Document, whatever form it is printed in. ``page`` renders the same
documents as HTML.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

from nnexp.errors import printable
from nnexp.report import text as terminal
from nnexp.report.markup import Markup

MISSING = "-"
"""A table's cell without a value."""

SentenceKind: TypeAlias = Literal["plain", "verdict", "note", "answer", "rule", "remark"]


class Table(NamedTuple):
    """A header and rows of the same length."""

    header: list[str]
    rows: list[list[str]]
    left: int = 1
    """Columns of words, the first ones; the others are aligned to the right."""
    caption: str = ""
    """Shown in HTML only."""
    is_keyed: bool = False
    """Whether rows are experiments, which have colours in HTML."""


class Sentences(NamedTuple):
    """Lines of prose, each a paragraph where there is room for one."""

    lines: Sequence[str]
    kind: SentenceKind = "plain"


class Commands(NamedTuple):
    """Shell commands under a heading, which may be empty."""

    heading: str
    lines: Sequence[str]


class Drawing(NamedTuple):
    """A picture, in the forms that it has."""

    name: str
    """Of a file beside Markdown; empty if there is none."""
    title: str
    svg: bytes = b""
    lines: str = ""
    """As characters of a terminal."""


Block: TypeAlias = Table | Sentences | Commands | Drawing | Markup
"""Markup is for HTML alone; other forms leave it out."""


class Section(NamedTuple):
    """A part of a document; one without blocks is left out."""

    name: str
    """Its anchor in HTML."""
    heading: str
    """Empty: the blocks stand without one."""
    blocks: Sequence[Block]


class Document(NamedTuple):
    """Sections in the order of reading."""

    title: str
    sections: Sequence[Section]
    intro: Sequence[Block] = ()
    """Before the first section."""

    @property
    def nonempty_sections(self) -> list[Section]:
        """The sections that have blocks."""
        return [section for section in self.sections if section.blocks]


def untitled(*blocks: Block | None) -> Document:
    """Return blocks as a document without headings; None stands for a block that is left out."""
    return Document("", [Section("", "", [block for block in blocks if block is not None])])


def as_text(document: Document, width: int = 0) -> str:
    """Render a document for a terminal.

    Args:
        document: what is rendered.
        width: of the terminal, between whose words sentences are broken; 0 leaves lines whole.
    """
    parts = [_block_text(block, width) for block in document.intro]
    for section in document.nonempty_sections:
        parts += [section.heading, *(_block_text(block, width) for block in section.blocks)]
    return "\n\n".join(filter(None, parts))


def _block_text(block: Block, width: int) -> str:
    if isinstance(block, Table):
        return terminal.table(block.header, block.rows, block.left)
    if isinstance(block, Sentences):
        mark = "note: " if block.kind == "note" else ""
        return terminal.wrapped("\n".join(mark + printable(line) for line in block.lines), width)
    if isinstance(block, Commands):
        heading = [f"{block.heading}:"] if block.heading else []
        return "\n".join([*heading, *(f"  {printable(line)}" for line in block.lines)])
    return block.lines if isinstance(block, Drawing) else ""


def as_markdown(document: Document) -> str:
    """Render a document as GitHub's Markdown."""
    parts = [f"# {escaped(document.title)}"] if document.title else []
    parts += chain.from_iterable(map(_block_markdown, document.intro))
    for section in document.nonempty_sections:
        parts += [f"## {escaped(section.heading)}"] if section.heading else []
        parts += chain.from_iterable(map(_block_markdown, section.blocks))
    return "\n\n".join(parts)


def _block_markdown(block: Block) -> Iterable[str]:
    if isinstance(block, Table):
        yield markdown_table(block)
    elif isinstance(block, Sentences):
        for line in block.lines:
            yield MARKDOWN[block.kind].format(escaped(line))
    elif isinstance(block, Drawing) and block.name:
        yield f"![{escaped(block.title)}]({block.name})"


MARKDOWN: dict[SentenceKind, str] = {
    "plain": "{}",
    "verdict": "{}",
    "note": "Note: {}.",
    "answer": "**{}**",
    "rule": "Rule: {}",
    "remark": "{}",
}
"""How a sentence of each kind is written."""


def markdown_table(table: Table) -> str:
    """Render a table as GitHub's Markdown."""
    rule = ["---"] * table.left + ["---:"] * (len(table.header) - table.left)
    lines = [table.header, rule, *table.rows]
    return "\n".join(f"| {' | '.join(map(escaped, line))} |" for line in lines)


def escaped(text: str) -> str:
    """Return text that Markdown shows as it stands."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#&~" else c for c in printable(text)).strip()


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Render records as CSV (RFC 4180), a missing value as nothing between two commas."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return content.getvalue().rstrip("\n")
