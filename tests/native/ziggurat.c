/* Draw normals from a stream of random bits as NumPy does, without the C library's functions.

   Compiled and checked by test_normals.py. The ziggurat is that of Marsaglia and Tsang (2000):
   layers 1 to 255 are rectangles of one area under exp(-x^2 / 2), and layer 0, of the same area,
   has the tail beyond RADIUS. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LAYERS 256
#define RADIUS 3.6541528853610088
#define INVERSE_RADIUS 0.27366123732975828

struct Tables {
    double width[LAYERS];   /* of a layer, divided by 2^52 */
    double height[LAYERS];  /* exp(-x^2 / 2) at its right end */
    uint64_t inside[LAYERS]; /* 2^52 times the share of it that is certainly under the curve */
};

struct Replay {
    int64_t used;        /* of the random bits, in words */
    int64_t exponentials; /* decisions that took an exponential */
    int64_t logarithms;  /* draws from the tail, whose values are logarithms */
};

/* Return 2^n for -1022 <= n <= 1023, by writing the exponent. */
static double power_of_two(int n)
{
    const uint64_t bits = (uint64_t)(n + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* Return e^x for -700 <= x <= 0. Error: below 1 ulp. */
double exponential(double x)
{
    /* ln 2 in two parts; the first has so few bits that its product with k is exact. */
    const int k = (int)(x * 0x1.71547652b82fep0 - 0.5);
    const double high = x - k * 0x1.62e42feep-1, low = k * 0x1.a39ef35793c76p-33;
    const double r = high - low; /* |r| <= ln(2) / 2 */
    const double lost = (high - r) - low;
    /* e^r = 1 + r + r^2 (1/2! + r/3! + …), whose coefficients are those of the Taylor series. */
    double sum = 0.0, inverse_factorial[15] = {1.0};
    for (int i = 1; i < 15; i++)
        inverse_factorial[i] = inverse_factorial[i - 1] / i;
    for (int i = 14; i >= 2; i--)
        sum = sum * r + inverse_factorial[i];
    return (1.0 + (r + (r * r * sum + lost))) * power_of_two(k);
}

/* Return ln(1 - u) for 0 <= u < 1, a multiple of 2^-53, so that 1 - u is exact.
   Error: below 1 ulp. */
double logarithm_of_one_minus(double u)
{
    /* 1 - u = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)). */
    const double y = 1.0 - u;
    int k = 0;
    double f = y;
    for (; f < 0x1.6a09e667f3bcdp-1; f += f)
        k--;
    f -= 1.0;
    /* ln(1 + f) = 2 atanh s = 2 s + 2 s^3 / 3 + … with s = f / (2 + f), and 2 s = f - s f. */
    const double s = f / (2.0 + f), square = s * s;
    double sum = 0.0;
    for (int i = 21; i >= 3; i -= 2)
        sum = (sum + 2.0 / i) * square;
    /* f - s f loses digits; f - f^2 / 2 + s f^2 / 2 is the same and loses fewer. */
    const double half = 0.5 * f * f;
    const double small = s * (half + sum) + k * 0x1.a39ef35793c76p-33;
    return k * 0x1.62e42feep-1 - ((half - small) - f);
}

/* Return a random number in [0, 1), a multiple of 2^-53. */
static double uniform(const uint64_t *bits, struct Replay *replay)
{
    return (double)(bits[replay->used++] >> 11) * 0x1p-53;
}

static double tail(const uint64_t *bits, struct Replay *replay)
{
    for (;;) {
        const double x = -INVERSE_RADIUS * logarithm_of_one_minus(uniform(bits, replay));
        const double y = -logarithm_of_one_minus(uniform(bits, replay));
        if (y + y > x * x)
            return RADIUS + x;
    }
}

static double normal(const struct Tables *tables, const uint64_t *bits, struct Replay *replay)
{
    for (;;) {
        const uint64_t word = bits[replay->used++];
        const int layer = word & 0xff;
        const uint64_t share = (word >> 9) & 0xfffffffffffff;
        const bool is_negative = (word >> 8) & 1;
        const double size = (double)share * tables->width[layer];
        const double x = is_negative ? -size : size;
        if (share < tables->inside[layer])
            return x;
        if (layer == 0) {
            replay->logarithms++;
            const double value = tail(bits, replay);
            return (share >> 8) & 1 ? -value : value;
        }
        replay->exponentials++;
        const double low = tables->height[layer], high = tables->height[layer - 1];
        if ((high - low) * uniform(bits, replay) + low < exponential(-0.5 * x * x))
            return x;
    }
}

/* Write normals drawn from bits, and count in replay what they took. */
void draw(const struct Tables *tables, const uint64_t *bits, int64_t count, double *normals,
          struct Replay *replay)
{
    for (int64_t i = 0; i < count; i++)
        normals[i] = normal(tables, bits, replay);
}
