"""Dropout: draw the masks of the hidden layers for each mini-batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nnexp.nn.arrays import Array
from nnexp.nn.propagation import Masks
from nnexp.streams import Purpose, generator

if TYPE_CHECKING:
    import numpy.typing as npt

AT_ONCE = 1_000_000
"""Factors drawn at once: 13 MB, with the random numbers that they come from."""


class Dropout:
    """Masks for the hidden layers, one set per mini-batch, shared by its examples.

    Remaining neurons are scaled by 1 / (1 - share), so that evaluation needs no masks.
    Source: Nielsen (2015), chapter 3; Srivastava et al. (2014), section 10 on the scaling.

    Args:
        share: the average fraction of neurons that are dropped.
        hidden: sizes of the hidden layers.
        seed: the seed of the draws; they depend on it and on the epoch.
        dtype: of the masks.
    """

    def __init__(
        self, share: float, hidden: Sequence[int], seed: int, dtype: npt.DTypeLike
    ) -> None:
        self.share = share
        self._neurons = sum(hidden)
        self._seed = seed
        self._dtype = dtype

    @property
    def batches_at_once(self) -> int:
        """The number of mini-batches whose masks may be drawn at once; many without dropout."""
        return max(1, AT_ONCE // max(1, self._neurons)) if self.share else AT_ONCE

    def masks(self, epoch: int) -> Callable[[int], Array | None]:
        """Return a function that draws an epoch's masks: (n) -> those of the next n mini-batches.

        They have shape (n, hidden neurons), layer by layer; without dropout they are None.
        """
        if not self.share:
            return lambda _: None
        rng = generator(self._seed, Purpose.DROPOUT, epoch)
        scale = np.array(1.0 / (1.0 - self.share), self._dtype)
        return lambda batches: (rng.random((batches, self._neurons)) >= self.share) * scale


def by_layer(masks: Array | None, hidden: Sequence[int]) -> Iterator[Masks | None]:
    """Yield the masks of each mini-batch, a factor for each neuron of each hidden layer.

    Args:
        masks: (mini-batches, hidden neurons); without dropout None, which is yielded for ever.
        hidden: sizes of the hidden layers.
    """
    ends = np.cumsum([0, *hidden])
    while masks is None:
        yield None
    for mask in masks:
        yield [mask[start:end] for start, end in pairwise(ends)]
