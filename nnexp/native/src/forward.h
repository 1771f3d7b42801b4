/* The forward pass of a batch through a network.

   The first layer receives the examples, dense or sparse; the others receive dense signals. */
#ifndef NNEXP_FORWARD_H
#define NNEXP_FORWARD_H

#include "dense.h"
#include "neurons.h"
#include "sparse.h"

enum {
    FIRST_LEVEL_CACHE = 32768, /* bytes; the speed depends on it, the results do not */
    /* With so many neurons times examples, the first layer visits nonzeros by feature. */
    BY_FEATURE = 2048,
};

/* The neurons' parameters for one pass. */
struct Parameters {
    const float *values;
    float input_scale; /* the first layer's weights are this times their values */
};

INLINE ptrdiff_t example(const struct Batch *batch, ptrdiff_t row)
{
    return batch->order ? (ptrdiff_t)batch->order[batch->first + row] : batch->first + row;
}

INLINE struct Nonzeros nonzeros(const struct Batch *batch, ptrdiff_t row)
{
    const struct Examples *examples = batch->examples;
    const int64_t *start = examples->starts + example(batch, row);
    return (struct Nonzeros){examples->indices + *start, examples->values + *start,
                             (ptrdiff_t)(start[1] - start[0])};
}

INLINE int64_t label_of(const struct Batch *batch, ptrdiff_t row)
{
    return batch->examples->labels[example(batch, row)];
}

/* Whether the first layer visits the nonzeros feature by feature, its weights staying in the
   cache, rather than example by example, which has less overhead. Part of the arithmetic: depends
   on shapes alone. */
INLINE bool goes_by_feature(ptrdiff_t examples, ptrdiff_t width)
{
    return width >= WIDE && examples * width >= BY_FEATURE;
}

/* Write dense inputs of a batch as scaled floats. */
static void gather_inputs(const struct Network *network, const struct Batch *batch)
{
    const struct Examples *examples = batch->examples;
    const ptrdiff_t features = examples->features;
    const float scale = examples->scale; /* a copy, which the floats written cannot alias */
    for (ptrdiff_t row = 0; row < batch->rows; row++) {
        const ptrdiff_t start = example(batch, row) * features;
        float *to = network->inputs + row * network->input_width;
        if (examples->bytes) {
            const uint8_t *bytes = examples->bytes + start;
            for (ptrdiff_t i = 0; i < features; i++)
                to[i] = (float)bytes[i] / scale;
        } else {
            const float *floats = examples->floats + start;
            for (ptrdiff_t i = 0; i < features; i++)
                to[i] = floats[i] / scale;
        }
    }
}

static void dense_logits(const struct Layer *layer, const float *parameters, const float *signal,
                         ptrdiff_t signal_width, ptrdiff_t rows)
{
    const float *weights = parameters + layer->weights;
    multiply(&(struct Product){
        .rows = rows, .columns = layer->width, .inner = layer->inputs,
        .a = signal, .a_row = signal_width, .a_column = 1,
        .b = weights, .b_row = layer->width,
        .c = layer->logits, .c_row = layer->width,
        .finish = ADD_BIAS, .bias = weights + layer->inputs * layer->width,
    });
}

/* Continue the chains of a block of examples through blocks of features, whose weights stay in the
   first-level cache meanwhile. */
static void multiply_by_feature_blocks(const struct Layer *layer, const float *weights,
                                       const struct Batch *batch, ptrdiff_t first, ptrdiff_t rows)
{
    const ptrdiff_t width = layer->width;
    const ptrdiff_t fitting = FIRST_LEVEL_CACHE / (width * (ptrdiff_t)sizeof(float));
    const ptrdiff_t block = fitting < 8 ? 8 : fitting;
    struct Nonzeros rest[ROW_BLOCK];
    for (ptrdiff_t row = 0; row < rows; row++)
        rest[row] = nonzeros(batch, first + row);
    for (ptrdiff_t end = block; end < layer->inputs + block; end += block) {
        for (ptrdiff_t row = 0; row < rows; row++) {
            struct Nonzeros *x = &rest[row], part = *x;
            part.count = 0;
            while (part.count < x->count && x->indices[part.count] < end)
                part.count++;
            if (part.count > 0)
                continue_chain_row(&part, weights, width, layer->logits + (first + row) * width);
            x->indices += part.count;
            x->values += part.count;
            x->count -= part.count;
        }
    }
}

/* Compute the first layer's logits as long chains, for a wide layer. */
static void wide_sparse_logits(const struct Layer *layer, struct Parameters parameters,
                               const struct Batch *batch)
{
    const ptrdiff_t width = layer->width, count = batch->rows * width;
    const float *weights = parameters.values, *bias = weights + layer->inputs * width;
    memset(layer->logits, 0, (size_t)count * sizeof(float));
    if (goes_by_feature(batch->rows, width)) {
        for (ptrdiff_t first = 0; first < batch->rows; first += ROW_BLOCK) {
            const ptrdiff_t left = batch->rows - first;
            multiply_by_feature_blocks(layer, weights, batch, first,
                                       left < ROW_BLOCK ? left : ROW_BLOCK);
        }
    } else {
        for (ptrdiff_t row = 0; row < batch->rows; row++) {
            const struct Nonzeros x = nonzeros(batch, row);
            continue_chain_row(&x, weights, width, layer->logits + row * width);
        }
    }
    const Vector scale = broadcast(parameters.input_scale);
    for (float *z = layer->logits; z < layer->logits + count; z += width)
        for (ptrdiff_t j = 0; j < width; j += LANES)
            store(z + j, multiply_add(load(z + j), scale, load(bias + j)));
}

static void narrow_sparse_logits(const struct Layer *layer, struct Parameters parameters,
                                 const struct Batch *batch)
{
    const ptrdiff_t width = layer->width;
    const float *weights = parameters.values, *bias = weights + layer->inputs * width;
    for (ptrdiff_t row = 0; row < batch->rows; row++) {
        const struct Nonzeros x = nonzeros(batch, row);
        multiply_narrow_row(&x, weights, width, parameters.input_scale, bias,
                            layer->logits + row * width);
    }
}

static void input_logits(const struct Network *network, struct Parameters parameters,
                         const struct Batch *batch)
{
    const struct Layer *layer = network->layers;
    if (!batch->examples->starts) {
        gather_inputs(network, batch);
        dense_logits(layer, parameters.values, network->inputs, network->input_width, batch->rows);
    } else if (layer->width >= WIDE) {
        wide_sparse_logits(layer, parameters, batch);
    } else {
        narrow_sparse_logits(layer, parameters, batch);
    }
}

/* Set the signal of a hidden layer: its activations, times the mask if there is dropout. */
static void set_signal(struct Layer *layer, const float *mask, ptrdiff_t rows)
{
    layer->signal = mask ? layer->masked : layer->activations;
    if (!mask)
        return;
    memcpy(layer->mask, mask, (size_t)layer->outputs * sizeof(float));
    for (ptrdiff_t row = 0; row < rows; row++)
        for (ptrdiff_t j = row * layer->width, end = j + layer->width, k = 0; j < end;
             j += LANES, k += LANES)
            store(layer->masked + j, load(layer->activations + j) * load(layer->mask + k));
}

/* Compute the outputs of a batch that fits in the workspace. Masks may be NULL. */
static void forward(struct Network *network, struct Parameters parameters,
                    const struct Batch *batch, const float *masks)
{
    const ptrdiff_t last = network->depth - 1;
    input_logits(network, parameters, batch);
    for (ptrdiff_t i = 0; i < last; i++) {
        struct Layer *layer = &network->layers[i];
        activate(network->activation, layer->logits, layer->activations,
                 batch->rows * layer->width);
        set_signal(layer, masks, batch->rows);
        if (masks)
            masks += layer->outputs;
        dense_logits(layer + 1, parameters.values, layer->signal, layer->width, batch->rows);
    }
    apply_output(network->output, &network->layers[last], batch->rows);
}

/* Add the costs of a batch after its forward pass, in the order of its examples. */
static double add_costs(const struct Network *network, const struct Batch *batch, double cost)
{
    for (ptrdiff_t row = 0; row < batch->rows; row++) {
        const int64_t label = label_of(batch, row);
        cost += (double)network->class_weights[label] * unweighted_cost(network, row, label);
    }
    return cost;
}

#endif
