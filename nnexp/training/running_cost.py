"""The running cost (running loss): the mean cost of the mini-batches during an epoch.

The cost of each mini-batch is computed just before its step, so that it shows the progress within
an epoch. This takes one more forward pass per step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

PIECES = 10
"""Maximum parts of an epoch; each has a mean cost."""
EXAMPLES = 100
"""Minimum examples of a part; a mean of fewer is too noisy."""


class RunningCosts:
    """The mean cost of the mini-batches in each tenth of an epoch, penalty included.

    Args:
        examples: examples per epoch.
        batch_size: examples per step.
    """

    def __init__(self, examples: int, batch_size: int) -> None:
        self._examples, self._batch_size = examples, batch_size
        self._steps = -(-examples // batch_size)
        self._pieces = max(1, min(PIECES, examples // EXAMPLES, self._steps))
        self.begin()

    def begin(self) -> None:
        """Reset the means at the beginning of an epoch."""
        self._totals = [0.0] * self._pieces
        self._counts = [0] * self._pieces
        self._step = 0

    def add(self, costs: npt.NDArray[np.float64]) -> None:
        """Add the costs of the next mini-batches."""
        for cost in costs.tolist():
            done = self._step * self._batch_size
            examples = min(self._batch_size, self._examples - done)
            piece = self._step * self._pieces // self._steps
            self._totals[piece] += cost * examples
            self._counts[piece] += examples
            self._step += 1

    @property
    def costs(self) -> tuple[float, ...]:
        """The mean cost of each part of the epoch that has been trained."""
        parts = zip(self._totals, self._counts, strict=True)
        return tuple(total / count for total, count in parts if count)
