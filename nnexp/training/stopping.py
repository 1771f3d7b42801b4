"""Early stopping: pure functions of the recorded history.

A rule defines the monitored quantity; patience is the number of epochs without improvement before
stopping.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Struct

from nnexp.training.history import Row


class Accuracy(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="accuracy"):
    """No-improvement-in-n: stop after n epochs without a better validation accuracy.

    Source: Nielsen (2015), chapter 3, early stopping.
    """

    def scores(self, history: Sequence[Row], split: str = "validation") -> list[float]:
        """Return the monitored quantity for each row; greater is better."""
        return [_value(row, f"{split}_accuracy") for row in history]


class Cost(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="cost"):
    """No-improvement-in-n on the validation cost: stop after n epochs without a new minimum."""

    def scores(self, history: Sequence[Row], split: str = "validation") -> list[float]:
        """Return the monitored quantity for each row; greater is better."""
        return [-_value(row, f"{split}_cost") for row in history]


class Average(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="average"):
    """Stop when the average validation accuracy of the last k evaluations stops rising.

    That is, after n epochs without a better average, n being the config's patience. With patience 1
    it is the first epoch in which the average does not rise.
    """

    last: Annotated[int, Meta(ge=1, le=1_000_000, description="Evaluations to average.")] = 5

    def scores(self, history: Sequence[Row], split: str = "validation") -> list[float]:
        """Return the monitored quantity for each row; greater is better."""
        values = [_value(row, f"{split}_accuracy") for row in history]
        averages = [
            math.fsum(values[end - self.last : end]) / self.last
            for end in range(self.last, len(values) + 1)
        ]
        # The first k - 1 evaluations have no average.
        return [-math.inf] * (len(values) - len(averages)) + averages


Stopping: TypeAlias = Accuracy | Cost | Average


def stops(rule: Stopping, history: Sequence[Row], patience: int, split: str = "validation") -> bool:
    """Return whether the history ends with patience epochs without improvement."""
    epochs = [row.epoch for row in history]
    return first_stop(epochs, rule.scores(history, split), patience) is not None


def first_stop(epochs: Sequence[int], scores: Sequence[float], patience: int) -> int | None:
    """Return the first index after patience epochs without a better score, or None.

    Scores of minus infinity are ignored.
    """
    best: int | None = None
    for index, score in enumerate(scores):
        if score == -math.inf:
            continue
        if best is None or score > scores[best]:
            best = index
        if epochs[index] - epochs[best] >= patience:
            return index
    return None


def _value(row: Row, key: str) -> float:
    value: Any = getattr(row, key)
    if value is UNSET:
        raise ValueError(f"epoch {row.epoch} has no {key}")
    return float(value)
