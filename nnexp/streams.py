"""Random streams: every draw follows from (seed, purpose, epoch), so none has a state to store.

``Pcg64`` is the form to use; ``Network2`` replays the draws of the book's own
program, for reproducing its figures.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from enum import IntEnum
from itertools import repeat
from typing import Annotated, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

Order: TypeAlias = npt.NDArray[np.int64]
Orders: TypeAlias = Callable[[int], Order]
"""From an epoch (counted from 1) to the order in which it visits the training examples."""


CHUNK = 1_000_000
"""Draws made at once where only what follows them counts."""


class Purpose(IntEnum):
    """What a stream is for. The numbers are part of every run: never renumber."""

    PARAMETERS = 0
    ORDER = 1
    DROPOUT = 2


def generator(seed: int, purpose: Purpose, epoch: int = 0) -> np.random.Generator:
    """Return the stream for one purpose in one epoch, independent of all others."""
    key = np.random.SeedSequence(seed, spawn_key=(purpose, epoch))
    return np.random.Generator(np.random.PCG64(key))


class Pcg64(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="pcg64"):
    """NumPy's PCG64, a fresh stream for each purpose and epoch."""

    def parameters(self, seed: int, redrawn: int) -> np.random.Generator:
        """Return the source of the initial parameters; nothing is ever drawn before them."""
        del redrawn
        return generator(seed, Purpose.PARAMETERS)

    def orders(self, seed: int, examples: int) -> Orders:
        """Return the order of the training examples in each epoch."""
        return lambda epoch: generator(seed, Purpose.ORDER, epoch).permutation(examples)


class Drawn(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="drawn"):
    """Initial parameters were drawn: so many normals."""

    normals: Annotated[int, Meta(ge=0, le=10**9, description="Normals drawn.")]


class Trained(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="trained"):
    """A net was trained: its epochs shuffled a list of examples."""

    examples: Annotated[int, Meta(ge=1, le=10**9, description="Examples in the list.")]
    epochs: Annotated[int, Meta(ge=0, le=10**7, description="Shuffles of the list.")]
    shared: Annotated[
        bool,
        Meta(description="Whether this net trains on the same list, as it was left, or on a copy."),
    ] = True


class Network2(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="network2"):
    """The streams of the book's network2.py under Python 2, seeded alike in ``random`` and NumPy.

    Its nets share one process's generators and, where they train on all the data, one list of
    examples that every epoch shuffles on. ``before`` says what happened before this net.
    Source: Nielsen (2015), chapter 3, network2.py; ``random.shuffle`` of Python 2.7.
    """

    before: Annotated[
        tuple[Trained | Drawn, ...] | None,
        Meta(
            description="What the process did before this net's initial draw; null: what making "
            "the net draws, when another initializer than lecun-normal then draws again."
        ),
    ] = None

    def shared(self) -> list[Trained]:
        """Return the trainings before this net on the list that it trains on."""
        return [each for each in self.before or () if isinstance(each, Trained) and each.shared]

    def draws(self) -> int:
        """Return how many numbers were drawn before this net."""
        events = self.before or ()
        return sum(
            event.normals if isinstance(event, Drawn) else event.epochs * event.examples
            for event in events
        )

    def parameters(self, seed: int, redrawn: int) -> LegacyDraws:
        """Return the source of the initial parameters.

        Args:
            seed: of NumPy's legacy generator.
            redrawn: normals that making the net drew in vain, unless before says what was drawn.
        """
        drawn = [event.normals for event in self.before or () if isinstance(event, Drawn)]
        return LegacyDraws(seed, redrawn if self.before is None else sum(drawn))

    def orders(self, seed: int, examples: int) -> Orders:
        """Return the order of the training examples in each epoch.

        Every epoch shuffles the last epoch's order, so an epoch is reached by replaying
        those before it.
        """
        return ReplayedShuffles(
            seed, examples, [each for each in self.before or () if isinstance(each, Trained)]
        )


Rng: TypeAlias = Pcg64 | Network2


class LegacyDraws:
    """NumPy's legacy generator, with weights drawn as network2 does: shaped (fan_out, fan_in)."""

    def __init__(self, seed: int, drawn: int) -> None:
        self._state = np.random.RandomState(seed)
        for start in range(0, drawn, CHUNK):
            self._state.standard_normal(min(CHUNK, drawn - start))

    def standard_normal(self, size: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Draw from N(0, 1) in transposed order."""
        return self._state.standard_normal(size[::-1]).T

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Draw evenly from [low, high) in transposed order."""
        return self._state.uniform(low, high, size[::-1]).T


class ReplayedShuffles:
    """The orders that Python 2's ``random.shuffle`` gives one list, epoch after epoch."""

    def __init__(self, seed: int, examples: int, before: Sequence[Trained]) -> None:
        self._seed = seed
        self._examples = examples
        self._before = before
        self._rewind()

    def __call__(self, epoch: int) -> Order:
        """Return the order in an epoch, counted from 1."""
        if epoch < self._epoch:
            self._rewind()
        while self._epoch < epoch:
            self._shuffle(self._order)
            self._epoch += 1
        return np.array(self._order, dtype=np.int64)

    def _rewind(self) -> None:
        self._random = random.Random(self._seed).random  # noqa: S311 - it is the book's own
        self._order = list(range(self._examples))
        for training in self._before:
            if training.shared:
                for _ in range(training.epochs):
                    self._shuffle(self._order)
            else:  # how a copy was shuffled changes nothing here, but the draws are gone
                self._skip(training.epochs * (training.examples - 1))
        self._epoch = 0

    def _skip(self, draws: int) -> None:
        for _ in repeat(None, draws):
            self._random()

    def _shuffle(self, order: list[int]) -> None:
        draw = self._random
        for i in range(len(order) - 1, 0, -1):
            j = int(draw() * (i + 1))
            order[i], order[j] = order[j], order[i]
