"""Parts of messages: quoted values, lists of names, suggestions for misspelt ones."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

WIDEST = 60
"""Characters shown of a value; who wrote it knows the rest."""


def shortened(text: str, width: int = WIDEST) -> str:
    """Return text, or its beginning where it is longer than width."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def ranges(numbers: Sequence[int]) -> str:
    """Return rising whole numbers as ``--seeds`` takes them: 0-4,7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def shown(value: object) -> str:
    """Return a value as a message quotes it: on one line, never long."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        text = repr(value)
        return text if len(text) <= WIDEST else f"{text[: WIDEST - 2]}…{text[0]}"
    return shortened(plain(value))


def plain(value: object) -> str:
    """Return the YAML text of a value that is no string, list or mapping."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return repr(value)


def listed(names: Collection[str]) -> str:
    """Return names separated by commas, a few lines of them at most."""
    text = ", ".join(names)
    return text if len(text) <= 4 * WIDEST else f"{text[: 4 * WIDEST].rpartition(',')[0]}, …"


def closest(word: str, known: Collection[str]) -> str | None:
    """Return the known word that was probably meant, if any is close."""
    folded = {name.lower().replace("_", "-"): name for name in known}
    wanted = word[: 2 * WIDEST].lower().replace("_", "-")
    near = difflib.get_close_matches(wanted, folded, n=1)
    return folded[near[0]] if near else None


def unknown(noun: str, word: str, known: Collection[str], near: str | None = None) -> str:
    """Return what is said of a name that is none of the known ones; near is what was meant."""
    near = near or closest(word, known)
    meant = f"; did you mean '{near}'?" if near else ""
    return f"unknown {noun.replace('_', ' ')} {shown(word)}{meant} (known: {listed(known)})"


def unknown_key(key: str, known: Collection[str], owners: Collection[str], whose: str) -> str:
    """Return what is said of a key that is none of the known ones.

    owners are the components beside this one that do have such a setting.
    """
    if owners:
        hint = f"; it is a setting of {listed(owners)}"
    elif near := closest(key, known):
        hint = f"; did you mean '{near}'?"
    elif "." in key:
        hint = "; dotted keys are for --set: in a file, write a mapping"
    else:
        hint = f" (known: {listed(known)})" if known else f"; {whose} has no settings"
    return f"unknown key {shown(key)}{hint}"
