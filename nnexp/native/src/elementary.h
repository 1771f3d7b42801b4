/* Elementary functions of vectors, without libm, whose results differ between machines.

   Polynomials are minimax fits of the relative error over the interval that is stated; errors are
   in units in the last place (ulp), measured over all floats by tests/native/test_elementary.py. */
#ifndef NNEXP_ELEMENTARY_H
#define NNEXP_ELEMENTARY_H

#include <math.h> /* INFINITY and NAN only */

#include "vector.h"

/* Return 2^n for -126 <= n <= 127, by writing the exponent. */
INLINE Vector power_of_two(Integers n) { return (Vector)(((Bits)n + 127) << 23); }

/* Write n and return m with e^x = 2^n m, for |x| < 2^20. */
INLINE Vector split_exponential(Vector x, Integers *n)
{
    /* Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the sum. */
    const Vector rounder = broadcast(0x1.8p23f);
    const Vector sum = multiply_add(x, broadcast(0x1.715476p0f), rounder); /* x / ln 2 */
    const Vector k = sum - rounder;
    /* ln 2 in two parts; the first has so few bits that its product with k is exact. */
    Vector r = multiply_add(k, broadcast(-0x1.62e4p-1f), x);
    r = multiply_add(k, broadcast(-0x1.7f7d1cp-20f), r);
    /* e^r = 1 + r + r^2 p(r) for |r| <= ln(2) / 2. */
    Vector p = multiply_add(r, broadcast(0.001381461f), broadcast(0.008368711f));
    p = multiply_add(p, r, broadcast(0.04166839f));
    p = multiply_add(p, r, broadcast(0.16666521f));
    p = multiply_add(p, r, broadcast(0.49999994f));
    p = multiply_add(p, r * r, r);
    *n = (Integers)((Bits)sum - (Bits)rounder);
    return p + broadcast(1.0f);
}

/* Return e^x: 0 and infinity where it leaves the range of floats. Error: at most 1.02 ulp. */
INLINE Vector exponential(Vector x)
{
    Integers n;
    /* In this order, smallest and largest let NaN through. */
    const Vector bounded = smallest(largest(x, broadcast(-104.0f)), broadcast(89.0f));
    const Vector m = split_exponential(bounded, &n);
    /* Two factors, since 2^n alone may not be a normal number; only the second product rounds. */
    const Integers half = n >> 1;
    return m * power_of_two(half) * power_of_two(n - half);
}

/* Return e^x for x limited to [-87, 87], where one factor suffices and nothing is subnormal. */
INLINE Vector bounded_exponential(Vector x)
{
    Integers n;
    const Vector bounded = smallest(largest(x, broadcast(-87.0f)), broadcast(87.0f));
    const Vector m = split_exponential(bounded, &n);
    return m * power_of_two(n);
}

/* Return ln x for a positive, finite x that is not subnormal. */
INLINE Vector logarithm_of_normal(Vector x, Vector exponent_offset)
{
    /* x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)). */
    const Vector root_half = broadcast(0x1.6a09e6p-1f);
    const Integers k = (Integers)((Bits)x - (Bits)root_half) >> 23;
    const Vector f = (Vector)((Bits)x - ((Bits)k << 23)) - broadcast(1.0f);
    const Vector exponent = __builtin_convertvector(k, Vector) + exponent_offset;
    /* ln(1 + f) = f - f^2 / 2 + f^3 p(f). */
    Vector p = multiply_add(f, broadcast(0.067466386f), broadcast(-0.11675651f));
    p = multiply_add(p, f, broadcast(0.11888163f));
    p = multiply_add(p, f, broadcast(-0.12405589f));
    p = multiply_add(p, f, broadcast(0.14219552f));
    p = multiply_add(p, f, broadcast(-0.16667996f));
    p = multiply_add(p, f, broadcast(0.20002119f));
    p = multiply_add(p, f, broadcast(-0.2500001f));
    p = multiply_add(p, f, broadcast(0.33333313f));
    /* ln 2 in two parts, the first of so few bits that its product with the exponent is exact. */
    const Vector square = f * f;
    Vector sum = multiply_add(p * f, square, exponent * broadcast(-0x1.bd0106p-13f));
    sum = multiply_add(square, broadcast(-0.5f), sum) + f;
    return multiply_add(exponent, broadcast(0x1.63p-1f), sum);
}

/* Return ln x: -infinity for 0, NaN for negative numbers. Error: at most 0.84 ulp. */
INLINE Vector logarithm(Vector x)
{
    const Vector zero = broadcast(0.0f), infinity = broadcast(INFINITY);
    const Vector tiny = broadcast(0x1p-126f); /* the smallest normal number */
    const Vector normal = select_less(x, tiny, x * broadcast(0x1p23f), x);
    const Vector offset = select_less(x, tiny, broadcast(-23.0f), zero);
    const Vector finite = logarithm_of_normal(normal, offset);
    const Vector positive = select_less(x, infinity, finite, x); /* keeps infinity and NaN */
    const Vector nonnegative = select_less(zero, x, positive, x - infinity); /* -infinity for 0 */
    return select_less(x, zero, broadcast(NAN), nonnegative);
}

/* Return ln(1 + x) for 0 <= x <= 1. Error: at most 1.24 ulp. */
INLINE Vector logarithm_of_one_plus(Vector x)
{
    /* The sum rounds; what it lost, which is exact, is added times the slope 1 / (1 + x). */
    const Vector one = broadcast(1.0f), sum = one + x;
    const Vector lost = x - (sum - one);
    return logarithm_of_normal(sum, broadcast(0.0f)) + lost / sum;
}

/* Return 1 / (1 + e^-z). Error: at most 2.5 ulp for z >= -86.5; below, it stays at e^-87. */
INLINE Vector sigmoid(Vector z)
{
    const Vector one = broadcast(1.0f);
    return one / (one + bounded_exponential(broadcast(0.0f) - z));
}

/* Return the hyperbolic tangent of z. Error: at most 1.34 ulp. */
INLINE Vector hyperbolic_tangent(Vector z)
{
    const Bits sign = (Bits)z & 0x80000000u;
    const Vector size = (Vector)((Bits)z ^ sign), square = z * z;
    /* |z| < 0.625: tanh z = z + z^3 p(z^2). Otherwise the exponential loses no precision. */
    Vector p = multiply_add(square, broadcast(-0.0057049864f), broadcast(0.020639086f));
    p = multiply_add(p, square, broadcast(-0.053739715f));
    p = multiply_add(p, square, broadcast(0.13331442f));
    p = multiply_add(p, square, broadcast(-0.3333328f));
    const Vector small = multiply_add(p * square, size, size);
    const Vector power = bounded_exponential(size + size);
    const Vector large = broadcast(1.0f) - broadcast(2.0f) / (power + broadcast(1.0f));
    return (Vector)((Bits)select_less(size, broadcast(0.625f), small, large) | sign);
}

#endif
