"""Successive halving: many trials for a few epochs, the best of them for more.

Source: Jamieson and Talwalkar (2016), Non-stochastic best arm identification.
"""

from __future__ import annotations

from typing import NamedTuple


class Rung(NamedTuple):
    """So many trials are trained up to an epoch."""

    trials: int
    epoch: int


def rungs(trials: int, epochs: int, factor: int) -> list[Rung]:
    """Return the rungs: each has a factor fewer trials than the one before, and more epochs.

    The last one has all the epochs. There are as many as leave it a trial, and the first an epoch.
    """
    count = 0
    while factor ** (count + 1) <= min(trials, epochs):
        count += 1
    return [
        Rung(trials // factor**step, -(-epochs // factor ** (count - step)))
        for step in range(count + 1)
    ]
