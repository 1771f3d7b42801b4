"""Verdicts that are valid at every look: sequential t-tests and confidence sequences.

Someone who trains seed after seed and looks after each finds a difference between equal methods
sooner or later, if each look is a test at 5 %. The evidence here may be looked at after every
seed: of races between equal methods, at most 5 % ever end in a false verdict.

Pure mathematics: values by seed in, a ``SequentialVerdict`` out. docs/statistics.md derives the
formulas and says where they fail.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from nnexp.analysis.power import ALPHA
from nnexp.analysis.statistics import FEWEST, finite, sample_variance

Decision: TypeAlias = Literal["better", "worse", "same", "undecided"]

G = 4.0
"""Variance of the effect, in standard deviations, over which the alternative averages."""

BUDGET = 30
"""Seeds of each method after which a race ends, unless another number is given."""


class Look(NamedTuple):
    """The evidence on a difference after so many seeds; the second method minus the first."""

    seeds: int
    """Of each method."""
    difference: float
    error: float
    """Standard error of the difference."""
    degrees_of_freedom: float

    @property
    def log_e(self) -> float:
        """The logarithm of the e-value: evidence that there is a difference.

        With n seeds, k = g n, nu degrees of freedom, and t = difference / error, it is

            e = (1 + k)^(-1/2) [(1 + t²/nu) / (1 + t²/(nu (1 + k)))]^((nu + 1)/2),

        the likelihood ratio of t for an effect drawn from N(0, g) to that for none. Without a
        difference, it ever exceeds 1/alpha with a probability of at most alpha.

        Source: Lai (1976); Wang and Ramdas (2024), Anytime-valid t-tests and confidence sequences
            for Gaussian means with unknown variance, theorem 4.9.
        """
        if not self.difference:
            share = 0.0
        else:  # t²/(nu + t²), which is defined for a standard error of zero as well
            share = 1 / (1 + self.degrees_of_freedom * (self.error / self.difference) ** 2)
        k = G * self.seeds
        exponent = (self.degrees_of_freedom + 1) / 2
        return -math.log1p(k) / 2 - exponent * math.log1p(-share * k / (1 + k))

    @property
    def e(self) -> float:
        """The e-value, at most e to the power of 700, which floats can still hold."""
        return math.exp(min(self.log_e, 700.0))

    def half_width(self, alpha: float = ALPHA) -> float:
        """Return the half-width of the confidence sequence at level 1 - alpha.

        It contains the differences of which e stays below 1/alpha. All intervals of all looks
        contain the true difference with a probability of at least 1 - alpha. It is infinite as
        long as no data could decide, with three seeds or fewer at 5 %.
        """
        k, nu = G * self.seeds, self.degrees_of_freedom
        a = (math.sqrt(1 + k) / alpha) ** (2 / (nu + 1))
        if a >= 1 + k:
            return math.inf
        return math.sqrt(nu * (a - 1) / (1 - a / (1 + k))) * self.error


class SequentialVerdict(NamedTuple):
    """The verdict on a method against the baseline, valid at every look."""

    decision: Decision
    looks: tuple[Look, ...]
    """Empty with fewer than two seeds."""
    tested: int
    """By which alpha is divided for this method: those that were not known to differ before it."""
    level: float
    """The confidence sequence has the level 1 - ``level``."""
    p: float = 1.0
    """For someone who looked after every seed, adjusted by Holm's method."""

    @property
    def differs(self) -> bool:
        """Whether the method is better or worse."""
        return self.decision in {"better", "worse"}

    @property
    def log_e(self) -> float:
        """The logarithm of the largest e-value so far."""
        return max((look.log_e for look in self.looks), default=0.0)

    @property
    def look(self) -> Look | None:
        """The look that decides: if the method differs, that with the largest e, else the last."""
        if not self.looks:
            return None
        return max(self.looks, key=lambda look: look.log_e) if self.differs else self.looks[-1]

    @property
    def half_width(self) -> float:
        """Half-width of the confidence sequence at the look that decides; infinity without one."""
        return self.look.half_width(self.level) if self.look else math.inf

    def is_within(self, amount: float) -> bool:
        """Return whether the confidence sequence at the last look lies within ± an amount."""
        return bool(self.looks) and _is_within(self.looks[-1], self.level, amount)


def _is_within(look: Look, level: float, amount: float) -> bool:
    """Return whether a confidence sequence lies within ± an amount; all zero is within zero."""
    end = abs(look.difference) + look.half_width(level)
    return end < amount or end == 0


def looks(
    first: Mapping[int, float], second: Mapping[int, float], resolution: float = 0.0
) -> tuple[Look, ...]:
    """Return a look after every seed from the second on, in the order of the seeds.

    Common seeds are pairs, of which the differences are tested, and other seeds do not count.
    Without common seeds, both methods' seeds are taken in their order, equally many of each.

    Args:
        first: the first method's value by seed.
        second: the second method's.
        resolution: the step of which values are whole multiples, such as one of 10,000 examples.
            The standard deviation of a difference counts as at least half of it.

    Raises:
        ValueError: a value is not finite.
    """
    common = sorted(first.keys() & second.keys())
    if common:
        pairs = [first[seed] for seed in common], [second[seed] for seed in common]
        return tuple(_paired(*pairs, resolution))
    a, b = ([side[seed] for seed in sorted(side)] for side in (first, second))
    return tuple(_unpaired(a, b, resolution))


def _paired(first: Sequence[float], second: Sequence[float], resolution: float) -> Iterator[Look]:
    """Yield looks at the differences of pairs, with n - 1 degrees of freedom."""
    differences = finite(second, 0) - finite(first, 0)
    for n in range(FEWEST, len(differences) + 1):
        part = differences[:n]
        variance = max(sample_variance(part), resolution**2 / 4)
        yield Look(n, float(part.mean()), math.sqrt(variance / n), n - 1)


def _unpaired(first: Sequence[float], second: Sequence[float], resolution: float) -> Iterator[Look]:
    """Yield looks at two samples of equal size, with Welch's degrees of freedom.

    Sizes must be equal: two new values against thirty old ones err in 8 %.
    """
    a, b = finite(first, 0), finite(second, 0)
    for n in range(FEWEST, min(len(a), len(b)) + 1):
        u, v = (max(sample_variance(side[:n]), resolution**2 / 8) for side in (a, b))
        total = u + v
        freedom = (n - 1) / ((u / total) ** 2 + (v / total) ** 2) if total else 2.0 * (n - 1)
        yield Look(n, float(b[:n].mean() - a[:n].mean()), math.sqrt(total / n), freedom)


def judge_looks(
    seen: Mapping[str, Sequence[Look]],
    *,
    larger_is_better: bool,
    smallest_effect: float = 0.0,
    ends_at_decision: bool = True,
) -> dict[str, SequentialVerdict]:
    """Return the verdict on each method, compared with one baseline.

    If j of K methods are not known to differ yet, one differs as soon as its largest e-value is at
    least j/alpha: Holm's method on the largest e-values so far, so that at most 5 % of races call a
    method better or worse that is not. One is the same if its confidence sequence of level
    1 - alpha/K lies within ± the smallest effect, or if all differences are zero and have no
    resolution; this is wrong in at most 5 % as well.

    Args:
        seen: the looks at each method, by its name.
        larger_is_better: of the values.
        smallest_effect: smaller differences do not matter; zero if all do.
        ends_at_decision: leave out the looks after a method's decision, as a race does, which
            trains no more seeds. Otherwise they add to the evidence.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    verdicts = {
        name: SequentialVerdict("undecided", (), len(seen), ALPHA / len(seen)) for name in seen
    }
    for seeds in sorted({look.seeds for of in seen.values() for look in of}):
        undecided = [name for name, verdict in verdicts.items() if verdict.decision == "undecided"]
        for name in undecided:
            so_far = tuple(look for look in seen[name] if look.seeds <= seeds)
            verdicts[name] = verdicts[name]._replace(looks=so_far)
        tested = sum(not verdict.differs for verdict in verdicts.values())
        for name in sorted(undecided, key=lambda name: -verdicts[name].log_e):
            verdict = verdicts[name]._replace(tested=tested)
            if verdict.log_e >= math.log(tested / ALPHA):
                strongest = max(verdict.looks, key=lambda look: look.log_e)
                is_better = (strongest.difference > 0) == larger_is_better
                decision: Decision = "better" if is_better else "worse"
                verdict = verdict._replace(decision=decision, level=ALPHA / tested)
                tested -= 1
            elif verdict.is_within(smallest_effect):
                verdict = verdict._replace(decision="same")
            verdicts[name] = verdict
    if not ends_at_decision:
        verdicts = {name: v._replace(looks=tuple(seen[name])) for name, v in verdicts.items()}
    return _with_p(verdicts)


def _with_p(verdicts: Mapping[str, SequentialVerdict]) -> dict[str, SequentialVerdict]:
    """Return verdicts with their p, 1/e times the number of those with an e no larger than theirs.

    As by Holm's method, none is smaller than that of a verdict with a larger e.
    """
    adjusted, largest = dict(verdicts), 0.0
    order = sorted(verdicts, key=lambda name: -verdicts[name].log_e)
    for rank, name in enumerate(order):
        p = (len(order) - rank) * math.exp(-max(0.0, verdicts[name].log_e))
        largest = max(largest, min(1.0, p))
        adjusted[name] = verdicts[name]._replace(p=largest)
    return adjusted


def soonest_verdict(
    differences: Sequence[float], tested: int, level: float, smallest_effect: float = 0.0
) -> int:
    """Return after how many seeds there may be a verdict, whatever the next seeds bring.

    With S the sum and V the sum of squares of n differences, t²/(nu + t²) = S²/(n V), and every
    further difference adds at most 1 to S²/V (Cauchy and Schwarz), so that e has a bound. The
    confidence sequence has one as well, since the sum of squared deviations never decreases.

    Args:
        differences: of the pairs so far; the comparison has no verdict yet.
        tested: how many methods are not known to differ yet.
        level: the confidence sequence has the level 1 - ``level``.
        smallest_effect: smaller differences do not matter; zero if all do.
    """
    n, known = len(differences), finite(differences, 0)
    squares = float(known @ known)
    ratio = float(known.sum()) ** 2 / squares if squares else 0.0
    deviations = sample_variance(known) * (n - 1) if n >= FEWEST else 0.0
    seeds = max(FEWEST, n + 1)
    while True:
        k, share = G * seeds, min(1.0, (ratio + seeds - n) / seeds)
        log_e = -math.log1p(k) / 2 - seeds / 2 * math.log1p(-share * k / (1 + k))
        if log_e >= math.log(tested / ALPHA):
            return seeds
        error = math.sqrt(deviations / (seeds * (seeds - 1)))
        may_be_same = smallest_effect > 0 or not squares
        if may_be_same and _is_within(Look(seeds, 0.0, error, seeds - 1), level, smallest_effect):
            return seeds
        seeds += 1


MOST = 1_000
"""Maximum number of seeds to estimate."""


def seeds_expected(verdict: SequentialVerdict, smallest_effect: float = 0.0) -> int | None:
    """Return after how many seeds there is a verdict if difference and spread stay as they are.

    Args:
        verdict: undecided so far, with at least one look at pairs.
        smallest_effect: smaller differences do not matter; zero if all do.

    Returns: the number, or None if it exceeds 1,000.
    """
    last = verdict.looks[-1]
    for seeds in range(last.seeds + 1, MOST + 1):
        error = last.error * math.sqrt(last.seeds / seeds)
        look = Look(seeds, last.difference, error, seeds - 1)
        differs = look.log_e >= math.log(verdict.tested / ALPHA)
        if differs or _is_within(look, verdict.level, smallest_effect):
            return seeds
    return None
