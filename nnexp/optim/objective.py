"""What optimizers see of the world: a function of one vector and its derivatives."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from nnexp.nn.arrays import Array

Slots: TypeAlias = dict[str, Array]
"""An optimizer's state: named arrays, updated in place, that a checkpoint can hold."""


class Objective(Protocol):
    """The whole cost, penalty included, of a mini-batch or of all the data."""

    def value(self, theta: Array) -> float:
        """Return the cost at theta."""

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        """Return scale times the cost's gradient at theta.

        The result is a buffer: the caller may overwrite it, and the next call will. A scale
        given here is folded into small arrays, where it costs less than on the result.
        """

    def descend(self, theta: Array, learning_rate: float) -> None:
        """Move theta, in place, by -learning_rate times the cost's gradient.

        What ``theta -= gradient(theta, learning_rate)`` does, in fewer passes over memory.
        """
