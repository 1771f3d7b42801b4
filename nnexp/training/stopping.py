"""Early stopping: pure functions of the recorded history.

A rule says what is watched; patience, how many epochs its best may stand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Struct

from nnexp.training.history import Row


class Accuracy(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="accuracy"):
    """No-improvement-in-n: stop when the best validation accuracy has stood for n epochs.

    Source: Nielsen (2015), chapter 3, early stopping.
    """

    def scores(self, history: Sequence[Row], split: str = "validation") -> list[float]:
        """Return what is watched, epoch by epoch: greater is better."""
        return [_recorded(row, f"{split}_accuracy") for row in history]


class Cost(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="cost"):
    """No-improvement-in-n on the validation cost: stop when its minimum has stood for n epochs."""

    def scores(self, history: Sequence[Row], split: str = "validation") -> list[float]:
        """Return what is watched, epoch by epoch: greater is better."""
        return [-_recorded(row, f"{split}_cost") for row in history]


class Average(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="average"):
    """Stop when the average validation accuracy of the last k evaluations stops rising.

    The best average has stood for n epochs, n the config's patience; with patience 1 that is
    its first fall.
    """

    last: Annotated[int, Meta(ge=1, le=1_000_000, description="Evaluations that are averaged.")] = 5

    def scores(self, history: Sequence[Row], split: str = "validation") -> list[float]:
        """Return what is watched, epoch by epoch: greater is better."""
        values = [_recorded(row, f"{split}_accuracy") for row in history]
        averages = [
            math.fsum(values[end - self.last : end]) / self.last
            for end in range(self.last, len(values) + 1)
        ]
        # Before there are k values there is no average, and nothing that could fall.
        return [-math.inf] * (len(values) - len(averages)) + averages


Stopping: TypeAlias = Accuracy | Cost | Average


def stops(rule: Stopping, history: Sequence[Row], patience: int, split: str = "validation") -> bool:
    """Return whether training ends with the history: its best has stood for patience epochs."""
    epochs = [row.epoch for row in history]
    return first_stop(epochs, rule.scores(history, split), patience) is not None


def first_stop(epochs: Sequence[int], scores: Sequence[float], patience: int) -> int | None:
    """Return the first place where the best score has stood for patience epochs, or None.

    A score of minus infinity stands where there is none yet.
    """
    best: int | None = None
    for place, score in enumerate(scores):
        if score == -math.inf:
            continue
        if best is None or score > scores[best]:
            best = place
        if epochs[place] - epochs[best] >= patience:
            return place
    return None


def _recorded(row: Row, key: str) -> float:
    value: Any = getattr(row, key)
    if value is UNSET:
        raise ValueError(f"epoch {row.epoch} has no {key}")
    return float(value)
