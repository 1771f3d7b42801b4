"""Compare obtained with published values, point by point and by headline; judge each net."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from nnexp.reproduction.figures import Headline
from nnexp.reproduction.measures import Curve
from nnexp.seeds import spread

TOLERANCE = 1e-12
"""Maximum error of a cost that counts as exact."""

TOLERANCE_DIGITS = 12
"""Decimals of a cost that must agree within the tolerance."""

LEVEL = 0.95
"""Level of the prediction interval that defines the seeds' spread."""

FEWEST = 2
"""Minimum seeds for a spread."""

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
    """A published series and the obtained one, in their common epochs."""

    key: str
    published: int
    """Number of published points; with fewer epochs trained, some are not compared."""
    points: tuple[SeriesPoint, ...]

    @property
    def is_exact(self) -> bool:
        """Whether there are points and all are equal."""
        return bool(self.points) and all(point.is_equal for point in self.points)


class Number(NamedTuple):
    """A headline with the obtained numbers."""

    headline: Headline
    obtained: float
    seeds: tuple[float, ...]
    """The numbers of runs with other seeds."""

    @property
    def is_exact(self) -> bool:
        """Whether it agrees in all published digits."""
        last_digit = 10.0**-self.headline.digits
        return abs(self.obtained - self.headline.published) <= last_digit / 2

    @property
    def is_within(self) -> bool:
        """Whether the published number lies in the seeds' spread."""
        return is_within(self.headline.published, self.seeds)

    @property
    def verdict(self) -> Verdict:
        """The verdict on the number."""
        return _verdict(exact=self.is_exact, within=self.is_within)


class NetComparison(NamedTuple):
    """All published and obtained values of one net."""

    series: tuple[Series, ...]
    """Empty if no author's file was given."""
    numbers: tuple[Number, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the net.

        It is not compared if nothing was published for the epochs trained. It is exact if all
        series are, or all numbers without a file. It is within the seeds' spread if there are
        enough seeds and every number is exact or within.
        """
        parts: Sequence[Series | Number] = self.series or self.numbers
        if not parts:
            return "not compared"
        enough = all(len(number.seeds) >= FEWEST for number in self.numbers)
        near = all(number.is_exact or number.is_within for number in self.numbers)
        within = bool(self.numbers) and enough and near
        return _verdict(exact=all(part.is_exact for part in parts), within=within)


def is_within(published: float, seeds: Sequence[float]) -> bool:
    """Return whether a number may well come from the same distribution as those of the seeds.

    It may if it lies in their 95 % prediction interval: |x - mean| <= t s sqrt(1 + 1/k), where k
    seeds have the standard deviation s, and t is the 97.5 % quantile of Student's t with k - 1
    degrees of freedom. False for fewer than two seeds.
    """
    over_seeds = spread(seeds) if all(map(math.isfinite, seeds)) else None
    if over_seeds is None or over_seeds.sd is None:
        return False
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    quantile = float(stdtrit(len(seeds) - 1, (1 + LEVEL) / 2))
    margin = quantile * over_seeds.sd * math.sqrt(1 + 1 / len(seeds))
    return abs(published - over_seeds.mean) <= margin


def compare_series(
    published: Mapping[str, Curve], obtained: Mapping[str, Curve]
) -> tuple[Series, ...]:
    """Return every published series with the obtained one of the same key."""
    return tuple(
        Series(key, len(curve.values), tuple(_points(curve, obtained[key])))
        for key, curve in published.items()
    )


def _points(published: Curve, obtained: Curve) -> Iterable[SeriesPoint]:
    values = dict(zip(*obtained, strict=True))
    for epoch, value in zip(*published, strict=True):
        if epoch in values:
            yield SeriesPoint(epoch, value, values[epoch])


def _verdict(*, exact: bool, within: bool) -> Verdict:
    if exact:
        return "exact"
    return "within the seeds' spread" if within else "differs"
