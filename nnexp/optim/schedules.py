"""Learning-rate schedules: from the epoch and the recorded history to a learning rate."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct


class Constant(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="constant"):
    """The same learning rate in every epoch."""

    def factor(self, epoch: int) -> float:
        """Return what the config's learning rate is multiplied by in an epoch."""
        del epoch
        return 1.0


Schedule: TypeAlias = Constant
