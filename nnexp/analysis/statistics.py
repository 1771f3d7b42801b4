"""Tests of the difference between two methods' results, with confidence intervals.

Pure mathematics: arrays in, a ``Difference`` out, always the second minus the first. ``verdicts``
puts it into words; ``power`` computes how many seeds are needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

TestName: TypeAlias = Literal["paired t", "Welch", "McNemar", "none"]

LEVEL = 0.95
"""Confidence level of every interval."""

PERMUTED = 8
"""Minimum pairs for a sign-flip test beside the t-test; with fewer than six p exceeds 5 %."""


@dataclass(frozen=True)
class Difference:
    """The difference of two methods' results, the second minus the first."""

    kind: TestName
    """The test; "none" if there are too few values for any."""
    difference: float
    sizes: tuple[int, int]
    """Number of values, or examples, of the first and the second; pairs count on both sides."""
    half_width: float | None = None
    """Half-width of the 95 % interval, which excludes zero if p is below 5 %."""
    p: float | None = None
    """Two-sided p-value."""
    degrees_of_freedom: float | None = None
    sd: float | None = None
    """Standard deviation of the pairs' differences or, unpaired, the root mean square of both
    sides' standard deviations; that of rounding if all are equal."""
    sign_flip_p: float | None = None
    """p-value of the exact permutation test, with eight or more pairs."""
    identical: bool = False
    """Whether all pairs, values or examples are equal."""


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
    variance = _variance(differences) or resolution**2 / 6
    mean, identical = float(differences.mean()), not differences.any()
    half_width, p = _student(mean, 0.0 if identical else math.sqrt(variance / n), n - 1)
    return Difference(
        "paired t",
        mean,
        (n, n),
        half_width,
        p,
        degrees_of_freedom=n - 1,
        sd=0.0 if identical else math.sqrt(variance),
        sign_flip_p=sign_flip(differences, resolution) if n >= PERMUTED else None,
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
    variances = [_variance(side) or resolution**2 / 12 for side in (a, b)]
    identical = bool(np.all(np.concatenate([a, b]) == a[0]))
    shares = [0.0 if identical else v / len(x) for v, x in zip(variances, (a, b), strict=True)]
    total = sum(shares)
    c = shares[0] / total if total else len(b) / (len(a) + len(b))
    freedom = 1 / (c**2 / (len(a) - 1) + (1 - c) ** 2 / (len(b) - 1))
    mean = 0.0 if identical else float(b.mean() - a.mean())
    half_width, p = _student(mean, math.sqrt(total), freedom)
    return Difference(
        "Welch",
        mean,
        (len(a), len(b)),
        half_width,
        p,
        degrees_of_freedom=freedom,
        sd=0.0 if identical else math.sqrt(sum(variances) / 2),
        identical=identical,
    )


def mcnemar(first_right: npt.NDArray[np.bool_], second_right: npt.NDArray[np.bool_]) -> Difference:
    """Test the difference in accuracy of two nets on the same examples.

    p is exact: among the examples that only one net classifies correctly, each net's share is
    binomial with probability 1/2. The interval is Bonett and Price's: Wald's after adding one
    example of each kind. It agrees with the test except for a few outcomes with p between 0.05
    and 0.07. The half-width is the distance from the difference to the farther end.

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
    from scipy.special import bdtr, ndtri  # noqa: PLC0415 - a tenth of a second to import

    a, b = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if a.shape != b.shape:
        raise ValueError(f"both nets need the same examples, got {a.size} and {b.size}")
    if not a.size:
        raise TooFewError("nets are compared on at least one example, got none")
    n, lost, won = a.size, int((a & ~b).sum()), int((b & ~a).sum())
    difference, centre = (won - lost) / n, (won - lost) / (n + 2)
    variance = ((won + lost + 2) / (n + 2) - centre**2) / (n + 2)
    half_width = float(ndtri((1 + LEVEL) / 2)) * math.sqrt(variance) + abs(difference - centre)
    p = min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))
    identical = won + lost == 0
    return Difference("McNemar", difference, (n, n), half_width, p, identical=identical)


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple comparisons; they stay in the given order.

    In increasing order, each is multiplied by the number of those left, itself included, and is
    at least as large as the one before.
    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    adjusted, largest = list(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted


def _variance(values: Floats) -> float:
    return 0.0 if (values == values[0]).all() else float(values.var(ddof=1))


def _student(mean: float, error: float, freedom: float) -> tuple[float, float]:
    """Return the interval's half-width and p; for a standard error of 0, their limits."""
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 - a tenth of a second to import

    if not error:
        return 0.0, 0.0 if mean else 1.0
    half_width = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    return half_width, 2 * float(stdtr(freedom, -abs(mean) / error))


Values: TypeAlias = Sequence[float] | npt.NDArray[np.float64]
Floats: TypeAlias = npt.NDArray[np.float64]

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


ENUMERATED = 32
"""Maximum number of pairs whose 2^n sign flips are enumerated; each half has 65,536 sums."""

LATTICE = 1_000_000
"""Maximum size of a lattice on which the sign flips of any number of pairs are counted."""

TIE = 1e-9
"""Tolerance for ties between sums of differences, relative to the sum of their sizes."""


def sign_flip(differences: Values, resolution: float = 0.0) -> float | None:
    """Return the exact two-sided p of the sign-flip test of paired differences.

    It is the fraction of the 2^n sign assignments whose sum is at least as far from zero as the
    observed one. If differences are multiples of the resolution, sums are counted on that lattice
    by dynamic programming; otherwise up to 32 differences are enumerated in two halves.

    Returns: None for more than 32, since random flips would not be exact.

    Source: Fisher (1935), The Design of Experiments, section 21; Horowitz and Sahni (1974) for
        the halves.
    """
    sizes = np.abs(finite(differences, 1))
    observed = abs(float(np.sum(differences))) - TIE * float(sizes.sum())
    if (steps := _lattice(sizes, resolution)) is not None:
        return _share_on_lattice(steps, observed / resolution)
    sizes = sizes[sizes > 0]  # a zero's sign changes nothing
    return _share_of_halves(sizes, observed) if len(sizes) <= ENUMERATED else None


def _lattice(sizes: Floats, resolution: float) -> npt.NDArray[np.int64] | None:
    """Return sizes in steps of the resolution, or None if they are not multiples or too many."""
    if not resolution or sizes.sum() > LATTICE * resolution:
        return None
    steps = np.rint(sizes / resolution)
    return steps.astype(np.int64) if np.allclose(sizes / resolution, steps, 0, 1e-6) else None


def _share_on_lattice(steps: npt.NDArray[np.int64], observed: float) -> float:
    flipped = np.zeros(int(steps.sum()) + 1)  # fraction of the flips with each sum of steps
    flipped[0] = 1.0
    for step in steps[steps > 0]:
        flipped[step:] += flipped[:-step]
        flipped /= 2
    sums = steps.sum() - 2 * np.arange(len(flipped))
    return min(1.0, float(flipped[np.abs(sums) >= observed].sum()))


def _share_of_halves(sizes: Floats, observed: float) -> float:
    halves = [_signed_sums(half) for half in (sizes[::2], sizes[1::2])]
    right = np.sort(halves[1])
    above = len(right) - np.searchsorted(right, observed - halves[0], "left")
    below = np.searchsorted(right, -observed - halves[0], "right")
    return min(1.0, float((above + below).sum()) / 2.0 ** len(sizes))


def _signed_sums(sizes: Floats) -> Floats:
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return sums
