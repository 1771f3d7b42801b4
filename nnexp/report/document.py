"""Documents: tables, sentences and commands in sections, rendered as text, Markdown or CSV.

A command's result becomes one Document, whatever form it is printed in. ``page`` renders the same
documents as HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, assert_never

from nnexp.errors import printable
from nnexp.report import text as terminal

if TYPE_CHECKING:
    from nnexp.report.markup import Markup

READABLE = 80
"""Width of sentences that are wrapped even if stdout is no terminal."""

SentenceKind: TypeAlias = Literal["plain", "verdict", "note", "answer", "rule", "remark"]


class Table(NamedTuple):
    """A header and rows of the same length."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    """Number of columns of words, the first ones; the others are aligned to the right."""
    caption: str = ""
    """Shown in HTML only."""
    is_keyed: bool = False
    """Whether rows are experiments, which have colours in HTML."""
    folds: bool = False
    """Whether a row that is wider than the terminal is broken between cells."""


class Sentences(NamedTuple):
    """Lines of prose; in Markdown and HTML, each is a paragraph."""

    lines: Sequence[str]
    kind: SentenceKind = "plain"


class Commands(NamedTuple):
    """Shell commands under a heading, which may be empty."""

    heading: str
    lines: Sequence[str]


class Drawing(NamedTuple):
    """A picture, as SVG, as text or as both."""

    name: str
    """File name of the SVG beside Markdown; empty if there is none."""
    title: str
    svg: bytes = b""
    lines: str = ""
    """For a terminal."""


Block: TypeAlias = "Table | Sentences | Commands | Drawing | Markup"
"""Markup is rendered in HTML only."""


class Section(NamedTuple):
    """A part of a document; one without blocks is left out."""

    name: str
    """Its anchor in HTML."""
    heading: str
    """Empty for none."""
    blocks: Sequence[Block]


class Document(NamedTuple):
    """Sections in the order of reading."""

    title: str
    """Empty for none."""
    sections: Sequence[Section]
    intro: Sequence[Block] = ()
    """Before the first section."""

    @property
    def nonempty_sections(self) -> list[Section]:
        """The sections that have blocks."""
        return [section for section in self.sections if section.blocks]


def plain(*blocks: Block | None, title: str = "") -> Document:
    """Return a document of blocks without headings; None is left out."""
    return Document(title, [Section("", "", [block for block in blocks if block is not None])])


def as_text(document: Document, width: int = 0) -> str:
    """Render a document for a terminal; its title is the line above the first block.

    Args:
        document: the document.
        width: of the terminal, for wrapping sentences; 0 leaves lines whole.
    """
    parts = [_block_text(block, width) for block in document.intro]
    for section in document.nonempty_sections:
        parts += [section.heading, *(_block_text(block, width) for block in section.blocks)]
    title = f"{printable(document.title)}\n" if document.title else ""
    return title + "\n\n".join(filter(None, parts))


def _block_text(block: Block, width: int) -> str:
    if isinstance(block, Table):
        return terminal.table(block.header, block.rows, block.left, width if block.folds else 0)
    if isinstance(block, Sentences):
        mark = "note: " if block.kind == "note" else ""
        return terminal.wrapped("\n".join(mark + printable(line) for line in block.lines), width)
    if isinstance(block, Commands):
        heading = [f"{block.heading}:"] if block.heading else []
        return "\n".join([*heading, *(f"  {printable(line)}" for line in block.lines)])
    if isinstance(block, Drawing):
        return block.lines
    if isinstance(block, str):
        return ""
    assert_never(block)


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
    elif isinstance(block, Commands):
        if block.heading:
            yield f"{escaped(block.heading[:1].upper() + block.heading[1:])}:"
        yield fenced(block.lines)
    elif isinstance(block, Drawing):
        if block.name:
            yield f"![{escaped(block.title)}]({block.name})"
    elif not isinstance(block, str):
        assert_never(block)


MARKDOWN: dict[SentenceKind, str] = {
    "plain": "{}",
    "verdict": "{}",
    "note": "Note: {}.",
    "answer": "**{}**",
    "rule": "Rule: {}",
    "remark": "{}",
}
"""Format of a sentence, by its kind."""


def markdown_table(table: Table) -> str:
    """Render a table as GitHub's Markdown."""
    rule = ["---"] * table.left + ["---:"] * (len(table.header) - table.left)
    lines = [table.header, rule, *table.rows]
    return "\n".join(f"| {' | '.join(map(escaped, line))} |" for line in lines)


def fenced(commands: Sequence[str]) -> str:
    """Render shell commands as a fenced block of GitHub's Markdown."""
    text = "\n".join(map(printable, commands))
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"


def escaped(text: str) -> str:
    """Escape text so that Markdown shows it as it is."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#&~" else c for c in printable(text)).strip()


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Render records as CSV (RFC 4180); None is an empty field."""
    import csv  # noqa: PLC0415 - rarely needed
    import io  # noqa: PLC0415 - likewise

    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return content.getvalue().rstrip("\n")
