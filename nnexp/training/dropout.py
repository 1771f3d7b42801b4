"""Dropout: draw the masks of the hidden layers for each mini-batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nnexp.nn.propagation import Masks
from nnexp.streams import Purpose, generator


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
        self._hidden = hidden
        self._seed = seed
        self._dtype = dtype

    def masks(self, epoch: int) -> Iterator[Masks | None]:
        """Yield the masks of an epoch's mini-batches, endlessly; None without dropout."""
        if not self.share:
            while True:
                yield None
        rng = generator(self._seed, Purpose.DROPOUT, epoch)
        scale = np.array(1.0 / (1.0 - self.share), self._dtype)
        while True:
            yield [(rng.random(size) >= self.share) * scale for size in self._hidden]
