/* A network's shape and workspace, examples, and the table of kernels that compute with them.

   Parameters have the kernels' layout: for each layer a matrix of inputs + 1 rows, the last of them
   the biases, whose rows are padded with zeros to a multiple of PADDING floats. */
#ifndef NNEXP_NETWORK_H
#define NNEXP_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PADDED_TO = 16,     /* floats of a row: a vector of the widest kind */
    ALIGNMENT = 64,     /* bytes: a cache line, and a vector of the widest kind */
    ROW_BLOCK = 64,     /* examples whose gradient is summed before it is added to the rest */
    CHUNK = 1024,       /* examples that fit in the workspace: a multiple of ROW_BLOCK */
    MAX_SIZE = 1 << 20, /* neurons of a layer; keeps all products of sizes below 2^63 */
    MAX_LAYERS = 1 << 8,
    MAX_SPARSE_FEATURES = 1 << 16, /* their indices are stored in 16 bits */
};

enum Activation { SIGMOID, TANH, RELU };
enum Output { SIGMOID_OUTPUT, SOFTMAX_OUTPUT, TANH_OUTPUT, LINEAR_OUTPUT };
enum Cost { CROSS_ENTROPY, QUADRATIC, LOG_LIKELIHOOD };
enum Regularizer { L2, L1 };
enum Function { EXPONENTIAL, LOGARITHM, LOGARITHM_OF_ONE_PLUS, SIGMOID_FUNCTION, TANH_FUNCTION };

struct Layer {
    ptrdiff_t inputs, outputs;
    ptrdiff_t width;   /* outputs, padded */
    ptrdiff_t weights; /* where its matrix begins in the parameters */
    /* Of the current batch, (CHUNK, width) each: */
    float *logits;
    float *activations; /* may be the logits' memory */
    float *masked;      /* activations times the dropout mask */
    float *signal;      /* what the next layer receives: activations or masked */
    float *delta;       /* derivatives of the cost with respect to the logits, scaled */
    float *mask;        /* (width) */
};

/* The nonzeros of a block of examples in the order of their features. */
struct FeatureIndex {
    int32_t *ends; /* feature f's nonzeros are from ends[f - 1] to ends[f] */
    uint16_t *rows;
    float *values;
};

struct Network {
    ptrdiff_t depth; /* layers with weights */
    ptrdiff_t size;  /* floats of the parameters */
    ptrdiff_t hidden; /* hidden neurons: the length of a dropout mask */
    enum Activation activation;
    enum Output output;
    enum Cost cost;
    struct Layer *layers;
    struct FeatureIndex index;
    ptrdiff_t input_width;
    float *inputs;     /* (CHUNK, input_width), of dense examples */
    float *transposed; /* a layer's weights */
    float *gradient;   /* (size), for batches larger than CHUNK */
    float *targets;    /* (classes, width): a class's target outputs */
    float *class_weights; /* (classes): factors of their examples' costs, at first 1 */
    float *losses;     /* (width), of one example */
    void *memory;      /* holds all arrays */
};

/* Create a network; its sizes are from inputs to outputs. Return NULL if memory is exhausted. */
struct Network *network_new(const ptrdiff_t *sizes, ptrdiff_t depth, enum Activation activation,
                            enum Output output, enum Cost cost);
void network_free(struct Network *network);
/* Copy parameters from matrices (outputs, inputs + 1), biases last, to the kernels' layout. */
void network_pack(const struct Network *network, const float *theta, float *parameters);
void network_unpack(const struct Network *network, const float *parameters, float *theta);

struct Examples {
    ptrdiff_t count, features;
    const int64_t *labels;
    /* Dense: features as stored, which the kernels divide by the scale. */
    const uint8_t *bytes; /* one of these two */
    const float *floats;
    float scale;
    /* Sparse, if starts is not NULL: row i has nonzeros starts[i] to starts[i + 1]. */
    int64_t *starts;
    uint16_t *indices;
    float *values; /* scaled */
};

int64_t examples_count_nonzeros(const struct Examples *examples);
/* Store the nonzeros. Return false if memory is exhausted. */
bool examples_compress(struct Examples *examples, int64_t nonzeros);
void examples_free(struct Examples *examples);

struct Penalty {
    enum Regularizer regularizer;
    double strength; /* lambda / n; 0 for no penalty */
};

/* Some examples, by their indices; without indices the examples from first on. */
struct Batch {
    const struct Examples *examples;
    const int64_t *order;
    ptrdiff_t first, rows;
};

/* Some steps of gradient descent: batches of the given size, the last one may be smaller. */
struct Descent {
    ptrdiff_t batch_size;
    double learning_rate;
    struct Penalty penalty;
    const float *masks; /* (steps, hidden) or NULL */
    double *costs;      /* (steps) or NULL: receives the mean cost of each batch plus the penalty,
                           before its step */
};

/* The kernels for one kind of processor. All kinds give the same results to the last bit. */
struct Kernels {
    /* Write the network's outputs, (rows, classes). */
    void (*outputs)(struct Network *, const float *parameters, const struct Batch *, float *to);
    /* Write the predicted classes and return the summed cost. */
    double (*evaluate)(struct Network *, const float *parameters, const struct Batch *,
                       int64_t *predicted);
    /* Write the hidden neurons' outputs, (rows, hidden). */
    void (*hidden)(struct Network *, const float *parameters, const struct Batch *, float *to);
    double (*cost)(struct Network *, const float *parameters, const struct Batch *,
                   const float *masks);
    /* Write scale times the gradient of the mean cost plus the penalty. */
    void (*gradient)(struct Network *, const float *parameters, const struct Batch *,
                     const float *masks, struct Penalty, double scale, float *to);
    void (*descend)(struct Network *, float *parameters, const struct Batch *,
                    const struct Descent *);
    /* Return the penalty for strength 1. */
    double (*penalty)(const struct Network *, const float *parameters, enum Regularizer);
    void (*apply)(enum Function, ptrdiff_t count, const float *from, float *to);
};

#if defined(__x86_64__)
extern const struct Kernels kernels_avx512, kernels_avx2;
#elif defined(__aarch64__)
extern const struct Kernels kernels_neon;
#endif

#endif
