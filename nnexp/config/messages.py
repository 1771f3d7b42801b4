"""Parts of messages: quoted values, lists of names, suggestions for misspelt names."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

WIDTH = 60
"""Maximum characters shown of a value."""


def shortened(text: str, width: int = WIDTH) -> str:
    """Return text, truncated to width characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def ranges(numbers: Sequence[int]) -> str:
    """Return increasing whole numbers in the notation of ``--seeds``: 0-4,7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def shown(value: object) -> str:
    """Quote a value for a message: on one line, and truncated."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        text = repr(value)
        return text if len(text) <= WIDTH else f"{text[: WIDTH - 2]}…{text[0]}"
    return shortened(plain(value))


def plain(value: object) -> str:
    """Return the YAML text of a number, a boolean or null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return repr(value)


def listed(names: Collection[str]) -> str:
    """Return names separated by commas, truncated to a few lines."""
    text = ", ".join(names)
    return text if len(text) <= 4 * WIDTH else f"{text[: 4 * WIDTH].rpartition(',')[0]}, …"


def closest(word: str, known: Collection[str]) -> str | None:
    """Return the known name that is closest to a misspelt word, or None if none is close."""
    by_folded = {name.lower().replace("_", "-"): name for name in known}
    folded = word[: 2 * WIDTH].lower().replace("_", "-")
    matches = difflib.get_close_matches(folded, by_folded, n=1)
    return by_folded[matches[0]] if matches else None


def hint(word: str, known: Collection[str], otherwise: str, noun: str = "") -> str:
    """Return the end of a message about something that was not found: the next step.

    Args:
        word: the name that was given.
        known: the names that exist.
        otherwise: the advice if none of them is close.
        noun: what a name stands for, with a space at its end.
    """
    near = closest(word, known)
    return f"; did you mean {noun}{near}?" if near else f"; {otherwise}"


def unknown(
    noun: str, word: str, known: Collection[str], near: str | None = None, lister: str = ""
) -> str:
    """Return the message for an unknown name.

    Args:
        noun: what the name stands for.
        word: the name.
        known: the names that are allowed.
        near: the suggestion (default: the closest of them).
        lister: the command that shows all of them, for a list that is too long.
    """
    near = near or closest(word, known)
    suggestion = f"; did you mean '{near}'?" if near else ""
    return f"unknown {noun.replace('_', ' ')} {shown(word)}{suggestion}{_known(known, lister)}"


def _known(names: Collection[str], lister: str) -> str:
    text = listed(names)
    rest = f"; see {lister}" if lister and text.endswith("…") else ""
    return f" (known: {text}{rest})"


def unknown_key(key: str, known: Collection[str], owners: Collection[str], whose: str) -> str:
    """Return the message for an unknown key.

    Args:
        key: the key.
        known: the keys that are allowed.
        owners: other components that have such a setting.
        whose: the component that does not have it.
    """
    if owners:
        advice = f"; it is a setting of {listed(owners)}"
    elif near := closest(key, known):
        advice = f"; did you mean '{near}'?"
    elif "." in key:
        advice = "; dotted keys are for --set: in a file, write a mapping"
    else:
        advice = _known(known, "nnexp init") if known else f"; {whose} has no settings: remove it"
    return f"unknown key {shown(key)}{advice}"
