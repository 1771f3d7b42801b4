/* The backward pass: the deltas of a batch, and the gradients that follow from them. */
#ifndef NNEXP_BACKWARD_H
#define NNEXP_BACKWARD_H

#include "forward.h"
#include "penalties.h"

enum {
    /* So few deltas are propagated by dot products, since transposing the weights costs more. */
    FEW_DELTAS = 3,
};

static void output_deltas(const struct Network *network, const struct Batch *batch, float scale)
{
    const struct Layer *last = &network->layers[network->depth - 1];
    for (ptrdiff_t row = 0; row < batch->rows; row++) {
        const ptrdiff_t start = row * last->width;
        const int64_t label = label_of(batch, row);
        output_delta(network, last->activations + start, network->targets + label * last->width,
                     scale * network->class_weights[label], last->delta + start);
    }
}

/* Multiply the deltas of the layer above by its weights, transposed. */
static void propagate_deltas(const struct Network *network, const float *parameters,
                             const struct Layer *layer, ptrdiff_t rows)
{
    const struct Layer *above = layer + 1;
    const float *weights = parameters + above->weights;
    if (rows <= FEW_DELTAS) {
        for (ptrdiff_t row = 0; row < rows; row++)
            for (ptrdiff_t i = 0; i < layer->outputs; i++)
                layer->delta[row * layer->width + i] = dot_product(
                    weights + i * above->width, above->delta + row * above->width, above->width);
        return;
    }
    /* With the weights transposed, lanes are neurons of this layer, and no lanes need summing. */
    transpose(above->inputs, above->outputs, weights, above->width, network->transposed,
              layer->width);
    multiply(&(struct Product){
        .rows = rows, .columns = layer->width, .inner = above->outputs,
        .a = above->delta, .a_row = above->width, .a_column = 1,
        .b = network->transposed, .b_row = layer->width,
        .c = layer->delta, .c_row = layer->width,
        .finish = STORE,
    });
}

/* Compute the deltas of a hidden layer from those of the layer above. */
static void hidden_deltas(const struct Network *network, const float *parameters, ptrdiff_t index,
                          ptrdiff_t rows, bool has_mask)
{
    const struct Layer *layer = &network->layers[index];
    const ptrdiff_t width = layer->width;
    propagate_deltas(network, parameters, layer, rows);
    multiply_by_slope(network->activation, layer->activations, layer->delta, rows * width);
    for (ptrdiff_t row = 0; row < rows; row++) {
        float *delta = layer->delta + row * width;
        for (ptrdiff_t j = 0; has_mask && j < width; j += LANES)
            store(delta + j, load(delta + j) * load(layer->mask + j));
        for (ptrdiff_t j = layer->outputs; j < width; j++)
            delta[j] = 0.0f;
    }
}

/* Where gradients go: w = keep w - shrinkage sgn(w) + step gradient for weights, with keep 1 or
   shrinkage 0, and b = b + step gradient for biases. */
struct Target {
    float *parameters;
    float keep, shrinkage, step;
};

static void add_bias_gradient(const struct Layer *layer, ptrdiff_t rows, struct Target to)
{
    float *bias = to.parameters + layer->weights + layer->inputs * layer->width;
    for (ptrdiff_t j = 0; j < layer->width; j += LANES) {
        Vector sum = broadcast(0.0f);
        for (ptrdiff_t row = 0; row < rows; row++)
            sum += load(layer->delta + row * layer->width + j);
        store(bias + j, multiply_add(sum, broadcast(to.step), load(bias + j)));
    }
}

/* Add the gradient of a layer's weights for dense inputs, block by block of examples. */
static void add_dense_gradient(const struct Layer *layer, const float *signal,
                               ptrdiff_t signal_width, ptrdiff_t rows, struct Target to)
{
    const ptrdiff_t width = layer->width;
    for (ptrdiff_t row = 0; row < rows; row += ROW_BLOCK) {
        multiply_block(&(struct Product){
            .rows = layer->inputs, .columns = width,
            .inner = rows - row < ROW_BLOCK ? rows - row : ROW_BLOCK,
            .a = signal + row * signal_width, .a_row = 1, .a_column = signal_width,
            .b = layer->delta + row * width, .b_row = width,
            .c = to.parameters + layer->weights, .c_row = width,
            .finish = UPDATE, .keep = row ? 1.0f : to.keep, .step = to.step,
        });
    }
}

/* Sort the nonzeros of a block of examples by feature: a counting sort. */
static void index_by_feature(const struct Network *network, const struct Batch *batch,
                             ptrdiff_t first, ptrdiff_t rows)
{
    const struct FeatureIndex *index = &network->index;
    const ptrdiff_t features = network->layers->inputs;
    int32_t *ends = index->ends;
    memset(ends, 0, (size_t)(features + 1) * sizeof *ends);
    for (ptrdiff_t row = 0; row < rows; row++) {
        const struct Nonzeros x = nonzeros(batch, first + row);
        for (ptrdiff_t p = 0; p < x.count; p++)
            ends[x.indices[p] + 1]++;
    }
    for (ptrdiff_t feature = 0; feature < features; feature++)
        ends[feature + 1] += ends[feature];
    /* Now ends[f] is where feature f begins; filling it moves the mark to its end. */
    for (ptrdiff_t row = 0; row < rows; row++) {
        const struct Nonzeros x = nonzeros(batch, first + row);
        for (ptrdiff_t p = 0; p < x.count; p++) {
            const int32_t at = ends[x.indices[p]]++;
            index->rows[at] = (uint16_t)row;
            index->values[at] = x.values[p];
        }
    }
}

static void add_gradient_by_feature(const struct Network *network, const struct Batch *batch,
                                    struct Target to)
{
    const struct Layer *layer = network->layers;
    const struct FeatureIndex *index = &network->index;
    const ptrdiff_t width = layer->width;
    for (ptrdiff_t first = 0; first < batch->rows; first += ROW_BLOCK) {
        const ptrdiff_t left = batch->rows - first;
        index_by_feature(network, batch, first, left < ROW_BLOCK ? left : ROW_BLOCK);
        for (ptrdiff_t feature = 0, start = 0; feature < layer->inputs; feature++) {
            const ptrdiff_t end = index->ends[feature];
            const struct Nonzeros x = {index->rows + start, index->values + start, end - start};
            if (x.count > 0)
                add_feature_row(&x, layer->delta + first * width, width, to.step,
                                to.parameters + feature * width);
            start = end;
        }
    }
}

/* Add the gradient of the first layer's weights for sparse inputs; keep must be 1, since most
   weights are not visited. */
static void add_sparse_gradient(const struct Network *network, const struct Batch *batch,
                                ptrdiff_t batch_size, struct Target to)
{
    const struct Layer *layer = network->layers;
    if (goes_by_feature(batch_size, layer->width)) {
        add_gradient_by_feature(network, batch, to);
        return;
    }
    for (ptrdiff_t row = 0; row < batch->rows; row++) {
        const struct Nonzeros x = nonzeros(batch, row);
        add_outer_product_row(&x, layer->delta + row * layer->width, to.step, to.parameters,
                              layer->width);
    }
}

/* Prepare a layer's weights for the gradient that is about to be added. */
static void shrink(const struct Layer *layer, struct Target to)
{
    if (to.shrinkage != 0.0f)
        shrink_weights(layer, to.parameters, to.shrinkage);
}

/* Add the gradient of a part of a batch after its forward pass.

   The target may be the parameters themselves, since a layer moves only after the deltas below it
   have been computed. */
static void backward(struct Network *network, const float *parameters, const struct Batch *part,
                     ptrdiff_t batch_size, bool has_masks, float scale, struct Target inputs,
                     struct Target rest)
{
    struct Layer *first = network->layers;
    output_deltas(network, part, scale);
    for (ptrdiff_t i = network->depth - 1; i > 0; i--) {
        const struct Layer *layer = first + i, *below = layer - 1;
        hidden_deltas(network, parameters, i - 1, part->rows, has_masks);
        shrink(layer, rest);
        add_dense_gradient(layer, below->signal, below->width, part->rows, rest);
        add_bias_gradient(layer, part->rows, rest);
    }
    add_bias_gradient(first, part->rows, rest);
    shrink(first, inputs);
    if (part->examples->starts)
        add_sparse_gradient(network, part, batch_size, inputs);
    else
        add_dense_gradient(first, network->inputs, network->input_width, part->rows, inputs);
}

#endif
