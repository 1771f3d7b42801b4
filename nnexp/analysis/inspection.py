"""What a config can expect before any training, under its initializer and the chapter's others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnexp.analysis import decay
from nnexp.analysis.decay import Decay
from nnexp.analysis.spread import Bench, Layer, Scope
from nnexp.config.model import CheckedConfig
from nnexp.datasets.loading import load
from nnexp.nn.initializers import InitializerName
from nnexp.runner import preconditions
from nnexp.runner.assembly import Assembly

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
            decay=decay.decay(config, n),
            notes=decay.notes(config, n),
            warnings=preconditions.warnings(config, dataset),
        )
