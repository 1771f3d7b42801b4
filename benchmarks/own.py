"""nnexp as ``nnexp train`` runs it, and the parts of its step, each alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.work import LEARNING_RATE, Contender, Weights, Work
from nnexp.training.feed import CHUNK, Feed


def nnexp(work: Work) -> Contender:
    """Train as ``nnexp train`` does."""
    state, network = work.start.copy(), work.assembly.network

    def epoch() -> None:
        for _ in work.assembly.trainer.epoch(state, 1, LEARNING_RATE):
            pass

    def parameters() -> tuple[Weights, Weights]:
        theta = work.assembly.theta(state.parameters).copy()
        return network.weights(theta), network.biases(theta)

    return Contender(epoch, parameters)


def part(epoch: Callable[[], None]) -> Contender:
    """Return a contender that does only a part of the work, so nothing is to be compared."""
    return Contender(epoch, lambda: ([], []))


def products(work: Work) -> Contender:
    """Compute nothing but the two largest matrix products of a step, as nnexp lays them out."""
    fan_in, fan_out = work.sizes[:2]
    rows = CHUNK // work.batch * work.batch
    rng = np.random.default_rng(0)
    inputs = rng.random((rows, fan_in + 1), np.float32)
    layer = rng.random((fan_out, fan_in + 1), np.float32)
    gradient, delta = np.empty_like(layer), rng.random((work.batch, fan_out), np.float32)
    logits = np.empty_like(delta)
    batches = np.split(inputs, rows // work.batch)

    def epoch() -> None:
        for step in range(len(work.order) // work.batch):
            batch = batches[step % len(batches)]
            np.dot(batch, layer.T, logits)
            np.dot(delta.T, batch, gradient)

    return part(epoch)


def passes(work: Work) -> Contender:
    """Do nothing but a step's passes over the whole vector: weight decay and the update."""
    theta = work.theta.copy()
    kept, gradient = np.full_like(theta, 1 - 1e-7), np.full_like(theta, 1e-9)

    def epoch() -> None:
        for _ in range(len(work.order) // work.batch):
            np.multiply(theta, kept, out=theta)
            np.subtract(theta, gradient, out=theta)

    return part(epoch)


def feed(work: Work) -> Contender:
    """Do nothing but make the batches: gather, scale, cut."""
    dataset, network = work.dataset, work.assembly.network
    batches = Feed(dataset.train, dataset.scale, network, np.float32).batches

    def epoch() -> None:
        for _ in batches(work.order, work.batch):
            pass

    return part(epoch)


OWN: dict[str, Callable[[Work], Contender]] = {
    "nnexp": nnexp,
    "products": products,
    "passes": passes,
    "feed": feed,
}
