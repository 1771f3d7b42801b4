/* Products of dense matrices.

   One micro-kernel serves all products of a training step: strides say whether the first matrix is
   transposed, and weight decay and the update happen while a tile of sums is still in registers.
   Each sum is one chain of fused multiply-adds in the order of the inner index. The shape of a tile
   and the blocks of the inner index change the speed only, since a chain continues across blocks. */
#ifndef NNEXP_DENSE_H
#define NNEXP_DENSE_H

#include <stdbool.h>

#include "network.h"
#include "vector.h"

enum {
    /* A block of this many rows of b, one tile wide, stays in the first-level cache. */
    INNER_BLOCK = 256,
    /* With so few rows, one row at a time and more vectors of it keep the processor busy. */
    FEW_ROWS = 2,
    FEW_ROWS_VECTORS = 4,
};

/* How the sums of a product are stored. */
enum Finish {
    STORE,    /* c = sum */
    ADD_BIAS, /* c = sum + bias */
    UPDATE,   /* c = keep c + step sum */
};

/* c[i][j] from the sums over k of a[i][k] b[k][j]; columns are a multiple of PADDED_TO. */
struct Product {
    ptrdiff_t rows, columns, inner;
    const float *a;
    ptrdiff_t a_row, a_column; /* the distances of neighbours */
    const float *b;
    ptrdiff_t b_row;
    float *c;
    ptrdiff_t c_row;
    bool resume; /* continue the chains whose sums so far are in c */
    enum Finish finish;
    const float *bias; /* ADD_BIAS */
    float keep, step;  /* UPDATE */
};

/* A tile's sums. Rows and vectors are constants wherever a tile is used, so that its loops are
   unrolled and its sums stay in registers. */
typedef Vector Tile[TILE_ROWS][FEW_ROWS_VECTORS];

INLINE void start_tile(const int rows, const int vectors, Tile sum)
{
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++)
            sum[i][j] = broadcast(0.0f);
    }
}

INLINE void load_tile(const int rows, const int vectors, Tile sum, const float *c, ptrdiff_t c_row)
{
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++)
            sum[i][j] = load(c + i * c_row + j * LANES);
    }
}

INLINE void store_tile(const int rows, const int vectors, Tile sum, float *c, ptrdiff_t c_row)
{
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++)
            store(c + i * c_row + j * LANES, sum[i][j]);
    }
}

/* sum += a b, over the inner index. */
INLINE void add_products(const int rows, const int vectors, Tile sum, const struct Product *p,
                         const float *a, const float *b)
{
    const ptrdiff_t a_row = p->a_row, a_column = p->a_column, b_row = p->b_row;
    for (ptrdiff_t k = 0; k < p->inner; k++) {
        Vector right[FEW_ROWS_VECTORS];
        UNROLL for (int j = 0; j < vectors; j++)
            right[j] = load(b + k * b_row + j * LANES);
        UNROLL for (int i = 0; i < rows; i++) {
            const Vector left = broadcast(a[i * a_row + k * a_column]);
            UNROLL for (int j = 0; j < vectors; j++)
                sum[i][j] = multiply_add(left, right[j], sum[i][j]);
        }
    }
}

/* sum += bias. */
INLINE void add_bias(const int rows, const int vectors, Tile sum, const float *bias)
{
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++)
            sum[i][j] += load(bias + j * LANES);
    }
}

/* sum = keep c + step sum. */
INLINE void update(const int rows, const int vectors, Tile sum, const struct Product *p,
                   const float *c)
{
    const Vector keep = broadcast(p->keep), step = broadcast(p->step);
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++)
            sum[i][j] = multiply_add(sum[i][j], step, load(c + i * p->c_row + j * LANES) * keep);
    }
}

/* Compute a tile of c. */
INLINE void multiply_tile(const int rows, const int vectors, const struct Product *p,
                          ptrdiff_t row, ptrdiff_t column)
{
    Tile sum;
    float *c = p->c + row * p->c_row + column;
    if (p->resume)
        load_tile(rows, vectors, sum, c, p->c_row);
    else
        start_tile(rows, vectors, sum);
    add_products(rows, vectors, sum, p, p->a + row * p->a_row, p->b + column);
    if (p->finish == UPDATE)
        update(rows, vectors, sum, p, c);
    else if (p->finish == ADD_BIAS)
        add_bias(rows, vectors, sum, p->bias + column);
    store_tile(rows, vectors, sum, c, p->c_row);
}

/* Compute all rows of c for some of its columns. */
INLINE void multiply_columns(const int vectors, const struct Product *p, ptrdiff_t column)
{
    for (ptrdiff_t row = 0; row < p->rows;) {
        /* Two equal tiles at the end are faster than a large and a very small one. */
        const ptrdiff_t left = p->rows - row;
        const ptrdiff_t rows = left <= TILE_ROWS       ? left
                               : left < 2 * TILE_ROWS ? (left + 1) / 2
                                                      : TILE_ROWS;
#define TILE_CASE(n)                                      \
    case n:                                               \
        if (n <= TILE_ROWS)                               \
            multiply_tile(n, vectors, p, row, column);    \
        break
        switch (rows) {
            TILE_CASE(1);
            TILE_CASE(2);
            TILE_CASE(3);
            TILE_CASE(4);
            TILE_CASE(5);
            TILE_CASE(6);
            TILE_CASE(7);
            TILE_CASE(8);
            TILE_CASE(9);
            TILE_CASE(10);
            TILE_CASE(11);
            TILE_CASE(12);
        }
#undef TILE_CASE
        row += rows;
    }
}

/* Compute all columns of a few rows, where loading b takes the time. */
INLINE void multiply_few_rows(const struct Product *p)
{
    ptrdiff_t column = 0;
    for (; column + FEW_ROWS_VECTORS * LANES <= p->columns; column += FEW_ROWS_VECTORS * LANES)
        for (ptrdiff_t row = 0; row < p->rows; row++)
            multiply_tile(1, FEW_ROWS_VECTORS, p, row, column);
    for (; column < p->columns; column += LANES)
        for (ptrdiff_t row = 0; row < p->rows; row++)
            multiply_tile(1, 1, p, row, column);
}

static __attribute__((noinline)) void multiply_block(const struct Product *p)
{
    if (p->rows <= FEW_ROWS) {
        multiply_few_rows(p);
        return;
    }
    ptrdiff_t column = 0;
    for (; column + TILE_VECTORS * LANES <= p->columns; column += TILE_VECTORS * LANES)
        multiply_columns(TILE_VECTORS, p, column);
    for (; column < p->columns; column += LANES)
        multiply_columns(1, p, column);
}

/* Compute a product whose finish is STORE or ADD_BIAS, block by block of the inner index. The
   product itself becomes each block in turn: to copy it costs more than a small block. */
static void multiply(struct Product *p)
{
    const enum Finish finish = p->finish;
    for (ptrdiff_t left = p->inner; left > 0; left -= p->inner) {
        p->inner = left < INNER_BLOCK ? left : INNER_BLOCK;
        p->finish = left > INNER_BLOCK ? STORE : finish;
        multiply_block(p);
        p->a += p->inner * p->a_column;
        p->b += p->inner * p->b_row;
        p->resume = true;
    }
}

/* Return the sum of PADDED_TO lanes by one tree: lanes i and i + 8, then i + 4, i + 2, i + 1. */
INLINE float sum_lanes(float *lanes)
{
    UNROLL for (int half = PADDED_TO / 2; half > 0; half /= 2) {
        UNROLL for (int lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
}

/* Return the dot product of two padded rows: a chain for each of PADDED_TO lanes, then a tree. */
INLINE float dot_product(const float *a, const float *b, ptrdiff_t width)
{
    Vector sum[PADDED_TO / LANES];
    float lanes[PADDED_TO];
    UNROLL for (int k = 0; k < PADDED_TO / LANES; k++)
        sum[k] = broadcast(0.0f);
    for (ptrdiff_t j = 0; j < width; j += PADDED_TO) {
        UNROLL for (int k = 0; k < PADDED_TO / LANES; k++)
            sum[k] = multiply_add(load(a + j + k * LANES), load(b + j + k * LANES), sum[k]);
    }
    UNROLL for (int k = 0; k < PADDED_TO / LANES; k++)
        store(lanes + k * LANES, sum[k]);
    return sum_lanes(lanes);
}

/* Write the transpose of a matrix. */
static void transpose(ptrdiff_t rows, ptrdiff_t columns, const float *from, ptrdiff_t from_row,
                      float *to, ptrdiff_t to_row)
{
    const ptrdiff_t whole_rows = rows / 4 * 4;
    /* Whole blocks may read past the columns, where each row has padding. */
    for (ptrdiff_t i = 0; i < whole_rows; i += 4)
        for (ptrdiff_t j = 0; j < columns; j += 4)
            transpose_4(from + i * from_row + j, from_row, to + j * to_row + i, to_row);
    for (ptrdiff_t i = whole_rows; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++)
            to[j * to_row + i] = from[i * from_row + j];
}

#endif
