"""Random problems for the native kernels, with NumPy's solutions. Skips without the extension."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.nn.activations import ActivationName
from nnexp.nn.arrays import Array
from nnexp.nn.costs import COSTS, CostName
from nnexp.nn.network import Network
from nnexp.nn.objective import BatchObjective
from nnexp.nn.outputs import OutputName
from nnexp.nn.penalties import Penalty, RegularizerName
from tests.native.requirements import require_extension

require_extension()

from nnexp.native.kernels import (  # noqa: E402 - see above
    Floats,
    Indices,
    NativeExamples,
    NativeNetwork,
    NativePenalty,
)

__all__ = ["NativeExamples", "NativeNetwork", "NativePenalty"]  # tests import them from here

PAIRS: list[tuple[OutputName, CostName]] = [
    (output, cost) for cost, outputs in COSTS.items() for output in outputs
]
ACTIVATIONS: tuple[ActivationName, ...] = ("sigmoid", "tanh", "relu")
SCALE = 255.0


class Kind(NamedTuple):
    """A network's functions."""

    activation: ActivationName
    output: OutputName
    cost: CostName


KINDS = [Kind(activation, *pair) for activation in ACTIVATIONS for pair in PAIRS]


class Problem:
    """A network with random parameters, and random examples.

    Args:
        sizes: neurons of each layer.
        kind: the network's functions.
        density: the fraction of nonzero features; those above 1/3 are not stored sparsely.
        count: examples.
        dtype: of the stored features.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        kind: Kind = KINDS[0],
        density: float = 0.2,
        count: int = 200,
        dtype: npt.DTypeLike = np.uint8,
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.rng, self.sizes = rng, sizes
        self.network = Network(sizes, *kind)
        self.native = NativeNetwork(sizes, *kind)
        features = rng.integers(1, 256, (count, sizes[0])).astype(dtype)
        features[rng.random(features.shape) >= density] = 0
        self.features = features
        self.labels: Indices = rng.integers(0, sizes[-1], count)
        max_density = 1.0 if density < 1 / 3 else 0.0
        self.examples = NativeExamples(features, SCALE, self.labels, max_density)
        spread = 1 / np.sqrt(max(sizes))  # saturated neurons would lose all digits of 1 - a
        self.theta: Floats = (rng.standard_normal(self.network.size) * spread).astype(np.float32)
        self.parameters = self.native.pack(self.theta)

    def order(self, rows: int) -> Indices:
        """Return a random batch; without repetition if there are enough examples."""
        count = len(self.labels)
        return self.rng.choice(count, rows, replace=rows > count)

    def masks(self) -> list[Floats]:
        """Return dropout masks of the hidden layers, which drop half of the neurons."""
        sizes = self.sizes[1:-1]
        return [np.where(self.rng.random(n) < 0.5, 0, 2).astype(np.float32) for n in sizes]

    def objective(
        self,
        order: Indices,
        masks: list[Floats] | None = None,
        penalty: NativePenalty = NativePenalty("l2", 0.0),  # noqa: B008 - immutable
        dtype: npt.DTypeLike = np.float64,
    ) -> BatchObjective:
        """Return NumPy's objective for a batch, in float64 unless another dtype is given."""
        inputs: Array = np.ones((len(order), self.sizes[0] + 1), dtype)
        inputs[:, :-1] = self.features[order] / np.float32(SCALE)  # rounded as the kernels' are
        targets = self.network.targets(self.labels[order], dtype)
        regularizer: RegularizerName = penalty.regularizer
        numpy_penalty = Penalty(self.network, regularizer, penalty.strength, dtype)
        objective = BatchObjective(self.network, numpy_penalty, dtype)
        objective.use(len(order), lambda: iter([(inputs, targets)]), masks or None)
        return objective


def distance(actual: Array, expected: Array) -> float:
    """Return the largest difference as a fraction of the largest expected value, at least 0.1.

    Differences a - y of outputs and targets have absolute errors, so that small gradients have
    large relative ones.
    """
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 0.1))
