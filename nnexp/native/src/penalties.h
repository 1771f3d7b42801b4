/* Penalties of regularization: functions of the weights, not of the biases. */
#ifndef NNEXP_PENALTIES_H
#define NNEXP_PENALTIES_H

#include "network.h"
#include "vector.h"

/* Return size sgn(w), with sgn(0) = 0. */
INLINE Vector signed_like(Vector w, float size)
{
    const Vector zero = broadcast(0.0f), positive = broadcast(size);
    return select_less(zero, w, positive, select_less(w, zero, zero - positive, zero));
}

/* Return how many floats the weights of a layer take, its padding included. */
INLINE ptrdiff_t weight_count(const struct Layer *layer) { return layer->inputs * layer->width; }

/* Write scale times the gradient of the penalty. */
static void penalty_gradient(const struct Network *network, const float *parameters,
                             struct Penalty penalty, double scale, float *to)
{
    const float factor = (float)(scale * penalty.strength);
    memset(to, 0, (size_t)network->size * sizeof *to);
    if (factor == 0.0f)
        return;
    for (ptrdiff_t i = 0; i < network->depth; i++) {
        const struct Layer *layer = &network->layers[i];
        const ptrdiff_t end = layer->weights + weight_count(layer);
        for (ptrdiff_t j = layer->weights; j < end; j += LANES) {
            const Vector w = load(parameters + j);
            const Vector decay = w * broadcast(factor), shrinkage = signed_like(w, factor);
            store(to + j, penalty.regularizer == L2 ? decay : shrinkage);
        }
    }
}

/* weights *= factor. */
static void scale_weights(const struct Layer *layer, float *parameters, float factor)
{
    float *weights = parameters + layer->weights;
    for (ptrdiff_t i = 0; i < weight_count(layer); i += LANES)
        store(weights + i, load(weights + i) * broadcast(factor));
}

/* weights -= size sgn(weights). */
static void shrink_weights(const struct Layer *layer, float *parameters, float size)
{
    float *weights = parameters + layer->weights;
    for (ptrdiff_t i = 0; i < weight_count(layer); i += LANES) {
        const Vector w = load(weights + i);
        store(weights + i, w - signed_like(w, size));
    }
}

/* Return the penalty for strength 1: 1/2 sum w^2 or sum |w|. The first layer's weights are
   input_scale times their values. */
static double penalty_total(const struct Network *network, const float *parameters,
                            double input_scale, enum Regularizer regularizer)
{
    double total = 0.0;
    for (ptrdiff_t i = 0; i < network->depth; i++) {
        const struct Layer *layer = &network->layers[i];
        const float *weights = parameters + layer->weights;
        const double scale = i == 0 ? input_scale : 1.0;
        double sums[PADDED_TO] = {0.0}; /* as many as fill vectors of any kind */
        for (ptrdiff_t j = 0; j < weight_count(layer); j += PADDED_TO)
            for (ptrdiff_t lane = 0; lane < PADDED_TO; lane++) {
                const double w = scale * (double)weights[j + lane];
                sums[lane] += regularizer == L2 ? w * w : (w < 0.0 ? -w : w);
            }
        for (ptrdiff_t lane = 0; lane < PADDED_TO; lane++)
            total += sums[lane];
    }
    return regularizer == L2 ? 0.5 * total : total;
}

#endif
