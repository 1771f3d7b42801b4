"""The decisions to be read: as Markdown with pictures beside it, and as one HTML page."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files

from nnexp.report.comparisons import Table
from nnexp.report.figure import Figure
from nnexp.report.markup import Markup, tag
from nnexp.report.sections import grid
from nnexp.report.tables import as_markdown, escaped
from nnexp.tune.decision import Decision

OWN = (
    "body{max-width:58rem}.rule,.note{color:var(--soft);font-size:.92rem}"
    ".answer{font-weight:600;margin:0 0 .6rem;padding-left:.9rem;"
    "border-left:.3rem solid var(--link)}"
    "img{image-rendering:auto;width:100%;border-radius:.4rem}header ol{padding-left:1.4rem}"
    "@media (max-width:40rem){table{font-size:.72rem}th,td{padding-right:.35rem}"
    "tr>:last-child{padding-right:0}}"
)
"""What decisions need beside the style of reports."""


PICTURES = re.compile(r"decision-\d{1,3}-[a-z-]{1,20}\.svg", re.ASCII)
"""What picture_name names."""


def picture_name(decisions: Sequence[Decision], place: int) -> str:
    """Return the file name of a decision's picture, beside the Markdown."""
    return f"decision-{place + 1}-{decisions[place].name}.svg"


def markdown(decisions: Sequence[Decision], title: str, remarks: Sequence[str]) -> str:
    """Return the decisions as Markdown, a section each."""
    parts = [f"# {escaped(title)}", *map(escaped, remarks)]
    for place, each in enumerate(decisions):
        parts.append(f"## Stage {each.stage}: {escaped(each.heading)}")
        parts.append(f"**{escaped(each.answer)}**")
        if each.rule:
            parts.append(f"Rule: {escaped(each.rule)}")
        if each.picture is not None:
            name = picture_name(decisions, place)
            parts.append(f"![{escaped(each.picture.title)}]({name})")
        if each.rows:
            parts.append(as_markdown(each.header, each.rows, each.left))
        parts += map(escaped, each.notes)
    return "\n\n".join(parts) + "\n"


def page(decisions: Sequence[Decision], title: str, remarks: Sequence[str]) -> str:
    """Return the decisions as one HTML page that opens anywhere and loads nothing."""
    style = files("nnexp.report").joinpath("page.css").read_text("utf-8") + OWN
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title}: nnexp tune"),
        tag("style", Markup(style)),
    )
    answers = [
        tag(
            "li",
            tag("a", each.heading, href=f"#decision-{place}"),
            f": {each.answer}",
            value=str(each.stage),  # the last one has several
        )
        for place, each in enumerate(decisions, 1)
    ]
    body = tag(
        "body",
        tag("header", tag("h1", title), *_notes(remarks), tag("ol", *answers)),
        tag("main", *(_section(place, each) for place, each in enumerate(decisions, 1))),
        tag("footer", tag("p", "Made by nnexp tune; nothing here is loaded.")),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _section(place: int, each: Decision) -> Markup:
    name = f"decision-{place}"
    return tag(
        "section",
        tag("h2", f"Stage {each.stage}: {each.heading}", id=f"{name}-heading"),
        tag("p", each.answer, class_="answer"),
        *([tag("p", f"Rule: {each.rule}", class_="rule")] if each.rule else []),
        *([] if each.picture is None else [_picture(each.picture)]),
        *([_table(each)] if each.rows else []),
        *_notes(each.notes),
        id=name,
        aria_labelledby=f"{name}-heading",
    )


def _table(each: Decision) -> Markup:
    table = Table(list(each.header), list(map(list, each.rows)))
    return grid(table, "What was tried", left=each.left)


def _picture(picture: Figure) -> Markup:
    from nnexp.report import renderer  # noqa: PLC0415 - matplotlib is slow to import

    content = base64.b64encode(renderer.svg(picture)).decode()
    return tag(
        "img",
        src=f"data:image/svg+xml;base64,{content}",
        alt=f"{picture.title}; the table below has the numbers",
    )


def _notes(texts: Sequence[str]) -> Iterator[Markup]:
    return (tag("p", text, class_="note") for text in texts)
