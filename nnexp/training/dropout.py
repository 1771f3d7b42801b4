"""Dropout: which hidden neurons a mini-batch does without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nnexp.nn.propagation import Masks
from nnexp.streams import Purpose, generator


class Dropout:
    """Masks for the hidden layers, drawn anew for each mini-batch, the same for its examples.

    What stays is scaled by 1 / (1 - share), so that evaluation needs no change.
    Source: Nielsen (2015), chapter 3; Srivastava et al. (2014), section 10 on the scaling.

    Args:
        share: of the neurons left out, on average.
        hidden: sizes of the hidden layers.
        seed: of the draws, which follow from it and the epoch.
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
        """Yield the masks of each mini-batch of an epoch, without end; None without dropout."""
        if not self.share:
            while True:
                yield None
        rng = generator(self._seed, Purpose.DROPOUT, epoch)
        kept = np.array(1.0 / (1.0 - self.share), self._dtype)
        while True:
            yield [(rng.random(size) >= self.share) * kept for size in self._hidden]
