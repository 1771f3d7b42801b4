"""Build HTML and SVG; plain text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

from nnexp.errors import printable

VOID = {"img", "meta"}
"""Elements without content, which have no end tag."""


class Markup(str):
    """Text that is markup, and is therefore not escaped."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Escape text and make control characters visible; markup is returned unchanged."""
    return text if isinstance(text, Markup) else Markup(html.escape(printable(text)))


def join(*content: str) -> Markup:
    """Concatenate pieces of markup or text."""
    return Markup("".join(map(escape, content)))


def tag(name: str, /, *content: str, **attributes: str | None) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        content: markup, or text to be escaped.
        attributes: by name; ``aria_label`` is aria-label, ``class_`` is class. Those that are None
            are omitted.
    """
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name in VOID else f"{join(*content)}</{name}>"
    return Markup(f"<{name}{pairs}>{end}")


def lines(text: str) -> Markup:
    """Escape text line by line, for an element that keeps line breaks."""
    return Markup("\n".join(escape(line) for line in text.split("\n")))


def swatch(index: int, label: str) -> Markup:
    """Return an experiment's letter with its colour."""
    return join(tag("span", class_=f"swatch e{index}", aria_hidden="true"), tag("b", label))


def scrolled(content: Markup, name: str) -> Markup:
    """Return content in a box that can be scrolled with mouse and keyboard."""
    return tag("div", content, class_="wide", role="region", aria_label=name, tabindex="0")


def shell(commands: Iterable[str]) -> Markup:
    """Return shell commands, one per line."""
    return scrolled(tag("pre", Markup("\n".join(map(escape, commands)))), "commands")
