"""Train for an epoch, step by step, and find the batch in which numbers became infinite or NaN."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.objective import BatchObjective, Piece
from nnexp.optim.objective import CachedObjective, Measures, Objective, Slots
from nnexp.optim.optimizers import Optimizer
from nnexp.streams import Orders
from nnexp.training.dropout import Dropout
from nnexp.training.feed import CHUNK, Feed
from nnexp.training.running_cost import RunningCosts

PULSE = 2000
"""Examples between reports of progress, at which signals and parameters are checked."""


class TrainingState(NamedTuple):
    """The state of a training. All of it changes in place."""

    theta: Array
    slots: Slots
    measures: Measures
    """Metrics of the optimizer's last step; not part of a checkpoint."""

    def copy(self) -> TrainingState:
        """Return a copy that further training does not change."""
        slots = {name: slot.copy() for name, slot in self.slots.items()}
        return TrainingState(self.theta.copy(), slots, dict(self.measures))

    def fault(self) -> str | None:
        """Describe the numbers that are not finite, or return None if all are.

        The optimizer's slots are checked, too: with an infinite slot, Adam never moves again.
        """
        count = np.count_nonzero(~np.isfinite(self.theta))
        if count:
            return f"{count} of {self.theta.size} parameters are not finite"
        for name, slot in self.slots.items():
            if not np.isfinite(slot).all():
                return f"the optimizer's {name} is not finite"
        return None


class Trainer:
    """Trains a network with an optimizer, epoch by epoch.

    Args:
        optimizer: the optimizer.
        objective: the cost to minimize.
        feed: the training examples.
        orders: the order of the examples in each epoch.
        batch_size: examples per step; the last batch of an epoch may be smaller.
        dropout: draws the masks of each step, if any.
        running: records the cost of each batch before its step; None if it is not monitored.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        objective: BatchObjective,
        feed: Feed,
        orders: Orders,
        batch_size: int,
        dropout: Dropout,
        running: RunningCosts | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._objective = objective
        self._feed = feed
        self._orders = orders
        self._batch_size = batch_size
        self._dropout = dropout
        self._running = running
        self._cached = CachedObjective(objective)

    @property
    def full_batch(self) -> bool:
        """Whether an epoch is one step on all examples."""
        return self._optimizer.full_batch

    def start(self, theta: Array) -> TrainingState:
        """Return the state before the first step."""
        return TrainingState(theta, self._optimizer.start(theta), {})

    def epoch(
        self, state: TrainingState, epoch: int, learning_rate: float | None, pulse: int = PULSE
    ) -> Iterator[int]:
        """Train for an epoch; yield the number of examples done, about every pulse examples."""
        step: Callable[..., Measures | None] = self._optimizer.step
        if self._running is not None:
            self._running.begin()
            step = self._running.measure(step)
        theta, slots, measures = state
        masks, use = self._dropout.masks(epoch), self._objective.use
        objective = self._epoch_objective()
        done = reported = 0
        for examples, pieces in self._batches(epoch):
            use(examples, pieces, next(masks))
            step_measures = step(theta, objective, slots, learning_rate)
            if step_measures:
                measures.update(step_measures)
            done += examples
            if done - reported >= pulse:
                reported = done
                yield done
        if done > reported:
            yield done

    def first_fault(
        self, state: TrainingState, epoch: int, learning_rate: float | None
    ) -> tuple[int, str]:
        """Repeat an epoch that diverged, and check the numbers after every batch.

        Returns: the first batch (counted from 1) after which they are not finite, and the fault.
        """
        for batch, _ in enumerate(self.epoch(state, epoch, learning_rate, pulse=1), 1):
            fault = state.fault()
            if fault is not None:
                return batch, fault
        raise AssertionError("a repeated epoch must diverge again")

    @property
    def running_costs(self) -> tuple[float, ...]:
        """The mean cost of the batches in each part of the last epoch, if it is monitored."""
        return () if self._running is None else self._running.costs

    def full_gradient(self, theta: Array) -> Array:
        """Return the gradient of the cost over all training examples, without dropout."""
        self._objective.use(len(self._feed), self._all)
        gradient: Array = self._objective.gradient(theta).copy()
        return gradient

    def _epoch_objective(self) -> Objective:
        """Return the objective for the steps of an epoch, cached for full-batch optimizers."""
        if not self._optimizer.full_batch:
            return self._objective
        if self._dropout.share:  # new masks change the objective, so the cache is invalid
            self._cached = CachedObjective(self._objective)
        return self._cached

    def _batches(self, epoch: int) -> Iterator[tuple[int, Callable[[], Iterable[Piece]]]]:
        """Yield the size and the pieces of each batch of an epoch."""
        if self._optimizer.full_batch:
            yield len(self._feed), self._all
            return
        rows, order = self._batch_size, self._orders(epoch)
        if rows <= CHUNK:
            for batch in self._feed.batches(order, rows):
                yield len(batch.inputs), (batch,).__iter__
        else:
            for start in range(0, len(order), rows):
                indices = order[start : start + rows]
                yield len(indices), partial(self._feed.batches, indices, CHUNK)

    def _all(self) -> Iterator[Piece]:
        """Return all examples in the stored order, so that sums always round the same way."""
        return self._feed.batches(np.arange(len(self._feed)), CHUNK)
