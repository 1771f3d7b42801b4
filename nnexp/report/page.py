"""A comparison as one HTML file that opens anywhere, offline, and needs no script to be read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from nnexp.analysis.comparison import Comparison
from nnexp.report import matrices, pictures, sections
from nnexp.report.figure import DARK, LIGHT
from nnexp.report.markup import Markup, tag
from nnexp.report.sections import Section

NAMED = 3
"""Experiments that a heading has room for."""
SECTIONS = (
    *(sections.verdict, sections.config, sections.results),
    *(pictures.curves, pictures.learned, pictures.monitored, matrices.mixed),
    sections.reproduction,
)
"""In the order of the page: the answer first."""


def page(compared: Comparison) -> str:
    """Return a report of one experiment or several: the same bytes for the same runs.

    Raises:
        CorruptError: a run is damaged.
    """
    found = [make(compared) for make in SECTIONS]
    told = [each for each in found if each.content]
    heading = _heading(compared)
    style = f"{_asset('page.css')}{_colours(len(compared.sides))}"
    script = _asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{heading}: nnexp report"),
        tag("style", Markup(style)),
    )
    body = tag(
        "body",
        tag(
            "header", tag("p", "nnexp report", class_="kicker"), tag("h1", heading), _contents(told)
        ),
        tag("main", *map(_section, told)),
        tag("footer", tag("p", _footer(compared))),
        tag("script", Markup(script)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _heading(compared: Comparison) -> str:
    names = [Path(side.experiment.place).name for side in compared.sides]
    if len(names) > NAMED:
        return f"{len(names)} experiments"
    return " against ".join(reversed(names)) if len(names) < NAMED else ", ".join(names)


def _contents(told: Sequence[Section]) -> Markup:
    links = [tag("li", tag("a", each.heading, href=f"#{each.name}")) for each in told]
    return tag("nav", tag("ul", *links), aria_label="Contents")


def _section(each: Section) -> Markup:
    heading = tag("h2", each.heading, id=f"{each.name}-heading")
    return tag(
        "section", heading, *each.content, id=each.name, aria_labelledby=f"{each.name}-heading"
    )


def _footer(compared: Comparison) -> str:
    runs = sum(len(side.facts) for side in compared.sides)
    made = f"Made by nnexp report of {runs} run{'' if runs == 1 else 's'}"
    return f"{made}; it loads nothing from anywhere."


def _asset(name: str) -> str:
    return files("nnexp.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _colours(count: int) -> str:
    """Return each experiment's colour as a rule of style, once for light and once for dark."""
    light, dark = (
        "".join(f".e{place}{{--e:{palette[place % len(palette)]}}}" for place in range(count))
        for palette in (LIGHT, DARK)
    )
    return f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"
