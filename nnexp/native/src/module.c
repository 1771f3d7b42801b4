/* The Python module: checks arguments, then calls the kernels for this processor.

   Arrays are taken through the buffer protocol: C-contiguous, of the exact type. Every index is
   checked before it is used. The interpreter's lock stays held: a call works on the network's
   buffers, and takes milliseconds. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "network.h"

/* ---- arrays ---- */

struct Array {
    const char *name; /* of the argument */
    char format;      /* of the struct module: f, d, B or q */
    bool writable;
    bool optional;    /* may be None */
    Py_ssize_t count; /* elements it must have; negative for any number */
    Py_buffer buffer;
};

/* Return whether a buffer's elements have a format. Two codes mean a 64-bit integer. */
static bool has_format(const Py_buffer *buffer, char format)
{
    const char *actual = buffer->format ? buffer->format : "B";
    if (actual[0] == '\0' || actual[1] != '\0')
        return false;
    if (format == 'q')
        return buffer->itemsize == 8 && (actual[0] == 'q' || actual[0] == 'l');
    return actual[0] == format;
}

static Py_ssize_t element_count(const struct Array *array)
{
    return array->buffer.len / array->buffer.itemsize;
}

/* Acquire an array's memory. Return false with an exception if it does not qualify. */
static bool acquire(struct Array *array, PyObject *object)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (array->writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, &array->buffer, flags) < 0) {
        if (PyErr_ExceptionMatches(PyExc_BufferError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_ValueError, "%s must be C-contiguous%s", array->name,
                         array->writable ? " and writable" : "");
        }
        return false;
    }
    if (!has_format(&array->buffer, array->format)) {
        PyErr_Format(PyExc_TypeError, "%s must have elements of format '%c', got '%s'",
                     array->name, array->format,
                     array->buffer.format ? array->buffer.format : "B");
    } else if (array->count >= 0 && element_count(array) != array->count) {
        PyErr_Format(PyExc_ValueError, "%s must have %zd elements, got %zd", array->name,
                     array->count, element_count(array));
    } else {
        return true;
    }
    PyBuffer_Release(&array->buffer);
    return false;
}

static void release_all(struct Array *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        PyBuffer_Release(&arrays[i].buffer); /* does nothing without a buffer */
}

/* Acquire arrays; those of None have no memory. On failure release those acquired so far. */
static bool acquire_all(struct Array *arrays, PyObject *const *objects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (arrays[i].optional && objects[i] == Py_None)
            continue;
        if (!acquire(&arrays[i], objects[i])) {
            release_all(arrays, i);
            return false;
        }
    }
    return true;
}

/* ---- names ---- */

/* Return the index of a name in a list that ends with NULL, or -1 with an exception. */
static int find_name(const char *what, const char *name, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    PyErr_Format(PyExc_ValueError, "unknown %s '%s'", what, name);
    return -1;
}

/* In the order of the enumerations. */
static const char *const ACTIVATIONS[] = {"sigmoid", "tanh", "relu", NULL};
static const char *const OUTPUTS[] = {"sigmoid", "softmax", "tanh", "linear", NULL};
static const char *const COSTS[] = {"cross-entropy", "quadratic", "log-likelihood", NULL};
static const char *const REGULARIZERS[] = {"l2", "l1", NULL};
static const char *const FUNCTIONS[] = {"exp", "log", "log1p", "sigmoid", "tanh", NULL};

/* ---- module state ---- */

struct State {
    const struct Kernels *kernels;
    PyTypeObject *examples_type, *network_type;
};

static const struct State *state_of(PyObject *object)
{
    return PyType_GetModuleState(Py_TYPE(object));
}

/* ---- Examples ---- */

typedef struct {
    PyObject_HEAD
    struct Examples examples;
    int64_t classes; /* one more than the largest label */
    struct Array features, labels;
} ExamplesObject;

/* Check that labels are not negative; return one more than the largest, or -1. */
static int64_t count_classes(const int64_t *labels, ptrdiff_t count)
{
    int64_t largest = -1;
    for (ptrdiff_t i = 0; i < count; i++) {
        if (labels[i] < 0) {
            PyErr_Format(PyExc_ValueError, "labels[%zd] is negative", i);
            return -1;
        }
        largest = labels[i] > largest ? labels[i] : largest;
    }
    return largest + 1;
}

/* Acquire features of either type, (examples, features). */
static bool acquire_features(ExamplesObject *self, PyObject *object)
{
    self->features = (struct Array){.name = "features", .format = 'f', .count = -1};
    if (!acquire(&self->features, object)) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return false;
        PyErr_Clear();
        self->features.format = 'B';
        if (!acquire(&self->features, object)) {
            PyErr_SetString(PyExc_TypeError, "features must be an array of uint8 or float32");
            return false;
        }
    }
    const Py_buffer *buffer = &self->features.buffer;
    if (buffer->ndim != 2 || buffer->shape[0] < 1 || buffer->shape[1] < 1 ||
        buffer->shape[1] > MAX_SIZE) {
        PyErr_Format(PyExc_ValueError,
                     "features must have shape (examples, features) with at most %d features",
                     MAX_SIZE);
        return false;
    }
    return true;
}

/* Decide between dense and sparse inputs, from the data alone, and compress sparse ones. */
static bool set_inputs(ExamplesObject *self, double max_density)
{
    struct Examples *examples = &self->examples;
    if (examples->features > MAX_SPARSE_FEATURES)
        return true;
    const int64_t nonzeros = examples_count_nonzeros(examples);
    const double elements = (double)examples->count * (double)examples->features;
    if ((double)nonzeros > max_density * elements)
        return true;
    if (!examples_compress(examples, nonzeros)) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

static bool initialize_examples(ExamplesObject *self, PyObject *features, double scale,
                                PyObject *labels, double max_density)
{
    if (!acquire_features(self, features))
        return false;
    const Py_buffer *buffer = &self->features.buffer;
    self->labels = (struct Array){.name = "labels", .format = 'q', .count = buffer->shape[0]};
    if (!acquire(&self->labels, labels))
        return false;
    const bool is_bytes = self->features.format == 'B';
    self->examples = (struct Examples){
        .count = buffer->shape[0],
        .features = buffer->shape[1],
        .labels = self->labels.buffer.buf,
        .bytes = is_bytes ? buffer->buf : NULL,
        .floats = is_bytes ? NULL : buffer->buf,
        .scale = (float)scale,
    };
    self->classes = count_classes(self->examples.labels, self->examples.count);
    return self->classes >= 0 && set_inputs(self, max_density);
}

static PyObject *examples_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"features", "scale", "labels", "max_density", NULL};
    PyObject *features, *labels;
    double scale, max_density;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OdOd:Examples", names, &features, &scale,
                                     &labels, &max_density))
        return NULL;
    allocfunc allocate_object = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    ExamplesObject *self = (ExamplesObject *)allocate_object(type, 0);
    if (self == NULL)
        return NULL;
    if (!initialize_examples(self, features, scale, labels, max_density)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_memory = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_memory(self);
    Py_DECREF(type); /* instances own a reference to a heap type */
}

static void examples_dealloc(PyObject *object)
{
    ExamplesObject *self = (ExamplesObject *)object;
    examples_free(&self->examples);
    PyBuffer_Release(&self->features.buffer);
    PyBuffer_Release(&self->labels.buffer);
    free_object(object);
}

static Py_ssize_t examples_length(PyObject *self)
{
    return ((ExamplesObject *)self)->examples.count;
}

static PyObject *examples_is_sparse(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(((ExamplesObject *)self)->examples.starts != NULL);
}

static PyGetSetDef examples_attributes[] = {
    {"is_sparse", examples_is_sparse, NULL, "Whether only nonzero features are stored.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot examples_slots[] = {
    {Py_tp_doc, "Labelled examples; see nnexp.native.kernels."},
    {Py_tp_new, examples_new},
    {Py_tp_dealloc, examples_dealloc},
    {Py_sq_length, examples_length},
    {Py_tp_getset, examples_attributes},
    {0, NULL},
};

static PyType_Spec examples_spec = {
    .name = "nnexp.native._kernels.Examples",
    .basicsize = sizeof(ExamplesObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = examples_slots,
};

/* ---- Network ---- */

typedef struct {
    PyObject_HEAD
    struct Network *network;
} NetworkObject;

static struct Network *network_of(PyObject *self)
{
    return ((NetworkObject *)self)->network;
}

static ptrdiff_t class_count(const struct Network *network)
{
    return network->layers[network->depth - 1].outputs;
}

/* Return the length of theta: the parameters without padding. */
static ptrdiff_t theta_size(const struct Network *network)
{
    ptrdiff_t size = 0;
    for (ptrdiff_t i = 0; i < network->depth; i++)
        size += (network->layers[i].inputs + 1) * network->layers[i].outputs;
    return size;
}

/* Read the sizes of a network's layers. Return the number of them, or -1 with an exception. */
static Py_ssize_t read_sizes(PyObject *tuple, ptrdiff_t *sizes)
{
    const Py_ssize_t count = PyTuple_Size(tuple);
    if (count < 2 || count > MAX_LAYERS) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "a network must have 2 to %d sizes, got %zd",
                         MAX_LAYERS, count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        sizes[i] = PyLong_AsSsize_t(PyTuple_GetItem(tuple, i));
        if (sizes[i] == -1 && PyErr_Occurred())
            return -1;
        if (sizes[i] < 1 || sizes[i] > MAX_SIZE) {
            PyErr_Format(PyExc_ValueError, "sizes[%zd] must be from 1 to %d, got %zd", i,
                         MAX_SIZE, sizes[i]);
            return -1;
        }
    }
    return count;
}

static PyObject *network_create(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sizes", "activation", "output", "cost", NULL};
    PyObject *tuple;
    const char *activation_name, *output_name, *cost_name;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Osss:Network", names, &tuple,
                                     &activation_name, &output_name, &cost_name))
        return NULL;
    ptrdiff_t sizes[MAX_LAYERS];
    const Py_ssize_t count = read_sizes(tuple, sizes);
    const int activation = count < 0 ? -1 : find_name("activation", activation_name, ACTIVATIONS);
    const int output = activation < 0 ? -1 : find_name("output", output_name, OUTPUTS);
    const int cost = output < 0 ? -1 : find_name("cost", cost_name, COSTS);
    if (cost < 0)
        return NULL;
    allocfunc allocate_object = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    NetworkObject *self = (NetworkObject *)allocate_object(type, 0);
    if (self == NULL)
        return NULL;
    self->network = network_new(sizes, count - 1, (enum Activation)activation,
                                (enum Output)output, (enum Cost)cost);
    if (self->network == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void network_dealloc(PyObject *self)
{
    network_free(network_of(self));
    free_object(self);
}

static PyObject *network_size(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSsize_t(network_of(self)->size);
}

static PyGetSetDef network_attributes[] = {
    {"size", network_size, NULL, "The length of the parameters in the kernels' layout.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *convert_layout(PyObject *self, PyObject *args, bool packs)
{
    struct Network *network = network_of(self);
    struct Array arrays[] = {
        {.name = "theta", .format = 'f', .writable = !packs, .count = theta_size(network)},
        {.name = "parameters", .format = 'f', .writable = packs, .count = network->size},
    };
    PyObject *objects[2];
    if (!PyArg_ParseTuple(args, packs ? "OO:pack" : "OO:unpack", &objects[!packs],
                          &objects[packs]) ||
        !acquire_all(arrays, objects, 2))
        return NULL;
    if (packs)
        network_pack(network, arrays[0].buffer.buf, arrays[1].buffer.buf);
    else
        network_unpack(network, arrays[1].buffer.buf, arrays[0].buffer.buf);
    release_all(arrays, 2);
    Py_RETURN_NONE;
}

static PyObject *network_pack_method(PyObject *self, PyObject *args)
{
    return convert_layout(self, args, true);
}

static PyObject *network_unpack_method(PyObject *self, PyObject *args)
{
    return convert_layout(self, args, false);
}

/* Return examples that suit a network, or NULL with an exception. */
static const struct Examples *examples_for(PyObject *self, PyObject *object)
{
    const struct Network *network = network_of(self);
    if (!Py_IS_TYPE(object, state_of(self)->examples_type)) {
        PyErr_SetString(PyExc_TypeError, "examples must be Examples");
        return NULL;
    }
    const ExamplesObject *examples = (ExamplesObject *)object;
    if (examples->examples.features != network->layers[0].inputs) {
        PyErr_Format(PyExc_ValueError, "the network has %zd inputs, but examples have %zd features",
                     network->layers[0].inputs, examples->examples.features);
        return NULL;
    }
    if (examples->classes > class_count(network)) {
        PyErr_Format(PyExc_ValueError, "the network has %zd outputs, but a label is %lld",
                     class_count(network), (long long)examples->classes - 1);
        return NULL;
    }
    return &examples->examples;
}

/* Set a batch to the examples of an order, which it checks, or to all of them without one. */
static bool set_batch(struct Batch *batch, const struct Examples *examples,
                      const struct Array *order)
{
    const int64_t *indices = order->buffer.buf;
    *batch = (struct Batch){examples, indices, 0,
                            indices ? element_count(order) : examples->count};
    for (ptrdiff_t i = 0; indices && i < batch->rows; i++) {
        if (indices[i] < 0 || indices[i] >= examples->count) {
            PyErr_Format(PyExc_ValueError, "order[%zd] is %lld, but there are %zd examples", i,
                         (long long)indices[i], examples->count);
            return false;
        }
    }
    return true;
}

/* The arrays that all methods on examples share, in the order of their arguments. */
#define PARAMETERS(network, is_writable) \
    {.name = "parameters", .format = 'f', .writable = is_writable, .count = (network)->size}
#define ORDER {.name = "order", .format = 'q', .count = -1, .optional = true}

/* The number of elements that an array depends on, checked after both have been acquired. */
static bool check_count(const struct Array *array, ptrdiff_t count)
{
    if (array->buffer.buf == NULL || element_count(array) == count)
        return true;
    PyErr_Format(PyExc_ValueError, "%s must have %zd elements, got %zd", array->name, count,
                 element_count(array));
    return false;
}

static PyObject *network_outputs(PyObject *self, PyObject *args)
{
    struct Network *network = network_of(self);
    struct Array arrays[] = {
        PARAMETERS(network, false),
        ORDER,
        {.name = "out", .format = 'f', .writable = true, .count = -1},
    };
    PyObject *objects[3], *examples_object;
    if (!PyArg_ParseTuple(args, "OOOO:outputs", &objects[0], &examples_object, &objects[1],
                          &objects[2]))
        return NULL;
    const struct Examples *examples = examples_for(self, examples_object);
    if (examples == NULL || !acquire_all(arrays, objects, 3))
        return NULL;
    struct Batch batch;
    const bool is_valid = set_batch(&batch, examples, &arrays[1]) &&
                          check_count(&arrays[2], batch.rows * class_count(network));
    if (is_valid)
        state_of(self)->kernels->outputs(network, arrays[0].buffer.buf, &batch,
                                         arrays[2].buffer.buf);
    release_all(arrays, 3);
    if (!is_valid)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *network_evaluate(PyObject *self, PyObject *args)
{
    struct Network *network = network_of(self);
    struct Array arrays[] = {
        PARAMETERS(network, false),
        ORDER,
        {.name = "predicted", .format = 'q', .writable = true, .count = -1},
    };
    PyObject *objects[3], *examples_object;
    if (!PyArg_ParseTuple(args, "OOOO:evaluate", &objects[0], &examples_object, &objects[1],
                          &objects[2]))
        return NULL;
    const struct Examples *examples = examples_for(self, examples_object);
    if (examples == NULL || !acquire_all(arrays, objects, 3))
        return NULL;
    struct Batch batch;
    double cost = 0.0;
    const bool is_valid =
        set_batch(&batch, examples, &arrays[1]) && check_count(&arrays[2], batch.rows);
    if (is_valid)
        cost = state_of(self)->kernels->evaluate(network, arrays[0].buffer.buf, &batch,
                                                 arrays[2].buffer.buf);
    release_all(arrays, 3);
    return is_valid ? PyFloat_FromDouble(cost) : NULL;
}

static PyObject *network_cost(PyObject *self, PyObject *args)
{
    struct Network *network = network_of(self);
    struct Array arrays[] = {
        PARAMETERS(network, false),
        ORDER,
        {.name = "masks", .format = 'f', .count = network->hidden, .optional = true},
    };
    PyObject *objects[3], *examples_object;
    if (!PyArg_ParseTuple(args, "OOOO:cost", &objects[0], &examples_object, &objects[1],
                          &objects[2]))
        return NULL;
    const struct Examples *examples = examples_for(self, examples_object);
    if (examples == NULL || !acquire_all(arrays, objects, 3))
        return NULL;
    struct Batch batch;
    double cost = 0.0;
    const bool is_valid = set_batch(&batch, examples, &arrays[1]);
    if (is_valid)
        cost = state_of(self)->kernels->cost(network, arrays[0].buffer.buf, &batch,
                                             arrays[2].buffer.buf);
    release_all(arrays, 3);
    return is_valid ? PyFloat_FromDouble(cost) : NULL;
}

static PyObject *network_gradient(PyObject *self, PyObject *args)
{
    struct Network *network = network_of(self);
    struct Array arrays[] = {
        PARAMETERS(network, false),
        ORDER,
        {.name = "masks", .format = 'f', .count = network->hidden, .optional = true},
        {.name = "out", .format = 'f', .writable = true, .count = network->size},
    };
    PyObject *objects[4], *examples_object;
    const char *name;
    struct Penalty penalty;
    double scale;
    if (!PyArg_ParseTuple(args, "OOOOsddO:gradient", &objects[0], &examples_object, &objects[1],
                          &objects[2], &name, &penalty.strength, &scale, &objects[3]))
        return NULL;
    const int regularizer = find_name("regularizer", name, REGULARIZERS);
    if (regularizer < 0)
        return NULL;
    penalty.regularizer = (enum Regularizer)regularizer;
    const struct Examples *examples = examples_for(self, examples_object);
    if (examples == NULL || !acquire_all(arrays, objects, 4))
        return NULL;
    struct Batch batch;
    const bool is_valid = set_batch(&batch, examples, &arrays[1]);
    if (is_valid)
        state_of(self)->kernels->gradient(network, arrays[0].buffer.buf, &batch,
                                          arrays[2].buffer.buf, penalty, scale,
                                          arrays[3].buffer.buf);
    release_all(arrays, 4);
    if (!is_valid)
        return NULL;
    Py_RETURN_NONE;
}

/* Return the number of batches of an epoch's part. */
static ptrdiff_t step_count(ptrdiff_t rows, ptrdiff_t batch_size)
{
    return rows / batch_size + (rows % batch_size != 0);
}

static PyObject *network_descend(PyObject *self, PyObject *args)
{
    struct Network *network = network_of(self);
    struct Array arrays[] = {
        PARAMETERS(network, true),
        ORDER,
        {.name = "masks", .format = 'f', .count = -1, .optional = true},
        {.name = "costs", .format = 'd', .writable = true, .count = -1, .optional = true},
    };
    PyObject *objects[4], *examples_object;
    const char *name;
    struct Descent descent;
    if (!PyArg_ParseTuple(args, "OOOndsdOO:descend", &objects[0], &examples_object, &objects[1],
                          &descent.batch_size, &descent.learning_rate, &name,
                          &descent.penalty.strength, &objects[2], &objects[3]))
        return NULL;
    const int regularizer = find_name("regularizer", name, REGULARIZERS);
    if (regularizer < 0)
        return NULL;
    descent.penalty.regularizer = (enum Regularizer)regularizer;
    if (descent.batch_size < 1)
        return PyErr_Format(PyExc_ValueError, "batch_size must be at least 1, got %zd",
                            descent.batch_size);
    const struct Examples *examples = examples_for(self, examples_object);
    if (examples == NULL || !acquire_all(arrays, objects, 4))
        return NULL;
    struct Batch batch;
    bool is_valid = set_batch(&batch, examples, &arrays[1]);
    const ptrdiff_t steps = is_valid ? step_count(batch.rows, descent.batch_size) : 0;
    is_valid = is_valid && check_count(&arrays[2], steps * network->hidden) &&
               check_count(&arrays[3], steps);
    if (is_valid) {
        descent.masks = arrays[2].buffer.buf;
        descent.costs = arrays[3].buffer.buf;
        state_of(self)->kernels->descend(network, arrays[0].buffer.buf, &batch, &descent);
    }
    release_all(arrays, 4);
    if (!is_valid)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *network_penalty(PyObject *self, PyObject *args)
{
    struct Network *network = network_of(self);
    struct Array array = PARAMETERS(network, false);
    PyObject *object;
    const char *name;
    if (!PyArg_ParseTuple(args, "Os:penalty", &object, &name))
        return NULL;
    const int regularizer = find_name("regularizer", name, REGULARIZERS);
    if (regularizer < 0 || !acquire(&array, object))
        return NULL;
    const double total = state_of(self)->kernels->penalty(network, array.buffer.buf,
                                                          (enum Regularizer)regularizer);
    PyBuffer_Release(&array.buffer);
    return PyFloat_FromDouble(total);
}

static PyMethodDef network_methods[] = {
    {"pack", network_pack_method, METH_VARARGS, "pack(theta, parameters)"},
    {"unpack", network_unpack_method, METH_VARARGS, "unpack(parameters, theta)"},
    {"outputs", network_outputs, METH_VARARGS, "outputs(parameters, examples, order, out)"},
    {"evaluate", network_evaluate, METH_VARARGS,
     "evaluate(parameters, examples, order, predicted)"},
    {"cost", network_cost, METH_VARARGS, "cost(parameters, examples, order, masks)"},
    {"gradient", network_gradient, METH_VARARGS,
     "gradient(parameters, examples, order, masks, regularizer, strength, scale, out)"},
    {"descend", network_descend, METH_VARARGS,
     "descend(parameters, examples, order, batch_size, learning_rate, regularizer, strength, "
     "masks, costs)"},
    {"penalty", network_penalty, METH_VARARGS, "penalty(parameters, regularizer)"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot network_slots[] = {
    {Py_tp_doc, "A network and its workspace; see nnexp.native.kernels."},
    {Py_tp_new, network_create},
    {Py_tp_dealloc, network_dealloc},
    {Py_tp_methods, network_methods},
    {Py_tp_getset, network_attributes},
    {0, NULL},
};

static PyType_Spec network_spec = {
    .name = "nnexp.native._kernels.Network",
    .basicsize = sizeof(NetworkObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = network_slots,
};

/* ---- the choice of kernels ---- */

struct Choice {
    const char *name;
    const struct Kernels *kernels;
    bool is_supported;
};

/* Fill in the kernels of this architecture, fastest first; return how many there are. */
static size_t list_choices(struct Choice *choices)
{
#if defined(__x86_64__)
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    choices[0] = (struct Choice){"avx512", &kernels_avx512, avx512};
    choices[1] = (struct Choice){"avx2", &kernels_avx2, avx2};
    return 2;
#elif defined(__aarch64__)
    choices[0] = (struct Choice){"neon", &kernels_neon, true};
    return 1;
#endif
}

/* Choose the fastest supported kernels, or those that NNEXP_NATIVE_KERNELS names. */
static const struct Choice *choose(const struct Choice *choices, size_t count)
{
    const char *wanted = getenv("NNEXP_NATIVE_KERNELS");
    for (size_t i = 0; i < count; i++) {
        const bool matches = wanted == NULL || strcmp(wanted, choices[i].name) == 0;
        if (matches && choices[i].is_supported)
            return &choices[i];
    }
    if (wanted)
        PyErr_Format(PyExc_ImportError,
                     "NNEXP_NATIVE_KERNELS: this processor has no kernels named '%s'", wanted);
    else
        PyErr_SetString(PyExc_ImportError,
                        "this processor has no fused multiply-add (AVX2 with FMA)");
    return NULL;
}

/* ---- the module ---- */

static PyObject *apply(PyObject *module, PyObject *args)
{
    const struct State *state = PyModule_GetState(module);
    struct Array arrays[] = {
        {.name = "values", .format = 'f', .count = -1},
        {.name = "out", .format = 'f', .writable = true, .count = -1},
    };
    PyObject *objects[2];
    const char *name;
    if (!PyArg_ParseTuple(args, "sOO:apply", &name, &objects[0], &objects[1]))
        return NULL;
    const int function = find_name("function", name, FUNCTIONS);
    if (function < 0 || !acquire_all(arrays, objects, 2))
        return NULL;
    const ptrdiff_t count = element_count(&arrays[0]);
    bool is_valid = check_count(&arrays[1], count);
    if (is_valid && count % PADDED_TO != 0) {
        PyErr_Format(PyExc_ValueError, "values must have a multiple of %d elements", PADDED_TO);
        is_valid = false;
    }
    if (is_valid)
        state->kernels->apply((enum Function)function, count, arrays[0].buffer.buf,
                              arrays[1].buffer.buf);
    release_all(arrays, 2);
    if (!is_valid)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"apply", apply, METH_VARARGS,
     "apply(function, values, out)\n--\n\nApply an elementary function, for tests."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) < 0) {
        Py_XDECREF(type);
        return NULL;
    }
    return (PyTypeObject *)type;
}

static int module_exec(PyObject *module)
{
    struct State *state = PyModule_GetState(module);
    struct Choice choices[2];
    const struct Choice *choice = choose(choices, list_choices(choices));
    if (choice == NULL)
        return -1;
    state->kernels = choice->kernels;
    state->examples_type = add_type(module, &examples_spec);
    state->network_type = state->examples_type ? add_type(module, &network_spec) : NULL;
    if (state->network_type == NULL)
        return -1;
    return PyModule_AddStringConstant(module, "NAME", choice->name);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    const struct State *state = PyModule_GetState(module);
    Py_VISIT(state->examples_type);
    Py_VISIT(state->network_type);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct State *state = PyModule_GetState(module);
    Py_CLEAR(state->examples_type);
    Py_CLEAR(state->network_type);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_kernels",
    .m_doc = "The kernels of the native backend; see nnexp.native.kernels.",
    .m_size = sizeof(struct State),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__kernels(void);
PyMODINIT_FUNC PyInit__kernels(void)
{
    return PyModuleDef_Init(&module_definition);
}
