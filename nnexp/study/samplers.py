"""How a search chooses what to try: at random, on a grid, or by what came of it so far.

Every point follows from the search's seed, the point's number and the scores of the points
before it, and from nothing else: no state is stored, and a search that was stopped asks for the
same points again.
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
"""Random points that are drawn for each trial, at most, where some are excluded."""

TRIES = 10
"""Times that TPE is asked for a point that is not excluded, before one is drawn at random."""

_ASKED = int.from_bytes(hashlib.sha256(b"tpe").digest()[:4], "big")
"""Tells this use of the search's seed from that of the random draws."""


class Method(Protocol):
    """What a search asks for its next point."""

    lag: float
    """How many points may be asked for while the scores of so many before them are not known."""

    def ask(self) -> Values | None:
        """Return the next point, or None where there are no more."""

    def tell(self, score: float | None) -> None:
        """Learn the score of the next point, in the order they were asked for; None: diverged."""


def method(name: MethodName, space: Space, trials: int, seed: int) -> Method:
    """Return a method that gives so many points at most.

    Raises:
        UsageError: a grid cannot have so few points, or Optuna is not installed.
    """
    if name == "tpe":
        return Tpe(space, trials, seed)
    return ListedPoints(drawn(space, trials, seed) if name == "random" else grid(space, trials))


class ListedPoints:
    """Points that are known beforehand."""

    lag = math.inf

    def __init__(self, points: Sequence[Values]) -> None:
        self._points = iter(points)

    def ask(self) -> Values | None:
        """Return the next point, or None where there are no more."""
        return next(self._points, None)

    def tell(self, score: float | None) -> None:
        """Make nothing of it."""


def drawn(space: Space, trials: int, seed: int) -> list[Values]:
    """Return points drawn as a sweep's random section draws them; more begin with the same ones.

    Excluded points are left out of them.

    Raises:
        UsageError: of ``PATIENCE`` points a trial the exclusions leave too few.
    """
    count, most = trials, min(PATIENCE * trials, MOST)
    while (
        len(points := _allowed(space, map(values_of, draw(space.dimensions, count, seed)))) < trials
    ):
        if count == most:
            raise UsageError(
                f"{space.exclusions[0].place}: exclude: leaves {len(points):,} of {most:,} points "
                f"that were drawn, too few for --trials {trials}: exclude less"
            )
        count = min(2 * count, most)
    return points[:trials]


def _allowed(space: Space, points: Iterable[Values]) -> list[Values]:
    """Return the points that are not excluded."""
    return [each for each in points if not (space.exclusions and space.excludes(each))]


def grid(space: Space, most: int) -> list[Values]:
    """Return the points of the finest grid that has not too many, the first key slowest.

    Lists have all their values; ranges have levels at equal distances, equal ratios where they
    are logarithmic, the ends among them. One key after another gets a level more while the grid
    has room. Excluded points are left out.

    Raises:
        UsageError: with two levels a key they are too many, or all are excluded.
    """
    choices = [_different(e.levels) if e.is_choice else [] for e in space.dimensions]
    levels = [len(each) or 2 for each in choices]
    if math.prod(levels) > most:
        raise UsageError(
            f"the smallest grid has {math.prod(levels):,} points; give --trials at least as many"
        )
    limits = [len(c) or _most_levels(e) for c, e in zip(choices, space.dimensions, strict=True)]
    grown = True
    while grown:
        grown = False
        for place, level in enumerate(levels):
            if level < limits[place] and math.prod(levels) // level * (level + 1) <= most:
                levels[place], grown = level + 1, True
    planned = zip(choices, space.dimensions, levels, strict=True)
    columns = (c or [(value,) for value in _levels(e, n)] for c, e, n in planned)
    points = _allowed(space, map(flat, product(*columns)))
    if not points:
        where = space.exclusions[0].place
        raise UsageError(f"{where}: exclude: leaves nothing of the grid: exclude less")
    return points


def _different(values: list[Any]) -> list[Any]:
    """Return values without those that are written as an earlier one is."""
    return list({dump.inline(each): each for each in values}.values())


def _most_levels(dimension: Dimension) -> float:
    low, high = dimension.ends
    return high - low + 1 if RANGES[dimension.kind].is_whole else math.inf


def _levels(dimension: Dimension, count: int) -> list[Any]:
    """Return levels of a range; of whole numbers none twice, and all once there are so many."""
    low, high = dimension.ends
    shares = [place / (count - 1) for place in range(count)]
    if not RANGES[dimension.kind].is_whole:
        return [value for share in shares for value in values_of(dimension.at(share))]
    if dimension.kind == "integers" or count == high - low + 1:
        return [round(low + share * (high - low)) for share in shares]
    return list(dict.fromkeys(round(low * (high / low) ** share) for share in shares))


class Tpe:
    """Optuna's tree-structured Parzen estimator, asked for one point after another.

    The study lives in memory and is told every score anew, in the points' order, from the runs.
    Each point has a sampler of its own, seeded by the point's number, so that it depends on
    the scores before it and not on how many were drawn in this process. Point i is asked for
    once points 1 to i - 4 have scores, whether four trials are trained at a time or one.
    Source: Bergstra, Bardenet, Bengio and Kégl (2011), Algorithms for hyper-parameter optimization.
    """

    lag = 4.0

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        try:
            import optuna  # noqa: PLC0415 - an extra, and slow to import
        except ImportError:
            raise UsageError(
                "--method tpe needs Optuna: pip install 'nnexp[optuna]'; random and grid do without"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._left = trials
        self._seed = seed
        self._samplers = optuna.samplers.TPESampler, optuna.samplers.RandomSampler
        self._excluded = optuna.trial.TrialState.FAIL
        self._study = optuna.create_study(direction="maximize")
        self._distributions = {each.key: _distribution(each) for each in space.dimensions}
        self._asked: deque[Trial] = deque()
        if space.exclusions:
            drawn(space, trials, seed)  # raises UsageError where they leave too little

    def ask(self) -> Values | None:
        """Return the next point that is not excluded, or None where there are no more."""
        if not self._left:
            return None
        self._left -= 1
        asked, values = self._next(is_random=False)
        tries = 1
        while self._space.excludes(values):
            self._study.tell(asked, state=self._excluded)
            asked, values = self._next(is_random=tries >= TRIES)
            tries += 1
        self._asked.append(asked)
        return values

    def _next(self, *, is_random: bool) -> tuple[Trial, Values]:
        """Return the next point of TPE; or a random one, as TPE may insist on an excluded one."""
        number = len(self._study.trials)
        words = np.random.SeedSequence(self._seed, spawn_key=(_ASKED, number)).generate_state(1)
        self._study.sampler = self._samplers[is_random](seed=int(words[0]))
        asked = self._study.ask(self._distributions)
        params = asked.params
        values = flat(_values(each, params[each.key]) for each in self._space.dimensions)
        return asked, values

    def tell(self, score: float | None) -> None:
        """Learn the score of the next point, in the order they were asked for; None: diverged."""
        self._study.tell(self._asked.popleft(), WORST if score is None else score)


def _distribution(dimension: Dimension) -> BaseDistribution:
    """Return what Optuna draws: places in a range, as the range itself knows its logarithms."""
    from optuna import distributions  # noqa: PLC0415 - as above

    if dimension.is_choice:
        return distributions.CategoricalDistribution(tuple(range(len(dimension.rows))))
    if (kind := RANGES[dimension.kind]).is_whole:
        return distributions.IntDistribution(*dimension.ends, log=kind.is_log)
    return distributions.FloatDistribution(0.0, 1.0)


def _values(dimension: Dimension, param: Any) -> Values:  # noqa: ANN401 - a number or a place
    if dimension.is_choice:
        level: Values = dimension.levels[param]
        return level
    return (param,) if RANGES[dimension.kind].is_whole else values_of(dimension.at(param))


class HalvingRung(NamedTuple):
    """So many trials are trained up to an epoch."""

    trials: int
    epoch: int


def rungs(trials: int, epochs: int, factor: int) -> list[HalvingRung]:
    """Return the rungs of successive halving.

    Each has a factor fewer trials than the one before, and more epochs; the last one has all of
    them. There are as many as leave the last a trial, and the first an epoch.

    Source: Jamieson and Talwalkar (2016), Non-stochastic best arm identification.
    """
    count = 0
    while factor ** (count + 1) <= min(trials, epochs):
        count += 1
    return [
        HalvingRung(trials // factor**step, -(-epochs // factor ** (count - step)))
        for step in range(count + 1)
    ]
