"""Powers, cosines and sines of numbers: correctly rounded, whatever the machine."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.nn.elementary import STRIDE, cosine, power, sine

BASES = (0.9, 0.95, 0.999, 0.5, 0.1, 0.9999999, 1 / 3, 1e-5, 2.5)
COUNTS = (*range(20), 99, STRIDE - 1, STRIDE, STRIDE + 1, 1000, 36_863, 100_000, 999_999)
ANGLES = (0.1, 1.0, 10 * math.pi / 180, 1.5, 3.0, math.pi / 4, math.pi / 2, math.pi, 1e-8, 1e-300)


def ulps(a: float, b: float) -> float:
    return 0.0 if a == b else abs(a - b) / math.ulp(max(abs(a), abs(b)))


@pytest.mark.parametrize("base", BASES)
def test_a_small_power_is_the_exact_one_rounded_once(base: float) -> None:
    """Fractions are exact; their conversion to a float rounds correctly."""
    for exponent in range(300):
        exact = Fraction(base) ** exponent
        assert power(base, exponent) == exact.numerator / exact.denominator


@pytest.mark.parametrize("base", BASES)
def test_a_large_power_is_that_of_twice_the_digits_rounded_once(base: float) -> None:
    digits = decimal.Context(prec=80, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)
    for exponent in COUNTS:
        assert power(base, exponent) == float(digits.power(Decimal(base), exponent))


@given(st.floats(0.0, 1.0), st.integers(0, 1_000_000))
def test_a_power_is_within_an_ulp_of_the_c_library_s(base: float, exponent: int) -> None:
    assert ulps(power(base, exponent), math.pow(base, exponent)) <= 1


def test_special_powers_are_exact() -> None:
    assert power(0.0, 0) == power(0.3, 0) == power(1.0, 10**9) == 1
    assert power(0.0, 7) == power(0.1, 10**9) == power(5e-324, 10**9) == 0
    assert power(0.5, 1074) == 5e-324
    assert power(2.0, 1023) == 2.0**1023
    assert power(2.0, 1024) == math.inf
    assert power(-2.0, 3) == -8


def exact(function: Callable[[float], float], x: float) -> float:
    """Return the sine or cosine by rational arithmetic, with an error below 1e-60 of it."""
    degree = 1 if function is sine else 0
    term, total = Fraction(x) ** degree, Fraction(0)
    while abs(term) > abs(total) * Fraction(1, 10**60):
        total += term
        degree += 2
        term = round(-term * Fraction(x) ** 2 / (degree * (degree - 1)), 400)
    return total.numerator / total.denominator


@pytest.mark.parametrize("function", [cosine, sine])
@pytest.mark.parametrize("x", [*ANGLES, *(-angle for angle in ANGLES), 4.0])
def test_sines_and_cosines_are_rounded_once(function: Callable[[float], float], x: float) -> None:
    assert function(x) == exact(function, x)


@given(st.floats(-4.0, 4.0))
def test_sines_and_cosines_are_within_an_ulp_of_the_c_library_s(x: float) -> None:
    assert ulps(cosine(x), math.cos(x)) <= 1
    assert ulps(sine(x), math.sin(x)) <= 1


def test_special_angles_are_exact() -> None:
    assert cosine(0.0) == cosine(-0.0) == 1
    assert str(sine(0.0)) == "0.0"
    assert sine(5e-324) == 5e-324
    assert cosine(math.pi) == -1


@pytest.mark.parametrize("x", [4.001, -5.0, math.inf, math.nan])
def test_angles_outside_the_range_are_refused(x: float) -> None:
    for function in (cosine, sine):
        with pytest.raises(ValueError, match="must be from -4 to 4"):
            function(x)


def test_no_result_depends_on_decimal_s_current_context() -> None:
    """A program may change it, and each thread has its own."""
    expected = power(0.999, 12_345), cosine(1.0), sine(1.0)
    for exponent in range(5 * STRIDE):  # so that the cache forgets the power
        power(1 / (1 + exponent), exponent)
    with decimal.localcontext(prec=3, rounding=decimal.ROUND_UP):
        assert (power(0.999, 12_345), cosine(1.0), sine(1.0)) == expected
