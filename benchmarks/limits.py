"""The limits of one processor core, and the least time that they leave for a step of training.

A step cannot be faster than either of two bounds:

- its floating-point operations at the peak rate of fused multiply-adds: the products of the forward
  pass, the gradient, and the deltas of all layers but the first. A sparse example's products with
  the first layer count its nonzeros only.
- reading the weights that it needs once, for the forward pass, and updating them once, at the rates
  of reading and updating an array of as many bytes: those of the cache that holds it. A sparse
  batch needs the rows of the first layer whose feature is not zero in all of its examples.

Reading examples, activation functions and calls are not counted, so that no program reaches 100 %.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.native import availability, build

HERE = Path(__file__).parent
FLOAT = 4
"""Bytes of a float."""


class Demand(NamedTuple):
    """The least that one step of training needs."""

    operations: float
    """Floating-point operations, on average."""
    weights: float
    """Bytes of the weights that are read and updated, on average."""

    @classmethod
    def of_step(
        cls, sizes: tuple[int, ...], nonzero: npt.NDArray[np.bool_], batch_size: int
    ) -> Demand:
        """Return the demand of a step.

        Args:
            sizes: neurons of each layer.
            nonzero: which features of the examples are to be multiplied, (examples, features);
                the examples of whole batches in the order of training.
            batch_size: examples per step.
        """
        batches = nonzero.reshape(-1, batch_size, nonzero.shape[1])
        products = batch_size * float(nonzero.sum(1).mean()) * sizes[1]
        rows = float(batches.any(1).sum(1).mean())
        rest = sum(n * m for n, m in pairwise(sizes[1:]))
        operations = 2 * (2 * products + 3 * batch_size * rest)
        return cls(operations, FLOAT * (rows * sizes[1] + rest + sum(sizes[1:])))


class Limit(NamedTuple):
    """The least time of a step, and the bound from which it follows."""

    seconds: float
    bound: str
    """FMA or cache, whichever bound on the time is larger."""


class CoreRates(NamedTuple):
    """Measured rates of one core."""

    peak: float
    """Floating-point operations a second in fused multiply-adds."""
    reading: float
    """Bytes read a second."""
    updating: float
    """Bytes updated a second, each read and written."""

    def limit(self, demand: Demand) -> Limit:
        """Return the least time of a step: the larger one of both bounds."""
        computing = demand.operations / self.peak
        moving = demand.weights / self.reading + demand.weights / self.updating
        return Limit(computing, "FMA") if computing > moving else Limit(moving, "cache")


class Limits:
    """A program that measures this processor, compiled like the kernels.

    Args:
        kernels: the kind of kernels, whose vectors and flags it is compiled with.
        environment: its variables.
    """

    def __init__(self, kernels: str, environment: Mapping[str, str]) -> None:
        flags = {name: flags for kinds in build.KERNELS.values() for name, flags in kinds.items()}
        self._environment = environment
        self._folder = tempfile.TemporaryDirectory()
        self._program = str(Path(self._folder.name) / "limits")
        command = [
            *shlex.split(os.environ.get("CC", "cc")),
            *build.FLAGS,
            *flags[kernels],
            f"-I{availability.SOURCES}",
            str(HERE / "limits.c"),
            "-o",
            self._program,
        ]
        subprocess.run(command, check=True)  # noqa: S603 - the user's own compiler

    def measure(self, size: float) -> CoreRates:
        """Return the rates of this processor now, for an array of a size in bytes."""
        output = subprocess.run(  # noqa: S603 - our own program
            [self._program, str(int(size))],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        peak, reading, updating = map(float, output.split())
        return CoreRates(peak, reading, updating)

    def close(self) -> None:
        """Delete the program."""
        self._folder.cleanup()
