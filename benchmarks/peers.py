"""One contender a process: trains an epoch on order and says how many examples it does a second.

``throughput.py`` starts this script once for each name in ``CONTENDERS`` and talks to it by
lines of JSON: a cell (sizes, batch, examples) makes it ready and is answered with how far
training moved the parameters, so that equal work shows as equal numbers; ``null`` makes it
run, and is answered with examples a second. Every contender trains the same network from the
same start on the same examples of MNIST in the same order: sigmoid neurons, cross-entropy,
L2 with λ/n = 1e-4, plain gradient descent, float32.

nnexp is measured as ``nnexp train`` runs it: its feed gathers stored pixels and scales them.
The peers are given pixels that are scaled already, and gather them in their own natural way.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.assembly import Assembly
from nnexp.config.model import Config, PerExample
from nnexp.datasets.dataset import Dataset
from nnexp.datasets.loading import load
from nnexp.nn.arrays import Array
from nnexp.training.trainer import State

LEARNING_RATE = 0.1
DECAY = 1e-4  # λ/n
LEAST_SECONDS = 0.1  # one measurement; an epoch that is over sooner is repeated

Weights = list[Array]


class Work(NamedTuple):
    """What one cell of the table asks of everyone."""

    dataset: Dataset
    assembly: Assembly
    start: State
    batch: int
    order: npt.NDArray[np.int64]
    """The examples of the epoch: a multiple of the batch size."""

    @property
    def weights(self) -> Weights:
        """The initial weights, each (fan_in, fan_out)."""
        return [w.copy() for w in self.assembly.network.weights(self.start.theta)]

    @property
    def biases(self) -> Weights:
        """The initial biases, each (fan_out,)."""
        return [b.copy() for b in self.assembly.network.biases(self.start.theta)]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer."""
        return self.assembly.network.sizes

    def scaled(self) -> tuple[Array, Array]:
        """All training examples as floats: inputs and targets."""
        train = self.dataset.train
        inputs = np.divide(train.features, self.dataset.scale, dtype=np.float32)
        return inputs, self.assembly.network.targets(train.labels, np.float32)


class Contender(NamedTuple):
    """An epoch to time, and where its parameters stand."""

    epoch: Callable[[], None]
    parameters: Callable[[], tuple[Weights, Weights]]
    """Weights (fan_in, fan_out) and biases; copies."""


def prepare(dataset: Dataset, sizes: list[int], batch: int, examples: int) -> Work:
    """Return a cell's work."""
    config = Config(
        hidden=tuple(sizes[1:-1]),
        batch_size=batch,
        learning_rate=LEARNING_RATE,
        lambda_=PerExample(DECAY),
    )
    assembly = Assembly(config, dataset)
    return Work(dataset, assembly, assembly.initial(), batch, assembly.orders(1)[:examples])


def nnexp(work: Work) -> Contender:
    """Train as ``nnexp train`` does."""
    state, network = work.start.copy(), work.assembly.network

    def epoch() -> None:
        for _ in work.assembly.trainer.epoch(state, work.order, LEARNING_RATE):
            pass

    def parameters() -> tuple[Weights, Weights]:
        theta = state.theta.copy()
        return network.weights(theta), network.biases(theta)

    return Contender(epoch, parameters)


def part(epoch: Callable[[], None]) -> Contender:
    """Return a contender that does only a part of the work, so nothing is to be compared."""
    return Contender(epoch, lambda: ([], []))


def products(work: Work) -> Contender:
    """Compute nothing but the two largest matrix products of a step, as nnexp lays them out."""
    fan_in, fan_out = work.sizes[:2]
    rows = max(work.batch, 2000 // work.batch * work.batch)
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
    theta = work.start.theta.copy()
    kept, gradient = np.full_like(theta, 1 - 1e-7), np.full_like(theta, 1e-9)

    def epoch() -> None:
        for _ in range(len(work.order) // work.batch):
            np.multiply(theta, kept, out=theta)
            np.subtract(theta, gradient, out=theta)

    return part(epoch)


def feed(work: Work) -> Contender:
    """Do nothing but make the batches: gather, scale, cut."""
    batches = Assembly.feed(work.assembly, "train").batches

    def epoch() -> None:
        for _ in batches(work.order, work.batch):
            pass

    return part(epoch)


def network2(work: Work) -> Contender:
    """Train one example at a time, with column vectors and a list of gradients, as the book does.

    Written anew after the description in Nielsen (2015), chapters 2 and 3.
    """
    weights, biases = [w.T.copy() for w in work.weights], [b[:, None] for b in work.biases]
    inputs, targets = work.scaled()
    data = [(x[:, None], y[:, None]) for x, y in zip(inputs, targets, strict=True)]
    kept, rate = np.float32(1 - LEARNING_RATE * DECAY), np.float32(LEARNING_RATE / work.batch)

    def backpropagate(x: Array, y: Array) -> tuple[Weights, Weights]:
        signals = [x]
        for w, b in zip(weights, biases, strict=True):
            signals.append(1 / (1 + np.exp(-(w @ signals[-1] + b))))
        delta = signals[-1] - y
        by_bias, by_weight = [delta], [delta @ signals[-2].T]
        for depth in range(len(weights) - 1, 0, -1):
            a = signals[depth]
            delta = (weights[depth].T @ delta) * a * (1 - a)
            by_bias.insert(0, delta)
            by_weight.insert(0, delta @ signals[depth - 1].T)
        return by_bias, by_weight

    def step(batch: list[tuple[Array, Array]]) -> None:
        bias_sums, weight_sums = list(map(np.zeros_like, biases)), list(map(np.zeros_like, weights))
        for x, y in batch:
            by_bias, by_weight = backpropagate(x, y)
            bias_sums = [total + one for total, one in zip(bias_sums, by_bias, strict=True)]
            weight_sums = [total + one for total, one in zip(weight_sums, by_weight, strict=True)]
        weights[:] = [kept * w - rate * g for w, g in zip(weights, weight_sums, strict=True)]
        biases[:] = [b - rate * g for b, g in zip(biases, bias_sums, strict=True)]

    def epoch() -> None:
        shuffled = [data[index] for index in work.order]
        for first in range(0, len(shuffled), work.batch):
            step(shuffled[first : first + work.batch])

    return Contender(epoch, lambda: ([w.T for w in weights], [b[:, 0] for b in biases]))


def scikit_learn(work: Work) -> Contender:
    """Train an MLPClassifier by partial_fit; two-dimensional targets make its outputs sigmoid."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - it may be missing

    warnings.simplefilter("ignore")
    inputs, targets = work.scaled()
    classes = targets.astype(np.int64)
    model = MLPClassifier(
        work.sizes[1:-1],
        activation="logistic",
        solver="sgd",
        alpha=DECAY * work.batch,  # it divides by the batch's examples
        batch_size=work.batch,
        learning_rate_init=LEARNING_RATE,
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=False,
    )
    model.partial_fit(inputs[: work.batch], classes[: work.batch], classes=np.arange(10))
    for own, initial in zip(
        model.coefs_ + model.intercepts_, work.weights + work.biases, strict=True
    ):
        own[...] = initial

    def epoch() -> None:
        model.partial_fit(inputs[work.order], classes[work.order])

    return Contender(
        epoch, lambda: ([w.copy() for w in model.coefs_], [b.copy() for b in model.intercepts_])
    )


def pytorch(work: Work) -> Contender:
    """Train an nn.Sequential with torch.optim.SGD."""
    import torch  # noqa: PLC0415 - it may be missing
    from torch import nn  # noqa: PLC0415 - likewise

    torch.set_num_threads(1)
    inputs, targets = map(torch.from_numpy, work.scaled())
    modules: list[Any] = []
    for weights, biases in zip(work.weights, work.biases, strict=True):
        linear = nn.Linear(*weights.shape)
        linear.weight.data.copy_(torch.from_numpy(weights.T.copy()))
        linear.bias.data.copy_(torch.from_numpy(biases))
        modules += [linear, nn.Sigmoid()]
    linears, net = modules[::2], nn.Sequential(*modules[:-1])
    groups = [
        {"params": [linear.weight for linear in linears], "weight_decay": DECAY},
        {"params": [linear.bias for linear in linears], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=LEARNING_RATE)
    cost, order = nn.BCEWithLogitsLoss(reduction="sum"), torch.from_numpy(work.order)

    def epoch() -> None:
        for indices in order.split(work.batch):
            optimizer.zero_grad()
            (cost(net(inputs[indices]), targets[indices]) / work.batch).backward()
            optimizer.step()

    return Contender(
        epoch,
        lambda: (
            [linear.weight.detach().numpy().T.copy() for linear in linears],
            [linear.bias.detach().numpy().copy() for linear in linears],
        ),
    )


def jax(work: Work) -> Contender:
    """Train with one compiled function: jit of a lax.scan over the epoch's batches."""
    import jax as library  # noqa: PLC0415 - it may be missing
    import jax.numpy as jnp  # noqa: PLC0415 - likewise

    inputs, targets = map(jnp.asarray, work.scaled())
    order = jnp.asarray(work.order.reshape(-1, work.batch))
    state = [[*map(jnp.asarray, work.weights)], [*map(jnp.asarray, work.biases)]]

    def cost(parameters: Any, x: Any, y: Any) -> Any:  # noqa: ANN401 - JAX traces anything
        weights, biases = parameters
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            x = library.nn.sigmoid(x @ w + b)
        z = x @ weights[-1] + biases[-1]
        each = jnp.maximum(z, 0) - y * z + jnp.log1p(jnp.exp(-jnp.abs(z)))
        return each.sum() / work.batch + DECAY / 2 * sum((w * w).sum() for w in weights)

    def step(parameters: Any, indices: Any) -> Any:  # noqa: ANN401 - likewise
        gradient = library.grad(cost)(parameters, inputs[indices], targets[indices])
        moved = library.tree.map(lambda p, g: p - LEARNING_RATE * g, parameters, gradient)
        return moved, None

    compiled = library.jit(lambda parameters, order: library.lax.scan(step, parameters, order)[0])

    def epoch() -> None:
        state[:] = library.block_until_ready(compiled(state, order))

    return Contender(epoch, lambda: ([*map(np.asarray, state[0])], [*map(np.asarray, state[1])]))


def moved(work: Work, contender: Contender) -> float | None:
    """Return the distance that parameters have gone from their start; None for a mere part."""
    weights, biases = contender.parameters()
    if not weights:
        return None
    pairs = zip(weights + biases, work.weights + work.biases, strict=True)
    return float(np.sqrt(sum(np.square(a - b, dtype=np.float64).sum() for a, b in pairs)))


def rate(work: Work, contender: Contender) -> float:
    """Return how many examples a second the contender does."""
    epochs, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < LEAST_SECONDS:
        contender.epoch()
        epochs += 1
    return epochs * len(work.order) / seconds


CONTENDERS: dict[str, Callable[[Work], Contender]] = {
    "nnexp": nnexp,
    "network2": network2,
    "scikit-learn": scikit_learn,
    "PyTorch": pytorch,
    "JAX": jax,
    "products": products,
    "passes": passes,
    "feed": feed,
}


def main() -> None:
    """Answer one line of JSON for each line of JSON."""
    dataset = load(Config().data)
    for line in sys.stdin:
        cell = json.loads(line)
        if cell is not None:
            work = prepare(dataset, **cell)
            try:
                contender = CONTENDERS[sys.argv[1]](work)
            except ImportError as error:
                print(json.dumps({"missing": error.name}), flush=True)
                return
            contender.epoch()
            print(json.dumps({"moved": moved(work, contender)}), flush=True)
        else:
            print(json.dumps({"rate": rate(work, contender)}), flush=True)


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main()
