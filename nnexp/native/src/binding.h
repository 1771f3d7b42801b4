/* Shared by the parts of the Python module: its state, and access to the arrays of arguments. */
#ifndef NNEXP_BINDING_H
#define NNEXP_BINDING_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include "network.h"

struct State {
    const struct Kernels *kernels;
    PyTypeObject *examples_type, *network_type;
};

/* An argument that is an array, taken through the buffer protocol. */
struct Array {
    const char *name; /* of the argument */
    char format;      /* of the struct module: f, d, B or q */
    bool writable;
    bool optional;    /* may be None */
    Py_ssize_t count; /* elements it must have; negative for any number */
    Py_buffer buffer;
};

/* Acquire an array's memory. Return false with an exception if it is not C-contiguous, or its type
   or size is wrong. */
bool acquire(struct Array *array, PyObject *object);
/* Acquire arrays; those of None have no memory. On failure release those acquired so far. */
bool acquire_all(struct Array *arrays, PyObject *const *objects, size_t count);
void release_all(struct Array *arrays, size_t count);
Py_ssize_t element_count(const struct Array *array);
/* Check the size of an array, unless it is None, once the right one is known. */
bool check_count(const struct Array *array, Py_ssize_t count);

/* Return the index of a name in a list that ends with NULL, or -1 with an exception. */
int find_name(const char *what, const char *name, const char *const *names);

/* Free an instance of a heap type, which owns a reference to its type. */
void free_object(PyObject *self);

typedef struct {
    PyObject_HEAD
    struct Examples examples;
    int64_t classes; /* one more than the largest label */
    struct Array features, labels;
} ExamplesObject;

extern PyType_Spec examples_spec, network_spec;

#endif
