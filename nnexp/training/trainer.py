"""Train for an epoch on mini-batches, and find the one in which numbers became infinite or NaN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim.optimizers import MiniBatchOptimizer
from nnexp.streams import Order, Orders
from nnexp.training.backend import Backend
from nnexp.training.dropout import Dropout
from nnexp.training.running_cost import RunningCosts
from nnexp.training.state import NotFiniteError, TrainingState

PULSE = 2000
"""Examples between reports of progress, at which signals and parameters are checked.

The native backend makes that many examples' steps in one call, and the last bits of its results
depend on how an epoch is divided into calls. Denormal numbers become 0 after each. Never change it.
"""


class Portion(NamedTuple):
    """Some consecutive mini-batches of an epoch."""

    order: Order
    """Indices of their examples."""
    masks: Array | None
    """Dropout's masks, a row for each mini-batch."""


class Trainer:
    """Trains a network with an optimizer on mini-batches, epoch by epoch.

    Args:
        optimizer: the optimizer.
        backend: computes on the training examples.
        orders: the order of the examples in each epoch.
        batch_size: examples per step; the last batch of an epoch may be smaller.
        dropout: draws the masks of each step, if any.
        running: records the cost of each batch before its step; None if it is not monitored.
    """

    def __init__(
        self,
        optimizer: MiniBatchOptimizer,
        backend: Backend,
        orders: Orders,
        batch_size: int,
        dropout: Dropout,
        running: RunningCosts | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._backend = backend
        self._orders = orders
        self._batch_size = batch_size
        self._dropout = dropout
        self._running = running

    def start(self, theta: Array) -> TrainingState:
        """Return the state before the first step."""
        parameters = self._backend.pack(theta)
        return TrainingState(parameters, self._optimizer.start(parameters), {})

    def epoch(self, state: TrainingState, epoch: int, learning_rate: float) -> Iterator[int]:
        """Train for an epoch; yield the number of examples done, about every ``PULSE`` examples.

        Raises: NotFiniteError.
        """
        if self._running is not None:
            self._running.begin()
        done = 0
        for portion in self._portions(epoch):
            before = state.copy()
            self._advance(state, portion, learning_rate, self._running)
            if state.fault() is not None:
                batch, found = self._first_fault(before, portion, learning_rate)
                raise NotFiniteError(done // self._batch_size + batch, found)
            state.flush_denormals()
            done += len(portion.order)
            yield done

    @property
    def running_costs(self) -> tuple[float, ...]:
        """The mean cost of the batches in each part of the last epoch, if it is monitored."""
        return () if self._running is None else self._running.costs

    def _portions(self, epoch: int) -> Iterator[Portion]:
        """Divide an epoch into portions of about ``PULSE`` examples."""
        order, masks = self._orders(epoch), self._dropout.masks(epoch)
        batches = min(PULSE // self._batch_size, self._dropout.batches_at_once)
        size = max(1, batches) * self._batch_size
        for start in range(0, len(order), size):
            part = order[start : start + size]
            yield Portion(part, masks(self._steps(part)))

    def _steps(self, order: Order) -> int:
        return -(-len(order) // self._batch_size)

    def _advance(
        self,
        state: TrainingState,
        portion: Portion,
        learning_rate: float,
        running: RunningCosts | None = None,
    ) -> None:
        """Make the steps of a portion."""
        order, masks = portion
        costs = None if running is None else np.empty(self._steps(order))
        theta = state.parameters
        batches = self._backend.batches(theta, order, self._batch_size, masks, costs)
        self._optimizer.steps(theta, batches, state.slots, learning_rate)
        if running is not None and costs is not None:
            running.add(costs)

    def _first_fault(
        self, before: TrainingState, portion: Portion, learning_rate: float
    ) -> tuple[int, str]:
        """Find the first batch of a portion after which numbers are not finite, by bisection.

        Numbers that are not finite never become finite again.

        Returns: the batch, counted from 1 within the portion, and the fault.
        """
        finite, faulty, found = 0, self._steps(portion.order), ""
        while finite + 1 < faulty or not found:
            assert finite < faulty, "a repeated portion must diverge again"  # noqa: S101
            middle = (finite + faulty + 1) // 2
            state, masks = before.copy(), portion.masks
            part = portion.order[: middle * self._batch_size]
            self._advance(
                state, Portion(part, None if masks is None else masks[:middle]), learning_rate
            )
            fault = state.fault(self._backend.unpack)
            if fault is None:
                finite = middle
            else:
                faulty, found = middle, fault
        return faulty, found
