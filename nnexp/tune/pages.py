"""The decisions to be read: as Markdown with pictures beside it, and as one HTML page."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence

from nnexp.checks import printable
from nnexp.report.tables import as_markdown, escaped
from nnexp.tune import pictures
from nnexp.tune.decision import Decision

STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0 auto;padding:2rem 1.25rem 3rem;max-width:56rem;"
    'font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;'
    "background:#fff;color:#1b1d22;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}"
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 .8rem}"
    "h2{font-size:1.25rem;line-height:1.3;margin:0 0 .6rem}"
    "section{margin-top:1.5rem;padding-top:1.5rem;border-top:1px solid #d9dce2}"
    ".answer{font-weight:600;margin:0 0 .6rem;padding-left:.9rem;border-left:.3rem solid #0b5cad}"
    ".rule,.note,footer{color:#575c66;font-size:.92rem}"
    ".wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:.9rem;margin:.8rem 0;overflow-wrap:normal}"
    "th,td{padding:.28rem 1.1rem .28rem 0;text-align:left;vertical-align:baseline}"
    "thead th{border-bottom:1px solid #d9dce2}"
    "tbody th{font-weight:400}"
    "td:not(.words){text-align:right;white-space:nowrap}"
    "thead th:not(.words):not(:first-child){text-align:right}"
    "img{display:block;width:100%;height:auto;margin:.4rem 0}"
    "ol{padding-left:1.4rem}a{color:#0b5cad}"
    "@media (prefers-color-scheme:dark){body{background:#15171c;color:#e6e8ec}"
    "section,thead th{border-color:#353a44}.rule,.note,footer{color:#a3a9b5}a{color:#7db8f5}"
    ".answer{border-color:#7db8f5}}"
)


def picture_name(decisions: Sequence[Decision], place: int) -> str:
    """Return the file name of a decision's picture, beside the Markdown."""
    return f"decision-{place + 1}-{decisions[place].name}.svg"


def markdown(decisions: Sequence[Decision], title: str, remarks: Sequence[str]) -> str:
    """Return the decisions as Markdown, a section each."""
    parts = [f"# {escaped(title)}", *map(escaped, remarks)]
    for place, each in enumerate(decisions):
        parts.append(f"## Stage {each.stage}: {escaped(each.heading)}")
        parts.append(f"**{escaped(each.answer)}**")
        parts.append(f"Rule: {escaped(each.rule)}")
        if each.picture is not None:
            name = picture_name(decisions, place)
            parts.append(f"![{escaped(each.picture.title)}]({name})")
        parts.append(as_markdown(each.header, each.rows))
        parts += map(escaped, each.notes)
    return "\n\n".join(parts) + "\n"


def page(decisions: Sequence[Decision], title: str, remarks: Sequence[str]) -> str:
    """Return the decisions as one HTML page that opens anywhere and loads nothing."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    answers = "".join(
        f'<li><a href="#d{place}">{_text(each.heading)}</a>: {_text(each.answer)}</li>'
        for place, each in enumerate(decisions)
    )
    body = "".join(_section(place, each) for place, each in enumerate(decisions))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{_text(title)}</h1>{_paragraphs(remarks)}<ol>{answers}</ol></header>"
        f"<main>{body}</main>"
        "<footer><p>Made by nnexp tune; nothing here is loaded from anywhere.</p></footer>"
        "</body></html>\n"
    )


def _section(place: int, each: Decision) -> str:
    return (
        f'<section id="d{place}"><h2>Stage {each.stage}: {_text(each.heading)}</h2>'
        f'<p class="answer">{_text(each.answer)}</p>'
        f'<p class="rule">Rule: {_text(each.rule)}</p>'
        f"{_picture(each)}{_table(each)}{_paragraphs(each.notes)}</section>"
    )


def _picture(each: Decision) -> str:
    if each.picture is None:
        return ""
    light, dark = (
        f"data:image/svg+xml;base64,{base64.b64encode(pictures.svg(each.picture, skin)).decode()}"
        for skin in ("light", "dark")
    )
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{_text(each.picture.title)}; the table has the numbers">'
        "</picture>"
    )


def _table(each: Decision) -> str:
    words = [
        any(" " in row[place] and "%" not in row[place] for row in each.rows) and place > 0
        for place in range(len(each.header))
    ]
    kinds = ['class="words"' if is_words else "" for is_words in words]
    head = "".join(
        f'<th scope="col" {kind}>{_text(cell)}</th>'
        for cell, kind in zip(each.header, kinds, strict=True)
    )
    rows = "".join(
        f'<tr><th scope="row">{_text(row[0])}</th>'
        + "".join(
            f"<td {kind}>{_text(cell)}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True)
        )
        + "</tr>"
        for row in each.rows
    )
    return (
        '<div class="wide" role="region" tabindex="0" aria-label="The alternatives">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _paragraphs(texts: Sequence[str]) -> str:
    return "".join(f'<p class="note">{_text(text)}</p>' for text in texts)


def _text(text: str) -> str:
    return html.escape(printable(text))
