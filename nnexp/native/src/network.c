/* Networks and examples: memory, layouts and conversions, which need no vectors. */
#include "network.h"

#include <stdlib.h>
#include <string.h>

static ptrdiff_t padded(ptrdiff_t count)
{
    return (count + PADDED_TO - 1) / PADDED_TO * PADDED_TO;
}

/* Memory that is divided up: once with base 0 to learn the size, then with the memory itself. */
struct Arena {
    uintptr_t base;
    size_t used;
};

static void *take(struct Arena *arena, ptrdiff_t count, size_t size)
{
    const size_t start = arena->used;
    arena->used = (start + (size_t)count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return arena->base ? (void *)(arena->base + start) : NULL;
}

static float *take_floats(struct Arena *arena, ptrdiff_t count)
{
    return take(arena, count, sizeof(float));
}

static void lay_out_layer(struct Network *network, ptrdiff_t index, struct Arena *arena)
{
    struct Layer *layer = &network->layers[index];
    const ptrdiff_t count = CHUNK * layer->width;
    const bool is_hidden = index < network->depth - 1;
    layer->logits = take_floats(arena, count);
    /* The cost needs logits as well as outputs; hidden layers do without the logits. */
    layer->activations = is_hidden ? layer->logits : take_floats(arena, count);
    layer->masked = is_hidden ? take_floats(arena, count) : NULL;
    layer->delta = take_floats(arena, count);
    layer->mask = take_floats(arena, layer->width);
}

static void lay_out(struct Network *network, struct Arena *arena)
{
    const struct Layer *first = network->layers, *last = first + network->depth - 1;
    ptrdiff_t largest = 0;
    for (ptrdiff_t i = 0; i < network->depth; i++) {
        const struct Layer *layer = &network->layers[i];
        const ptrdiff_t count = padded(layer->inputs) * layer->width;
        lay_out_layer(network, i, arena);
        if (i > 0 && count > largest)
            largest = count;
    }
    network->inputs = take_floats(arena, CHUNK * network->input_width);
    network->transposed = take_floats(arena, largest);
    network->gradient = take_floats(arena, network->size);
    network->targets = take_floats(arena, last->outputs * last->width);
    network->losses = take_floats(arena, last->width);
    network->class_weights = take_floats(arena, last->outputs);
    network->index.ends = take(arena, first->inputs + 1, sizeof(int32_t));
    network->index.rows = take(arena, ROW_BLOCK * first->inputs, sizeof(uint16_t));
    network->index.values = take_floats(arena, ROW_BLOCK * first->inputs);
}

/* Set the target outputs and the weight of each class. */
static void fill_classes(struct Network *network)
{
    const struct Layer *last = &network->layers[network->depth - 1];
    const float other = network->output == TANH_OUTPUT ? -1.0f : 0.0f;
    for (ptrdiff_t class = 0; class < last->outputs; class++) {
        network->class_weights[class] = 1.0f;
        for (ptrdiff_t neuron = 0; neuron < last->outputs; neuron++)
            network->targets[class * last->width + neuron] = neuron == class ? 1.0f : other;
    }
}

/* Allocate zeros. Pages that small batches never touch take no memory. */
static bool allocate(struct Network *network)
{
    struct Arena arena = {0, 0};
    lay_out(network, &arena);
    network->memory = calloc(1, arena.used + ALIGNMENT);
    if (network->memory == NULL)
        return false;
    arena.base = ((uintptr_t)network->memory + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    arena.used = 0;
    lay_out(network, &arena);
    return true;
}

struct Network *network_new(const ptrdiff_t *sizes, ptrdiff_t depth, enum Activation activation,
                            enum Output output, enum Cost cost)
{
    struct Network *network = calloc(1, sizeof *network);
    if (network == NULL)
        return NULL;
    network->layers = calloc((size_t)depth, sizeof *network->layers);
    if (network->layers == NULL) {
        network_free(network);
        return NULL;
    }
    network->depth = depth;
    network->activation = activation;
    network->output = output;
    network->cost = cost;
    network->input_width = padded(sizes[0]);
    for (ptrdiff_t i = 0; i < depth; i++) {
        struct Layer *layer = &network->layers[i];
        layer->inputs = sizes[i];
        layer->outputs = sizes[i + 1];
        layer->width = padded(sizes[i + 1]);
        layer->weights = network->size;
        network->size += (layer->inputs + 1) * layer->width;
        network->hidden += i < depth - 1 ? layer->outputs : 0;
    }
    if (!allocate(network)) {
        network_free(network);
        return NULL;
    }
    fill_classes(network);
    return network;
}

void network_free(struct Network *network)
{
    if (network == NULL)
        return;
    free(network->memory);
    free(network->layers);
    free(network);
}

void network_pack(const struct Network *network, const float *theta, float *parameters)
{
    memset(parameters, 0, (size_t)network->size * sizeof *parameters);
    for (ptrdiff_t i = 0; i < network->depth; i++) {
        const struct Layer *layer = &network->layers[i];
        float *matrix = parameters + layer->weights;
        for (ptrdiff_t out = 0; out < layer->outputs; out++)
            for (ptrdiff_t in = 0; in <= layer->inputs; in++)
                matrix[in * layer->width + out] = *theta++;
    }
}

void network_unpack(const struct Network *network, const float *parameters, float *theta)
{
    for (ptrdiff_t i = 0; i < network->depth; i++) {
        const struct Layer *layer = &network->layers[i];
        const float *matrix = parameters + layer->weights;
        for (ptrdiff_t out = 0; out < layer->outputs; out++)
            for (ptrdiff_t in = 0; in <= layer->inputs; in++)
                *theta++ = matrix[in * layer->width + out];
    }
}

int64_t examples_count_nonzeros(const struct Examples *examples)
{
    const ptrdiff_t count = examples->count * examples->features;
    int64_t nonzeros = 0;
    if (examples->bytes) {
        for (ptrdiff_t i = 0; i < count; i++)
            nonzeros += examples->bytes[i] != 0;
    } else {
        for (ptrdiff_t i = 0; i < count; i++)
            nonzeros += examples->floats[i] != 0.0f;
    }
    return nonzeros;
}

/* Append the nonzeros of one row; return their number. Writing each feature and advancing only
   past nonzeros avoids a branch that no processor predicts; it may write one element too many. */
static int64_t compress_row(const struct Examples *examples, ptrdiff_t row, const float *scaled,
                            uint16_t *indices, float *values)
{
    const ptrdiff_t features = examples->features;
    int64_t count = 0;
    if (examples->bytes) {
        const uint8_t *bytes = examples->bytes + row * features;
        for (ptrdiff_t i = 0; i < features; i++) {
            indices[count] = (uint16_t)i;
            values[count] = scaled[bytes[i]];
            count += bytes[i] != 0;
        }
    } else {
        const float *floats = examples->floats + row * features;
        for (ptrdiff_t i = 0; i < features; i++) {
            indices[count] = (uint16_t)i;
            values[count] = floats[i] / examples->scale;
            count += floats[i] != 0.0f;
        }
    }
    return count;
}

bool examples_compress(struct Examples *examples, int64_t nonzeros)
{
    const size_t rows = (size_t)examples->count + 1, elements = (size_t)nonzeros + 1;
    examples->starts = malloc(rows * sizeof *examples->starts);
    examples->indices = malloc(elements * sizeof *examples->indices);
    examples->values = malloc(elements * sizeof *examples->values);
    if (!examples->starts || !examples->indices || !examples->values) {
        examples_free(examples);
        return false;
    }
    float scaled[UINT8_MAX + 1];
    for (int i = 0; i <= UINT8_MAX; i++)
        scaled[i] = (float)i / examples->scale;
    int64_t done = 0;
    for (ptrdiff_t row = 0; row < examples->count; row++) {
        examples->starts[row] = done;
        done += compress_row(examples, row, scaled, examples->indices + done,
                             examples->values + done);
    }
    examples->starts[examples->count] = done;
    return true;
}

void examples_free(struct Examples *examples)
{
    free(examples->starts);
    free(examples->indices);
    free(examples->values);
    examples->starts = NULL;
    examples->indices = NULL;
    examples->values = NULL;
}
