"""The peers: the same training by other programs, each in its own natural way.

They are given pixels that are scaled to floats already, and gather them in the order of the
epoch, as nnexp does with stored ones, within the time that is measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.work import DECAY, Training, Weights, Work
from nnexp.nn.arrays import Array


def network2(work: Work) -> Training:
    """Train one example at a time, with column vectors and a list of gradients, as the book does.

    Written anew after the description in Nielsen (2015), chapters 2 and 3.
    """
    weights: Weights = [w.T.copy() for w in work.weights]
    biases: Weights = [b[:, None] for b in work.biases]
    inputs, targets = work.scaled()
    data = [(x[:, None], y[:, None]) for x, y in zip(inputs, targets, strict=True)]
    kept, rate = np.float32(1 - work.rate * DECAY), np.float32(work.rate / work.batch)

    def backpropagate(x: Array, y: Array) -> tuple[Weights, Weights]:
        signals: Weights = [x]
        for w, b in zip(weights, biases, strict=True):
            signals.append(1 / (1 + np.exp(-(w @ signals[-1] + b))))
        delta = signals[-1] - y
        by_bias: Weights = [delta]
        by_weight: Weights = [delta @ signals[-2].T]
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

    return Training(epoch, lambda: ([w.T for w in weights], [b[:, 0] for b in biases]))


def scikit_learn(work: Work) -> Training:
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
        learning_rate_init=work.rate,
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

    return Training(
        epoch, lambda: ([w.copy() for w in model.coefs_], [b.copy() for b in model.intercepts_])
    )


def pytorch(work: Work) -> Training:
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
    optimizer = torch.optim.SGD(groups, lr=work.rate)
    cost, order = nn.BCEWithLogitsLoss(reduction="sum"), torch.from_numpy(work.order)

    def epoch() -> None:
        for indices in order.split(work.batch):
            optimizer.zero_grad()
            (cost(net(inputs[indices]), targets[indices]) / work.batch).backward()
            optimizer.step()

    return Training(
        epoch,
        lambda: (
            [linear.weight.detach().numpy().T.copy() for linear in linears],
            [linear.bias.detach().numpy().copy() for linear in linears],
        ),
    )


def jax(work: Work) -> Training:
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

    def step(parameters: Any, batch: Any) -> Any:  # noqa: ANN401 - likewise
        gradient = library.grad(cost)(parameters, *batch)
        return library.tree.map(lambda p, g: p - work.rate * g, parameters, gradient), None

    def steps(parameters: Any, x: Any, y: Any, order: Any) -> Any:  # noqa: ANN401 - likewise
        return library.lax.scan(step, parameters, (x[order], y[order]))[0]

    compiled = library.jit(steps)

    def epoch() -> None:
        state[:] = library.block_until_ready(compiled(state, inputs, targets, order))

    return Training(epoch, lambda: ([*map(np.asarray, state[0])], [*map(np.asarray, state[1])]))


PEERS: dict[str, Callable[[Work], Training]] = {
    "network2": network2,
    "scikit-learn": scikit_learn,
    "PyTorch": pytorch,
    "JAX": jax,
}
