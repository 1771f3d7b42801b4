"""Tests of the difference between two methods' results, with confidence intervals.

Pure mathematics: arrays in, a ``Difference`` out, always the second less the first. What is to
be made of it, in words, stands in ``verdicts``; how many seeds it would take, in ``power``.
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
"""Of every interval."""

PERMUTED = 8
"""Pairs from which on a sign-flip test stands beside t's; with fewer than six none reaches 5 %."""


@dataclass(frozen=True)
class Difference:
    """What the second of two methods has over the first."""

    kind: TestName
    """The test; none where there are too few values for any."""
    difference: float
    sizes: tuple[int, int]
    """Values, or examples, of the first and of the second; pairs are counted on both sides."""
    half_width: float | None = None
    """Of its 95 % interval, which leaves zero out where p is under 5 %."""
    p: float | None = None
    """Two-sided."""
    degrees_of_freedom: float | None = None
    sd: float | None = None
    """Of the pairs' differences or, unpaired, the root mean square of both sides' deviations;
    if they are all equal, that of rounding."""
    sign_flip_p: float | None = None
    """The exact permutation test's, from eight pairs on."""
    identical: bool = False
    """Nothing differs at all: no pair, no value, no example."""


def paired_t(first: Values, second: Values, resolution: float = 0.0) -> Difference:
    """Return the mean difference of pairs, by Student's t on n - 1 degrees of freedom.

    Args:
        first: the first method's values.
        second: the second's, in the same order.
        resolution: what the values are whole multiples of, such as one epoch, if anything. Then
            differences that are all equal do not pass for infinitely sure: their variance is
            taken to be that of the rounding, resolution²/12 a value. Without a resolution equal
            differences other than zero have the p of the formula's limit, zero.

    Raises:
        TooFewError: there is one pair or none.
        ValueError: the sizes differ, or a value is not finite.
    """
    a, b = finite(first), finite(second)
    if len(a) != len(b):
        raise ValueError(f"pairs need as many values on both sides, got {len(a)} and {len(b)}")
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
    """Return the difference of the means of independent values, by Welch's t.

    The variance of the difference is s1²/n1 + s2²/n2; its degrees of freedom are Satterthwaite's,
    1 / (c²/(n1 - 1) + (1 - c)²/(n2 - 1)), where c is the first's share of it.

    Args:
        first: the first method's values.
        second: the second's; there may be more or fewer.
        resolution: as in ``paired_t``.

    Raises:
        TooFewError: a side has one value or none.
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
    """Return the difference in accuracy of two nets on the same examples.

    p is exact: of the examples that one net alone has right, either's share is binomial with one
    half. The interval is Bonett's and Price's, Wald's after one more example of either kind; it
    agrees with the test but for a few outcomes whose p is between 0.05 and 0.07. It reaches from
    the difference as far as its farther end.

    Args:
        first_right: whether the first net has each example right.
        second_right: whether the second has.

    Raises:
        TooFewError: there is no example.
        ValueError: the sizes differ.
    Source: McNemar (1947); Bonett and Price (2012), Adjusted Wald confidence interval for a
        difference of binomial proportions based on paired data; recommended in Fagerland,
        Lydersen and Laake (2014), doi:10.1002/sim.6148.
    """
    from scipy.special import bdtr, ndtri  # noqa: PLC0415 - a tenth of a second to import

    a, b = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if a.shape != b.shape:
        raise ValueError(f"nets are compared on the same examples, got {a.size} and {b.size}")
    if not a.size:
        raise TooFewError("nets are compared on one example or more, got none")
    n, lost, won = a.size, int((a & ~b).sum()), int((b & ~a).sum())
    difference, centre = (won - lost) / n, (won - lost) / (n + 2)
    variance = ((won + lost + 2) / (n + 2) - centre**2) / (n + 2)
    half_width = float(ndtri((1 + LEVEL) / 2)) * math.sqrt(variance) + abs(difference - centre)
    p = min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))
    identical = won + lost == 0
    return Difference("McNemar", difference, (n, n), half_width, p, identical=identical)


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being several, in the order given.

    In rising order each is multiplied by how many are left, and is no less than the one before.
    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    adjusted, largest = list(p), 0.0
    for place, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        largest = max(largest, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = largest
    return adjusted


def _variance(values: Floats) -> float:
    return 0.0 if (values == values[0]).all() else float(values.var(ddof=1))


def _student(mean: float, error: float, freedom: float) -> tuple[float, float]:
    """Return the half-width of the interval and p; without an error, those of the limit."""
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 - a tenth of a second to import

    if not error:
        return 0.0, 0.0 if mean else 1.0
    half_width = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    return half_width, 2 * float(stdtr(freedom, -abs(mean) / error))


Values: TypeAlias = Sequence[float] | npt.NDArray[np.float64]
Floats: TypeAlias = npt.NDArray[np.float64]

FEWEST = 2
"""Values that have a spread."""

LARGEST = 1e150
"""A number whose square is still one: sums, spreads and scales of larger ones overflow."""


class TooFewError(ValueError):
    """There are too few values for the test that was asked for."""


def finite(values: Values, fewest: int = FEWEST) -> Floats:
    """Return values as an array.

    Raises:
        TooFewError: there are fewer than ``fewest``.
        ValueError: one is not finite.
    """
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a value to compare is not a finite number")
    if len(array) < fewest:
        raise TooFewError(f"a test needs {fewest} values or more on a side, got {len(array)}")
    return array


ENUMERATED = 32
"""Pairs of which all 2^n sign flips are counted; each half of them has 65,536 sums."""

LATTICE = 1_000_000
"""Steps of a lattice on which the sign flips of any number of pairs are counted."""

TIE = 1e-9
"""How near two sums of differences are the same, as a share of the sum of their sizes."""


def sign_flip(differences: Values, resolution: float = 0.0) -> float | None:
    """Return the exact two-sided p of the test that flips the signs of paired differences.

    It is the share of the 2^n ways to give them signs whose sum is as far from zero as the one
    observed. On a lattice of the resolution the sums are counted by adding one difference after
    another; elsewhere halves of up to 32 differences are enumerated and put together. None for
    more than that: drawing flips at random would not be exact.

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
    """Return sizes as whole steps, or None where they are none or too many."""
    if not resolution or sizes.sum() > LATTICE * resolution:
        return None
    steps = np.rint(sizes / resolution)
    return steps.astype(np.int64) if np.allclose(sizes / resolution, steps, 0, 1e-6) else None


def _share_on_lattice(steps: npt.NDArray[np.int64], observed: float) -> float:
    flipped = np.zeros(int(steps.sum()) + 1)  # the share of ways to flip a sum of so many steps
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
