/* The type Examples: labelled examples, dense or sparse. */
#include "binding.h"

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

PyType_Spec examples_spec = {
    .name = "nnexp.native._kernels.Examples",
    .basicsize = sizeof(ExamplesObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = examples_slots,
};
