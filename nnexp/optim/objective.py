"""What optimizers see of the world: a function of one vector and its derivatives."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from nnexp.nn.arrays import Array

Slots: TypeAlias = dict[str, Array]
"""An optimizer's state: named arrays, updated in place, that a checkpoint can hold."""

Measures: TypeAlias = dict[str, float]
"""What an optimizer has to say of a step, by the name it has in the epoch's row."""


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

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        """Return the cost's Hessian at theta, or its Gauss-Newton part, times v.

        Several vectors may come as rows, and so do their products; together they are quicker.
        """


class Remembered:
    """An objective that computes nothing twice in a row at the same theta.

    A full-batch step begins where the last one ended, so that each would otherwise take
    the cost and gradient there again. What is remembered follows from theta alone: a
    resumed training computes it anew and gets the same.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._valued: tuple[Array, float] | None = None
        self._sloped: tuple[Array, Array] | None = None

    def value(self, theta: Array) -> float:
        """Return the cost at theta."""
        if self._valued is None or not _same(self._valued[0], theta):
            self._valued = theta.copy(), self._objective.value(theta)
        return self._valued[1]

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        """Return scale times the cost's gradient at theta, in an array of its own."""
        if self._sloped is None or not _same(self._sloped[0], theta):
            self._sloped = theta.copy(), self._objective.gradient(theta).copy()
        return self._sloped[1] * scale

    def descend(self, theta: Array, learning_rate: float) -> None:
        """Move theta, in place, by -learning_rate times the cost's gradient."""
        theta -= self.gradient(theta, learning_rate)

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        """Return the cost's Hessian at theta, or its Gauss-Newton part, times v."""
        return self._objective.hessian_product(theta, v, gauss_newton=gauss_newton)


def _same(one: Array, other: Array) -> bool:
    return bool((one == other).all())
