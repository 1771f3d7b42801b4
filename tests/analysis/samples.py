"""Samples by seed, for statistics and verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnexp.analysis.verdicts import Unit, Verdict, between, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

PLAIN = Unit("", 1.0, larger_is_better=True)


def seeds(values: Sequence[float] | npt.NDArray[np.float64], start: int = 0) -> dict[int, float]:
    return {start + place: float(value) for place, value in enumerate(values)}


def verdict(
    first: Sequence[float] | npt.NDArray[np.float64],
    second: Sequence[float] | npt.NDArray[np.float64],
    unit: Unit = PLAIN,
    start: int = 0,
) -> Verdict:
    """Return what is said of B, whose seeds are A's unless they start elsewhere."""
    return judge({"B": between(seeds(first), seeds(second, start), unit)}, unit)["B"]


def right(both: int, first: int, second: int, neither: int) -> tuple[npt.NDArray[np.bool_], ...]:
    """Return which examples either net has right, from how many both, one or neither have."""
    a = [True] * (both + first) + [False] * (second + neither)
    b = [True] * both + [False] * first + [True] * second + [False] * neither
    return np.array(a), np.array(b)
