"""The exact permutation test of paired differences: all ways to give them signs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnexp.analysis.samples import Floats, Values, finite

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
