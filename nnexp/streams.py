"""Random streams: every draw follows from (seed, purpose, epoch), so none has a state to store.

``Pcg64`` is the form to use; ``Network2`` replays the draws of the book's own
program, for reproducing its figures.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Order: TypeAlias = npt.NDArray[np.int64]
Orders: TypeAlias = Callable[[int], Order]
"""From an epoch (counted from 1) to the order in which it visits the training examples."""


class Purpose(IntEnum):
    """What a stream is for. The numbers are part of every run: never renumber."""

    PARAMETERS = 0
    ORDER = 1


def generator(seed: int, purpose: Purpose, epoch: int = 0) -> np.random.Generator:
    """Return the stream for one purpose in one epoch, independent of all others."""
    key = np.random.SeedSequence(seed, spawn_key=(purpose, epoch))
    return np.random.Generator(np.random.PCG64(key))


class Pcg64(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="pcg64"):
    """NumPy's PCG64, a fresh stream for each purpose and epoch."""

    def parameters(self, seed: int) -> np.random.Generator:
        """Return the source of the initial parameters."""
        return generator(seed, Purpose.PARAMETERS)

    def orders(self, seed: int, examples: int) -> Orders:
        """Return the order of the training examples in each epoch."""
        return lambda epoch: generator(seed, Purpose.ORDER, epoch).permutation(examples)


class Network2(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="network2"):
    """The streams of the book's network2.py under Python 2, seeded alike in ``random`` and NumPy.

    Source: Nielsen (2015), chapter 3, network2.py; ``random.shuffle`` of Python 2.7.
    """

    def parameters(self, seed: int) -> LegacyDraws:
        """Return the source of the initial parameters."""
        return LegacyDraws(seed)

    def orders(self, seed: int, examples: int) -> Orders:
        """Return the order of the training examples in each epoch.

        Every epoch shuffles the last epoch's order, so an epoch is reached by replaying
        those before it.
        """
        return ReplayedShuffles(seed, examples)


Rng: TypeAlias = Pcg64 | Network2


class LegacyDraws:
    """NumPy's legacy generator, with weights drawn as network2 does: shaped (fan_out, fan_in)."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    def standard_normal(self, size: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Draw from N(0, 1) in transposed order."""
        return self._state.standard_normal(size[::-1]).T

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Draw evenly from [low, high) in transposed order."""
        return self._state.uniform(low, high, size[::-1]).T


class ReplayedShuffles:
    """The orders that Python 2's ``random.shuffle`` gives one list, epoch after epoch."""

    def __init__(self, seed: int, examples: int) -> None:
        self._seed = seed
        self._examples = examples
        self._rewind()

    def __call__(self, epoch: int) -> Order:
        """Return the order in an epoch, counted from 1."""
        if epoch < self._epoch:
            self._rewind()
        while self._epoch < epoch:
            self._shuffle()
            self._epoch += 1
        return np.array(self._order, dtype=np.int64)

    def _rewind(self) -> None:
        self._random = random.Random(self._seed).random  # noqa: S311 - it is the book's own
        self._order = list(range(self._examples))
        self._epoch = 0

    def _shuffle(self) -> None:
        order, draw = self._order, self._random
        for i in range(len(order) - 1, 0, -1):
            j = int(draw() * (i + 1))
            order[i], order[j] = order[j], order[i]
