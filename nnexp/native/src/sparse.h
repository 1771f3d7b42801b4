/* Products of sparse inputs, of which only the nonzeros are stored, with the first layer's weights.

   An example's nonzero at feature f multiplies row f of the weights. A narrow layer's sum consists
   of four partial sums, since one chain of additions would leave the processor waiting; nonzero p
   belongs to partial sum p mod 4. A wide layer has enough neurons to compute at once, so that each
   sum is one chain. How many columns are computed together, and the blocks of features into which
   a chain is cut, change the speed only. */
#ifndef NNEXP_SPARSE_H
#define NNEXP_SPARSE_H

#include "vector.h"

enum {
    PARTS = 4,          /* partial sums of a narrow layer */
    NARROW_VECTORS = 3, /* vectors of a narrow layer at a time, with PARTS sums each */
    WIDE_VECTORS = 10,  /* vectors of a wide layer at a time, with one sum each */
    WIDE = 64,          /* columns from which a layer is wide */
};

/* Some nonzeros: of one example, by feature, or of one feature, by example. */
struct Nonzeros {
    const uint16_t *indices;
    const float *values;
    ptrdiff_t count;
};

/* Call function(n, ...) for a constant n equal to count, from 1 to WIDE_VECTORS. */
#define WITH_VECTORS(count, function, ...)          \
    switch (count) {                                \
    case 1: function(1, __VA_ARGS__); break;        \
    case 2: function(2, __VA_ARGS__); break;        \
    case 3: function(3, __VA_ARGS__); break;        \
    case 4: function(4, __VA_ARGS__); break;        \
    case 5: function(5, __VA_ARGS__); break;        \
    case 6: function(6, __VA_ARGS__); break;        \
    case 7: function(7, __VA_ARGS__); break;        \
    case 8: function(8, __VA_ARGS__); break;        \
    case 9: function(9, __VA_ARGS__); break;        \
    case 10: function(10, __VA_ARGS__); break;      \
    }

/* Return how many of the vectors that are left to take next: two equal parts at the end. */
INLINE ptrdiff_t next_vectors(ptrdiff_t left, ptrdiff_t most)
{
    return left <= most ? left : left < 2 * most ? (left + 1) / 2 : most;
}

/* sum[j] += nonzero p times the row that it refers to. */
INLINE void add_multiple(const int vectors, Vector *sum, struct Nonzeros x, ptrdiff_t p,
                         const float *rows, ptrdiff_t width)
{
    const Vector factor = broadcast(x.values[p]);
    const float *row = opaque(rows + x.indices[p] * width);
    UNROLL for (int j = 0; j < vectors; j++)
        sum[j] = multiply_add(factor, load(row + j * LANES), sum[j]);
}

/* to = scale (sum of values times rows) + bias, with PARTS partial sums. */
INLINE void multiply_narrow(const int vectors, struct Nonzeros x, const float *rows,
                            ptrdiff_t width, float scale, const float *bias, float *to)
{
    Vector sum[PARTS][NARROW_VECTORS];
    UNROLL for (int part = 0; part < PARTS; part++) {
        UNROLL for (int j = 0; j < vectors; j++)
            sum[part][j] = broadcast(0.0f);
    }
    ptrdiff_t p = 0;
    for (; p + PARTS <= x.count; p += PARTS) {
        UNROLL for (int part = 0; part < PARTS; part++)
            add_multiple(vectors, sum[part], x, p + part, rows, width);
    }
    UNROLL for (int part = 0; part < PARTS - 1; part++)
        if (p + part < x.count)
            add_multiple(vectors, sum[part], x, p + part, rows, width);
    const Vector factor = broadcast(scale);
    UNROLL for (int j = 0; j < vectors; j++) {
        const Vector total = (sum[0][j] + sum[1][j]) + (sum[2][j] + sum[3][j]);
        store(to + j * LANES, multiply_add(total, factor, load(bias + j * LANES)));
    }
}

static void multiply_narrow_row(const struct Nonzeros *x, const float *rows, ptrdiff_t width,
                                float scale, const float *bias, float *to)
{
    for (ptrdiff_t done = 0, vectors; done < width; done += vectors * LANES) {
        vectors = next_vectors((width - done) / LANES, NARROW_VECTORS);
        switch (vectors) {
        case 1: multiply_narrow(1, *x, rows + done, width, scale, bias + done, to + done); break;
        case 2: multiply_narrow(2, *x, rows + done, width, scale, bias + done, to + done); break;
        case 3: multiply_narrow(3, *x, rows + done, width, scale, bias + done, to + done); break;
        }
    }
}

/* to += sum of values times rows, as one chain. */
INLINE void continue_chain(const int vectors, struct Nonzeros x, const float *rows,
                           ptrdiff_t width, float *to)
{
    Vector sum[WIDE_VECTORS];
    UNROLL for (int j = 0; j < vectors; j++)
        sum[j] = load(to + j * LANES);
    for (ptrdiff_t p = 0; p < x.count; p++)
        add_multiple(vectors, sum, x, p, rows, width);
    UNROLL for (int j = 0; j < vectors; j++)
        store(to + j * LANES, sum[j]);
}

static void continue_chain_row(const struct Nonzeros *x, const float *rows, ptrdiff_t width, float *to)
{
    for (ptrdiff_t done = 0, vectors; done < width; done += vectors * LANES) {
        vectors = next_vectors((width - done) / LANES, WIDE_VECTORS);
        WITH_VECTORS(vectors, continue_chain, *x, rows + done, width, to + done)
    }
}

/* The gradient of one example: each row += its value times step delta. */
INLINE void add_outer_product(const int vectors, struct Nonzeros x, const float *delta,
                              float step, float *rows, ptrdiff_t width)
{
    Vector scaled[WIDE_VECTORS];
    UNROLL for (int j = 0; j < vectors; j++)
        scaled[j] = load(delta + j * LANES) * broadcast(step);
    for (ptrdiff_t p = 0; p < x.count; p++) {
        float *row = (float *)opaque(rows + x.indices[p] * width);
        const Vector value = broadcast(x.values[p]);
        UNROLL for (int j = 0; j < vectors; j++)
            store(row + j * LANES, multiply_add(value, scaled[j], load(row + j * LANES)));
    }
}

static void add_outer_product_row(const struct Nonzeros *x, const float *delta, float step, float *rows,
                                  ptrdiff_t width)
{
    for (ptrdiff_t done = 0, vectors; done < width; done += vectors * LANES) {
        vectors = next_vectors((width - done) / LANES, WIDE_VECTORS);
        WITH_VECTORS(vectors, add_outer_product, *x, delta + done, step, rows + done, width)
    }
}

/* The gradient of one feature: to += step (sum of values times the examples' deltas). */
INLINE void add_feature(const int vectors, struct Nonzeros x, const float *deltas,
                        ptrdiff_t width, float step, float *to)
{
    Vector sum[WIDE_VECTORS];
    UNROLL for (int j = 0; j < vectors; j++)
        sum[j] = broadcast(0.0f);
    for (ptrdiff_t p = 0; p < x.count; p++)
        add_multiple(vectors, sum, x, p, deltas, width);
    UNROLL for (int j = 0; j < vectors; j++)
        store(to + j * LANES, multiply_add(sum[j], broadcast(step), load(to + j * LANES)));
}

static void add_feature_row(const struct Nonzeros *x, const float *deltas, ptrdiff_t width, float step,
                            float *to)
{
    for (ptrdiff_t done = 0, vectors; done < width; done += vectors * LANES) {
        vectors = next_vectors((width - done) / LANES, WIDE_VECTORS);
        WITH_VECTORS(vectors, add_feature, *x, deltas + done, width, step, to + done)
    }
}

#endif
