"""What guessing comes to, and from which accuracy on it is none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnexp.datasets.dataset import Labels

LEVEL = 0.001
"""How often guessing may come to what counts as better; several trials are looked at."""


class Guessing(NamedTuple):
    """What is to be had without learning anything: the largest class for every example."""

    share: float
    """The accuracy of that."""
    limit: float | None
    """The lowest accuracy that is better than chance; None: of so few examples none is."""

    def is_beaten_by(self, accuracy: float) -> bool:
        """Return whether an accuracy is better than chance."""
        return self.limit is not None and accuracy >= self.limit


def guessing(labels: Labels) -> Guessing:
    """Return what guessing comes to on labels; exact, by the binomial distribution.

    Args:
        labels: (examples,), one at least.
    """
    from scipy.special import bdtrc  # noqa: PLC0415 - a tenth of a second to import

    n = len(labels)
    share = float(np.bincount(labels).max() / n)
    right = np.arange(1, n + 1)
    enough = right[bdtrc(right - 1, n, share) <= LEVEL] if share < 1 else right[:0]
    return Guessing(share, float(enough[0] / n) if len(enough) else None)
