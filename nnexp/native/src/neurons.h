/* Neurons: activations and outputs with their slopes, and costs.

   Arrays have rows padded with columns that are no neurons. Elementwise functions treat them like
   the others; where their values matter, they are set to 0. */
#ifndef NNEXP_NEURONS_H
#define NNEXP_NEURONS_H

#include "dense.h"
#include "elementary.h"
#include "network.h"

typedef Vector (*VectorFunction)(Vector);

INLINE Vector relu(Vector z)
{
    const Vector zero = broadcast(0.0f);
    return select_less(z, zero, zero, z); /* NaN stays */
}

INLINE Vector sigmoid_slope(Vector a) { return a * (broadcast(1.0f) - a); }
INLINE Vector tanh_slope(Vector a) { return broadcast(1.0f) - a * a; }

INLINE Vector relu_slope(Vector a)
{
    const Vector zero = broadcast(0.0f);
    return select_less(zero, a, broadcast(1.0f), zero);
}

/* Inlined with a constant function, so that the loop contains no call. */
INLINE void map(VectorFunction function, const float *from, float *to, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i += LANES)
        store(to + i, function(load(from + i)));
}

/* values *= slope of the activations. */
INLINE void multiply_by(VectorFunction slope, const float *activations, float *values,
                        ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i += LANES)
        store(values + i, load(values + i) * slope(load(activations + i)));
}

static void activate(enum Activation kind, const float *z, float *a, ptrdiff_t count)
{
    switch (kind) {
    case SIGMOID: map(sigmoid, z, a, count); break;
    case TANH: map(hyperbolic_tangent, z, a, count); break;
    case RELU: map(relu, z, a, count); break;
    }
}

static void multiply_by_slope(enum Activation kind, const float *a, float *values, ptrdiff_t count)
{
    switch (kind) {
    case SIGMOID: multiply_by(sigmoid_slope, a, values, count); break;
    case TANH: multiply_by(tanh_slope, a, values, count); break;
    case RELU: multiply_by(relu_slope, a, values, count); break;
    }
}

/* Return the sum of a padded row. */
static float sum_row(const float *row, ptrdiff_t width)
{
    float lanes[PADDED_TO];
    memcpy(lanes, row, sizeof lanes);
    for (ptrdiff_t j = PADDED_TO; j < width; j += PADDED_TO)
        for (ptrdiff_t lane = 0; lane < PADDED_TO; lane++)
            lanes[lane] += row[j + lane];
    return sum_lanes(lanes);
}

/* Write e^(z - shift) to a row, 0 in its padding, with shift = max z. Return the sum. */
static float shifted_exponentials(const float *z, ptrdiff_t count, ptrdiff_t width, float *to,
                                  float *shift)
{
    float top = z[0];
    for (ptrdiff_t j = 1; j < count; j++)
        top = z[j] > top ? z[j] : top;
    for (ptrdiff_t j = 0; j < width; j += LANES)
        store(to + j, exponential(load(z + j) - broadcast(top)));
    for (ptrdiff_t j = count; j < width; j++)
        to[j] = 0.0f;
    *shift = top;
    return sum_row(to, width);
}

static void softmax(const float *z, float *a, ptrdiff_t count, ptrdiff_t width)
{
    float shift;
    const Vector sum = broadcast(shifted_exponentials(z, count, width, a, &shift));
    for (ptrdiff_t j = 0; j < width; j += LANES)
        store(a + j, load(a + j) / sum);
}

/* Compute outputs from logits. */
static void apply_output(enum Output kind, const struct Layer *last, ptrdiff_t rows)
{
    const ptrdiff_t count = rows * last->width;
    switch (kind) {
    case SIGMOID_OUTPUT: map(sigmoid, last->logits, last->activations, count); break;
    case TANH_OUTPUT: map(hyperbolic_tangent, last->logits, last->activations, count); break;
    case LINEAR_OUTPUT:
        memcpy(last->activations, last->logits, (size_t)count * sizeof(float));
        break;
    case SOFTMAX_OUTPUT:
        for (ptrdiff_t i = 0; i < count; i += last->width)
            softmax(last->logits + i, last->activations + i, last->outputs, last->width);
        break;
    }
}

/* Write the derivative of one example's cost with respect to the logits, times scale. */
static void output_delta(const struct Network *network, const float *a, const float *target,
                         float scale, float *delta)
{
    const struct Layer *last = &network->layers[network->depth - 1];
    const ptrdiff_t width = last->width;
    /* Other pairs of cost and output match: the output's slope cancels. */
    const bool slope = network->cost == QUADRATIC && network->output != LINEAR_OUTPUT;
    for (ptrdiff_t j = 0; j < width; j += LANES)
        store(delta + j, load(a + j) - load(target + j));
    if (slope && network->output == SIGMOID_OUTPUT)
        multiply_by(sigmoid_slope, a, delta, width);
    if (slope && network->output == TANH_OUTPUT)
        multiply_by(tanh_slope, a, delta, width);
    for (ptrdiff_t j = 0; j < width; j += LANES)
        store(delta + j, load(delta + j) * broadcast(scale));
    for (ptrdiff_t j = last->outputs; j < width; j++)
        delta[j] = 0.0f;
}

/* Return -sum [y ln a + (1 - y) ln(1 - a)], as sum [ln(1 + e^-|z|) + max(z, 0) - y z]. */
static double cross_entropy(const struct Layer *last, const float *z, const float *target,
                            float *losses)
{
    const Vector zero = broadcast(0.0f);
    for (ptrdiff_t j = 0; j < last->width; j += LANES) {
        const Vector logit = load(z + j);
        const Vector size = select_less(logit, zero, zero - logit, logit);
        const Vector softplus =
            logarithm_of_one_plus(exponential(zero - size)) + largest(logit, zero);
        store(losses + j, softplus - load(target + j) * logit);
    }
    double cost = 0.0;
    for (ptrdiff_t j = 0; j < last->outputs; j++)
        cost += (double)losses[j];
    return cost;
}

/* Return -ln a_y, as ln sum_k e^(z_k) - z_y, both shifted by the largest logit. */
static double log_likelihood(const struct Layer *last, const float *z, int64_t label,
                             float *scratch)
{
    float shift;
    const float sum = shifted_exponentials(z, last->outputs, last->width, scratch, &shift);
    store(scratch, logarithm(broadcast(sum)));
    return (double)scratch[0] - (double)(z[label] - shift);
}

/* Return 1/2 ||y - a||^2. */
static double quadratic(const struct Layer *last, const float *a, const float *target)
{
    double sum = 0.0;
    for (ptrdiff_t j = 0; j < last->outputs; j++) {
        const double difference = (double)(a[j] - target[j]);
        sum += difference * difference;
    }
    return 0.5 * sum;
}

/* Return the cost of one example of the current batch, without the weight of its class. */
static double unweighted_cost(const struct Network *network, ptrdiff_t row, int64_t label)
{
    const struct Layer *last = &network->layers[network->depth - 1];
    const float *z = last->logits + row * last->width, *a = last->activations + row * last->width;
    const float *target = network->targets + label * last->width;
    switch (network->cost) {
    case CROSS_ENTROPY: return cross_entropy(last, z, target, network->losses);
    case LOG_LIKELIHOOD: return log_likelihood(last, z, label, network->losses);
    case QUADRATIC: break;
    }
    return quadratic(last, a, target);
}

/* Return the index of the largest value: the first on a tie, and the first NaN if there is one. */
static ptrdiff_t index_of_largest(const float *values, ptrdiff_t count)
{
    ptrdiff_t best = 0;
    for (ptrdiff_t i = 1; i < count && values[best] == values[best]; i++)
        if (!(values[i] <= values[best]))
            best = i;
    return best;
}

#endif
