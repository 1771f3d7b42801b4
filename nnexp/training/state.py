"""The state of a training, and the error if its numbers become infinite or NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim.objective import Measures, Slots


class TrainingState(NamedTuple):
    """The state of a training, in the backend's layout. All of it changes in place."""

    parameters: Array
    slots: Slots
    measures: Measures
    """Metrics of the optimizer's last step; not part of a checkpoint."""

    def copy(self) -> TrainingState:
        """Return a copy that further training does not change."""
        slots = {name: slot.copy() for name, slot in self.slots.items()}
        return TrainingState(self.parameters.copy(), slots, dict(self.measures))

    def flush_denormals(self) -> None:
        """Set numbers to 0 whose magnitude is below the smallest normal one, 1.2e-38 in float32.

        Weights of inputs that are always 0 decay to such numbers under L2, and the means of
        gradients that are always 0 whatever the penalty. Processors compute with them up to a
        hundred times more slowly, and no output depends on them.
        """
        for array in (self.parameters, *self.slots.values()):
            array[np.abs(array) < np.finfo(array.dtype).smallest_normal] = 0.0

    def fault(self, unpack: Callable[[Array], Array] = lambda vector: vector) -> str | None:
        """Describe the numbers that are not finite, or return None if all are.

        The optimizer's slots are checked, too: with an infinite slot, Adam never moves again.

        Args:
            unpack: converts the parameters to theta's layout, whose elements are counted.
        """
        if not np.isfinite(self.parameters).all():
            theta = unpack(self.parameters)
            count = np.count_nonzero(~np.isfinite(theta))
            return f"{count} of {theta.size} parameters are not finite"
        for name, slot in self.slots.items():
            if not np.isfinite(slot).all():
                return f"the optimizer's {name} is not finite"
        return None


class NotFiniteError(Exception):
    """A number became infinite or NaN.

    Args:
        batch: the first batch, counted from 1, after which numbers are not finite.
        found: describes the numbers.
    """

    def __init__(self, batch: int, found: str) -> None:
        super().__init__(found)
        self.batch, self.found = batch, found
