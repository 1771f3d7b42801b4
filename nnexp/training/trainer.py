"""One epoch: an optimizer's steps through the training examples, and where they went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.objective import BatchObjective, Piece
from nnexp.optim.objective import Slots
from nnexp.optim.optimizers import Optimizer
from nnexp.streams import Order
from nnexp.training.feed import CHUNK, Feed

PULSE = 2000
"""Examples from one report of progress to the next, where signals and numbers are looked at."""


class State(NamedTuple):
    """What training changes, all of it in place."""

    theta: Array
    slots: Slots

    def copy(self) -> State:
        """Return a state that further training leaves alone."""
        return State(self.theta.copy(), {name: slot.copy() for name, slot in self.slots.items()})

    def fault(self) -> str | None:
        """Return what is wrong with the numbers, or None if all are finite."""
        for name, vector in {"theta": self.theta, **self.slots}.items():
            wrong = np.count_nonzero(~np.isfinite(vector))
            if wrong:
                what = "parameters" if name == "theta" else f"elements of {name}"
                return f"{wrong} of {vector.size} {what} are not finite"
        return None


class Trainer:
    """An optimizer at work on the training examples.

    Args:
        optimizer: makes the steps.
        objective: the cost that the steps go down.
        feed: the training examples.
        batch_size: examples in a step; the last batch of an epoch may be smaller.
    """

    def __init__(
        self, optimizer: Optimizer, objective: BatchObjective, feed: Feed, batch_size: int
    ) -> None:
        self._optimizer = optimizer
        self._objective = objective
        self._feed = feed
        self._batch_size = batch_size

    def start(self, theta: Array) -> State:
        """Return the state before the first step."""
        return State(theta, self._optimizer.start(theta))

    def epoch(
        self, state: State, order: Order, learning_rate: float, pulse: int = PULSE
    ) -> Iterator[int]:
        """Train on the examples in this order, once; yield how many are done, about every pulse."""
        objective, step = self._objective, self._optimizer.step
        theta, slots = state
        done = reported = 0
        for examples, pieces in self._batches(order):
            objective.use(examples, pieces)
            step(theta, objective, slots, learning_rate)
            done += examples
            if done - reported >= pulse:
                reported = done
                yield done
        if done > reported:
            yield done

    def first_fault(self, state: State, order: Order, learning_rate: float) -> tuple[int, str]:
        """Go once more through an epoch that ended badly, with a look at the numbers every batch.

        Returns: the first batch (counted from 1) after which they are not finite, and what is
        wrong with them.
        """
        for batch, _ in enumerate(self.epoch(state, order, learning_rate, pulse=1), 1):
            fault = state.fault()
            if fault is not None:
                return batch, fault
        raise AssertionError("an epoch gone through again must go wrong again")

    def _batches(self, order: Order) -> Iterator[tuple[int, Callable[[], Iterable[Piece]]]]:
        """Yield each batch as its size and its pieces."""
        rows = self._batch_size
        if rows <= CHUNK:
            for batch in self._feed.batches(order, rows):
                yield len(batch.inputs), (batch,).__iter__
        else:
            for start in range(0, len(order), rows):
                part = order[start : start + rows]
                yield len(part), partial(self._feed.batches, part, CHUNK)
