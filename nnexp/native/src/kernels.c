/* The kernels: evaluation, gradients and training steps, compiled once for each kind of processor.

   The compiler's flags choose the vectors; KERNELS is the name of the table that this file exports.

   Every result depends on shapes and data alone, to the last bit: on the chains and partial sums of
   dense.h and sparse.h, on ROW_BLOCK and BY_FEATURE and, for larger batches, on CHUNK. */
#include "backward.h"

/* The first layer's weights are multiplied by their scale before it falls below this. */
static const double SMALLEST_SCALE = 1e-3;

/* Examples that are evaluated at once: few enough for the second-level cache. An example's outputs
   do not depend on the others, so that this changes the speed only. */
enum { EVALUATED = 256 };

/* Return at most rows examples of a batch from first on. */
static struct Batch part_of(const struct Batch *batch, ptrdiff_t first, ptrdiff_t rows)
{
    const ptrdiff_t left = batch->rows - first;
    return (struct Batch){batch->examples, batch->order, batch->first + first,
                          left < rows ? left : rows};
}

static struct Parameters unscaled(const float *values)
{
    return (struct Parameters){values, 1.0f};
}

/* ---- evaluation ---- */

static void outputs(struct Network *network, const float *parameters, const struct Batch *batch,
                    float *to)
{
    const struct Layer *last = &network->layers[network->depth - 1];
    for (ptrdiff_t done = 0; done < batch->rows; done += EVALUATED) {
        const struct Batch part = part_of(batch, done, EVALUATED);
        forward(network, unscaled(parameters), &part, NULL);
        for (ptrdiff_t row = 0; row < part.rows; row++, to += last->outputs)
            memcpy(to, last->activations + row * last->width,
                   (size_t)last->outputs * sizeof(float));
    }
}

static void hidden(struct Network *network, const float *parameters, const struct Batch *batch,
                   float *to)
{
    for (ptrdiff_t done = 0; done < batch->rows; done += EVALUATED) {
        const struct Batch part = part_of(batch, done, EVALUATED);
        forward(network, unscaled(parameters), &part, NULL);
        for (ptrdiff_t row = 0; row < part.rows; row++)
            for (ptrdiff_t i = 0; i < network->depth - 1; i++) {
                const struct Layer *layer = &network->layers[i];
                memcpy(to, layer->activations + row * layer->width,
                       (size_t)layer->outputs * sizeof(float));
                to += layer->outputs;
            }
    }
}

static double evaluate(struct Network *network, const float *parameters, const struct Batch *batch,
                       int64_t *predicted)
{
    const struct Layer *last = &network->layers[network->depth - 1];
    double total = 0.0;
    for (ptrdiff_t done = 0; done < batch->rows; done += EVALUATED) {
        const struct Batch part = part_of(batch, done, EVALUATED);
        forward(network, unscaled(parameters), &part, NULL);
        total = add_costs(network, &part, total);
        for (ptrdiff_t row = 0; row < part.rows; row++)
            *predicted++ = index_of_largest(last->activations + row * last->width, last->outputs);
    }
    return total;
}

static double summed_cost(struct Network *network, struct Parameters parameters,
                          const struct Batch *batch, const float *masks)
{
    double total = 0.0;
    for (ptrdiff_t done = 0; done < batch->rows; done += EVALUATED) {
        const struct Batch part = part_of(batch, done, EVALUATED);
        forward(network, parameters, &part, masks);
        total = add_costs(network, &part, total);
    }
    return total;
}

static double cost(struct Network *network, const float *parameters, const struct Batch *batch,
                   const float *masks)
{
    return summed_cost(network, unscaled(parameters), batch, masks);
}

static double penalty(const struct Network *network, const float *parameters,
                      enum Regularizer regularizer)
{
    return penalty_total(network, parameters, 1.0, regularizer);
}

/* ---- gradients ---- */

/* Add scale times the gradient of the mean cost. */
static void add_gradient(struct Network *network, const float *parameters,
                         const struct Batch *batch, const float *masks, double scale, float *to)
{
    const struct Target target = {.parameters = to, .keep = 1.0f, .step = 1.0f};
    for (ptrdiff_t done = 0; done < batch->rows; done += CHUNK) {
        const struct Batch part = part_of(batch, done, CHUNK);
        forward(network, unscaled(parameters), &part, masks);
        backward(network, parameters, &part, batch->rows, masks != NULL,
                 (float)(scale / (double)batch->rows), target, target);
    }
}

static void gradient(struct Network *network, const float *parameters, const struct Batch *batch,
                     const float *masks, struct Penalty penalty, double scale, float *to)
{
    penalty_gradient(network, parameters, penalty, scale, to);
    add_gradient(network, parameters, batch, masks, scale, to);
}

/* ---- descent ---- */

/* Return the mean cost of a batch plus the penalty. Its forward pass is repeated by the step:
   these costs are seldom wanted, and the step is simpler without them. */
static double objective(struct Network *network, struct Parameters parameters,
                        const struct Batch *batch, const float *masks, struct Penalty penalty)
{
    const double mean = summed_cost(network, parameters, batch, masks) / (double)batch->rows;
    if (penalty.strength == 0.0)
        return mean;
    return mean + penalty.strength * penalty_total(network, parameters.values,
                                                   (double)parameters.input_scale,
                                                   penalty.regularizer);
}

/* Return the target of a step: the parameters, which its penalty shrinks. */
static struct Target descent_target(const struct Descent *descent, float *parameters)
{
    const float factor = (float)(descent->learning_rate * descent->penalty.strength);
    const bool decays = descent->penalty.regularizer == L2;
    return (struct Target){parameters, decays ? 1.0f - factor : 1.0f, decays ? 0.0f : factor,
                           -1.0f};
}

/* Make one step on a batch of more than CHUNK examples: sum its gradient first. */
static void descend_large(struct Network *network, float *parameters, const struct Batch *batch,
                          const struct Descent *descent, const float *masks)
{
    const struct Target to = descent_target(descent, parameters);
    float *sum = network->gradient;
    memset(sum, 0, (size_t)network->size * sizeof *sum);
    add_gradient(network, parameters, batch, masks, descent->learning_rate, sum);
    for (ptrdiff_t i = 0; i < network->depth; i++) {
        const struct Layer *layer = &network->layers[i];
        if (to.keep != 1.0f)
            scale_weights(layer, parameters, to.keep);
        shrink(layer, to);
    }
    for (ptrdiff_t i = 0; i < network->size; i += LANES)
        store(parameters + i, load(parameters + i) - load(sum + i));
}

/* Multiply the first layer's weights by their scale. */
static void settle(const struct Network *network, float *parameters, double *input_scale)
{
    if (*input_scale != 1.0)
        scale_weights(network->layers, parameters, (float)*input_scale);
    *input_scale = 1.0;
}

/* Make one step on a batch that fits in the workspace.

   With sparse inputs the gradient changes few of the first layer's weights, but weight decay
   changes all. Decay is therefore a number, input_scale: the weights are it times their values. */
static void descend_small(struct Network *network, float *parameters, const struct Batch *batch,
                          const struct Descent *descent, const float *masks, double *input_scale)
{
    const struct Target rest = descent_target(descent, parameters);
    struct Target inputs = rest;
    forward(network, (struct Parameters){parameters, (float)*input_scale}, batch, masks);
    if (batch->examples->starts) {
        *input_scale *= (double)rest.keep;
        if (!(*input_scale >= SMALLEST_SCALE))
            settle(network, parameters, input_scale);
        inputs.keep = 1.0f;
        inputs.step = (float)(-1.0 / *input_scale);
    }
    backward(network, parameters, batch, batch->rows, masks != NULL,
             (float)(descent->learning_rate / (double)batch->rows), inputs, rest);
}

/* Start to load the nonzeros of coming examples, which a shuffled order scatters over memory.
   Inlined, since GCC takes a function that only prefetches for one without effect. */
INLINE void prefetch(const struct Batch *batch, ptrdiff_t first, ptrdiff_t end)
{
    enum { LINE = 64 };
    const struct Batch rest = {batch->examples, batch->order, batch->first, 0};
    for (ptrdiff_t row = first; row < end && row < batch->rows; row++) {
        const struct Nonzeros x = nonzeros(&rest, row);
        for (ptrdiff_t p = 0; p < x.count; p += LINE / (ptrdiff_t)sizeof *x.indices)
            __builtin_prefetch(x.indices + p);
        for (ptrdiff_t p = 0; p < x.count; p += LINE / (ptrdiff_t)sizeof *x.values)
            __builtin_prefetch(x.values + p);
    }
}

/* Examples between a batch and those to prefetch: a small batch ends before memory has answered. */
enum { AHEAD = 3 };

static void descend(struct Network *network, float *parameters, const struct Batch *examples,
                    const struct Descent *descent)
{
    const float *masks = descent->masks;
    double *costs = descent->costs, input_scale = 1.0;
    const ptrdiff_t size = descent->batch_size;
    for (ptrdiff_t done = 0; done < examples->rows; done += size) {
        const struct Batch batch = part_of(examples, done, size);
        if (costs)
            *costs++ = objective(network, (struct Parameters){parameters, (float)input_scale},
                                 &batch, masks, descent->penalty);
        if (batch.rows <= CHUNK) {
            if (examples->examples->starts)
                prefetch(examples, done + size + AHEAD, done + 2 * size + AHEAD);
            descend_small(network, parameters, &batch, descent, masks, &input_scale);
        } else {
            descend_large(network, parameters, &batch, descent, masks);
        }
        masks = masks ? masks + network->hidden : NULL;
    }
    settle(network, parameters, &input_scale);
}

/* ---- elementary functions, for their tests ---- */

static void apply(enum Function function, ptrdiff_t count, const float *from, float *to)
{
    switch (function) {
    case EXPONENTIAL: map(exponential, from, to, count); break;
    case LOGARITHM: map(logarithm, from, to, count); break;
    case LOGARITHM_OF_ONE_PLUS: map(logarithm_of_one_plus, from, to, count); break;
    case SIGMOID_FUNCTION: map(sigmoid, from, to, count); break;
    case TANH_FUNCTION: map(hyperbolic_tangent, from, to, count); break;
    }
}

const struct Kernels KERNELS = {
    .outputs = outputs,
    .hidden = hidden,
    .evaluate = evaluate,
    .cost = cost,
    .gradient = gradient,
    .descend = descend,
    .penalty = penalty,
    .apply = apply,
};
