/* Train many small networks with one kind of kernels, and print a hash of each result.

   Builds for different processors and compilers must print the same lines. Built by
   test_portability.py, with -DKERNELS naming the kernels. The argument n selects every n-th
   training. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

extern const struct Kernels KERNELS;

enum { EXAMPLES = 200, EPOCHS = 2, MAX_STEPS = EXAMPLES };

static const char *const ACTIVATIONS[] = {"sigmoid", "tanh", "relu"};
static const struct Pair {
    const char *name;
    enum Output output;
    enum Cost cost;
} PAIRS[] = {
    {"sigmoid cross-entropy", SIGMOID_OUTPUT, CROSS_ENTROPY},
    {"sigmoid quadratic", SIGMOID_OUTPUT, QUADRATIC},
    {"tanh quadratic", TANH_OUTPUT, QUADRATIC},
    {"linear quadratic", LINEAR_OUTPUT, QUADRATIC},
    {"softmax log-likelihood", SOFTMAX_OUTPUT, LOG_LIKELIHOOD},
};
static const struct {
    const char *name;
    struct Penalty penalty;
} PENALTIES[] = {{"none", {L2, 0.0}}, {"l2", {L2, 1e-3}}, {"l1", {L1, 1e-3}}};
static const struct {
    ptrdiff_t depth, sizes[5], batch_size;
} SHAPES[] = {
    {1, {30, 10}, 10},         {2, {50, 30, 10}, 1},           {2, {50, 100, 10}, 32},
    {3, {33, 70, 20, 5}, 7},   {4, {20, 9, 17, 33, 3}, 3},     {2, {300, 40, 10}, 200},
    {2, {64, 161, 4}, 64},     {3, {41, 128, 48, 10}, 2},
};
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* ---- random numbers without rounding, the same everywhere ---- */

static uint64_t state;

static uint32_t draw(uint32_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % limit);
}

/* Return a multiple of 2^-10 from -1 to 1. */
static float draw_float(void)
{
    return ((float)draw(2049) - 1024.0f) / 1024.0f;
}

/* ---- hashes ---- */

/* FNV-1a. A NaN's bits differ between processors, so that any NaN counts as the same. */
static uint64_t hash_floats(uint64_t hash, const float *values, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits = values[i] == values[i] ? bits : 0x7fc00000u;
        hash = (hash ^ bits) * 1099511628211u;
    }
    return hash;
}

static uint64_t hash_double(uint64_t hash, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (hash ^ (value == value ? bits : 0)) * 1099511628211u;
}

/* ---- problems ---- */

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        abort();
    return memory;
}

struct Data {
    struct Examples examples;
    uint8_t bytes[EXAMPLES * 300];
    float floats[EXAMPLES * 300];
    int64_t labels[EXAMPLES], order[EXAMPLES];
};

/* Draw bytes, or floats, of which a fifth or all are not 0. */
static void draw_examples(struct Data *data, ptrdiff_t features, uint32_t classes, bool is_sparse,
                          bool are_bytes)
{
    for (ptrdiff_t i = 0; i < EXAMPLES * features; i++) {
        data->bytes[i] = (uint8_t)(is_sparse && draw(5) ? 0 : 1 + draw(255));
        data->floats[i] = (float)data->bytes[i] - (data->bytes[i] ? 100.5f : 0.0f);
    }
    for (ptrdiff_t i = 0; i < EXAMPLES; i++) {
        data->labels[i] = draw(classes);
        data->order[i] = draw(EXAMPLES);
    }
    data->examples = (struct Examples){
        .count = EXAMPLES, .features = features, .labels = data->labels,
        .bytes = are_bytes ? data->bytes : NULL, .floats = are_bytes ? NULL : data->floats,
        .scale = 255.0f,
    };
    if (is_sparse &&
        !examples_compress(&data->examples, examples_count_nonzeros(&data->examples)))
        abort();
}

static float *draw_parameters(const struct Network *network)
{
    float *theta = allocate((size_t)network->size, sizeof *theta);
    float *parameters = allocate((size_t)network->size, sizeof *parameters);
    for (ptrdiff_t i = 0; i < network->size; i++)
        theta[i] = draw_float() / 4.0f;
    network_pack(network, theta, parameters);
    free(theta);
    return parameters;
}

static float *draw_masks(const struct Network *network)
{
    const size_t count = MAX_STEPS * (size_t)network->hidden;
    float *masks = allocate(count + 1, sizeof *masks);
    for (size_t i = 0; i < count; i++)
        masks[i] = draw(2) ? 2.0f : 0.0f;
    return masks;
}

/* Train, and hash parameters, costs, outputs and a gradient. */
static uint64_t train(struct Network *network, struct Data *data, const struct Descent *descent)
{
    const ptrdiff_t classes = network->layers[network->depth - 1].outputs;
    const struct Batch order = {&data->examples, data->order, 0, EXAMPLES};
    const struct Batch all = {&data->examples, NULL, 0, EXAMPLES};
    float *parameters = draw_parameters(network);
    float *outputs = allocate((size_t)(EXAMPLES * classes), sizeof *outputs);
    float *gradient = allocate((size_t)network->size, sizeof *gradient);
    int64_t predicted[EXAMPLES];
    uint64_t hash = 14695981039346656037u;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        KERNELS.descend(network, parameters, &order, descent);
        for (ptrdiff_t i = 0; i < EXAMPLES / descent->batch_size; i++)
            hash = hash_double(hash, descent->costs[i]);
    }
    hash = hash_floats(hash, parameters, network->size);
    KERNELS.outputs(network, parameters, &all, outputs);
    hash = hash_floats(hash, outputs, EXAMPLES * classes);
    KERNELS.gradient(network, parameters, &order, descent->masks, descent->penalty, 0.5, gradient);
    hash = hash_floats(hash, gradient, network->size);
    hash = hash_double(hash, KERNELS.evaluate(network, parameters, &all, predicted));
    hash = hash_double(hash, KERNELS.cost(network, parameters, &order, descent->masks));
    hash = hash_double(hash, KERNELS.penalty(network, parameters, descent->penalty.regularizer));
    for (ptrdiff_t i = 0; i < EXAMPLES; i++)
        hash = hash_double(hash, (double)predicted[i]);
    free(parameters);
    free(outputs);
    free(gradient);
    return hash;
}

static void print_training(struct Data *data, int activation, int pair, int penalty, bool dropout,
                           bool is_sparse, int shape)
{
    struct Network *network =
        network_new(SHAPES[shape].sizes, SHAPES[shape].depth, (enum Activation)activation,
                    PAIRS[pair].output, PAIRS[pair].cost);
    if (network == NULL)
        abort();
    state = (uint64_t)shape;
    double costs[MAX_STEPS];
    draw_examples(data, network->layers[0].inputs,
                  (uint32_t)network->layers[network->depth - 1].outputs, is_sparse, shape % 2);
    float *masks = draw_masks(network);
    const struct Descent descent = {
        .batch_size = SHAPES[shape].batch_size, .learning_rate = 0.3,
        .penalty = PENALTIES[penalty].penalty, .masks = dropout ? masks : NULL, .costs = costs,
    };
    const uint64_t hash = train(network, data, &descent);
    printf("%s %s %s%s %s %d: %016" PRIx64 "\n", ACTIVATIONS[activation], PAIRS[pair].name,
           PENALTIES[penalty].name, dropout ? " dropout" : "", is_sparse ? "sparse" : "dense",
           shape, hash);
    free(masks);
    examples_free(&data->examples);
    network_free(network);
}

/* Hash the elementary functions of every 10,007th float. */
static void print_functions(void)
{
    static const char *const NAMES[] = {"exp", "log", "log1p", "sigmoid", "tanh"};
    for (int function = EXPONENTIAL; function <= TANH_FUNCTION; function++) {
        uint64_t hash = 14695981039346656037u;
        for (uint64_t bits = 0; bits < (uint64_t)1 << 32;) {
            float values[PADDED_TO], results[PADDED_TO];
            for (int i = 0; i < PADDED_TO; i++, bits += 10007) {
                const uint32_t wrapped = (uint32_t)bits;
                memcpy(&values[i], &wrapped, sizeof wrapped);
            }
            KERNELS.apply((enum Function)function, PADDED_TO, values, results);
            hash = hash_floats(hash, results, PADDED_TO);
        }
        printf("%s: %016" PRIx64 "\n", NAMES[function], hash);
    }
}

/* Return the next digit of a number in a mixed base. */
static int next_digit(int *number, int base)
{
    const int digit = *number % base;
    *number /= base;
    return digit;
}

int main(int count, char **arguments)
{
    const int step = count > 1 ? atoi(arguments[1]) : 1;
    const int trainings = COUNT(SHAPES) * 2 * 2 * COUNT(PENALTIES) * COUNT(PAIRS) *
                          COUNT(ACTIVATIONS);
    struct Data *data = allocate(1, sizeof *data);
    print_functions();
    for (int training = 0; training < trainings; training += step) {
        int number = training;
        const int shape = next_digit(&number, COUNT(SHAPES));
        const bool is_sparse = next_digit(&number, 2), dropout = next_digit(&number, 2);
        const int penalty = next_digit(&number, COUNT(PENALTIES));
        const int pair = next_digit(&number, COUNT(PAIRS));
        print_training(data, number, pair, penalty, dropout, is_sparse, shape);
    }
    free(data);
    return 0;
}
