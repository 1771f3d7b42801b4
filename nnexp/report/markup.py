"""Build HTML and SVG; text that is not markup yet is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

from nnexp.errors import printable

VOID = {"img", "meta"}
"""Elements without content, which have no end tag."""


class Markup(str):
    """Text that is markup, which is not escaped again."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Escape text, with control characters made visible; markup stays as it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(printable(text)))


def join(*content: str) -> Markup:
    """Concatenate pieces of markup or text."""
    return Markup("".join(map(escape, content)))


def tag(name: str, /, *content: str, **attributes: str | None) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        content: markup, or text to be escaped.
        attributes: ``aria_label`` stands for aria-label, ``class_`` for class; None omits one.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name in VOID else f"{join(*content)}</{name}>"
    return Markup(f"<{name}{given}>{end}")


def lines(text: str) -> Markup:
    """Escape text line by line, for an element that keeps line breaks."""
    return Markup("\n".join(escape(line) for line in text.split("\n")))


def swatch(index: int, label: str) -> Markup:
    """Return an experiment's letter beside its colour."""
    return join(tag("span", class_=f"swatch e{index}", aria_hidden="true"), tag("b", label))


def scrolled(content: Markup, name: str) -> Markup:
    """Return content in a box that scrolls, also by keyboard."""
    return tag("div", content, class_="wide", role="region", aria_label=name, tabindex="0")


def shell(commands: Iterable[str]) -> Markup:
    """Return shell commands, one on each line."""
    return scrolled(tag("pre", Markup("\n".join(map(escape, commands)))), "commands")
