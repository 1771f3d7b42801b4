"""A fingerprint of the native kernels' arithmetic: equal if they give the same bytes."""

from __future__ import annotations

import functools
import hashlib

import numpy as np

from nnexp.native.kernels import NativeExamples, NativeNetwork, NativePenalty

SIZES = (20, 33, 17, 10)
PENALTY = NativePenalty("l2", 0.01)


@functools.cache
def fingerprint() -> str:
    """Return a hash of two short trainings, on sparse and on dense examples, and of random draws.

    It is the same on every processor, unlike NumPy's: see ``nnexp.numerics``. It changes if the
    kernels do, or the draws of NumPy, or the square roots and quotients that optimizers take.
    """
    sha256 = hashlib.sha256()
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0)))
    order = rng.permutation(200)
    features = rng.integers(1, 256, (200, SIZES[0]), np.uint8)
    labels = rng.integers(0, SIZES[-1], 200)
    network = NativeNetwork(SIZES, "tanh", "softmax", "log-likelihood")
    theta = rng.standard_normal(network.unpack(np.zeros(network.size, np.float32)).size)
    for density in (0.2, 1.0):
        sparse = np.where(rng.random(features.shape) < density, features, 0).astype(np.uint8)
        examples = NativeExamples(sparse, 255.0, labels)
        parameters = network.pack(theta.astype(np.float32))
        network.descend(parameters, examples, order, 10, 0.5, penalty=PENALTY)
        cost, predicted = network.evaluate(parameters, examples)
        for values in (parameters, np.sqrt(np.abs(parameters)), parameters / 3, predicted):
            sha256.update(values.tobytes())
        sha256.update(cost.hex().encode())
    return sha256.hexdigest()
