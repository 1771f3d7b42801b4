"""A fingerprint of the machine's arithmetic: equal if computations agree to the last bit."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from threadpoolctl import ThreadpoolController

SHAPES = ((1, 784, 30), (10, 784, 30), (100, 300, 100), (30, 10, 785), (500, 31, 10))


@functools.cache
def fingerprint() -> str:
    """Return a hash of the results of a short computation on this machine.

    Names and versions are not enough: the same NumPy chooses different kernels on different
    processors. The computation includes matrix products of several shapes, elementary functions,
    sums, a permutation and normal draws, in float32 and float64. The result is cached, and forked
    processes inherit it. BLAS uses one thread, as in training: sums of several differ.
    """
    with one_thread():
        return _digest()


def one_thread() -> AbstractContextManager[object]:
    """Let BLAS use one thread, and restore the caller's setting at the end.

    Results then are the same on any number of cores.
    """
    limit: AbstractContextManager[object]
    limit = _libraries(len(sys.modules)).limit(limits=1, user_api="blas")
    return limit


@functools.lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """Return the loaded libraries with threads, of a process with a number of imported modules.

    A module may bring another BLAS, as SciPy does. Finding the libraries takes several milliseconds
    in a process that has loaded many.
    """
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - importing it sets a variable

    del modules
    return ThreadpoolController()


def _digest() -> str:
    """Return the hash of the results."""
    sha256 = hashlib.sha256()
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0)))
    sha256.update(rng.permutation(1000).tobytes())
    for rows, inner, columns in SHAPES:
        a, b = rng.standard_normal((rows, inner)), rng.standard_normal((columns, inner))
        for values in (*_probe(a, b), *_probe(a.astype(np.float32), b.astype(np.float32))):
            sha256.update(values.tobytes())
    return sha256.hexdigest()


def _probe(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield the product of two matrices, and functions and sums of it."""
    product = np.dot(a, b.T)
    yield product
    scaled = product / np.abs(product).max()
    for values in (np.exp(scaled), np.tanh(scaled), np.log1p(np.abs(scaled))):
        yield values
        yield values.sum(axis=0)
        yield np.asarray(values.sum())
