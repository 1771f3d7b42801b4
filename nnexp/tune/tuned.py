"""The tuned config as YAML, each value with where it came from."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from nnexp.checks import printable
from nnexp.config import canonical, dump
from nnexp.config.model import Config
from nnexp.tune.decision import Decision

WIDTH = 98


def to_yaml(config: Config, original: Config, decisions: Sequence[Decision], source: str) -> str:
    """Return the tuned config as YAML: what is decided or no default, with comments.

    Args:
        config: as tuned.
        original: what it was tuned from.
        decisions: in the order they were made.
        source: what the original is called.
    """
    tree, own = canonical.to_builtins(config), canonical.changed(config)
    reasons = {key: each for each in decisions for key, _ in each.chose}
    before = canonical.to_builtins(original)
    head = f"Tuned by nnexp tune from {printable(source)}; decisions.md has the reasons."
    lines = [f"# {line}" for line in textwrap.wrap(head, WIDTH, break_on_hyphens=False)]
    for key, value in tree.items():
        if key in reasons or key in own or value != before[key]:
            lines += _commented(key, reasons.get(key), changed=value != before[key], source=source)
            lines += dump.lines({key: own.get(key, value)})
    return "\n".join(lines) + "\n"


def _commented(key: str, decision: Decision | None, *, changed: bool, source: str) -> Iterator[str]:
    if decision is not None:
        text = f"Stage {decision.stage}: {decision.answer}"
    elif changed:
        text = REASONS.get(key, "Follows from the decisions.")
    else:
        text = f"As in {printable(source)}."
    wrapped = textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)
    yield from (f"# {line}" for line in wrapped)


REASONS = {
    "epochs": "As many as the final training may take; early stopping or the schedule ends it.",
    "patience": "The schedule ends the run itself.",
    "lambda": "λ goes with n: carried over from the quick problem.",
}
"""Of keys that change with a decision about another one."""
