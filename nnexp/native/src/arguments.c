/* Arguments of the Python module: arrays and names. */
#include "binding.h"

#include <string.h>

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

Py_ssize_t element_count(const struct Array *array)
{
    return array->buffer.len / array->buffer.itemsize;
}

bool check_count(const struct Array *array, Py_ssize_t count)
{
    if (array->buffer.obj == NULL || element_count(array) == count)
        return true;
    PyErr_Format(PyExc_ValueError, "%s must have %zd elements, got %zd", array->name, count,
                 element_count(array));
    return false;
}

bool acquire(struct Array *array, PyObject *object)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (array->writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, &array->buffer, flags) < 0) {
        /* NumPy raises ValueError instead, whose message does not name the argument. */
        if (PyErr_ExceptionMatches(PyExc_BufferError) || PyErr_ExceptionMatches(PyExc_ValueError)) {
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
    } else if (array->count < 0 || check_count(array, array->count)) {
        return true;
    }
    PyBuffer_Release(&array->buffer);
    return false;
}

void release_all(struct Array *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        PyBuffer_Release(&arrays[i].buffer); /* does nothing without a buffer */
}

bool acquire_all(struct Array *arrays, PyObject *const *objects, size_t count)
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

int find_name(const char *what, const char *name, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    PyErr_Format(PyExc_ValueError, "unknown %s '%s'", what, name);
    return -1;
}

void free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_memory = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_memory(self);
    Py_DECREF(type);
}
