"""Inspect a config before any training: its initial layers, and how its steps shrink weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nnexp import numerics
from nnexp.analysis.initial_layers import Bench, Layer, Scope
from nnexp.config import rules
from nnexp.config.model import CheckedConfig, Config, FromRun, PerExample
from nnexp.datasets.loading import load
from nnexp.nn.initializers import InitializerName
from nnexp.optim.optimizers import Optimizer
from nnexp.optim.schedules import Constant, Piecewise
from nnexp.runner import initial_weights, preconditions
from nnexp.runner.assembly import Assembly, per_example

RULES: tuple[InitializerName, ...] = ("standard-normal", "lecun-normal")
"""The chapter's two initializers, to compare with the config's."""


class InitializedNetwork(NamedTuple):
    """The layers of the network under one initializer."""

    initializer: InitializerName
    layers: tuple[Layer, ...]


class Inspection(NamedTuple):
    """The results of inspecting a config."""

    sizes: tuple[int, ...]
    """Neurons of each layer, the inputs first and the outputs last."""
    parameters: tuple[int, ...]
    """Weights and biases of each layer."""
    examples: int
    """Number of training examples."""
    known: int
    """Number of training and validation examples together."""
    mean_square: float
    """E[x²] of an input, over the known examples."""
    scope: Scope
    initialized: tuple[InitializedNetwork, ...]
    """The config's own initializer first, unless it is another run's weights."""
    decay: Decay | None
    notes: list[str]
    warnings: list[str]


def inspect(config: CheckedConfig) -> Inspection:
    """Predict how a config's training will start, without training or writing anything.

    Raises:
        DataError: the data cannot be read.
        UsageError: the network is too large, or the data lacks something that the config needs.
    """
    weights = initial_weights.read(config)
    arguments = () if weights is None or weights.factors is None else (weights.factors,)
    dataset = load(config.data, *arguments)
    preconditions.check(config, dataset)
    if weights is not None:
        weights.check(config, dataset)
    # Inputs may be so large that z is infinite, which the result shows.
    with numerics.one_thread(), np.errstate(all="ignore"):
        network = Assembly(config, dataset).network
        bench = Bench(config, dataset, network)
        own = config.initializer
        names = RULES if isinstance(own, FromRun) else (own, *(n for n in RULES if n != own))
        n = len(dataset.train.labels)
        return Inspection(
            sizes=network.sizes,
            parameters=tuple(rows * columns for rows, columns in network.shapes),
            examples=n,
            known=bench.known,
            mean_square=bench.square / network.sizes[0],
            scope=bench.scope,
            initialized=tuple(InitializedNetwork(name, bench.layers(name)) for name in names),
            decay=weight_decay(config, n),
            notes=[*_initializer_notes(config), *step_notes(config, n)],
            warnings=preconditions.warnings(config, dataset),
        )


def _initializer_notes(config: Config) -> Iterator[str]:
    if isinstance(config.initializer, FromRun):
        yield (
            f"the weights come from {config.initializer.path}, so that there is no distribution to "
            "predict from; shown are the chapter's two rules"
        )


class Decay(NamedTuple):
    """The factor by which L2 alone shrinks every weight, at the first epoch's learning rate."""

    algebra: str
    """1 - ηλ/n with its numbers."""
    strength: float
    """λ/n: the ratio of the penalty's gradient to the weights."""
    step: float
    """1 - ηλ/n. Source: Nielsen (2015), eq. 93."""
    steps: int
    """Steps in an epoch."""
    lasting: float
    """The factor per step over many steps: ``step``, or closer to 0 with momentum."""
    epoch: float
    """lasting^steps: about exp(-ηλ/m) for mini-batches of m without momentum."""

    @property
    def halving(self) -> float | None:
        """Number of epochs in which weights halve; None if they do not shrink."""
        shrinking = 0 < abs(self.lasting) < 1
        return math.log(0.5) / math.log(abs(self.lasting)) / self.steps if shrinking else None


def steps(config: Config, n: int) -> int:
    """Return the number of steps in an epoch of n training examples."""
    return 1 if config.batch_size == "all" else math.ceil(n / config.batch_size)


def weight_decay(config: Config, n: int) -> Decay | None:
    """Return how weights decay with n training examples, or None without a fixed factor."""
    strength, eta = per_example(config, n), rules.with_constant_rate(config).learning_rate
    if not strength or config.regularizer != "l2" or eta is None:
        return None
    lasting = config.optimizer.decay_factor(eta * strength)
    if lasting is None:
        return None
    given = config.lambda_
    ratio = f"{given.per_example:g}" if isinstance(given, PerExample) else f"{given:g}/{n}"
    count = steps(config, n)
    with np.errstate(all="ignore"):  # a factor below -1 grows without bound
        epoch = float(np.power(lasting, count))
    algebra = f"1 - {eta:g}·{ratio}"
    return Decay(algebra, strength, 1.0 - eta * strength, count, lasting, epoch)


def _is_plain_descent(optimizer: Optimizer) -> bool:
    """Return whether a step is -η times the gradient, so that L1 subtracts a constant."""
    return optimizer.momentum is None and optimizer.decay_factor(0.0) is not None


def step_notes(config: Config, n: int) -> list[str]:
    """Return notes on a config's steps, one sentence each."""
    return [*_penalty(config, n), *_learning_rate(config), *_dropout(config)]


def _penalty(config: Config, n: int) -> Iterator[str]:
    strength, eta = per_example(config, n), rules.with_constant_rate(config).learning_rate
    name = _name(config)
    if not strength:
        yield "lambda is 0: weights do not decay"
    elif eta is None:
        pass  # numbers need a learning rate
    elif config.optimizer.scales_gradients:
        yield (
            f"{name} scales the penalty's gradient by the running size of the whole gradient: "
            "weights do not decay by a fixed factor"
        )
    elif config.regularizer == "l1" and _is_plain_descent(config.optimizer):
        decrement, count = eta * strength, steps(config, n)
        yield (
            f"l1 reduces each weight's size by ηλ/n = {decrement:.4g} a step, "
            f"{decrement * count:.4g} in an epoch of {count} steps"
        )
    if (mu := config.optimizer.momentum) is not None:
        reach = f"up to {1 / (1 - mu):g} times as far" if mu < 1 else "without bound"
        yield f"{name} with mu = {mu:g}: steps in a constant direction add up, {reach}"


def _learning_rate(config: Config) -> Iterator[str]:
    schedule = config.schedule
    if isinstance(schedule, Piecewise):
        rates = [f"{rate:g} from epoch {epoch} on" for epoch, rate in schedule.rates.items()]
        yield f"the learning rate is {', '.join(rates)}"
    elif config.learning_rate is None:
        yield f"{_name(config)} uses a line search: there is no learning rate"
    elif not isinstance(schedule, Constant):
        yield (
            f"learning rate {config.learning_rate:g} applies to the first epoch; "
            f"schedule {schedule.__struct_config__.tag} changes it"
        )


def _dropout(config: Config) -> Iterator[str]:
    if config.dropout and config.hidden:
        times = 1 / (1 - config.dropout)
        yield (
            f"dropout {config.dropout:g}: in training, hidden activations have {times:.3g} times "
            "the second moment; z is shown without dropout, gradients with it"
        )


def _name(config: Config) -> str:
    return str(config.optimizer.__struct_config__.tag)
