"""A fingerprint of the machine's arithmetic: equal where the last bits come out equal."""

from __future__ import annotations

import hashlib

import numpy as np

SHAPES = ((1, 784, 30), (10, 784, 30), (100, 300, 100), (30, 10, 785), (500, 31, 10))


def fingerprint() -> str:
    """Return a hash of what this machine computes in a short probe.

    Names and versions don't tell: the same NumPy picks other kernels on other processors.
    The probe takes matrix products of several shapes, elementary functions, sums,
    a permutation and normal draws, in float32 and float64.
    """
    total = hashlib.sha256()
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0)))
    total.update(rng.permutation(1000).tobytes())
    for m, k, n in SHAPES:
        a, b = rng.standard_normal((m, k)), rng.standard_normal((n, k))
        for dtype in (np.float32, np.float64):
            product = a.astype(dtype) @ b.astype(dtype).T
            total.update(product.tobytes())
            product /= np.abs(product).max()
            for value in (np.exp(product), np.tanh(product), np.log1p(np.abs(product))):
                total.update(value.tobytes())
                total.update(value.sum().tobytes())
    return total.hexdigest()
