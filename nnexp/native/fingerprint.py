"""A fingerprint of the native kernels' arithmetic: equal if they give the same bytes."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nnexp.native.kernels import NativeExamples, NativeNetwork, NativePenalty
from nnexp.nn.activations import ActivationName
from nnexp.nn.costs import CostName
from nnexp.nn.outputs import OutputName

if TYPE_CHECKING:
    import numpy.typing as npt

EXAMPLES = 1500
"""More than the kernels' workspace holds."""

Probe = tuple[tuple[int, ...], int, ActivationName, OutputName, CostName, NativePenalty]

PROBES: tuple[Probe, ...] = (
    ((40, 30, 10), 10, "sigmoid", "sigmoid", "cross-entropy", NativePenalty("l2", 4.0)),
    ((40, 100, 10), 30, "sigmoid", "softmax", "log-likelihood", NativePenalty("l2", 0.01)),
    ((40, 100, 33, 3), 1, "tanh", "tanh", "quadratic", NativePenalty("l1", 0.01)),
    ((40, 17, 10), EXAMPLES, "relu", "linear", "quadratic", NativePenalty("l2", 0.0)),
    ((40, 161, 10), EXAMPLES, "tanh", "tanh", "cross-entropy", NativePenalty("l1", 0.01)),
    ((40, 10), 100, "relu", "softmax", "cross-entropy", NativePenalty("l2", 0.01)),
)
"""Sizes, batch size, neurons, cost and penalty of short trainings: every kernel has a part."""


@functools.cache
def fingerprint() -> str:
    """Return a hash of short trainings, on sparse and on dense examples, and of random draws.

    It is the same on every processor, unlike NumPy's: see ``nnexp.numerics``. It changes if the
    kernels do, or the draws of NumPy, or the square roots and quotients that optimizers take.
    """
    sha256 = hashlib.sha256()
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0)))
    features = rng.integers(1, 256, (EXAMPLES, PROBES[0][0][0]), np.uint8)
    sparse = features * (rng.random(features.shape) < 0.2)  # noqa: PLR2004 - a fifth is not 0
    labels = rng.integers(0, 3, EXAMPLES)
    for stored in (features, sparse.astype(np.float32)):
        examples = NativeExamples(stored, 255.0, labels)
        for probe in PROBES:
            for values in _results(probe, examples, rng):
                sha256.update(values.tobytes())
    return sha256.hexdigest()


def _results(
    probe: Probe, examples: NativeExamples, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.generic]]:
    """Yield all that the kernels compute for a network, before and after some steps."""
    sizes, batch_size, activation, output, cost, penalty = probe
    network = NativeNetwork(sizes, activation, output, cost)
    size = network.unpack(np.zeros(network.size, np.float32)).size
    parameters = network.pack(rng.normal(0, 0.3, size).astype(np.float32))
    order = rng.permutation(EXAMPLES)[: 20 * batch_size]
    steps = -(-len(order) // batch_size)
    costs = np.empty(steps)
    masks = (rng.random((steps, sum(sizes[1:-1]))) < 0.5).astype(np.float32)  # noqa: PLR2004 - half
    gradient = np.empty_like(parameters)
    for dropout in (None, masks):
        network.descend(
            parameters,
            examples,
            order,
            batch_size,
            0.1,
            penalty=penalty,
            masks=dropout,
            costs=costs,
        )
        network.gradient(
            parameters,
            examples,
            order[:batch_size],
            gradient,
            penalty=penalty,
            masks=None if dropout is None else dropout[0],
        )
        yield from (parameters, costs, gradient)
    summed, predicted = network.evaluate(parameters, examples)
    yield np.array([summed, network.penalty(parameters, penalty)])
    yield from (predicted, network.outputs(parameters, examples))
    yield from network.hidden(parameters, examples, order)
    yield np.sqrt(np.abs(parameters)) / np.float32(3)
