"""Train and evaluate networks in float32 with the native kernels.

Importing this module fails where ``availability.why_unavailable`` gives a reason.

The kernels keep the parameters in a layout of their own: a layer's matrix has a row for each input
and, last, one for the biases, while theta's has a row for each neuron. A step with sparse inputs
reads and writes only the rows of nonzero features, and a vector register holds several neurons,
whose sums need no horizontal additions. Rows are padded with zeros to 16 floats, so that no kernel
has a special case for the last neurons.

Parameters stay in this layout during the whole training. Elementwise optimizers work on the vector
as it is, since the gradient has the same layout and its padding is 0. Only checkpoints and metrics
need theta, which ``NativeNetwork.unpack`` provides.

Results are the same, to the last bit, on every processor and with every compiler.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from nnexp.native import _kernels
from nnexp.nn.activations import ActivationName
from nnexp.nn.costs import CostName
from nnexp.nn.outputs import OutputName
from nnexp.nn.penalties import RegularizerName

if TYPE_CHECKING:
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float32]"
Indices: TypeAlias = "npt.NDArray[np.int64]"


MAX_DENSITY = 0.35
"""Maximum fraction of nonzero features with which the sparse kernels are faster."""

ALIGNMENT = 64
"""Bytes of a cache line; unaligned vectors of that width are slow."""


def aligned_zeros(size: int) -> Floats:
    """Return zeros that begin at the start of a cache line."""
    memory = np.zeros(size * 4 + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size * 4].view(np.float32)


class NativePenalty(NamedTuple):
    """A regularizer and its strength λ/n."""

    regularizer: RegularizerName
    strength: float


NO_PENALTY = NativePenalty("l2", 0.0)


class NativeExamples:
    """Labelled examples for the kernels.

    Features whose zeros prevail are stored as compressed sparse rows. This depends on the data
    alone, since the two forms differ in the last bits of their results. Dense features stay as
    they are stored, and must not change.

    Args:
        features: the stored features, (examples, features).
        scale: the divisor of the features.
        labels: the class of each example.
        max_density: the maximum fraction of nonzeros for the sparse form.
    """

    def __init__(
        self,
        features: npt.NDArray[Any],
        scale: float,
        labels: Indices,
        max_density: float = MAX_DENSITY,
    ) -> None:
        if features.dtype not in {np.dtype(np.uint8), np.dtype(np.float32)}:
            # Scaled as by the NumPy backend, which divides in the stored dtype and then rounds.
            divisor, scaled = np.array(scale, np.float32), np.empty(features.shape, np.float32)
            with np.errstate(over="ignore", invalid="ignore"):  # the cost will show it
                features = np.divide(features, divisor, out=scaled, casting="same_kind")
            scale = 1.0
        # Labels are checked once and then trusted as indices: nobody else may have them.
        self.extension = _kernels.Examples(
            np.ascontiguousarray(features), scale, np.array(labels, order="C"), max_density
        )

    def __len__(self) -> int:
        return len(self.extension)

    @property
    def is_sparse(self) -> bool:
        """Whether only the nonzero features are stored."""
        return self.extension.is_sparse


class NativeNetwork:
    """A network's kernels and their buffers; not to be used by two threads at once.

    Methods take parameters in the kernels' layout, and an order: the indices of a batch's examples.

    Args:
        sizes: neurons of each layer, from the inputs to the outputs.
        activation: the hidden neurons' nonlinearity.
        output: the output neurons.
        cost: the cost to minimize; must suit the output.
        class_weights: a factor of the cost of each class's examples; None for 1.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: ActivationName = "sigmoid",
        output: OutputName = "sigmoid",
        cost: CostName = "cross-entropy",
        class_weights: Sequence[float] | None = None,
    ) -> None:
        weights = None if class_weights is None else np.array(class_weights, np.float32)
        self._extension = _kernels.Network(tuple(sizes), activation, output, cost, weights)
        self._classes = sizes[-1]
        self.hidden_sizes = tuple(sizes[1:-1])
        """Neurons of each hidden layer."""
        self._theta_size = sum((n + 1) * m for n, m in pairwise(sizes))
        self.size = self._extension.size
        """The length of the parameters, padding included."""

    def pack(self, theta: Floats) -> Floats:
        """Return theta, or a vector like it, in the kernels' layout."""
        parameters = aligned_zeros(self.size)
        self._extension.pack(theta, parameters)
        return parameters

    def unpack(self, parameters: Floats) -> Floats:
        """Return parameters, or a vector like them, in theta's layout."""
        theta = np.empty(self._theta_size, np.float32)
        self._extension.unpack(parameters, theta)
        return theta

    def outputs(
        self, parameters: Floats, examples: NativeExamples, order: Indices | None = None
    ) -> Floats:
        """Return the outputs for the examples of an order, or for all, (examples, classes)."""
        rows = len(examples) if order is None else len(order)
        out = np.empty((rows, self._classes), np.float32)
        self._extension.outputs(parameters, examples.extension, order, out)
        return out

    def hidden(self, parameters: Floats, examples: NativeExamples, order: Indices) -> list[Floats]:
        """Return each hidden layer's outputs for the examples of an order, (examples, neurons)."""
        out = np.empty((len(order), sum(self.hidden_sizes)), np.float32)
        self._extension.hidden(parameters, examples.extension, order, out)
        ends = np.cumsum(self.hidden_sizes)
        return [out[:, end - n : end] for end, n in zip(ends, self.hidden_sizes, strict=True)]

    def evaluate(
        self, parameters: Floats, examples: NativeExamples, order: Indices | None = None
    ) -> tuple[float, Indices]:
        """Return the summed cost of an order or of all, without the penalty, and the classes.

        An example's class is that of its largest output: the first on a tie, or the first NaN.
        """
        predicted = np.empty(len(examples) if order is None else len(order), np.int64)
        cost = self._extension.evaluate(parameters, examples.extension, order, predicted)
        return cost, predicted

    def cost(
        self,
        parameters: Floats,
        examples: NativeExamples,
        order: Indices | None = None,
        masks: Floats | None = None,
    ) -> float:
        """Return the summed cost of a batch, without the penalty.

        Args:
            parameters: of the network.
            examples: which order refers to.
            order: the batch; all examples without it.
            masks: a factor for each hidden neuron, from dropout.
        """
        return self._extension.cost(parameters, examples.extension, order, masks)

    def penalty(self, parameters: Floats, penalty: NativePenalty) -> float:
        """Return the penalty."""
        if not penalty.strength:
            return 0.0
        return penalty.strength * self._extension.penalty(parameters, penalty.regularizer)

    def gradient(
        self,
        parameters: Floats,
        examples: NativeExamples,
        order: Indices | None,
        out: Floats,
        *,
        scale: float = 1.0,
        penalty: NativePenalty = NO_PENALTY,
        masks: Floats | None = None,
    ) -> None:
        """Write scale times the gradient of a batch's mean cost plus the penalty to out.

        Args:
            parameters: of the network.
            examples: which order refers to.
            order: the batch; all examples without it.
            out: receives the gradient, in the kernels' layout.
            scale: a factor of the gradient.
            penalty: the regularization.
            masks: a factor for each hidden neuron, from dropout.
        """
        self._extension.gradient(parameters, examples.extension, order, masks, *penalty, scale, out)

    def descend(
        self,
        parameters: Floats,
        examples: NativeExamples,
        order: Indices,
        batch_size: int,
        learning_rate: float,
        *,
        penalty: NativePenalty = NO_PENALTY,
        masks: Floats | None = None,
        costs: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Make a step of gradient descent for each mini-batch of an order.

        With sparse examples and L2, the last bits of the result depend on how an epoch is divided
        into calls, since each call ends by multiplying the accumulated decay into the weights.

        Args:
            parameters: of the network; change in place.
            examples: which order refers to.
            order: the examples of all steps.
            batch_size: examples per step; the last step may have fewer.
            learning_rate: of each step.
            penalty: the regularization.
            masks: factors of the hidden neurons for each step, (steps, hidden neurons).
            costs: receives the mean cost of each mini-batch plus the penalty before its step.
        """
        self._extension.descend(
            parameters, examples.extension, order, batch_size, learning_rate, *penalty, masks, costs
        )
