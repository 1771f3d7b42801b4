/* The type Network: checks the arguments of its methods, then calls the kernels.

   The interpreter's lock stays held: a call works on the network's buffers, and takes
   milliseconds. */
#include "binding.h"

#include <string.h>

/* In the order of the enumerations. */
static const char *const ACTIVATIONS[] = {"sigmoid", "tanh", "relu", NULL};
static const char *const OUTPUTS[] = {"sigmoid", "softmax", "tanh", "linear", NULL};
static const char *const COSTS[] = {"cross-entropy", "quadratic", "log-likelihood", NULL};
static const char *const REGULARIZERS[] = {"l2", "l1", NULL};

typedef struct {
    PyObject_HEAD
    struct Network *network;
} NetworkObject;

static const struct State *state_of(PyObject *object)
{
    return PyType_GetModuleState(Py_TYPE(object));
}

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

/* Copy the classes' weights, unless there are none. Return false with an exception. */
static bool set_class_weights(struct Network *network, PyObject *object)
{
    struct Array weights = {.name = "class_weights", .format = 'f', .count = class_count(network)};
    if (object == Py_None)
        return true;
    if (!acquire(&weights, object))
        return false;
    memcpy(network->class_weights, weights.buffer.buf, (size_t)weights.buffer.len);
    PyBuffer_Release(&weights.buffer);
    return true;
}

static PyObject *network_create(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sizes", "activation", "output", "cost", "class_weights", NULL};
    PyObject *tuple, *class_weights;
    const char *activation_name, *output_name, *cost_name;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!sssO:Network", names, &PyTuple_Type, &tuple,
                                     &activation_name, &output_name, &cost_name, &class_weights))
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
    if (self->network == NULL)
        PyErr_NoMemory();
    if (self->network == NULL || !set_class_weights(self->network, class_weights)) {
        Py_DECREF(self);
        return NULL;
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
    const bool is_given = order->buffer.obj != NULL;
    *batch = (struct Batch){examples, indices, 0,
                            is_given ? element_count(order) : examples->count};
    for (ptrdiff_t i = 0; is_given && i < batch->rows; i++) {
        if (indices[i] < 0 || indices[i] >= examples->count) {
            PyErr_Format(PyExc_ValueError, "order[%zd] is %lld, but there are %zd examples", i,
                         (long long)indices[i], examples->count);
            return false;
        }
    }
    return true;
}

/* A call of a kernel: its arrays, of which parameters and order come first, and its batch. */
struct Call {
    struct Network *network;
    const struct Kernels *kernels;
    struct Array arrays[4];
    size_t count;
    struct Batch batch;
};

static struct Call new_call(PyObject *self, bool writes_parameters)
{
    struct Network *network = network_of(self);
    return (struct Call){
        .network = network,
        .kernels = state_of(self)->kernels,
        .arrays = {{.name = "parameters", .format = 'f', .writable = writes_parameters,
                    .count = network->size},
                   {.name = "order", .format = 'q', .optional = true, .count = -1}},
        .count = 2,
    };
}

static void add_array(struct Call *call, struct Array array)
{
    call->arrays[call->count++] = array;
}

/* Acquire the arrays and check the batch. Return false with an exception, all released. */
static bool begin_call(struct Call *call, PyObject *self, PyObject *examples_object,
                       PyObject *const *objects)
{
    const struct Examples *examples = examples_for(self, examples_object);
    if (examples == NULL || !acquire_all(call->arrays, objects, call->count))
        return false;
    if (set_batch(&call->batch, examples, &call->arrays[1]))
        return true;
    release_all(call->arrays, call->count);
    return false;
}

static void end_call(struct Call *call)
{
    release_all(call->arrays, call->count);
}

static void *memory(const struct Call *call, size_t index)
{
    return call->arrays[index].buffer.buf;
}

/* Read the name of a regularizer. Return false with an exception if there is none of that name. */
static bool read_regularizer(const char *name, enum Regularizer *regularizer)
{
    const int index = find_name("regularizer", name, REGULARIZERS);
    if (index >= 0)
        *regularizer = (enum Regularizer)index;
    return index >= 0;
}

/* Call a kernel that writes a row of floats for each example. */
static PyObject *write_rows(PyObject *self, PyObject *args, const char *format, ptrdiff_t columns,
                            void (*kernel)(struct Network *, const float *,
                                           const struct Batch *, float *))
{
    PyObject *objects[3], *examples;
    if (!PyArg_ParseTuple(args, format, &objects[0], &examples, &objects[1], &objects[2]))
        return NULL;
    struct Call call = new_call(self, false);
    add_array(&call, (struct Array){.name = "out", .format = 'f', .writable = true, .count = -1});
    if (!begin_call(&call, self, examples, objects))
        return NULL;
    const bool is_valid = check_count(&call.arrays[2], call.batch.rows * columns);
    if (is_valid)
        kernel(call.network, memory(&call, 0), &call.batch, memory(&call, 2));
    end_call(&call);
    return is_valid ? Py_NewRef(Py_None) : NULL;
}

static PyObject *network_outputs(PyObject *self, PyObject *args)
{
    return write_rows(self, args, "OOOO:outputs", class_count(network_of(self)),
                      state_of(self)->kernels->outputs);
}

static PyObject *network_hidden(PyObject *self, PyObject *args)
{
    return write_rows(self, args, "OOOO:hidden", network_of(self)->hidden,
                      state_of(self)->kernels->hidden);
}

static PyObject *network_evaluate(PyObject *self, PyObject *args)
{
    PyObject *objects[3], *examples;
    if (!PyArg_ParseTuple(args, "OOOO:evaluate", &objects[0], &examples, &objects[1], &objects[2]))
        return NULL;
    struct Call call = new_call(self, false);
    add_array(&call,
              (struct Array){.name = "predicted", .format = 'q', .writable = true, .count = -1});
    if (!begin_call(&call, self, examples, objects))
        return NULL;
    double cost = 0.0;
    const bool is_valid = check_count(&call.arrays[2], call.batch.rows);
    if (is_valid)
        cost = call.kernels->evaluate(call.network, memory(&call, 0), &call.batch,
                                      memory(&call, 2));
    end_call(&call);
    return is_valid ? PyFloat_FromDouble(cost) : NULL;
}

/* The dropout masks of one batch. */
static struct Array masks_of(const struct Network *network)
{
    return (struct Array){
        .name = "masks", .format = 'f', .optional = true, .count = network->hidden};
}

static PyObject *network_cost(PyObject *self, PyObject *args)
{
    PyObject *objects[3], *examples;
    if (!PyArg_ParseTuple(args, "OOOO:cost", &objects[0], &examples, &objects[1], &objects[2]))
        return NULL;
    struct Call call = new_call(self, false);
    add_array(&call, masks_of(call.network));
    if (!begin_call(&call, self, examples, objects))
        return NULL;
    const double cost =
        call.kernels->cost(call.network, memory(&call, 0), &call.batch, memory(&call, 2));
    end_call(&call);
    return PyFloat_FromDouble(cost);
}

static PyObject *network_gradient(PyObject *self, PyObject *args)
{
    PyObject *objects[4], *examples;
    const char *regularizer;
    struct Penalty penalty;
    double scale;
    if (!PyArg_ParseTuple(args, "OOOOsddO:gradient", &objects[0], &examples, &objects[1],
                          &objects[2], &regularizer, &penalty.strength, &scale, &objects[3]) ||
        !read_regularizer(regularizer, &penalty.regularizer))
        return NULL;
    struct Call call = new_call(self, false);
    add_array(&call, masks_of(call.network));
    add_array(&call, (struct Array){.name = "out", .format = 'f', .writable = true,
                                    .count = call.network->size});
    if (!begin_call(&call, self, examples, objects))
        return NULL;
    call.kernels->gradient(call.network, memory(&call, 0), &call.batch, memory(&call, 2), penalty,
                           scale, memory(&call, 3));
    end_call(&call);
    return Py_NewRef(Py_None);
}

/* Return the number of batches of an epoch's part. */
static ptrdiff_t step_count(ptrdiff_t rows, ptrdiff_t batch_size)
{
    return rows / batch_size + (rows % batch_size != 0);
}

static PyObject *network_descend(PyObject *self, PyObject *args)
{
    PyObject *objects[4], *examples;
    const char *regularizer;
    struct Descent descent;
    if (!PyArg_ParseTuple(args, "OOOndsdOO:descend", &objects[0], &examples, &objects[1],
                          &descent.batch_size, &descent.learning_rate, &regularizer,
                          &descent.penalty.strength, &objects[2], &objects[3]) ||
        !read_regularizer(regularizer, &descent.penalty.regularizer))
        return NULL;
    if (descent.batch_size < 1)
        return PyErr_Format(PyExc_ValueError, "batch_size must be at least 1, got %zd",
                            descent.batch_size);
    struct Call call = new_call(self, true);
    add_array(&call, (struct Array){.name = "masks", .format = 'f', .optional = true, .count = -1});
    add_array(&call, (struct Array){.name = "costs", .format = 'd', .writable = true,
                                    .optional = true, .count = -1});
    if (!begin_call(&call, self, examples, objects))
        return NULL;
    const ptrdiff_t steps = step_count(call.batch.rows, descent.batch_size);
    const bool is_valid = check_count(&call.arrays[2], steps * call.network->hidden) &&
                          check_count(&call.arrays[3], steps);
    if (is_valid) {
        descent.masks = memory(&call, 2);
        descent.costs = memory(&call, 3);
        call.kernels->descend(call.network, memory(&call, 0), &call.batch, &descent);
    }
    end_call(&call);
    return is_valid ? Py_NewRef(Py_None) : NULL;
}

static PyObject *network_penalty(PyObject *self, PyObject *args)
{
    PyObject *object;
    const char *name;
    enum Regularizer regularizer;
    if (!PyArg_ParseTuple(args, "Os:penalty", &object, &name) ||
        !read_regularizer(name, &regularizer))
        return NULL;
    const struct Network *network = network_of(self);
    struct Array parameters = {.name = "parameters", .format = 'f', .count = network->size};
    if (!acquire(&parameters, object))
        return NULL;
    const double total =
        state_of(self)->kernels->penalty(network, parameters.buffer.buf, regularizer);
    PyBuffer_Release(&parameters.buffer);
    return PyFloat_FromDouble(total);
}

static PyMethodDef network_methods[] = {
    {"pack", network_pack_method, METH_VARARGS, "pack(theta, parameters)"},
    {"unpack", network_unpack_method, METH_VARARGS, "unpack(parameters, theta)"},
    {"outputs", network_outputs, METH_VARARGS, "outputs(parameters, examples, order, out)"},
    {"hidden", network_hidden, METH_VARARGS, "hidden(parameters, examples, order, out)"},
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

PyType_Spec network_spec = {
    .name = "nnexp.native._kernels.Network",
    .basicsize = sizeof(NetworkObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = network_slots,
};
