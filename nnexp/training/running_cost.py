"""The running cost: what training meets on its way through an epoch.

The field's *running loss*: each mini-batch is measured just before the step that it brings, so
that an epoch's course shows, and not its end alone. What it costs is one forward pass a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from nnexp.nn.arrays import Array
from nnexp.optim.objective import Measures, Objective, Slots

PIECES = 10
"""An epoch's parts, at most; each has a mean cost."""
EXAMPLES = 100
"""Of a part, at least: a mean of fewer says more of them than of the network."""

Step: TypeAlias = Callable[[Array, Objective, Slots, float | None], Measures | None]
"""An optimizer's, whatever it calls its arguments."""


class RunningCosts:
    """The mean cost of the mini-batches in each tenth of an epoch, penalty included.

    Args:
        examples: in an epoch.
        batch_size: examples in a step.
    """

    def __init__(self, examples: int, batch_size: int) -> None:
        self._examples, self._batch_size = examples, batch_size
        self._steps = -(-examples // batch_size)
        self._pieces = max(1, min(PIECES, examples // EXAMPLES, self._steps))
        self.begin()

    def begin(self) -> None:
        """Forget what was measured: an epoch begins."""
        self._totals = [0.0] * self._pieces
        self._counts = [0] * self._pieces
        self._step = 0

    def watching(self, step: Step) -> Step:
        """Return a step that does what another one does, its mini-batch measured before."""

        def watched(
            theta: Array, objective: Objective, slots: Slots, learning_rate: float | None
        ) -> Measures | None:
            self._add(objective.value(theta))
            return step(theta, objective, slots, learning_rate)

        return watched

    def _add(self, cost: float) -> None:
        done = self._step * self._batch_size
        examples = min(self._batch_size, self._examples - done)
        piece = self._step * self._pieces // self._steps
        self._totals[piece] += cost * examples
        self._counts[piece] += examples
        self._step += 1

    @property
    def costs(self) -> tuple[float, ...]:
        """The mean cost of each part of the epoch, as far as it was trained."""
        parts = zip(self._totals, self._counts, strict=True)
        return tuple(total / count for total, count in parts if count)
