"""What other code may ask of any optimizer, so that none of it lists optimizers by name."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct


class UpdateRule(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name"):
    """An optimizer: its fields are its config; a class overrides the facts that differ for it."""

    full_batch: ClassVar[bool] = False
    """Whether a step needs all training examples."""
    default_learning_rate: ClassVar[float | None] = None
    """The learning rate where a config gives none; None if steps are found by a line search."""
    scales_gradients: ClassVar[bool] = False
    """Whether each component of the gradient is divided by its own running size."""

    @property
    def momentum(self) -> float | None:
        """The share of its velocity that a step keeps; None without a velocity."""
        return None

    @property
    def history_vectors(self) -> int:
        """Vectors like theta that it needs beside the two that any optimizer may."""
        return 0

    def decay_factor(self, share: float) -> float | None:
        """Return the factor by which L2 shrinks a weight at each step in the long run.

        Args:
            share: ηλ/n, the part of a weight that the penalty's gradient takes off.

        Returns: None if no fixed factor describes it.
        """
        del share
        return None
