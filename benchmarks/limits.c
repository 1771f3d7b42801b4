/* The limits of one processor core: prints the peak rate of fused multiply-adds, in floating-point
   operations a second, and for each size of an array, in bytes, the rates of reading it and of
   updating it in place, in its bytes a second.

   Compiled by limits.py with the kernels' own vectors and flags. */
#define _POSIX_C_SOURCE 199309L

#include "vector.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    REPETITIONS = 15,        /* of a measurement; the fastest counts */
    STREAMS = 8,             /* independent sums, so that no addition waits for the one before */
    BLOCK = STREAMS * LANES, /* floats */
};

static const double SECONDS = 1e-3; /* of a repetition, at least */

static volatile float sink;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* As many sums as the kernels hold in registers: more than a core computes at a time. */
static void multiply_add_often(float *unused, size_t rounds)
{
    (void)unused;
    Vector sums[TILE_ROWS][TILE_VECTORS];
    const Vector factor = broadcast(sink);
    UNROLL for (int i = 0; i < TILE_ROWS; i++)
        UNROLL for (int j = 0; j < TILE_VECTORS; j++)
            sums[i][j] = broadcast((float)(i * TILE_VECTORS + j)); /* else one would do for all */
    for (size_t round = 0; round < rounds; round++) {
        UNROLL for (int i = 0; i < TILE_ROWS; i++)
            UNROLL for (int j = 0; j < TILE_VECTORS; j++)
                sums[i][j] = multiply_add(factor, factor, sums[i][j]);
    }
    Vector total = factor;
    UNROLL for (int i = 0; i < TILE_ROWS; i++)
        UNROLL for (int j = 0; j < TILE_VECTORS; j++)
            total += sums[i][j];
    float lanes[LANES];
    store(lanes, total);
    sink = lanes[0] * 0.0f;
}

static void read_all(float *array, size_t count)
{
    Vector sums[STREAMS];
    UNROLL for (int i = 0; i < STREAMS; i++)
        sums[i] = broadcast(0.0f);
    for (size_t done = 0; done < count; done += BLOCK) {
        UNROLL for (int i = 0; i < STREAMS; i++)
            sums[i] += load(array + done + i * LANES);
    }
    UNROLL for (int i = 1; i < STREAMS; i++)
        sums[0] += sums[i];
    float lanes[LANES];
    store(lanes, sums[0]);
    sink = lanes[0] * 0.0f;
}

static void update_all(float *array, size_t count)
{
    const Vector factor = broadcast(sink);
    for (size_t done = 0; done < count; done += BLOCK) {
        UNROLL for (int i = 0; i < STREAMS; i++) {
            float *at = array + done + i * LANES;
            store(at, multiply_add(factor, factor, load(at)));
        }
    }
}

/* Return the calls a second of work(array, count), of the fastest repetition. */
static double calls_per_second(void (*work)(float *, size_t), float *array, size_t count)
{
    double fastest = 0.0;
    for (int i = 0; i < REPETITIONS; i++) {
        const double start = now();
        double seconds = 0.0;
        size_t calls = 0;
        for (; seconds < SECONDS; seconds = now() - start, calls += 16)
            for (int j = 0; j < 16; j++)
                work(array, count);
        if ((double)calls / seconds > fastest)
            fastest = (double)calls / seconds;
    }
    return fastest;
}

static double peak(void)
{
    const size_t rounds = 1000;
    const double operations = 2.0 * TILE_ROWS * TILE_VECTORS * LANES * (double)rounds;
    return operations * calls_per_second(multiply_add_often, NULL, rounds);
}

int main(int argc, char **argv)
{
    printf("%.6g\n", peak());
    for (int i = 1; i < argc; i++) {
        const size_t blocks = (size_t)atoll(argv[i]) / (BLOCK * sizeof(float)) + 1;
        const size_t count = blocks * BLOCK, bytes = count * sizeof(float);
        float *array = aligned_alloc(64, bytes);
        if (array == NULL)
            return EXIT_FAILURE;
        memset(array, 0, bytes);
        const double reading = calls_per_second(read_all, array, count);
        const double updating = calls_per_second(update_all, array, count);
        printf("%.6g %.6g\n", reading * (double)bytes, updating * (double)bytes);
        free(array);
    }
    return EXIT_SUCCESS;
}
