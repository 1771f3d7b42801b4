"""Methods that choose a search's points: random, grid, and tree-structured Parzen estimator.

Each point depends only on the search's seed, the point's number and the scores of earlier points.
No state is stored: a search that is restarted proposes the same points again.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from nnexp.config import dump
from nnexp.errors import UsageError
from nnexp.study.ranges import RANGES
from nnexp.study.space import MOST, Dimension, Space, Values, draw, flat, values_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

MethodName: TypeAlias = Literal["random", "grid", "tpe"]

WORST = -1.0
"""The score of a point that diverged: below every accuracy."""

PATIENCE = 100
"""Maximum number of random points drawn for each trial if some are excluded."""

TRIES = 10
"""Proposals of TPE that may be excluded before falling back to random points."""

_TPE_KEY = int.from_bytes(hashlib.sha256(b"tpe").digest()[:4], "big")
"""Separates TPE's random streams from those of the random method, which use the same seed."""


class Method(Protocol):
    """Proposes the points of a search, one after another."""

    lag: float
    """Maximum number of proposed points without a score."""

    def ask(self) -> Values | None:
        """Return the next point, or None after the last."""

    def tell(self, score: float | None) -> None:
        """Record the score of the next point, in the order of proposal; None if it diverged."""


def method(name: MethodName, space: Space, trials: int, seed: int) -> Method:
    """Return a method that proposes at most ``trials`` points.

    Raises:
        UsageError: the smallest grid has more points, or Optuna is not installed.
    """
    if name == "tpe":
        return Tpe(space, trials, seed)
    return ListedPoints(
        random_points(space, trials, seed) if name == "random" else grid(space, trials)
    )


class ListedPoints:
    """A method with a fixed list of points."""

    lag = math.inf

    def __init__(self, points: Sequence[Values]) -> None:
        self._points = iter(points)

    def ask(self) -> Values | None:
        """Return the next point, or None after the last."""
        return next(self._points, None)

    def tell(self, score: float | None) -> None:
        """Ignore the score: the list is fixed."""


def random_points(space: Space, trials: int, seed: int) -> list[Values]:
    """Draw random points that are not excluded, as a sweep's random section does.

    With more trials, the first points stay the same.

    Raises:
        UsageError: the exclusions leave too few of ``PATIENCE`` points a trial.
    """
    count, most = trials, min(PATIENCE * trials, MOST)
    while (
        len(points := _allowed(space, map(values_of, draw(space.dimensions, count, seed)))) < trials
    ):
        if count == most:
            raise UsageError(
                f"{space.exclusions[0].place}: exclude: leaves {len(points):,} of {most:,} random "
                f"points, too few for --trials {trials}; exclude fewer points"
            )
        count = min(2 * count, most)
    return points[:trials]


def _allowed(space: Space, points: Iterable[Values]) -> list[Values]:
    """Return the points that are not excluded."""
    return [point for point in points if not (space.exclusions and space.excludes(point))]


def grid(space: Space, most: int) -> list[Values]:
    """Return the points of the finest grid with at most ``most`` points, the first key slowest.

    Lists contribute all their values. Ranges contribute evenly spaced levels including both ends,
    in the logarithm if the range is logarithmic. Keys take turns to gain a level as long as the
    grid stays small enough. Excluded points are left out.

    Raises:
        UsageError: two levels a key give too many points, or all points are excluded.
    """
    choices = [_deduplicate(e.levels) if e.is_choice else [] for e in space.dimensions]
    levels = [len(values) or 2 for values in choices]
    if math.prod(levels) > most:
        raise UsageError(
            f"the smallest grid has {math.prod(levels):,} points; give --trials at least as many"
        )
    limits = [len(c) or _most_levels(e) for c, e in zip(choices, space.dimensions, strict=True)]
    grown = True
    while grown:
        grown = False
        for index, level in enumerate(levels):
            if level < limits[index] and math.prod(levels) // level * (level + 1) <= most:
                levels[index], grown = level + 1, True
    planned = zip(choices, space.dimensions, levels, strict=True)
    columns = (c or [(value,) for value in _levels(e, n)] for c, e, n in planned)
    points = _allowed(space, map(flat, product(*columns)))
    if not points:
        place = space.exclusions[0].place
        raise UsageError(f"{place}: exclude: leaves no point of the grid; exclude fewer points")
    return points


def _deduplicate(values: list[Any]) -> list[Any]:
    """Return values without repetitions, compared as they are written."""
    return list({dump.inline(value): value for value in values}.values())


def _most_levels(dimension: Dimension) -> float:
    low, high = dimension.ends
    return high - low + 1 if RANGES[dimension.kind].is_whole else math.inf


def _levels(dimension: Dimension, count: int) -> list[Any]:
    """Return ``count`` levels of a range, or fewer if integers coincide after rounding."""
    low, high = dimension.ends
    shares = [index / (count - 1) for index in range(count)]
    if not RANGES[dimension.kind].is_whole:
        return [value for share in shares for value in values_of(dimension.at(share))]
    if dimension.kind == "integers" or count == high - low + 1:
        return [round(low + share * (high - low)) for share in shares]
    return list(dict.fromkeys(round(low * (high / low) ** share) for share in shares))


class Tpe:
    """Optuna's tree-structured Parzen estimator.

    The Optuna study is kept in memory and rebuilt from the runs' scores, in the points' order.
    Each point has its own sampler, seeded by the point's number, so that it depends only on
    earlier scores, not on how many points this process has proposed. Point i is proposed once
    points 1 to i - 4 have scores, regardless of how many trials are trained at a time.
    Source: Bergstra, Bardenet, Bengio and Kégl (2011), Algorithms for hyper-parameter optimization.
    """

    lag = 4.0

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        try:
            import optuna  # noqa: PLC0415 - an extra, and slow to import
        except ImportError:
            raise UsageError(
                "--method tpe needs Optuna: pip install 'nnexp[optuna]'; random and grid do not"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._left = trials
        self._seed = seed
        self._samplers = optuna.samplers.TPESampler, optuna.samplers.RandomSampler
        self._excluded = optuna.trial.TrialState.FAIL
        self._study = optuna.create_study(direction="maximize")
        self._distributions = {d.key: _distribution(d) for d in space.dimensions}
        self._pending: deque[Trial] = deque()
        if space.exclusions:
            random_points(space, trials, seed)  # raises UsageError if too few are left

    def ask(self) -> Values | None:
        """Return the next point that is not excluded, or None after the last."""
        if not self._left:
            return None
        self._left -= 1
        trial, values = self._next(is_random=False)
        tries = 1
        while self._space.excludes(values):
            self._study.tell(trial, state=self._excluded)
            trial, values = self._next(is_random=tries >= TRIES)
            tries += 1
        self._pending.append(trial)
        return values

    def _next(self, *, is_random: bool) -> tuple[Trial, Values]:
        """Return TPE's next point, or a random one in case TPE keeps proposing excluded points."""
        number = len(self._study.trials)
        words = np.random.SeedSequence(self._seed, spawn_key=(_TPE_KEY, number)).generate_state(1)
        self._study.sampler = self._samplers[is_random](seed=int(words[0]))
        trial = self._study.ask(self._distributions)
        values = flat(_values(d, trial.params[d.key]) for d in self._space.dimensions)
        return trial, values

    def tell(self, score: float | None) -> None:
        """Record the score of the next point, in the order of proposal; None if it diverged."""
        self._study.tell(self._pending.popleft(), WORST if score is None else score)


def _distribution(dimension: Dimension) -> BaseDistribution:
    """Return Optuna's distribution: of a list's indices, of integers, or of u in [0, 1)."""
    from optuna import distributions  # noqa: PLC0415 - as above

    if dimension.is_choice:
        return distributions.CategoricalDistribution(tuple(range(len(dimension.rows))))
    if (kind := RANGES[dimension.kind]).is_whole:
        return distributions.IntDistribution(*dimension.ends, log=kind.is_log)
    return distributions.FloatDistribution(0.0, 1.0)


def _values(dimension: Dimension, param: Any) -> Values:  # noqa: ANN401 - a number or an index
    if dimension.is_choice:
        level: Values = dimension.levels[param]
        return level
    return (param,) if RANGES[dimension.kind].is_whole else values_of(dimension.at(param))


class HalvingRung(NamedTuple):
    """A rung of successive halving: how many trials are trained, up to which epoch."""

    trials: int
    epoch: int


def rungs(trials: int, epochs: int, factor: int) -> list[HalvingRung]:
    """Return the rungs of successive halving.

    Each rung has ``factor`` times fewer trials and more epochs than the one before; the last
    has all epochs. There are as many rungs as leave one trial for the last and one epoch for
    the first.

    Source: Jamieson and Talwalkar (2016), Non-stochastic best arm identification.
    """
    count = 0
    while factor ** (count + 1) <= min(trials, epochs):
        count += 1
    return [
        HalvingRung(trials // factor**step, -(-epochs // factor ** (count - step)))
        for step in range(count + 1)
    ]
