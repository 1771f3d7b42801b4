"""Lists of names in messages: shortened for reading, or as YAML that can be pasted."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 20
"""Maximum number of names that a message lists."""
PLAIN = re.compile(r"[^\W\d]([\w ./()-]*[\w./()-])?")
"""Names that are strings in YAML without quotes, unless they are one of WORDS."""
WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""Names that YAML, in one version or another, takes for a boolean or null."""


def listed(names: Sequence[str], shown: int = SHOWN) -> str:
    """Return the first names for a message, with "…" if there are more."""
    text = ", ".join(names[:shown])
    return f"{text}, …" if len(names) > shown else text


def closest(name: str, names: Sequence[str], similarity: float = 0.6) -> str | None:
    """Return the name that is closest to a misspelt one, or None if none is as similar."""
    folded = {other.casefold(): other for other in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=similarity)
    return folded[near[0]] if near else None


def lacking(name: str, names: Sequence[str], wanted: Sequence[str]) -> str:
    """Return the message for new examples without a column that the run was trained with.

    Args:
        name: of the column.
        names: of the columns that there are.
        wanted: names of all columns that the run was trained with.
    """
    near = closest(name, [other for other in names if other not in wanted])
    advice = f"rename {near!r} to {name!r}" if near else "add it"
    known = listed([repr(other) for other in names]) or "none"
    return (
        f"has no column {name!r}, which the run was trained with; its columns are {known}: {advice}"
    )


def yaml_name(name: str) -> str:
    """Return a name as a YAML string, quoted where YAML needs it."""
    if PLAIN.fullmatch(name) and name.lower() not in WORDS:
        return name
    return json.dumps(name, ensure_ascii=False)


def yaml_list(names: Sequence[str], shown: int = SHOWN) -> str:
    """Return names as a YAML list, such as [id, "1"]; with "…" if there are more than shown."""
    return f"[{listed([yaml_name(name) for name in names], shown)}]"
