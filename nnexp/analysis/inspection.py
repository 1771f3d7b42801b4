"""Inspect a config before any training: its initial layers, and how its steps shrink weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nnexp.analysis.initial_layers import Bench, Layer, Scope
from nnexp.config.model import CheckedConfig, Config, PerExample
from nnexp.datasets.loading import load
from nnexp.nn.initializers import InitializerName
from nnexp.optim.optimizers import Optimizer
from nnexp.optim.schedules import Constant
from nnexp.runner import preconditions
from nnexp.runner.assembly import Assembly, per_example

RULES: tuple[InitializerName, ...] = ("standard-normal", "lecun-normal")
"""The chapter's old rule for initial weights, and its new one."""


class Initialized(NamedTuple):
    """The network under one initializer."""

    initializer: InitializerName
    layers: tuple[Layer, ...]


class Inspection(NamedTuple):
    """All that is said of a config."""

    sizes: tuple[int, ...]
    """Neurons of each layer, the inputs first and the outputs last."""
    parameters: tuple[int, ...]
    """Weights and biases of each layer."""
    examples: int
    """For training."""
    known: int
    """Training and validation examples together."""
    mean_square: float
    """E[x²] of an input, over those."""
    scope: Scope
    initialized: tuple[Initialized, ...]
    """The config's own initializer first."""
    decay: Decay | None
    notes: list[str]
    warnings: list[str]


def inspect(config: CheckedConfig) -> Inspection:
    """Return what a config can expect before any training. Creates nothing.

    Raises:
        DataError: the data cannot be read.
        UsageError: the network is too large, or the config needs what the data does not have.
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - importing it sets a variable

    dataset = load(config.data)
    preconditions.check(config, dataset)
    # Inputs may be so large that z is infinite: that is told as it is.
    with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        network = Assembly(config, dataset).network
        bench = Bench(config, dataset, network)
        names = (config.initializer, *(name for name in RULES if name != config.initializer))
        n = len(dataset.train.labels)
        return Inspection(
            sizes=network.sizes,
            parameters=tuple(rows * columns for rows, columns in network.shapes),
            examples=n,
            known=bench.known,
            mean_square=bench.square / network.sizes[0],
            scope=bench.scope,
            initialized=tuple(Initialized(name, bench.layers(name)) for name in names),
            decay=weight_decay(config, n),
            notes=step_notes(config, n),
            warnings=preconditions.warnings(config, dataset),
        )


class Decay(NamedTuple):
    """What L2 alone multiplies every weight by, at the learning rate of the first epoch."""

    algebra: str
    """1 - ηλ/n with its numbers."""
    strength: float
    """λ/n: the size of the penalty's gradient beside the weights'."""
    step: float
    """1 - ηλ/n. Source: Nielsen (2015), eq. 93."""
    steps: int
    """In an epoch."""
    lasting: float
    """What many steps come to, each: the step itself or, with momentum, nearer 0 than that."""
    epoch: float
    """lasting^steps: about exp(-ηλ/m) for mini-batches of m without momentum."""

    @property
    def halving(self) -> float | None:
        """Epochs in which weights would halve; None if they do not shrink."""
        shrinking = 0 < abs(self.lasting) < 1
        return math.log(0.5) / math.log(abs(self.lasting)) / self.steps if shrinking else None


def steps(config: Config, n: int) -> int:
    """Return the steps of an epoch through n training examples."""
    return 1 if config.batch_size == "all" else math.ceil(n / config.batch_size)


def weight_decay(config: Config, n: int) -> Decay | None:
    """Return how weights decay with n training examples; None where no fixed factor does it."""
    strength, eta = per_example(config, n), config.learning_rate
    if not strength or config.regularizer != "l2" or eta is None:
        return None
    lasting = config.optimizer.decay_factor(eta * strength)
    if lasting is None:
        return None
    given = config.lambda_
    ratio = f"{given.per_example:g}" if isinstance(given, PerExample) else f"{given:g}/{n}"
    many = steps(config, n)
    with np.errstate(all="ignore"):  # what flips signs may grow without bound
        epoch = float(np.power(lasting, many))
    algebra = f"1 - {eta:g}·{ratio}"
    return Decay(algebra, strength, 1.0 - eta * strength, many, lasting, epoch)


def _is_plain_descent(optimizer: Optimizer) -> bool:
    """Return whether a step is -η times the gradient, so that L1 takes off the same each time."""
    return optimizer.momentum is None and optimizer.decay_factor(0.0) is not None


def step_notes(config: Config, n: int) -> list[str]:
    """Return what else should be known of a config's steps, a sentence each."""
    return [*_penalty(config, n), *_learning_rate(config), *_dropout(config)]


def _penalty(config: Config, n: int) -> Iterator[str]:
    strength, eta, name = per_example(config, n), config.learning_rate, _name(config)
    if not strength:
        yield "lambda is 0: no weight decays"
    elif eta is None:
        pass  # without a learning rate there is nothing to say in numbers
    elif config.optimizer.scales_gradients:
        yield (
            f"{name} divides the penalty's gradient by the whole gradient's running size: "
            "no fixed factor says how weights decay"
        )
    elif config.regularizer == "l1" and _is_plain_descent(config.optimizer):
        each, many = eta * strength, steps(config, n)
        yield (
            f"l1 takes ηλ/n = {each:.4g} off each weight's size at a step, {each * many:.4g} in an "
            f"epoch of {many} steps"
        )
    if (mu := config.optimizer.momentum) is not None:
        times = f"{1 / (1 - mu):g} times as far" if mu < 1 else "without bound"
        yield f"{name} with mu = {mu:g}: steps in a lasting direction add up, {times}"


def _learning_rate(config: Config) -> Iterator[str]:
    if config.learning_rate is None:
        yield f"{_name(config)} finds its step by a line search: there is no learning rate"
    elif not isinstance(config.schedule, Constant):
        schedule = config.schedule.__struct_config__.tag
        yield (
            f"learning rate {config.learning_rate:g} is the first epoch's; "
            f"schedule {schedule} changes it"
        )


def _dropout(config: Config) -> Iterator[str]:
    if config.dropout and config.hidden:
        times = 1 / (1 - config.dropout)
        yield (
            f"dropout {config.dropout:g}: while training, what hidden neurons put out has "
            f"{times:.3g} times the second moment; z is given without it, gradients with it"
        )


def _name(config: Config) -> str:
    return str(config.optimizer.__struct_config__.tag)
