"""Early stopping: pure functions of the recorded history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from nnexp.training.history import Row, best_row


class Accuracy(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="accuracy"):
    """No-improvement-in-n: stop when the best validation accuracy has stood for n epochs.

    Source: Nielsen (2015), chapter 3, early stopping.
    """

    def stops(self, history: Sequence[Row], patience: int) -> bool:
        """Return whether training ends after the last row of history."""
        return history[-1].epoch - best_row(history).epoch >= patience


Stopping: TypeAlias = Accuracy
