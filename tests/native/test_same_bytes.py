"""The kernels for AVX-512 and for AVX2 give the same bytes, with every optimizer."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest

from nnexp.nn.arrays import Array
from nnexp.optim.adam import Adam
from nnexp.optim.objective import Objective
from nnexp.optim.sgd import Momentum, Nesterov
from tests.native.problems import KINDS, NativePenalty, Problem
from tests.native.requirements import run_with_kernels

OPTIMIZERS = (Momentum(), Nesterov(), Adam())
PENALTIES = (NativePenalty("l2", 0.0), NativePenalty("l2", 1e-3), NativePenalty("l1", 1e-3))
SHAPES = (((30, 10), 10), ((37, 80, 10), 40), ((20, 9, 17, 3), 1))
EPOCHS = 2


class KernelObjective:
    """The part of an objective that these optimizers use, in the kernels' layout."""

    def __init__(self, problem: Problem, penalty: NativePenalty) -> None:
        self._problem, self._penalty = problem, penalty
        self._buffer = np.empty_like(problem.parameters)
        self.order = np.empty(0, np.int64)

    def gradient(self, theta: Array, scale: float = 1.0) -> Array:
        self._problem.native.gradient(
            theta.view(np.float32),
            self._problem.examples,
            self.order,
            self._buffer,
            scale=scale,
            penalty=self._penalty,
        )
        return self._buffer


def trainings() -> Iterator[Array]:
    """Yield the parameters after two epochs for all combinations."""
    for kind in KINDS:
        for (sizes, batch), density in zip(SHAPES * 2, [0.2, 1.0] * 3, strict=True):
            for penalty in PENALTIES:
                yield from descents(Problem(sizes, kind, density), batch, penalty)
    for optimizer in OPTIMIZERS:
        for (sizes, batch), density in zip(SHAPES * 2, [0.2, 1.0] * 3, strict=True):
            problem = Problem(sizes, density=density)
            objective = KernelObjective(problem, PENALTIES[1])
            slots = optimizer.start(problem.parameters)
            for order in np.split(problem.order(200), 200 // batch) * EPOCHS:
                objective.order = order
                optimizer.step(problem.parameters, cast("Objective", objective), slots, 0.01)
            yield problem.parameters


def descents(problem: Problem, batch: int, penalty: NativePenalty) -> Iterator[Array]:
    """Yield the parameters after an epoch without and one with dropout, and the outputs."""
    order, steps = problem.order(200), 200 // batch
    hidden = sum(problem.sizes[1:-1])
    dropout = problem.rng.integers(0, 2, (steps, hidden)).astype(np.float32) * 2
    for masks in (None, dropout):
        problem.native.descend(
            problem.parameters, problem.examples, order, batch, 0.02, penalty=penalty, masks=masks
        )
        yield problem.parameters
    yield problem.native.outputs(problem.parameters, problem.examples)
    cost, predicted = problem.native.evaluate(problem.parameters, problem.examples)
    yield np.array([cost, *predicted])


def digest() -> str:
    """Return a hash of all trainings."""
    sha256 = hashlib.sha256()
    for result in trainings():
        assert np.isfinite(result).all()
        sha256.update(result.tobytes())
    return sha256.hexdigest()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have one kind")
def test_all_trainings_give_the_same_bytes() -> None:
    program = ("-m", "tests.native.test_same_bytes")
    digests = {name: run_with_kernels(name, *program) for name in ("avx512", "avx2")}
    assert digests["avx512"] == digests["avx2"]


if __name__ == "__main__":
    print(digest())  # noqa: T201 - for the test above
