"""Published beside obtained: point by point, by headline, and the verdict on a net."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from nnexp.reproduction.figures import Headline
from nnexp.reproduction.measures import Curve
from nnexp.seeds import spread

TOLERANCE = 1e-12
"""How far an exact cost may be off."""

TOLERANCE_DIGITS = 12
"""Decimals of a number that is held to the tolerance."""

LEVEL = 0.95
"""Of the prediction interval that is the seeds' spread."""

FEWEST = 2
"""Seeds that have a spread."""

Verdict = Literal["exact", "within the seeds' spread", "differs", "not compared"]


class SeriesPoint(Struct, frozen=True):
    """One epoch of a series."""

    epoch: int
    published: float
    obtained: float

    @property
    def is_equal(self) -> bool:
        """Whether a count is equal, or a cost within the tolerance."""
        return abs(self.published - self.obtained) <= TOLERANCE


class Series(NamedTuple):
    """A published series and what was obtained, in the epochs that both have."""

    key: str
    published: int
    """Published points; some have no counterpart where fewer epochs were trained."""
    points: tuple[SeriesPoint, ...]

    @property
    def is_exact(self) -> bool:
        """Whether there are points and all are equal."""
        return bool(self.points) and all(point.is_equal for point in self.points)


class Number(NamedTuple):
    """A headline, published and obtained."""

    headline: Headline
    obtained: float
    seeds: tuple[float, ...]
    """What runs with other seeds obtained."""

    @property
    def is_exact(self) -> bool:
        """Whether it is equal to the digits that were published."""
        last_digit = 10.0**-self.headline.digits
        return abs(self.obtained - self.headline.published) <= last_digit / 2

    @property
    def is_within(self) -> bool:
        """Whether the published number lies in the seeds' spread."""
        return is_within(self.headline.published, self.seeds)

    @property
    def verdict(self) -> Verdict:
        """What is to be said of it."""
        return _verdict(exact=self.is_exact, within=self.is_within)


class NetComparison(NamedTuple):
    """All that was published of one net beside what was obtained."""

    series: tuple[Series, ...]
    """Empty if no author's file was given."""
    numbers: tuple[Number, ...]

    @property
    def verdict(self) -> Verdict:
        """What is to be said of the net.

        Where nothing was published of the epochs trained it is not compared. It is exact if
        every series is, or, without a file, every number. It is within the seeds' spread if
        there are seeds and every number is exact or within.
        """
        parts: Sequence[Series | Number] = self.series or self.numbers
        if not parts:
            return "not compared"
        enough = all(len(number.seeds) >= FEWEST for number in self.numbers)
        near = all(number.is_exact or number.is_within for number in self.numbers)
        within = bool(self.numbers) and enough and near
        return _verdict(exact=all(part.is_exact for part in parts), within=within)


def is_within(published: float, seeds: Sequence[float]) -> bool:
    """Return whether a number may well be one more draw from where the seeds' numbers come from.

    It lies in their 95 % prediction interval: |x - mean| <= t s sqrt(1 + 1/k), where k seeds
    have the standard deviation s and t is the 97.5 % quantile of Student's t with k - 1 degrees
    of freedom. False for fewer than two seeds.
    """
    found = spread(seeds) if all(map(math.isfinite, seeds)) else None
    if found is None or found.sd is None:
        return False
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    quantile = float(stdtrit(len(seeds) - 1, (1 + LEVEL) / 2))
    margin = quantile * found.sd * math.sqrt(1 + 1 / len(seeds))
    return abs(published - found.mean) <= margin


def compare_series(
    published: Mapping[str, Curve], obtained: Mapping[str, Curve]
) -> tuple[Series, ...]:
    """Return every published series beside the obtained one of its key."""
    return tuple(
        Series(key, len(curve.values), tuple(_points(curve, obtained[key])))
        for key, curve in published.items()
    )


def _points(published: Curve, obtained: Curve) -> Iterable[SeriesPoint]:
    found = dict(zip(*obtained, strict=True))
    for epoch, value in zip(*published, strict=True):
        if epoch in found:
            yield SeriesPoint(epoch, value, found[epoch])


def _verdict(*, exact: bool, within: bool) -> Verdict:
    if exact:
        return "exact"
    return "within the seeds' spread" if within else "differs"
