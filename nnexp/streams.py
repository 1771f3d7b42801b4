"""Random streams that are determined by (seed, purpose, epoch), so that no state is stored.

``Pcg64`` is the default. ``Network2`` replays the draws of the book's own program, to reproduce
its figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from itertools import repeat
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
from msgspec import Meta, Struct

if TYPE_CHECKING:
    import numpy.typing as npt

Order: TypeAlias = "npt.NDArray[np.int64]"
Orders: TypeAlias = Callable[[int], Order]
"""Maps an epoch (counted from 1) to the order in which it visits the training examples."""


CHUNK = 1_000_000
"""Draws that are made and discarded at once."""


class Purpose(IntEnum):
    """The purpose of a stream. The numbers determine every run: never change them."""

    PARAMETERS = 0
    ORDER = 1
    DROPOUT = 2
    SPLIT = 3


def generator(seed: int, purpose: Purpose, number: int = 0) -> np.random.Generator:
    """Return a stream that is independent of those of all other purposes and numbers.

    Args:
        seed: of the run, or the split_seed.
        purpose: what is drawn.
        number: of the epoch, or whatever else has a stream of its own.
    """
    key = np.random.SeedSequence(seed, spawn_key=(purpose, number))
    return np.random.Generator(np.random.PCG64(key))


class Pcg64(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="pcg64"):
    """NumPy's PCG64, with a separate stream for each purpose and epoch."""

    def parameters(self, seed: int, redrawn: int) -> np.random.Generator:
        """Return the stream of the initial parameters; redrawn has no effect."""
        del redrawn
        return generator(seed, Purpose.PARAMETERS)

    def orders(self, seed: int, examples: int) -> Orders:
        """Return the order of the training examples in each epoch."""
        return lambda epoch: generator(seed, Purpose.ORDER, epoch).permutation(examples)


class Drawn(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="drawn"):
    """Initial parameters were drawn before: this many normals."""

    normals: Annotated[int, Meta(ge=0, le=10**9, description="Normals drawn.")]


class Trained(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="trained"):
    """A net was trained before: each epoch shuffled a list of examples."""

    examples: Annotated[int, Meta(ge=1, le=10**9, description="Examples in the list.")]
    epochs: Annotated[int, Meta(ge=0, le=10**7, description="Shuffles of the list.")]
    shared: Annotated[
        bool,
        Meta(description="Whether this net trains on the same list, in that order, or on a copy."),
    ] = True


class Network2(Struct, frozen=True, forbid_unknown_fields=True, tag_field="name", tag="network2"):
    """The streams of the book's network2.py under Python 2, with one seed for ``random`` and NumPy.

    The nets of a process share its generators and, if they train on all the data, one list of
    examples, which every epoch shuffles further. ``before`` lists what happened before this net.
    Source: Nielsen (2015), chapter 3, network2.py; ``random.shuffle`` of Python 2.7.
    """

    before: Annotated[
        tuple[Trained | Drawn, ...] | None,
        Meta(
            description="What the process drew before this net's parameters; null: what creating "
            "the net draws, if another initializer than lecun-normal then draws again."
        ),
    ] = None

    def shared(self) -> list[Trained]:
        """Return the trainings before this net that used its list of examples."""
        return [event for event in self.before or () if isinstance(event, Trained) and event.shared]

    def draws(self) -> int:
        """Return the number of draws before this net."""
        events = self.before or ()
        return sum(
            event.normals if isinstance(event, Drawn) else event.epochs * event.examples
            for event in events
        )

    def parameters(self, seed: int, redrawn: int) -> LegacyDraws:
        """Return the stream of the initial parameters.

        Args:
            seed: of NumPy's legacy generator.
            redrawn: normals to skip if ``before`` is None: those that network2 draws when it
                creates the net and then replaces.
        """
        normals = [event.normals for event in self.before or () if isinstance(event, Drawn)]
        return LegacyDraws(seed, redrawn if self.before is None else sum(normals))

    def orders(self, seed: int, examples: int) -> Orders:
        """Return the order of the training examples in each epoch.

        Every epoch shuffles the previous epoch's order, so all epochs up to it are replayed.
        """
        trainings = [event for event in self.before or () if isinstance(event, Trained)]
        return ReplayedShuffles(seed, examples, trainings)


Rng: TypeAlias = Pcg64 | Network2


class LegacyDraws:
    """NumPy's legacy generator; it draws arrays transposed, as network2's (fan_out, fan_in)."""

    def __init__(self, seed: int, skipped: int) -> None:
        self._state = np.random.RandomState(seed)
        for start in range(0, skipped, CHUNK):
            self._state.standard_normal(min(CHUNK, skipped - start))

    def standard_normal(self, size: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Draw from N(0, 1) in transposed order."""
        return self._state.standard_normal(size[::-1]).T

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Draw uniformly from [low, high) in transposed order."""
        return self._state.uniform(low, high, size[::-1]).T


class ReplayedShuffles:
    """The orders in which Python 2's ``random.shuffle`` puts one list, epoch by epoch."""

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
        import random  # noqa: PLC0415 - NumPy imports it in any case, but finished runs do not

        self._random = random.Random(self._seed).random  # noqa: S311 - as in the book
        self._order = list(range(self._examples))
        for training in self._before:
            if training.shared:
                for _ in range(training.epochs):
                    self._shuffle(self._order)
            else:  # shuffling a copy leaves this list as it is, but uses up draws
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
