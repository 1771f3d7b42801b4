"""Tests of the difference between two methods' results, with confidence intervals.

Pure mathematics: arrays in, a ``Difference`` out, always the second minus the first. ``verdicts``
puts it into words; ``power`` computes how many seeds are needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nnexp.analysis.power import ALPHA

if TYPE_CHECKING:
    import numpy.typing as npt

TestName: TypeAlias = Literal["paired t", "Welch", "McNemar", "none"]


@dataclass(frozen=True)
class Difference:
    """The difference of two methods' results, the second minus the first."""

    kind: TestName
    """The test; "none" if there are too few values for any."""
    difference: float
    sizes: tuple[int, int]
    """Number of values, or examples, of the first and the second; pairs count on both sides."""
    p: float | None = None
    """Two-sided p-value."""
    error: float | None = None
    """Standard error of the difference; None without a test."""
    degrees_of_freedom: float | None = None
    """Of Student's t; infinity for a normal distribution."""
    sd: float | None = None
    """Standard deviation of the pairs' differences or, unpaired, the root mean square of both
    sides' standard deviations; that of rounding if all are equal."""
    off_centre: float = 0.0
    """Distance of the difference from the centre of its interval."""
    identical: bool = False
    """Whether all pairs, values or examples are equal."""
    common: tuple[int, ...] = ()
    """The common seeds of methods that have others as well, if they are too few for a test."""

    def half_width(self, alpha: float = ALPHA) -> float | None:
        """Return the half-width of the interval at level 1 - alpha; None without a test.

        It reaches as far as the farther end. It includes zero if p is at least alpha; for the
        t-tests, it excludes zero otherwise.
        """
        if self.error is None or self.degrees_of_freedom is None:
            return None
        width = _quantile(self.degrees_of_freedom, 1 - alpha / 2) * self.error + self.off_centre
        is_noise = self.p is not None and self.p >= alpha
        return max(width, abs(self.difference)) if is_noise else width


def paired_t(first: Values, second: Values, resolution: float = 0.0) -> Difference:
    """Test the mean difference of pairs by Student's t with n - 1 degrees of freedom.

    Args:
        first: the first method's values.
        second: the second method's, in the same order.
        resolution: the step of which values are whole multiples, such as one epoch, if any. Equal
            differences are then given the variance of rounding, resolution²/12 for each value,
            instead of zero. Without a resolution, equal nonzero differences have the p of the
            formula's limit, zero.

    Raises:
        TooFewError: there are fewer than two pairs.
        ValueError: the sizes differ, or a value is not finite.
    """
    a, b = finite(first), finite(second)
    if len(a) != len(b):
        raise ValueError(
            f"both sides of a paired test need the same size, got {len(a)} and {len(b)}"
        )
    differences = b - a
    n = len(differences)
    variance = sample_variance(differences) or resolution**2 / 6
    mean, identical = float(differences.mean()), not differences.any()
    error = 0.0 if identical else math.sqrt(variance / n)
    return Difference(
        "paired t",
        mean,
        (n, n),
        _student(mean, error, n - 1),
        error,
        degrees_of_freedom=n - 1,
        sd=0.0 if identical else math.sqrt(variance),
        identical=identical,
    )


def welch(first: Values, second: Values, resolution: float = 0.0) -> Difference:
    """Test the difference of the means of independent values by Welch's t.

    The variance of the difference is s1²/n1 + s2²/n2; its degrees of freedom are Satterthwaite's,
    1 / (c²/(n1 - 1) + (1 - c)²/(n2 - 1)), where c is the first term's share of it.

    Args:
        first: the first method's values.
        second: the second method's; their number may differ.
        resolution: as in ``paired_t``.

    Raises:
        TooFewError: a side has fewer than two values.
        ValueError: a value is not finite.
    Source: Welch (1947), The generalization of 'Student's' problem.
    """
    a, b = finite(first), finite(second)
    variances = [sample_variance(side) or resolution**2 / 12 for side in (a, b)]
    identical = bool(np.all(np.concatenate([a, b]) == a[0]))
    shares = [0.0 if identical else v / len(x) for v, x in zip(variances, (a, b), strict=True)]
    total = sum(shares)
    c = shares[0] / total if total else len(b) / (len(a) + len(b))
    freedom = 1 / (c**2 / (len(a) - 1) + (1 - c) ** 2 / (len(b) - 1))
    mean = 0.0 if identical else float(b.mean() - a.mean())
    return Difference(
        "Welch",
        mean,
        (len(a), len(b)),
        _student(mean, math.sqrt(total), freedom),
        math.sqrt(total),
        degrees_of_freedom=freedom,
        sd=0.0 if identical else math.sqrt(sum(variances) / 2),
        identical=identical,
    )


def mcnemar(first_right: npt.NDArray[np.bool_], second_right: npt.NDArray[np.bool_]) -> Difference:
    """Test the difference in accuracy of two nets on the same examples.

    p is exact: among the examples that only one net classifies correctly, each net's share is
    binomial with probability 1/2. The interval is Bonett and Price's: Wald's after adding one
    example of each kind. For a few outcomes with p between 0.05 and 0.07 it would exclude zero,
    and is widened to include it.

    Args:
        first_right: whether the first net classifies each example correctly.
        second_right: whether the second net does.

    Raises:
        TooFewError: there are no examples.
        ValueError: the sizes differ.
    Source: McNemar (1947); Bonett and Price (2012), Adjusted Wald confidence interval for a
        difference of binomial proportions based on paired data; recommended in Fagerland,
        Lydersen and Laake (2014), doi:10.1002/sim.6148.
    """
    from scipy.special import bdtr  # noqa: PLC0415 - a tenth of a second to import

    a, b = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if a.shape != b.shape:
        raise ValueError(f"both nets need the same examples, got {a.size} and {b.size}")
    if not a.size:
        raise TooFewError("nets are compared on at least one example, got none")
    n, lost, won = a.size, int((a & ~b).sum()), int((b & ~a).sum())
    difference, centre = (won - lost) / n, (won - lost) / (n + 2)
    variance = ((won + lost + 2) / (n + 2) - centre**2) / (n + 2)
    p = min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))
    return Difference(
        "McNemar",
        difference,
        (n, n),
        p,
        math.sqrt(variance),
        degrees_of_freedom=math.inf,
        off_centre=abs(difference - centre),
        identical=won + lost == 0,
    )


def hommel(p: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple comparisons; they stay in the given order.

    This is closed testing with Simes' test: a hypothesis is rejected if every set of hypotheses
    that contains it is, and a set of n is if its k-th smallest p is at most k alpha / n for some
    k. It holds the family-wise error under independence and the usual positive dependence.

    Source: Hommel (1988), A stagewise rejective multiple test procedure; Wright (1992), Adjusted
        p-values for simultaneous inference, for the algorithm.
    """
    order = sorted(range(len(p)), key=lambda index: p[index])
    sizes, n = [p[index] for index in order], len(p)
    adjusted = list(sizes)
    for m in range(n, 1, -1):
        first = n - m + 1  # the largest m - 1 are compared with their ranks
        least = min(m * sizes[i] / (m - n + 1 + i) for i in range(first, n))
        values = [min(m * size, least) for size in sizes[:first]]
        values += [values[-1]] * (n - first)
        adjusted = list(map(max, adjusted, values))
    result = [0.0] * n
    for index, value in zip(order, adjusted, strict=True):
        result[index] = min(1.0, value)
    return result


def hommel_level(p: Sequence[float], alpha: float) -> float:
    """Return the level at which Hommel's method tests each p-value, alpha / j.

    j is the size of the largest set of hypotheses that Simes' test does not reject. A p-value
    below the level is one whose adjusted value is below alpha.
    """
    sizes, n = sorted(p), len(p)
    for j in range(n, 0, -1):
        if all(sizes[n - j + k - 1] > k * alpha / j for k in range(1, j + 1)):
            return alpha / j
    return alpha


def sample_variance(values: Floats) -> float:
    """Return the variance with n - 1 degrees of freedom; exactly zero if all values are equal."""
    return 0.0 if (values == values[0]).all() else float(values.var(ddof=1))


def _student(mean: float, error: float, freedom: float) -> float:
    """Return the two-sided p of Student's t; for a standard error of 0, its limit."""
    from scipy.special import stdtr  # noqa: PLC0415 - a tenth of a second to import

    if not error:
        return 0.0 if mean else 1.0
    return 2 * float(stdtr(freedom, -abs(mean) / error))


def _quantile(freedom: float, probability: float) -> float:
    """Return a quantile of Student's t; of the normal distribution if freedom is infinite."""
    from scipy.special import ndtri, stdtrit  # noqa: PLC0415 - a tenth of a second to import

    return float(ndtri(probability) if math.isinf(freedom) else stdtrit(freedom, probability))


Values: TypeAlias = "Sequence[float] | npt.NDArray[np.float64]"
Floats: TypeAlias = "npt.NDArray[np.float64]"

FEWEST = 2
"""Minimum number of values for a standard deviation."""

LARGEST = 1e150
"""Larger numbers are not compared, since their squares overflow."""


class TooFewError(ValueError):
    """There are too few values for the requested test."""


def finite(values: Values, fewest: int = FEWEST) -> Floats:
    """Return values as an array, checked to be finite.

    Raises:
        TooFewError: there are fewer than ``fewest`` values.
        ValueError: a value is not finite.
    """
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a value to compare is not a finite number")
    if len(array) < fewest:
        raise TooFewError(f"a test needs at least {fewest} values on each side, got {len(array)}")
    return array


def farthest(
    values: Values, resolution: float = 0.0, examples: int | None = None
) -> tuple[int, float]:
    """Return the index of the value that is farthest from the others, and its p (Grubbs's test).

    Each value is held against the mean of the others by a t-test with n - 2 degrees of freedom;
    p is the smallest of these times n. The variance of the others is at least that of rounding,
    resolution²/12; of accuracies, at least that of drawing the examples, q (1 - q) / m, where m
    is the number of examples and q the mean accuracy with one more example right and one wrong.
    By chance, a few accuracies on a few examples are often closer to each other than that.

    Args:
        values: of one method, at least three.
        resolution: as in ``paired_t``.
        examples: of which the values are accuracies; None for other values.

    Raises:
        TooFewError: there are fewer than three values.
        ValueError: a value is not finite.
    Source: Grubbs (1950), Sample criteria for testing outlying observations.
    """
    array, n = finite(values, 3), len(values)
    ps = []
    for index in range(n):
        others = np.delete(array, index)
        least = resolution**2 / 12 if examples is None else _binomial(others.mean(), examples)
        variance = max(sample_variance(others), least)
        error = math.sqrt(variance * (1 + 1 / (n - 1)))
        ps.append(_student(float(array[index] - others.mean()), error, n - 2))
    index = int(np.argmin(ps))
    return index, min(1.0, n * ps[index])


def _binomial(accuracy: float, examples: int) -> float:
    """Return the variance of an accuracy on so many examples, positive also at 0 and 1."""
    share = (accuracy * examples + 1) / (examples + 2)
    return share * (1 - share) / examples
