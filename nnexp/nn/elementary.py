"""Elementary functions of numbers whose results are the same to the last bit on every machine.

``**`` and ``math`` call the C library, whose pow, cos and sin differ between machines. Here,
``decimal`` computes with more than twice a double's digits, and the result is rounded once to a
double, so that it is the exact result correctly rounded in all but a vanishing share of cases.
Decimal sums, products and quotients are specified to the last digit, so that every machine gets
the same result even in those. The functions of vectors are in native/src/elementary.h.
"""

from __future__ import annotations

import decimal
from decimal import Decimal
from functools import lru_cache


def _arithmetic(digits: int) -> decimal.Context:
    """Return a decimal arithmetic that does not depend on decimal's changeable defaults."""
    return decimal.Context(
        prec=digits,
        rounding=decimal.ROUND_HALF_EVEN,
        Emin=decimal.MIN_EMIN,
        Emax=decimal.MAX_EMAX,
        capitals=1,
        clamp=0,
        traps=[],
    )


POWERS = _arithmetic(38)  # two machine words, for speed
SERIES = _arithmetic(60)  # enough for results that are small because terms cancel

STRIDE = 256
"""A power is the product of two that are cached: of a multiple of this, and of the rest."""

LARGEST_ANGLE = 4.0
"""The limit of angles; the terms of larger ones would cancel more digits."""

TERMS = 32
"""Terms of a series after the first; the next would be at most 4^66 / 66!, which is below 1e-52."""


def power(base: float, exponent: int) -> float:
    """Return base^exponent for an exponent of 0 or more.

    Successive calls with exponents near each other, such as an optimizer's step counts, take one
    or two microseconds each.

    Error: at most 0.5 + 1e-10 ulp for exponents up to 10^9.
    """
    rest = exponent % STRIDE
    return float(POWERS.multiply(_power(base, exponent - rest), _power(base, rest)))


@lru_cache(4 * STRIDE)
def _power(base: float, exponent: int) -> Decimal:
    """Return base^exponent by repeated squaring."""
    result, square = Decimal(1), Decimal(base)
    while exponent:
        if exponent % 2:
            result = POWERS.multiply(result, square)
        square = POWERS.multiply(square, square)
        exponent //= 2
    return result


def cosine(radians: float) -> float:
    """Return the cosine of an angle from -4 to 4.

    Error: at most 0.5 + 1e-10 ulp.

    Raises: ValueError if the angle is larger or NaN.
    """
    return _taylor(Decimal(1), 0, radians)


def sine(radians: float) -> float:
    """Return the sine of an angle from -4 to 4.

    Error: at most 0.5 + 1e-10 ulp.

    Raises: ValueError if the angle is larger or NaN.
    """
    return _taylor(Decimal(radians), 1, radians)


def _taylor(term: Decimal, degree: int, x: float) -> float:
    """Return a Taylor series in which a term of degree d is -x^2 / (d (d - 1)) times the last.

    Args:
        term: the first term.
        degree: of the first term.
        x: the angle.
    """
    if not abs(x) <= LARGEST_ANGLE:
        raise ValueError(f"an angle must be from -4 to 4, got {x}")
    square = SERIES.multiply(Decimal(x), Decimal(-x))
    total = term
    for d in range(degree + 2, degree + 2 * TERMS + 1, 2):
        term = SERIES.divide(SERIES.multiply(term, square), Decimal(d * (d - 1)))
        total = SERIES.add(total, term)
    return float(total)
