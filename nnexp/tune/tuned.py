"""The tuned config as YAML, each value with where it came from."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from nnexp.config import canonical, dump
from nnexp.config.model import Config
from nnexp.errors import printable
from nnexp.tune.decision import Decision

WIDTH = 98


def to_yaml(
    config: Config,
    original: Config,
    decisions: Sequence[Decision],
    source: str,
    remarks: Sequence[str] = (),
) -> str:
    """Return the tuned config as YAML: what is decided or no default, with comments.

    Args:
        config: as tuned.
        original: what it was tuned from.
        decisions: in the order they were made.
        source: what the original is called.
        remarks: what is to be known of it all.
    """
    tree, own = canonical.to_builtins(config), canonical.changed(config)
    reasons = {key: each for each in decisions for key, _ in each.chose}
    before = canonical.to_builtins(original)
    head = f"Tuned by nnexp tune from {printable(source)}; decisions.md has the reasons."
    lines = list(_comment(" ".join([head, *remarks])))
    for key, value in tree.items():
        if key in reasons or key in own or value != before[key]:
            text = _reason(key, value, reasons.get(key), changed=value != before[key])
            lines += _comment(text or f"As in {printable(source)}.")
            lines += dump.lines({key: own.get(key, value)})
    return "\n".join(lines) + "\n"


def _reason(key: str, value: Any, decision: Decision | None, *, changed: bool) -> str:  # noqa: ANN401 - a config's value
    """Return where a value comes from; empty where it is the original's."""
    follows = REASONS.get(key, "")
    if decision is None:
        return (follows or "Follows from the decisions.") if changed else ""
    said = f"Stage {decision.stage}: {decision.answer}"
    return said if value == dict(decision.chose)[key] else f"{said} {follows}".rstrip()


def _comment(text: str) -> Iterator[str]:
    wrapped = textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)
    yield from (f"# {line}" for line in wrapped)


REASONS = {
    "epochs": "As many as the final training may take; early stopping or the schedule ends it.",
    "patience": "The schedule ends the run itself.",
    "lambda": "λ goes with n: carried over from the quick problem.",
}
"""Of keys that change with a decision about another one, or have another value than it says."""
