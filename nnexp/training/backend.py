"""The interface of the two backends: NumPy, the readable reference, and the native kernels.

A backend has the examples of a dataset's splits and a network with its penalty. The vectors that it
takes and returns (parameters, gradients, an optimizer's slots) are in its own layout, which need
not be theta's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.optim.objective import Batches

if TYPE_CHECKING:
    import numpy.typing as npt

SATURATED = 0.05
"""A neuron is saturated if its slope is below this; the sigmoid's is at most 0.25."""


class Evaluation(NamedTuple):
    """The results of a network on one split."""

    cost: float
    """The mean cost of the examples plus the penalty."""
    accuracy: float
    """The fraction of examples whose class has the largest output."""
    predicted: npt.NDArray[np.int64]
    """The class with the largest output for each example, the first on a tie."""


class Heartbeat:
    """A callback that can be replaced; called within every loop over many examples.

    An exception that it raises ends the loop. The parts of a backend share it instead of a method
    of the backend: a cycle of references would keep a dataset in memory until Python finds it.
    """

    def __init__(self) -> None:
        self.callback: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        """Call the callback."""
        self.callback()


class Backend(Protocol):
    """Computes a network's outputs and costs on the splits of a dataset, and their gradients."""

    @property
    def heartbeat(self) -> Heartbeat:
        """The callback of all loops."""

    @property
    def examples(self) -> int:
        """The number of training examples."""

    def pack(self, theta: Array) -> Array:
        """Return theta, or a vector like it, in this backend's layout; it may be the same."""

    def unpack(self, vector: Array) -> Array:
        """Return a vector in theta's layout; it may be the same."""

    def batches(
        self,
        parameters: Array,
        order: npt.NDArray[np.int64],
        batch_size: int,
        masks: Array | None = None,
        costs: npt.NDArray[np.float64] | None = None,
    ) -> Batches:
        """Return the mini-batches of successive steps.

        Args:
            parameters: change in place with every step.
            order: indices of training examples.
            batch_size: examples per step; the last step may have fewer.
            masks: factors of the hidden neurons for each step, from dropout:
                (steps, hidden neurons).
            costs: receives each mini-batch's mean cost plus the penalty before its step.
        """

    def gradient(self, parameters: Array) -> Array:
        """Return the gradient of the cost over all training examples, without dropout."""

    def evaluate(self, parameters: Array, split: str) -> Evaluation:
        """Evaluate parameters on all examples of a split."""

    def outputs(self, parameters: Array, split: str) -> Array:
        """Return the network's outputs for all examples of a split, (examples, classes)."""

    def saturation(self, parameters: Array) -> tuple[float, ...]:
        """Return the fraction of saturated (neuron, training example) pairs of each hidden layer.

        A neuron is saturated if its slope is below ``SATURATED``.
        """
