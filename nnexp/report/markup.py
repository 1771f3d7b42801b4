"""HTML and SVG, written so that text stays text: whatever is not markup already is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

from nnexp.errors import printable

VOID = {"img", "meta"}
"""Elements without content, and so without an end."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Return text as it is to be read: what could be an element, a control character, is none."""
    return text if isinstance(text, Markup) else Markup(html.escape(printable(text)))


def join(*content: str) -> Markup:
    """Return several pieces one after another."""
    return Markup("".join(map(escape, content)))


def tag(name: str, /, *content: str, **attributes: str | None) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        content: markup, or text that is escaped.
        attributes: ``aria_label`` is aria-label, ``class_`` class; None leaves one out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name in VOID else f"{join(*content)}</{name}>"
    return Markup(f"<{name}{given}>{end}")


def lines(text: str) -> Markup:
    """Return text of several lines, for an element that keeps them."""
    return Markup("\n".join(escape(line) for line in text.split("\n")))


def swatch(place: int, label: str) -> Markup:
    """Return an experiment's letter beside its colour."""
    return join(tag("span", class_=f"swatch e{place}", aria_hidden="true"), tag("b", label))


def scrolled(content: Markup, name: str) -> Markup:
    """Return content in a box that scrolls, by the keyboard too."""
    return tag("div", content, class_="wide", role="region", aria_label=name, tabindex="0")


def shell(commands: Iterable[str]) -> Markup:
    """Return commands for a terminal, a line each."""
    return scrolled(tag("pre", Markup("\n".join(map(escape, commands)))), "commands")
