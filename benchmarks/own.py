"""nnexp as ``nnexp train`` runs it, with either of its backends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.work import Training, Weights, Work
from nnexp.store.records import BackendName
from nnexp.training.backend import Evaluation


def train(backend: BackendName, work: Work) -> Training:
    """Train by the trainer of nnexp."""
    assembly = work.assembly(backend)
    state, network = assembly.initial(), assembly.network

    def epoch() -> None:
        for _ in assembly.trainer.epoch(state, 1, work.rate):
            pass

    def parameters() -> tuple[Weights, Weights]:
        theta = assembly.theta(state.parameters).copy()
        return network.weights(theta), network.biases(theta)

    return Training(epoch, parameters)


def evaluate(backend: BackendName, work: Work) -> Callable[[], Evaluation]:
    """Return a function that evaluates the initial parameters on the test data."""
    assembly = work.assembly(backend)
    parameters = assembly.initial().parameters
    return lambda: assembly.evaluate(parameters, "test")


BACKENDS: dict[str, BackendName] = {"nnexp": "native", "NumPy": "numpy"}
"""nnexp's backends by the names of the tables."""

TRAININGS: dict[str, Callable[[Work], Training]] = {
    name: partial(train, backend) for name, backend in BACKENDS.items()
}

EVALUATIONS: dict[str, Callable[[Work], Callable[[], Evaluation]]] = {
    name: partial(evaluate, backend) for name, backend in BACKENDS.items()
}
