"""The interface of optimizers to the cost: a function of one vector and its derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeAlias

from nnexp.nn.arrays import Array

Slots: TypeAlias = dict[str, Array]
"""An optimizer's state: named arrays that are updated in place and saved in checkpoints."""

Measures: TypeAlias = dict[str, float]
"""Metrics of a step that an optimizer reports, by their name in the epoch's row."""


class Objective(Protocol):
    """The cost of a mini-batch or of all data, including the penalty."""

    def value(self, theta: Array) -> float:
        """Return the cost at theta."""

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        """Return scale times the cost's gradient at theta.

        The result is a buffer that the caller may overwrite and the next call does. The scale is
        applied to small arrays, which is cheaper than scaling the result.
        """


class CurvedObjective(Objective, Protocol):
    """An objective with a second derivative."""

    def input_scales(self, theta: Array) -> Array:
        """Return the root mean square of what each parameter is multiplied by; none is 0."""

    def rough_curvatures(self, theta: Array) -> Array:
        """Return positive guesses of the Hessian's diagonal from inputs and the penalty alone."""

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        """Return the cost's Hessian at theta, or its Gauss-Newton part, times v.

        v may be a matrix whose rows are several vectors, which is faster than one at a time.
        """


class Batches(Protocol):
    """The mini-batches of successive steps, for parameters that the steps change in place."""

    def __iter__(self) -> Iterator[Objective]:
        """Yield the objective of each mini-batch; it is another's after the next."""

    def descend(self, learning_rate: float) -> None:
        """Make a step for each mini-batch: parameters <- parameters - learning_rate gradient.

        Equivalent to subtracting each objective's gradient, with fewer passes over memory.
        """


class CachedObjective:
    """An objective that caches its value and gradient at the last theta, and counts evaluations.

    A full-batch step begins where the last one ended and would otherwise compute both again. The
    cache depends only on theta, so a resumed training recomputes the same numbers.
    """

    def __init__(self, objective: CurvedObjective) -> None:
        self._objective = objective
        self._value: tuple[Array, float] | None = None
        self._gradient: tuple[Array, Array] | None = None
        self._counted: list[Array] = []
        self.evaluations = 0
        """Points at which the cost, its gradient or both were needed, and Hessian products."""

    def begin(self, theta: Array) -> None:
        """Begin a step at theta, where the last step ended: it is not counted again.

        The count is therefore the same if the step begins a resumed training, with empty caches.
        """
        self._counted = [theta.copy()]

    def value(self, theta: Array) -> float:
        """Return the cost at theta."""
        self._count(theta)
        if self._value is None or not _equal(self._value[0], theta):
            self._value = theta.copy(), self._objective.value(theta)
        return self._value[1]

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        """Return scale times the cost's gradient at theta, in a new array."""
        self._count(theta)
        if self._gradient is None or not _equal(self._gradient[0], theta):
            self._gradient = theta.copy(), self._objective.gradient(theta).copy()
        return self._gradient[1] * scale

    def hessian_product(self, theta: Array, v: Array, *, gauss_newton: bool = False) -> Array:
        """Return the cost's Hessian at theta, or its Gauss-Newton part, times v."""
        self.evaluations += 1 if v.ndim == 1 else len(v)
        return self._objective.hessian_product(theta, v, gauss_newton=gauss_newton)

    def input_scales(self, theta: Array) -> Array:
        """Return the root mean square of what each parameter is multiplied by; none is 0."""
        return self._objective.input_scales(theta)

    def rough_curvatures(self, theta: Array) -> Array:
        """Return positive guesses of the Hessian's diagonal from inputs and the penalty alone."""
        return self._objective.rough_curvatures(theta)

    def _count(self, theta: Array) -> None:
        """Count theta, unless it is where the step begins or the last point that was counted."""
        if not any(_equal(point, theta) for point in self._counted):
            self._counted[1:] = [theta.copy()]
            self.evaluations += 1


def _equal(x: Array, y: Array) -> bool:
    return bool((x == y).all())
