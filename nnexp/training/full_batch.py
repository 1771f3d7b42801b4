"""Train with optimizers whose steps use all training examples: an epoch is one step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim.convergence import negative_curvature
from nnexp.optim.objective import CachedObjective, Measures
from nnexp.optim.optimizers import FullBatchOptimizer
from nnexp.training.dropout import Dropout
from nnexp.training.numpy_backend import NumpyBackend
from nnexp.training.running_cost import RunningCosts
from nnexp.training.state import NotFiniteError, TrainingState


class FullBatchTrainer:
    """Trains a network with an optimizer on all training examples, step by step.

    Args:
        optimizer: the optimizer.
        backend: computes on the training examples.
        dropout: draws the masks of each step, if any.
        running: records the cost before each step; None if it is not monitored.
    """

    def __init__(
        self,
        optimizer: FullBatchOptimizer,
        backend: NumpyBackend,
        dropout: Dropout,
        running: RunningCosts | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._backend = backend
        self._dropout = dropout
        self._running = running
        self._cached: CachedObjective | None = None

    def start(self, theta: Array) -> TrainingState:
        """Return the state before the first step."""
        return TrainingState(theta, self._optimizer.start(theta), {})

    def epoch(self, state: TrainingState, epoch: int, learning_rate: float | None) -> Iterator[int]:
        """Make a step; yield the number of examples.

        Raises: NotFiniteError.
        """
        objective, measures = self._objective(epoch), state.measures
        before = objective.evaluations
        objective.begin(state.parameters)
        if self._running is not None:
            self._running.begin()
            self._running.add(np.array([objective.value(state.parameters)]))
        step: Callable[..., Measures] = self._optimizer.step
        measures.update(step(state.parameters, objective, state.slots, learning_rate))
        # The start of the first step was not evaluated before, nor any start with other masks.
        starts = int(epoch == 1 or self._dropout.share > 0)
        made = starts + objective.evaluations - before
        measures["evaluations"] = measures.get("evaluations", 0) + made
        measures.pop("negative_curvature", None)
        if measures["gradient_norm"] < self._optimizer.tolerance:
            measures.update(
                negative_curvature(state.parameters, objective, self._optimizer.tolerance)
            )
        if (found := state.fault()) is not None:
            raise NotFiniteError(1, found)
        yield self._backend.examples

    @property
    def running_costs(self) -> tuple[float, ...]:
        """The cost before the last step, if it is monitored."""
        return () if self._running is None else self._running.costs

    def _objective(self, epoch: int) -> CachedObjective:
        """Return the objective over all examples; new masks invalidate the cache."""
        objective = self._backend.whole(self._dropout.masks(epoch)(1))
        if self._cached is None or self._dropout.share:
            self._cached = CachedObjective(objective)
        return self._cached
