"""The interface of all optimizers, so that no other code depends on particular ones."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from nnexp.nn.arrays import Array
from nnexp.optim.objective import Batches, Objective, Slots


class UpdateRule(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name"):
    """An optimizer. Its fields are its config; subclasses override the properties below."""

    full_batch: ClassVar[bool] = False
    """Whether a step needs all training examples."""
    default_learning_rate: ClassVar[float | None] = None
    """The default learning rate; None if a line search finds the step length."""
    scales_gradients: ClassVar[bool] = False
    """Whether each component of the gradient is divided by its own running magnitude."""
    leaves_saddles: ClassVar[bool] = False
    """Whether it follows negative curvature, also where the gradient vanishes."""

    @property
    def momentum(self) -> float | None:
        """The fraction of velocity that a step keeps; None without a velocity."""
        return None

    @property
    def history_vectors(self) -> int:
        """Vectors like theta that it needs in addition to the two that any optimizer may use."""
        return 0

    def decay_factor(self, share: float) -> float | None:
        """Return the factor by which L2 shrinks a weight per step in the long run.

        Args:
            share: ηλ/n, the fraction of a weight that the penalty's gradient subtracts.

        Returns: None if no fixed factor describes it.
        """
        del share
        return None


class MiniBatchRule(UpdateRule, frozen=True):
    """An optimizer whose steps use a mini-batch each; subclasses define ``step``."""

    def step(self, theta: Array, objective: Objective, slots: Slots, learning_rate: float) -> None:
        """Move theta, in place, by one step."""
        raise NotImplementedError

    def steps(self, theta: Array, batches: Batches, slots: Slots, learning_rate: float) -> None:
        """Move theta, in place, by a step for each mini-batch."""
        for objective in batches:
            self.step(theta, objective, slots, learning_rate)
