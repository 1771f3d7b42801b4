"""The steps of an epoch through the training examples, and where they went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.objective import BatchObjective, Piece
from nnexp.optim.objective import Measures, Objective, Remembered, Slots
from nnexp.optim.optimizers import Optimizer
from nnexp.streams import Orders
from nnexp.training.dropout import Dropout
from nnexp.training.feed import CHUNK, Feed
from nnexp.training.running_cost import RunningCosts

PULSE = 2000
"""Examples from one report of progress to the next, where signals and numbers are looked at."""


class TrainingState(NamedTuple):
    """What training changes, all of it in place."""

    theta: Array
    slots: Slots
    measures: Measures
    """What the optimizer said of its last step; no part of a checkpoint."""

    def copy(self) -> TrainingState:
        """Return a state that further training leaves alone."""
        slots = {name: slot.copy() for name, slot in self.slots.items()}
        return TrainingState(self.theta.copy(), slots, dict(self.measures))

    def fault(self) -> str | None:
        """Return what is wrong with the numbers, or None if all are finite.

        The optimizer's count too: with an infinite slot Adam, for one, stands still for ever.
        """
        wrong = np.count_nonzero(~np.isfinite(self.theta))
        if wrong:
            return f"{wrong} of {self.theta.size} parameters are not finite"
        for name, slot in self.slots.items():
            if not np.isfinite(slot).all():
                return f"the optimizer's {name} is not finite"
        return None


class Trainer:
    """An optimizer at work on the training examples.

    Args:
        optimizer: makes the steps.
        objective: the cost that the steps go down.
        feed: the training examples.
        orders: in which order each epoch visits them.
        batch_size: examples in a step; the last batch of an epoch may be smaller.
        dropout: draws the masks of each step, if any.
        running: measures each batch before its step; None: nobody asks for that.
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
        self._whole = Remembered(objective)

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
        """Train for an epoch; yield how many examples are done, about every pulse of them."""
        step: Callable[..., Measures | None] = self._optimizer.step
        if self._running is not None:
            self._running.begin()
            step = self._running.watching(step)
        theta, slots, measures = state
        masks, use, seen = self._dropout.masks(epoch), self._objective.use, self._seen()
        done = reported = 0
        for examples, pieces in self._batches(epoch):
            use(examples, pieces, next(masks))
            said = step(theta, seen, slots, learning_rate)
            if said:
                measures.update(said)
            done += examples
            if done - reported >= pulse:
                reported = done
                yield done
        if done > reported:
            yield done

    def first_fault(
        self, state: TrainingState, epoch: int, learning_rate: float | None
    ) -> tuple[int, str]:
        """Go once more through an epoch that ended badly, with a look at the numbers every batch.

        Returns: the first batch (counted from 1) after which they are not finite, and what is
        wrong with them.
        """
        for batch, _ in enumerate(self.epoch(state, epoch, learning_rate, pulse=1), 1):
            fault = state.fault()
            if fault is not None:
                return batch, fault
        raise AssertionError("an epoch gone through again must go wrong again")

    @property
    def running_costs(self) -> tuple[float, ...]:
        """The mean cost of the batches in each part of the last epoch, if it is measured."""
        return () if self._running is None else self._running.costs

    def full_gradient(self, theta: Array) -> Array:
        """Return the gradient of the cost over all training examples, without dropout."""
        self._objective.use(len(self._feed), self._all)
        gradient: Array = self._objective.gradient(theta).copy()
        return gradient

    def _seen(self) -> Objective:
        """Return what the optimizer sees of the batches of an epoch."""
        if not self._optimizer.full_batch:
            return self._objective
        if self._dropout.share:  # another network in every epoch: nothing to remember
            self._whole = Remembered(self._objective)
        return self._whole

    def _batches(self, epoch: int) -> Iterator[tuple[int, Callable[[], Iterable[Piece]]]]:
        """Yield each batch of an epoch as its size and its pieces."""
        if self._optimizer.full_batch:
            yield len(self._feed), self._all
            return
        rows, order = self._batch_size, self._orders(epoch)
        if rows <= CHUNK:
            for batch in self._feed.batches(order, rows):
                yield len(batch.inputs), (batch,).__iter__
        else:
            for start in range(0, len(order), rows):
                part = order[start : start + rows]
                yield len(part), partial(self._feed.batches, part, CHUNK)

    def _all(self) -> Iterator[Piece]:
        """Return all examples in the order they are stored, so that sums always round alike."""
        return self._feed.batches(np.arange(len(self._feed)), CHUNK)
